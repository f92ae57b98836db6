//! CVAT's run-lengths: one class within its bounding box, row by row.

use std::fmt::Write;

use crate::mask::Mask;

/// The pixels of one class inside of its bounding box, as CVAT's annotations hold them (`<mask>` of "CVAT for images").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CvatRle {
    /// Left edge of the box in pixels.
    pub left: u32,
    /// Upper edge of the box in pixels.
    pub top: u32,
    /// Width of the box in pixels, at least 1.
    pub width: u32,
    /// Height of the box in pixels, at least 1.
    pub height: u32,
    /// Pixels outside, inside, outside, ... along the rows of the box, the upper one first; their sum is
    /// `width * height`.
    pub counts: Vec<u32>,
}

impl CvatRle {
    /// Every class that occurs in `mask`, by its id.
    pub fn of_classes(mask: &Mask) -> Vec<(u8, CvatRle)> {
        let width = mask.width as usize;
        // First and last column and row of each class.
        let mut edges = [[usize::MAX, usize::MAX, 0, 0]; 256];
        for (y, row) in mask.data.chunks_exact(width.max(1)).enumerate() {
            for (x, &id) in row.iter().enumerate() {
                let [x0, y0, x1, y1] = &mut edges[usize::from(id)];
                (*x0, *y0) = ((*x0).min(x), (*y0).min(y));
                (*x1, *y1) = ((*x1).max(x), y);
            }
        }
        let occur = (0..=255_u8).zip(edges).filter(|(_, [x0, ..])| *x0 != usize::MAX);
        occur.map(|(id, edges)| (id, CvatRle::within(mask, id, edges))).collect()
    }

    fn within(mask: &Mask, class: u8, [x0, y0, x1, y1]: [usize; 4]) -> CvatRle {
        let rows = mask.data.chunks_exact(mask.width as usize).skip(y0).take(y1 - y0 + 1);
        let (mut counts, mut inside, mut length) = (Vec::new(), false, 0);
        for &id in rows.flat_map(|row| &row[x0..=x1]) {
            if (id == class) != inside {
                counts.push(length);
                (inside, length) = (!inside, 0);
            }
            length += 1;
        }
        counts.push(length);
        let [left, top, width, height] = [x0, y0, x1 - x0 + 1, y1 - y0 + 1].map(|edge| edge as u32);
        CvatRle { left, top, width, height, counts }
    }

    /// The counts as CVAT's `rle` attribute holds them: `3, 1, 4`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (index, count) in self.counts.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{count}", if index > 0 { ", " } else { "" });
        }
        text
    }
}
