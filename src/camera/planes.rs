//! Which planes a pixel format has, and a region's way out of rows that may be padded.

use crate::frame::PixelFormat;

/// One plane of a format: groups of bytes, each for `columns` x `rows` pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plane {
    pub(super) columns: usize,
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

const fn plane(columns: usize, rows: usize, bytes: usize) -> Plane {
    Plane { columns, rows, bytes }
}

impl Plane {
    /// Bytes of a row without padding, for a picture of `width` pixels.
    pub(super) fn row_bytes(self, width: usize) -> usize {
        width.div_ceil(self.columns) * self.bytes
    }

    /// Rows of the plane, for a picture of `height` pixels.
    pub(super) fn row_count(self, height: usize) -> usize {
        height.div_ceil(self.rows)
    }
}

/// The planes of a format in their order in memory; the first has the most bytes a row.
pub(super) fn planes(format: PixelFormat) -> &'static [Plane] {
    match format {
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => const { &[plane(1, 1, 3)] },
        PixelFormat::Gray8 => const { &[plane(1, 1, 1)] },
        PixelFormat::Yuyv | PixelFormat::Uyvy => const { &[plane(2, 1, 4)] },
        PixelFormat::Nv12 => const { &[plane(1, 1, 1), plane(2, 2, 2)] },
        PixelFormat::I420 => const { &[plane(1, 1, 1), plane(2, 2, 1), plane(2, 2, 1)] },
        PixelFormat::I422 => const { &[plane(1, 1, 1), plane(2, 1, 1), plane(2, 1, 1)] },
        PixelFormat::I444 => const { &[plane(1, 1, 1), plane(1, 1, 1), plane(1, 1, 1)] },
    }
}

/// A rectangle of pixels in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns, above 0.
    pub width: u32,
    /// Rows, above 0.
    pub height: u32,
}

impl Crop {
    /// All of a picture.
    pub(super) fn whole(width: u32, height: u32) -> Crop {
        Crop { x: 0, y: 0, width, height }
    }

    /// Checks that the region has pixels and lies inside a picture of this size.
    pub(super) fn check(self, width: u32, height: u32) -> Result<(), String> {
        let Crop { x, y, width: columns, height: rows } = self;
        if columns == 0 || rows == 0 {
            return Err(format!("the crop of {columns}x{rows} has no pixels"));
        }
        let inside = |from: u32, count: u32, of: u32| u64::from(from) + u64::from(count) <= u64::from(of);
        if !inside(x, columns, width) || !inside(y, rows, height) {
            return Err(format!(
                "the crop of {columns}x{rows} at {x},{y} reaches beyond the picture of {width}x{height}"
            ));
        }
        Ok(())
    }

    /// The smallest region around this one that cuts no group of pixels of `format` apart, in a picture of this size
    /// that holds it.
    pub(super) fn aligned(self, format: PixelFormat, width: u32, height: u32) -> Crop {
        let columns = planes(format).iter().map(|plane| plane.columns).max().unwrap_or(1) as u32;
        let rows = planes(format).iter().map(|plane| plane.rows).max().unwrap_or(1) as u32;
        let widen = |from: u32, count: u32, step: u32, of: u32| {
            let first = from / step * step;
            (first, (from + count).next_multiple_of(step).min(of) - first)
        };
        let (x, width) = widen(self.x, self.width, columns, width);
        let (y, height) = widen(self.y, self.height, rows, height);
        Crop { x, y, width, height }
    }
}

/// A picture as a driver lays it out: rows of the first plane begin every `bytes_per_line` bytes, those of the others in
/// proportion, and the planes follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Padded {
    pub(super) format: PixelFormat,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bytes_per_line: usize,
}

impl Padded {
    /// A picture without padding.
    pub(super) fn tight(format: PixelFormat, width: u32, height: u32) -> Padded {
        let bytes_per_line = planes(format).first().map_or(0, |first| first.row_bytes(width as usize));
        Padded { format, width, height, bytes_per_line }
    }

    /// Bytes from the start of one row of a plane to the next.
    fn stride(&self, plane: Plane) -> usize {
        let width = self.width as usize;
        match planes(self.format) {
            // Without padding the rule below would round the chroma rows of odd widths down.
            [first, ..] if self.bytes_per_line <= first.row_bytes(width) => plane.row_bytes(width),
            [first, ..] => self.bytes_per_line * plane.bytes * first.columns / (plane.columns * first.bytes),
            [] => 0,
        }
    }

    /// Least number of bytes that hold the whole picture; the last row's padding is not needed.
    pub(super) fn bytes(&self) -> usize {
        let (width, height) = (self.width as usize, self.height as usize);
        let mut start = 0;
        let mut end = 0;
        for &plane in planes(self.format) {
            let rows = plane.row_count(height);
            end = start + self.stride(plane) * rows.saturating_sub(1) + plane.row_bytes(width);
            start += self.stride(plane) * rows;
        }
        end
    }

