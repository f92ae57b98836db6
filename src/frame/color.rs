//! Frames of any pixel format as interleaved RGB.

use super::{Frame, PixelFormat};

/// Why a frame cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame has no pixels.
    #[error("frame {frame} is {width}x{height} and so has no pixels: check the source")]
    Empty {
        /// Its number.
        frame: u64,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// There are more or fewer bytes than the format takes.
    #[error(
        "frame {frame}: {width}x{height} {format:?} takes {expected} bytes, but the source gave {found}: \
         check the size and the pixel format of the source"
    )]
    DataLength {
        /// Its number.
        frame: u64,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// Its pixel format.
        format: PixelFormat,
        /// Bytes that the format takes at that size.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
}

// BT.601, limited range (Y 16..235, U and V 16..240), to full-range RGB, coefficients times 2^16, rounded:
//   R = 255/219 (Y-16)                                    + 255/224 * 1.402 (V-128)
//   G = 255/219 (Y-16) - 255/224 * 0.344136 (U-128)       - 255/224 * 0.714136 (V-128)
//   B = 255/219 (Y-16) + 255/224 * 1.772 (U-128)
// The sum is at most 255 * (76309 + 132201) < 2^26, so i32 holds it; one rounding (half up) comes at the end,
// which keeps the result within 1 of the exact formula.
const Y_GAIN: i32 = 76_309;
const V_TO_R: i32 = 104_597;
const U_TO_G: i32 = 25_675;
const V_TO_G: i32 = 53_279;
const U_TO_B: i32 = 132_201;
const HALF: i32 = 1 << 15;

fn to_byte(scaled: i32) -> u8 {
    (scaled >> 16).clamp(0, 255) as u8
}

/// What a pair of chroma samples adds to R, G and B, times 2^16, rounding included.
fn chroma(u: u8, v: u8) -> [i32; 3] {
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    [V_TO_R * v + HALF, HALF - U_TO_G * u - V_TO_G * v, U_TO_B * u + HALF]
}

/// Full-range grey of a limited-range Y.
fn luma_to_gray(y: u8) -> u8 {
    to_byte(Y_GAIN * (i32::from(y) - 16) + HALF)
}

fn write_pixel(y: u8, add: [i32; 3], rgb: &mut [u8]) {
    let y = Y_GAIN * (i32::from(y) - 16);
    rgb[0] = to_byte(y + add[0]);
    rgb[1] = to_byte(y + add[1]);
    rgb[2] = to_byte(y + add[2]);
}

/// BT.601 luminance, weights times 2^16 (19595 + 38470 + 7471 = 2^16), rounded half up.
fn rgb_to_gray(r: u8, g: u8, b: u8) -> u8 {
    let [r, g, b] = [r, g, b].map(u32::from);
    ((19_595 * r + 38_470 * g + 7_471 * b + (1 << 15)) >> 16) as u8
}

