//! The part of a frame that is looked at.

/// A rectangle of a frame, in its pixels. Chroma that serves several pixels serves the same ones inside a crop: a crop is
/// one of the frame in RGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Crop {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
}

impl Crop {
    /// A whole frame.
    pub fn whole(width: u32, height: u32) -> Crop {
        Crop { x: 0, y: 0, width, height }
    }

    /// Whether it has pixels and lies inside a frame of `width` x `height` pixels.
    pub fn fits(&self, width: u32, height: u32) -> bool {
        let inside = |first: u32, length: u32, limit: u32| {
            length > 0 && first.checked_add(length).is_some_and(|end| end <= limit)
        };
        inside(self.x, self.width, width) && inside(self.y, self.height, height)
    }
}
