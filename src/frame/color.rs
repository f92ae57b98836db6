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
pub(super) fn luma_to_gray(y: u8) -> u8 {
    to_byte(Y_GAIN * (i32::from(y) - 16) + HALF)
}

fn write_pixel(y: u8, add: [i32; 3], rgb: &mut [u8]) {
    let y = Y_GAIN * (i32::from(y) - 16);
    rgb[0] = to_byte(y + add[0]);
    rgb[1] = to_byte(y + add[1]);
    rgb[2] = to_byte(y + add[2]);
}

/// One row whose chroma samples each serve two neighbouring pixels.
fn write_row_halved(y: &[u8], u: &[u8], v: &[u8], rgb: &mut [u8]) {
    for (((y, &u), &v), rgb) in y.chunks(2).zip(u).zip(v).zip(rgb.chunks_mut(6)) {
        let add = chroma(u, v);
        for (&y, rgb) in y.iter().zip(rgb.chunks_exact_mut(3)) {
            write_pixel(y, add, rgb);
        }
    }
}

/// One row with chroma samples of its own for every pixel.
fn write_row_full(y: &[u8], u: &[u8], v: &[u8], rgb: &mut [u8]) {
    for (((&y, &u), &v), rgb) in y.iter().zip(u).zip(v).zip(rgb.chunks_exact_mut(3)) {
        write_pixel(y, chroma(u, v), rgb);
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
        // Columns of a chroma row, and rows of the picture that one chroma row serves.
        let (columns, rows) = match self.format {
            PixelFormat::Rgb8 => {
                rgb.copy_from_slice(&self.data);
                return Ok(());
            }
            PixelFormat::Gray8 => {
                for (rgb, &gray) in rgb.chunks_exact_mut(3).zip(&self.data) {
                    rgb.fill(gray);
                }
                return Ok(());
            }
            PixelFormat::I420 => (width.div_ceil(2), 2),
            PixelFormat::I422 => (width.div_ceil(2), 1),
            PixelFormat::I444 => (width, 1),
        };
        let (y, uv) = self.data.split_at(width * height);
        let (u, v) = uv.split_at(uv.len() / 2);
        for (row, rgb) in rgb.chunks_exact_mut(3 * width).enumerate() {
            let at = row / rows * columns;
            let y = &y[row * width..][..width];
            let (u, v) = (&u[at..][..columns], &v[at..][..columns]);
            if columns == width {
                write_row_full(y, u, v, rgb);
            } else {
                write_row_halved(y, u, v, rgb);
            }
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

    #[test]
    fn halved_chroma_equals_repeated_chroma() {
        let sizes = [(1, 1), (2, 2), (3, 3), (4, 3), (5, 2), (7, 5)];
        let mut wrong = Vec::new();
        for (width, height) in sizes {
            for (format, columns, rows) in [(PixelFormat::I420, 2, 2), (PixelFormat::I422, 2, 1)] {
                let data: Vec<u8> =
                    (0..format.frame_bytes(width, height)).map(|i| (i * 37 % 251) as u8).collect();
                let (w, h) = (width as usize, height as usize);
                let (cw, ch) = (w.div_ceil(columns), h.div_ceil(rows));
                let mut full = data[..w * h].to_vec();
                for plane in 0..2 {
                    for y in 0..h {
                        for x in 0..w {
                            full.push(data[w * h + plane * cw * ch + y / rows * cw + x / columns]);
                        }
                    }
                }
                let (mut halved, mut repeated) = (Vec::new(), Vec::new());
                frame(format, width, height, data).write_rgb(&mut halved).unwrap();
                frame(PixelFormat::I444, width, height, full).write_rgb(&mut repeated).unwrap();
                if halved != repeated {
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
            (frame(PixelFormat::Gray8, 0, 3, vec![]), "frame 7 is 0x3 and so has no pixels"),
        ];
        for (frame, expected) in cases {
            let message = frame.write_rgb(&mut Vec::new()).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
