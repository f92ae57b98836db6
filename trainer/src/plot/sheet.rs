//! Sheets of pictures in rows, as PNG.

use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use tch::{Device, Kind, TchError, Tensor};

use super::PlotError;

/// Pixels between pictures.
const GAP: u32 = 4;
const FRAME: u32 = 3;
const PAPER: u8 = 255;

/// A picture in RGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `[height, width, 3]`.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// The picture inside a frame of one colour.
    pub fn framed(&self, color: [u8; 3]) -> Picture {
        let (width, height) = (self.width + 2 * FRAME, self.height + 2 * FRAME);
        let mut framed = Picture { width, height, rgb: color.repeat((width * height) as usize) };
        framed.put(self, FRAME, FRAME);
        framed
    }

    fn put(&mut self, other: &Picture, x: u32, y: u32) {
        let row_bytes = 3 * other.width as usize;
        for (row, pixels) in other.rgb.chunks_exact(row_bytes.max(1)).enumerate() {
            let start = 3 * ((y as usize + row) * self.width as usize + x as usize);
            self.rgb[start..start + row_bytes].copy_from_slice(pixels);
        }
    }
}

/// Writes rows of pictures on white, rows and columns aligned.
///
/// # Errors
/// [`PlotError::File`].
pub fn sheet(path: &Path, rows: &[Vec<Picture>]) -> Result<(), PlotError> {
    let sheet = arranged(rows);
    write_png(path, &sheet.rgb, (sheet.width, sheet.height), ExtendedColorType::Rgb8)
}

/// Writes a map `[H,W]` of values from 0 (black) to `largest` (white).
///
/// # Errors
/// [`PlotError::File`].
pub fn gray_png(path: &Path, map: &Tensor, largest: f64) -> Result<(), PlotError> {
    let error = |reason: TchError| PlotError::File { path: path.to_path_buf(), reason: reason.to_string() };
    let gray = || {
        let gray = map.f_mul_scalar(255.0 / largest)?.f_round()?.f_clamp(0.0, 255.0)?;
        let gray = gray.f_to_kind(Kind::Uint8)?.f_to_device(Device::Cpu)?.f_contiguous()?;
        let mut bytes = vec![0_u8; gray.numel()];
        gray.f_copy_data(&mut bytes, gray.numel())?;
        Ok((gray.size2()?, bytes))
    };
    let ((height, width), bytes) = gray().map_err(error)?;
    write_png(path, &bytes, (width as u32, height as u32), ExtendedColorType::L8)
}

fn write_png(
    path: &Path,
    pixels: &[u8],
    size: (u32, u32),
    color: ExtendedColorType,
) -> Result<(), PlotError> {
    let error = |reason: String| PlotError::File { path: path.to_path_buf(), reason };
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new(&mut bytes);
    encoder.write_image(pixels, size.0, size.1, color).map_err(|reason| error(reason.to_string()))?;
    std::fs::write(path, bytes).map_err(|reason| error(reason.to_string()))
}

fn arranged(rows: &[Vec<Picture>]) -> Picture {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let column_width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|p| p.width).max().unwrap_or(0);
    let widths: Vec<u32> = (0..columns).map(column_width).collect();
    let heights: Vec<u32> = rows.iter().map(|row| row.iter().map(|p| p.height).max().unwrap_or(0)).collect();
    let total = |sizes: &[u32]| sizes.iter().sum::<u32>() + GAP * (sizes.len() as u32 + 1);
    let (width, height) = (total(&widths), total(&heights));
    let mut sheet = Picture { width, height, rgb: vec![PAPER; 3 * (width * height) as usize] };
    let mut y = GAP;
    for (row, row_height) in rows.iter().zip(heights) {
        let mut x = GAP;
        for (picture, column_width) in row.iter().zip(&widths) {
            sheet.put(picture, x, y);
            x += column_width + GAP;
        }
        y += row_height + GAP;
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_in_rows() {
        let plain =
            |width, height, value| Picture { width, height, rgb: vec![value; 3 * (width * height) as usize] };
        let rows = [vec![plain(2, 3, 10), plain(1, 1, 20)], vec![plain(4, 1, 30)]];
        let sheet = arranged(&rows);
        assert_eq!((sheet.width, sheet.height), (4 + 1 + 3 * GAP, 3 + 1 + 3 * GAP));
        let at = |x: u32, y: u32| sheet.rgb[3 * (y * sheet.width + x) as usize];
        assert_eq!([at(0, 0), at(GAP, GAP), at(GAP + 2, GAP)], [PAPER, 10, PAPER]);
        assert_eq!(
            [at(4 + 2 * GAP, GAP), at(4 + 2 * GAP, GAP + 1), at(GAP + 3, 3 + 2 * GAP)],
            [20, PAPER, 30]
        );
        assert_eq!(arranged(&[]).rgb.len(), 3 * (GAP * GAP) as usize);
    }

    #[test]
    fn a_sheet_is_a_png() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        let picture = Picture { width: 5, height: 4, rgb: (0..60).collect() };
        sheet(&path, &[vec![picture.clone(), picture.framed([1, 2, 3])]]).unwrap();
        let read = image::open(&path).unwrap().to_rgb8();
        assert_eq!(read.dimensions(), (5 + 11 + 3 * GAP, 10 + 2 * GAP));
        assert_eq!(read.get_pixel(GAP + 1, GAP).0, [3, 4, 5]);
        assert!(sheet(&folder.path().join("missing/sheet.png"), &[]).is_err());
    }
}