/// One row of a frame, as its format lays it out.
enum Row<'a> {
    Rgb(&'a [u8]),
    Bgr(&'a [u8]),
    Gray(&'a [u8]),
    /// Groups of two pixels: places of Y, Y, U, V.
    Packed(&'a [u8], [usize; 4]),
    /// Y, and pairs of U and V for two pixels each.
    Pairs(&'a [u8], &'a [u8]),
    /// Y, U, V, a chroma sample for two pixels.
    Halved(&'a [u8], [&'a [u8]; 2]),
    /// Y, U, V.
    Full(&'a [u8], [&'a [u8]; 2]),
}

impl<'a> Row<'a> {
    /// Row `row` of a frame that [`Frame::check`] found right.
    fn of(frame: &'a Frame, row: usize) -> Row<'a> {
        let (width, height) = (frame.width as usize, frame.height as usize);
        let pairs = width.div_ceil(2);
        let line = |plane: &'a [u8], row: usize, length: usize| &plane[row * length..][..length];
        let planes = |chroma: usize| {
            let (y, uv) = frame.data.split_at(width * height);
            let (u, v) = uv.split_at(uv.len() / 2);
            (line(y, row, width), [u, v].map(|plane| line(plane, chroma, plane.len() / chroma_rows(frame))))
        };
        match frame.format {
            PixelFormat::Rgb8 => Row::Rgb(line(&frame.data, row, 3 * width)),
            PixelFormat::Bgr8 => Row::Bgr(line(&frame.data, row, 3 * width)),
            PixelFormat::Gray8 => Row::Gray(line(&frame.data, row, width)),
            PixelFormat::Yuyv => Row::Packed(line(&frame.data, row, 4 * pairs), [0, 2, 1, 3]),
            PixelFormat::Uyvy => Row::Packed(line(&frame.data, row, 4 * pairs), [1, 3, 0, 2]),
            PixelFormat::Nv12 => {
                let (y, uv) = frame.data.split_at(width * height);
                Row::Pairs(line(y, row, width), line(uv, row / 2, 2 * pairs))
            }
            PixelFormat::I420 => {
                let (y, uv) = planes(row / 2);
                Row::Halved(y, uv)
            }
            PixelFormat::I422 => {
                let (y, uv) = planes(row);
                Row::Halved(y, uv)
            }
            PixelFormat::I444 => {
                let (y, uv) = planes(row);
                Row::Full(y, uv)
            }
        }
    }

    /// Writes R, G, B of every pixel.
    fn write_rgb(&self, rgb: &mut [u8]) {
        match *self {
            Row::Rgb(pixels) => rgb.copy_from_slice(pixels),
            Row::Bgr(pixels) => {
                for (rgb, bgr) in rgb.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
                    rgb.copy_from_slice(&[bgr[2], bgr[1], bgr[0]]);
                }
            }
            Row::Gray(pixels) => {
                for (rgb, &gray) in rgb.chunks_exact_mut(3).zip(pixels) {
                    rgb.fill(gray);
                }
            }
            Row::Packed(groups, [y0, y1, u, v]) => {
                for (group, rgb) in groups.chunks_exact(4).zip(rgb.chunks_mut(6)) {
                    write_pixels(&[group[y0], group[y1]], chroma(group[u], group[v]), rgb);
                }
            }
            Row::Pairs(y, uv) => {
                for ((y, uv), rgb) in y.chunks(2).zip(uv.chunks_exact(2)).zip(rgb.chunks_mut(6)) {
                    write_pixels(y, chroma(uv[0], uv[1]), rgb);
                }
            }
            Row::Halved(y, [u, v]) => {
                for (((y, &u), &v), rgb) in y.chunks(2).zip(u).zip(v).zip(rgb.chunks_mut(6)) {
                    write_pixels(y, chroma(u, v), rgb);
                }
            }
            Row::Full(y, [u, v]) => {
                for (((&y, &u), &v), rgb) in y.iter().zip(u).zip(v).zip(rgb.chunks_exact_mut(3)) {
                    write_pixel(y, chroma(u, v), rgb);
                }
            }
        }
    }

    /// Writes the luminance of every pixel: of YUV, Y at full range.
    fn write_gray(&self, gray: &mut [u8]) {
        match *self {
            Row::Rgb(pixels) => {
                for (gray, rgb) in gray.iter_mut().zip(pixels.chunks_exact(3)) {
                    *gray = rgb_to_gray(rgb[0], rgb[1], rgb[2]);
                }
            }
            Row::Bgr(pixels) => {
                for (gray, bgr) in gray.iter_mut().zip(pixels.chunks_exact(3)) {
                    *gray = rgb_to_gray(bgr[2], bgr[1], bgr[0]);
                }
            }
            Row::Gray(pixels) => gray.copy_from_slice(pixels),
            Row::Packed(groups, [y, ..]) => {
                for (gray, &y) in gray.iter_mut().zip(groups[y..].iter().step_by(2)) {
                    *gray = luma_to_gray(y);
                }
            }
            Row::Pairs(y, _) | Row::Halved(y, _) | Row::Full(y, _) => {
                for (gray, &y) in gray.iter_mut().zip(y) {
                    *gray = luma_to_gray(y);
                }
            }
        }
    }
}

/// Rows of each chroma plane.
fn chroma_rows(frame: &Frame) -> usize {
    let height = frame.height as usize;
    if frame.format == PixelFormat::I420 { height.div_ceil(2) } else { height }
}

/// As many pixels as `rgb` has room for, with the same chroma.
fn write_pixels(y: &[u8], add: [i32; 3], rgb: &mut [u8]) {
    for (&y, rgb) in y.iter().zip(rgb.chunks_exact_mut(3)) {
        write_pixel(y, add, rgb);
    }
}

impl Frame {
    /// Checks that the frame has pixels and as many bytes as its format takes.
    ///
    /// # Errors
    /// [`FrameError`] says which of the two is wrong.
    pub fn check(&self) -> Result<(), FrameError> {
        let Frame { number, width, height, format, .. } = *self;
        if width == 0 || height == 0 {
            return Err(FrameError::Empty { frame: number, width, height });
        }
        let (expected, found) = (format.frame_bytes(width, height), self.data.len());
        if expected != found {
            return Err(FrameError::DataLength { frame: number, width, height, format, expected, found });
        }
        Ok(())
    }

    /// Writes the frame as interleaved full-range R, G, B, `3 * width * height` bytes, into `rgb`, whose memory is
    /// used again. YUV is read as BT.601 limited range (ITU-R BT.601-7); a chroma sample is repeated over the
    /// pixels that it covers. The arithmetic is in integers and meets the exact formula within 1.
    ///
    /// # Errors
    /// Those of [`Frame::check`]; `rgb` is then left as it was.
    pub fn write_rgb(&self, rgb: &mut Vec<u8>) -> Result<(), FrameError> {
        self.check()?;
        let (width, height) = (self.width as usize, self.height as usize);
        rgb.resize(3 * width * height, 0);
        for (row, rgb) in rgb.chunks_exact_mut(3 * width).enumerate() {
            Row::of(self, row).write_rgb(rgb);
        }
        Ok(())
    }

    /// Writes the frame's luminance, full range, `width * height` bytes, into `gray`, whose memory is used again: of RGB
    /// that of BT.601 (0.299 R + 0.587 G + 0.114 B, rounded), of YUV its Y.
    ///
    /// # Errors
    /// Those of [`Frame::check`]; `gray` is then left as it was.
    pub fn write_gray(&self, gray: &mut Vec<u8>) -> Result<(), FrameError> {
        self.check()?;
        let (width, height) = (self.width as usize, self.height as usize);
        gray.resize(width * height, 0);
        for (row, gray) in gray.chunks_exact_mut(width).enumerate() {
            Row::of(self, row).write_gray(gray);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(format: PixelFormat, width: u32, height: u32, data: Vec<u8>) -> Frame {
        Frame { number: 7, time: Duration::ZERO, width, height, format, data, name: None }
    }

    /// The formula of BT.601 in floating point.
    fn exact(y: u8, u: u8, v: u8) -> [f64; 3] {
        let y = (f64::from(y) - 16.0) * 255.0 / 219.0;
        let (u, v) = ((f64::from(u) - 128.0) * 255.0 / 224.0, (f64::from(v) - 128.0) * 255.0 / 224.0);
        let (kr, kb) = (0.299, 0.114);
        let kg = 1.0 - kr - kb;
        let (r, b) = (y + 2.0 * (1.0 - kr) * v, y + 2.0 * (1.0 - kb) * u);
        let g = y - 2.0 * kb * (1.0 - kb) / kg * u - 2.0 * kr * (1.0 - kr) / kg * v;
        [r, g, b].map(|value| value.clamp(0.0, 255.0))
    }

    #[test]
    fn integers_meet_the_formula_within_one() {
        let samples: Vec<u8> = (0..=255).step_by(5).collect();
        let mut wrong = Vec::new();
        for &y in &samples {
            for &u in &samples {
                for &v in &samples {
                    let mut rgb = [0; 3];
                    write_pixel(y, chroma(u, v), &mut rgb);
                    let far = rgb
                        .iter()
                        .zip(exact(y, u, v))
                        .any(|(&got, want)| (f64::from(got) - want).abs() > 1.0);
                    if far {
                        wrong.push(((y, u, v), rgb, exact(y, u, v)));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} differ, first {:?}", wrong.len(), wrong[0]);
    }

    #[test]
    fn formats_become_rgb() {
        use PixelFormat::*;
        // Limited-range white, black and pure red in YUV.
        let (white, black, red) = ([235, 128, 128], [16, 128, 128], [81, 90, 240]);
        let cases: Vec<(&str, Frame, Vec<u8>)> = vec![
            ("rgb is copied", frame(Rgb8, 1, 2, vec![1, 2, 3, 4, 5, 6]), vec![1, 2, 3, 4, 5, 6]),
            ("bgr is turned round", frame(Bgr8, 1, 2, vec![1, 2, 3, 4, 5, 6]), vec![3, 2, 1, 6, 5, 4]),
            ("grey is repeated", frame(Gray8, 2, 1, vec![9, 200]), vec![9, 9, 9, 200, 200, 200]),
            (
                "4:4:4",
                frame(I444, 3, 1, vec![white[0], black[0], red[0], 128, 128, red[1], 128, 128, red[2]]),
                vec![255, 255, 255, 0, 0, 0, 254, 0, 0],
            ),
            (
                "4:2:2, odd width: the last chroma sample serves one pixel",
                frame(I422, 3, 1, vec![235, 16, red[0], 128, red[1], 128, red[2]]),
                vec![255, 255, 255, 0, 0, 0, 254, 0, 0],
            ),
            (
                "4:2:0, odd in both: the last chroma row serves one row",
                frame(I420, 1, 3, vec![235, 16, red[0], 128, red[1], 128, red[2]]),
                vec![255, 255, 255, 0, 0, 0, 254, 0, 0],
            ),
            (
                "packed 4:2:2, odd width: the last Y means nothing",
                frame(Yuyv, 3, 1, vec![235, 128, 16, 128, red[0], red[1], 99, red[2]]),
                vec![255, 255, 255, 0, 0, 0, 254, 0, 0],
            ),
            (
                "packed 4:2:2, chroma first",
                frame(Uyvy, 3, 1, vec![128, 235, 128, 16, red[1], red[0], red[2], 99]),
                vec![255, 255, 255, 0, 0, 0, 254, 0, 0],
            ),
            (
                "4:2:0 in two planes, odd in both",
                frame(Nv12, 1, 3, vec![235, 16, red[0], 128, 128, red[1], red[2]]),
                vec![255, 255, 255, 0, 0, 0, 254, 0, 0],
            ),
        ];
        let mut rgb = vec![77; 100];
        let mut wrong = Vec::new();
        for (name, frame, expected) in cases {
            frame.write_rgb(&mut rgb).unwrap();
            if rgb != expected {
                wrong.push(format!("{name}: {rgb:?}, expected {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Y, U and V of every pixel of a frame, as planes at full size.
    fn planes_of(frame: &Frame) -> Vec<u8> {
        let (w, h) = (frame.width as usize, frame.height as usize);
        let (pairs, chroma) = (w.div_ceil(2), w.div_ceil(2) * h.div_ceil(2));
        let place = |plane: usize, x: usize, y: usize| match (frame.format, plane) {
            (PixelFormat::Yuyv, _) => y * pairs * 4 + x / 2 * 4 + [x % 2 * 2, 1, 3][plane],
            (PixelFormat::Uyvy, _) => y * pairs * 4 + x / 2 * 4 + [x % 2 * 2 + 1, 0, 2][plane],
            (_, 0) => y * w + x,
            (PixelFormat::Nv12, _) => w * h + y / 2 * pairs * 2 + x / 2 * 2 + plane - 1,
            (PixelFormat::I420, _) => w * h + (plane - 1) * chroma + y / 2 * pairs + x / 2,
            (_, _) => w * h + (plane - 1) * pairs * h + y * pairs + x / 2,
        };
        let pixels = || (0..h).flat_map(|y| (0..w).map(move |x| (x, y)));
        (0..3)
            .flat_map(|plane| pixels().map(move |(x, y)| (plane, x, y)))
            .map(|(p, x, y)| frame.data[place(p, x, y)])
            .collect()
    }

    #[test]
    fn every_packing_gives_what_the_same_pixels_give_in_planes() {
        use PixelFormat::*;
        let sizes = [(1, 1), (2, 2), (3, 3), (4, 3), (5, 2), (7, 5), (64, 2), (33, 4)];
        let mut wrong = Vec::new();
        for (width, height) in sizes {
            for format in [Yuyv, Uyvy, Nv12, I420, I422] {
                let data = (0..format.frame_bytes(width, height)).map(|i| (i * 37 % 251) as u8).collect();
                let packed = frame(format, width, height, data);
                let planes = frame(I444, width, height, planes_of(&packed));
                let [mut rgb, mut gray, mut planar_rgb, mut planar_gray] = [const { Vec::new() }; 4];
                packed.write_rgb(&mut rgb).unwrap();
                packed.write_gray(&mut gray).unwrap();
                planes.write_rgb(&mut planar_rgb).unwrap();
                planes.write_gray(&mut planar_gray).unwrap();
                if (rgb, gray) != (planar_rgb, planar_gray) {
                    wrong.push((format, width, height));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn broken_frames_are_refused() {
        let cases = [
            (
                frame(PixelFormat::Rgb8, 2, 1, vec![0; 5]),
                "frame 7: 2x1 Rgb8 takes 6 bytes, but the source gave 5",
            ),
            (
                frame(PixelFormat::I420, 3, 3, vec![0; 18]),
                "frame 7: 3x3 I420 takes 17 bytes, but the source gave 18",
            ),
            (
                frame(PixelFormat::Yuyv, 3, 2, vec![0; 12]),
                "frame 7: 3x2 Yuyv takes 16 bytes, but the source gave 12",
            ),
            (
                frame(PixelFormat::Nv12, 3, 3, vec![0; 14]),
                "frame 7: 3x3 Nv12 takes 17 bytes, but the source gave 14",
            ),
            (frame(PixelFormat::Gray8, 0, 3, vec![]), "frame 7 is 0x3 and so has no pixels"),
        ];
        for (frame, expected) in cases {
            let message = frame.write_rgb(&mut Vec::new()).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