    /// Copies `region`, which [`Crop::check`] and [`Crop::aligned`] have passed, into `out` without padding; `out`'s
    /// memory is used again. `None`, and nothing of use in `out`, where `data` is shorter than [`Padded::bytes`].
    pub(super) fn copy(&self, data: &[u8], region: Crop, out: &mut Vec<u8>) -> Option<()> {
        out.clear();
        out.reserve(self.format.frame_bytes(region.width, region.height));
        let mut start = 0;
        for &plane in planes(self.format) {
            let stride = self.stride(plane);
            let first_row = region.y as usize / plane.rows;
            let first_byte = region.x as usize / plane.columns * plane.bytes;
            let (rows, row_bytes) =
                (plane.row_count(region.height as usize), plane.row_bytes(region.width as usize));
            if first_byte == 0 && row_bytes == stride {
                out.extend_from_slice(data.get(start + first_row * stride..)?.get(..rows * stride)?);
            } else {
                for row in first_row..first_row + rows {
                    out.extend_from_slice(data.get(start + row * stride + first_byte..)?.get(..row_bytes)?);
                }
            }
            start += stride * plane.row_count(self.height as usize);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::testing::report;

    #[test]
    fn formats_take_the_bytes_of_their_planes() {
        report(PixelFormat::ALL.into_iter().flat_map(|format| {
            [(1, 1), (2, 2), (3, 5), (8, 4)].into_iter().filter_map(move |(width, height)| {
                let (got, want) =
                    (Padded::tight(format, width, height).bytes(), format.frame_bytes(width, height));
                (got != want).then(|| format!("{format:?} {width}x{height}: {got} bytes, not {want}"))
            })
        }));
    }

    #[test]
    fn regions_widen_to_whole_groups() {
        let crop = |x, y, width, height| Crop { x, y, width, height };
        let cases = [
            (PixelFormat::Rgb8, crop(1, 1, 3, 3), crop(1, 1, 3, 3)),
            (PixelFormat::Yuyv, crop(1, 1, 3, 3), crop(0, 1, 4, 3)),
            (PixelFormat::Nv12, crop(1, 1, 3, 3), crop(0, 0, 4, 4)),
            (PixelFormat::I420, crop(6, 4, 1, 1), crop(6, 4, 1, 1)),
            (PixelFormat::I420, crop(2, 2, 2, 2), crop(2, 2, 2, 2)),
        ];
        report(cases.into_iter().filter_map(|(format, given, want)| {
            let got = given.aligned(format, 7, 5);
            (got != want).then(|| format!("{format:?} {given:?}: {got:?}, not {want:?}"))
        }));
    }

    #[test]
    fn regions_are_checked() {
        let cases = [
            (Crop { x: 0, y: 0, width: 8, height: 4 }, "Ok(())"),
            (Crop { x: 7, y: 3, width: 1, height: 1 }, "Ok(())"),
            (Crop { x: 7, y: 0, width: 2, height: 1 }, "reaches beyond the picture of 8x4"),
            (Crop { x: 0, y: 1, width: 1, height: 4 }, "reaches beyond the picture of 8x4"),
            (Crop { x: u32::MAX, y: 0, width: u32::MAX, height: 1 }, "reaches beyond the picture of 8x4"),
            (Crop { x: 0, y: 0, width: 0, height: 1 }, "has no pixels"),
        ];
        report(cases.into_iter().filter_map(|(crop, want)| {
            let got = format!("{:?}", crop.check(8, 4));
            (!got.contains(want)).then(|| format!("{crop:?}: {got}"))
        }));
    }

    #[test]
    fn padded_rows_are_copied_tight() {
        let whole = |width, height| Crop { x: 0, y: 0, width, height };
        // Each byte's value is its offset; 255 is never copied.
        type Case<'a> = (&'a str, PixelFormat, (u32, u32), usize, Crop, Vec<u8>);
        let cases: Vec<Case> = vec![
            ("no padding", PixelFormat::Gray8, (2, 2), 2, whole(2, 2), vec![0, 1, 2, 3]),
            ("padding", PixelFormat::Gray8, (2, 2), 3, whole(2, 2), vec![0, 1, 3, 4]),
            ("a line length of 0 is none", PixelFormat::Rgb8, (1, 2), 0, whole(1, 2), vec![0, 1, 2, 3, 4, 5]),
            (
                "packed",
                PixelFormat::Yuyv,
                (4, 2),
                10,
                Crop { x: 2, y: 0, width: 2, height: 2 },
                vec![4, 5, 6, 7, 14, 15, 16, 17],
            ),
            ("interleaved chroma", PixelFormat::Nv12, (2, 2), 4, whole(2, 2), vec![0, 1, 4, 5, 8, 9]),
            ("planes of halved lines", PixelFormat::I420, (2, 2), 4, whole(2, 2), vec![0, 1, 4, 5, 8, 10]),
            (
                "a corner of planes",
                PixelFormat::I420,
                (4, 4),
                4,
                Crop { x: 2, y: 2, width: 2, height: 2 },
                vec![10, 11, 14, 15, 19, 23],
            ),
            ("odd planes", PixelFormat::I420, (3, 1), 3, whole(3, 1), vec![0, 1, 2, 3, 4, 5, 6]),
        ];
        report(cases.into_iter().filter_map(
            |(name, format, (width, height), bytes_per_line, region, want)| {
                let padded = Padded { format, width, height, bytes_per_line };
                let data: Vec<u8> = (0..padded.bytes() as u8).collect();
                let mut out = vec![255; 3];
                let copied = padded.copy(&data, region, &mut out);
                let short = padded.copy(&data[..data.len() - 1], whole(width, height), &mut Vec::new());
                (copied.is_none() || out != want || short.is_some())
                    .then(|| format!("{name}: {copied:?} {out:?}, short {short:?}"))
            },
        ));
    }
}
