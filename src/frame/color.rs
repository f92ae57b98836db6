//! Frames of any pixel format row by row, and whole as interleaved RGB or as grey.

use super::{Frame, PixelFormat};
use crate::kernels::{PixelRow, generic};

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

    /// `width` pixels of row `row` from `column` on, which is even. The frame is one that [`Frame::check`] finds right.
    pub(super) fn row(&self, row: usize, column: usize, width: usize) -> PixelRow<'_> {
        let (columns, rows) = (self.width as usize, self.height as usize);
        let pairs = columns.div_ceil(2);
        let (first, count) = (column / 2, width.div_ceil(2));
        // So many bytes of a plane of rows of `length` bytes, the plane beginning at `plane`.
        let part = |plane: usize, row: usize, length: usize, first: usize, count: usize| {
            &self.data[plane + row * length + first..][..count]
        };
        let luma = || part(0, row, columns, column, width);
        let area = columns * rows;
        let halved = |row: usize, plane_rows: usize| PixelRow::Halved {
            y: luma(),
            u: part(area, row, pairs, first, count),
            v: part(area + plane_rows * pairs, row, pairs, first, count),
        };
        match self.format {
            PixelFormat::Rgb8 => PixelRow::Rgb(part(0, row, 3 * columns, 3 * column, 3 * width)),
            PixelFormat::Bgr8 => PixelRow::Bgr(part(0, row, 3 * columns, 3 * column, 3 * width)),
            PixelFormat::Gray8 => PixelRow::Gray(luma()),
            PixelFormat::Yuyv => PixelRow::Yuyv(part(0, row, 4 * pairs, 4 * first, 4 * count)),
            PixelFormat::Uyvy => PixelRow::Uyvy(part(0, row, 4 * pairs, 4 * first, 4 * count)),
            PixelFormat::Nv12 => {
                PixelRow::Pairs { y: luma(), uv: part(area, row / 2, 2 * pairs, 2 * first, 2 * count) }
            }
            PixelFormat::I420 => halved(row / 2, rows.div_ceil(2)),
            PixelFormat::I422 => halved(row, rows),
            PixelFormat::I444 => PixelRow::Full {
                y: luma(),
                u: part(area, row, columns, column, width),
                v: part(2 * area, row, columns, column, width),
            },
        }
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
            generic::pixels::rgb_row(self.row(row, 0, width), rgb);
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
            generic::pixels::gray_row(self.row(row, 0, width), gray);
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
