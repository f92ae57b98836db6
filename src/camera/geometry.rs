//! How a camera hangs: crop, mirror and quarter turns of frames in any pixel format.

use super::planes::{Crop, Padded, Plane, planes};
use super::{Losses, Source, SourceError, SourceInfo};
use crate::frame::{Frame, PixelFormat};
use crate::status::Heartbeats;

/// Which way a picture is mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mirror {
    /// Not at all.
    #[default]
    None,
    /// Left and right change places.
    Horizontal,
    /// Top and bottom change places.
    Vertical,
    /// Both, which is a half turn.
    Both,
}

impl std::str::FromStr for Mirror {
    type Err = String;

    fn from_str(text: &str) -> Result<Mirror, String> {
        match text {
            "none" => Ok(Mirror::None),
            "horizontal" => Ok(Mirror::Horizontal),
            "vertical" => Ok(Mirror::Vertical),
            "both" => Ok(Mirror::Both),
            _ => Err(format!("{text:?} is none of none, horizontal, vertical, both")),
        }
    }
}

/// How far a picture is turned, clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotation {
    /// Not at all.
    #[default]
    None,
    /// By 90 degrees: the left column becomes the top row.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

impl Rotation {
    /// From 0, 90, 180 or 270 degrees, clockwise.
    ///
    /// # Errors
    /// A sentence that says which angles there are.
    pub fn from_degrees(degrees: u32) -> Result<Rotation, String> {
        match degrees {
            0 => Ok(Rotation::None),
            90 => Ok(Rotation::Quarter),
            180 => Ok(Rotation::Half),
            270 => Ok(Rotation::ThreeQuarters),
            _ => Err(format!("{degrees} is none of the angles 0, 90, 180 and 270")),
        }
    }

    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Rotation::Quarter | Rotation::ThreeQuarters)
    }
}

/// What is done to every frame of a camera: first the crop, then the mirror, then the rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Geometry {
    /// The part that is kept, in pixels of the camera's own picture. It is widened so that no group of pixels that
    /// share their chroma is cut apart, by at most one pixel on each side.
    pub crop: Option<Crop>,
    /// The mirror.
    pub mirror: Mirror,
    /// The rotation.
    pub rotation: Rotation,
}

impl Geometry {
    /// The frame, cropped, mirrored and turned; its number, time and name stay.
    ///
    /// The pixel format stays too, but where halved chroma would no longer line up with its pixels: 4:2:2 after a
    /// quarter turn, and odd sizes mirrored, become [`PixelFormat::I444`]. So the result is always exactly the turned
    /// picture. Nothing is copied where there is nothing to do.
    ///
    /// # Errors
    /// A sentence that says why the frame cannot be used: a crop beyond it, or bytes that do not fit its size.
    pub fn apply(&self, frame: Frame) -> Result<Frame, String> {
        let frame = match self.crop {
            Some(crop) => cropped(frame, crop)?,
            None => frame,
        };
        self.turned(frame)
    }

    /// As [`Geometry::apply`], without the crop.
    pub(super) fn turned(&self, frame: Frame) -> Result<Frame, String> {
        let turn = Turn::new(self.mirror, self.rotation);
        if turn == Turn::default() {
            return Ok(frame);
        }
        frame.check().map_err(|error| error.to_string())?;
        Ok(turn.apply(frame))
    }
}

fn cropped(frame: Frame, crop: Crop) -> Result<Frame, String> {
    frame.check().map_err(|error| error.to_string())?;
    let Frame { width, height, format, .. } = frame;
    crop.check(width, height)?;
    let region = crop.aligned(format, width, height);
    if region == Crop::whole(width, height) {
        return Ok(frame);
    }
    let mut data = Vec::new();
    Padded::tight(format, width, height)
        .copy(&frame.data, region, &mut data)
        .ok_or("the frame has too few bytes")?;
    Ok(Frame { width: region.width, height: region.height, data, ..frame })
}

/// One of the eight ways to lay a rectangle down. The pixel at column x', row y' of the result comes from column a, row b
/// of the picture, (a, b) being (y', x') after `transpose` and (x', y') else, each then counted from the other end after
/// its flip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Turn {
    transpose: bool,
    flip_x: bool,
    flip_y: bool,
}

impl Turn {
    fn new(mirror: Mirror, rotation: Rotation) -> Turn {
        let (transpose, flip_x, flip_y) = match rotation {
            Rotation::None => (false, false, false),
            Rotation::Quarter => (true, false, true),
            Rotation::Half => (false, true, true),
            Rotation::ThreeQuarters => (true, true, false),
        };
        let (mirror_x, mirror_y) = match mirror {
            Mirror::None => (false, false),
            Mirror::Horizontal => (true, false),
            Mirror::Vertical => (false, true),
            Mirror::Both => (true, true),
        };
        Turn { transpose, flip_x: flip_x != mirror_x, flip_y: flip_y != mirror_y }
    }

    fn apply(self, frame: Frame) -> Frame {
        let (width, height) = (frame.width as usize, frame.height as usize);
        if !self.keeps(frame.format, width, height) {
            return self.apply(full_chroma(frame));
        }
        let mut data = Vec::with_capacity(frame.data.len());
        let mut rest = &frame.data[..];
        for &plane in planes(frame.format) {
            let (row_bytes, rows) = (plane.row_bytes(width), plane.row_count(height));
            let (bytes, after) = rest.split_at(row_bytes * rows);
            rest = after;
            match plane {
                Plane { columns: 2, bytes: 4, .. } => self.packed(frame.format, bytes, row_bytes, &mut data),
                Plane { bytes: 3, .. } => self.units::<3>(bytes, row_bytes / 3, rows, &mut data),
                Plane { bytes: 2, .. } => self.units::<2>(bytes, row_bytes / 2, rows, &mut data),
                _ => self.units::<1>(bytes, row_bytes, rows, &mut data),
            }
        }
        let (width, height) =
            if self.transpose { (frame.height, frame.width) } else { (frame.width, frame.height) };
        Frame { width, height, data, ..frame }
    }

    /// Whether the chroma samples of the result lie where its format has them.
    fn keeps(self, format: PixelFormat, width: usize, height: usize) -> bool {
        planes(format).iter().all(|plane| {
            let lines_up = |flip: bool, size: usize, step: usize| !flip || size.is_multiple_of(step);
            (!self.transpose || plane.columns == plane.rows)
                && lines_up(self.flip_x, width, plane.columns)
                && lines_up(self.flip_y, height, plane.rows)
        })
    }

    /// A plane of units of N bytes.
    fn units<const N: usize>(self, plane: &[u8], width: usize, height: usize, out: &mut Vec<u8>) {
        let (units, _) = plane.as_chunks::<N>();
        let row_of = |y: usize| {
            let y = if self.flip_y { height - 1 - y } else { y };
            &units[y * width..][..width]
        };
        if !self.transpose {
            for y in 0..height {
                let row = row_of(y);
                if self.flip_x {
                    out.extend(row.iter().rev().flatten());
                } else {
                    out.extend_from_slice(row.as_flattened());
                }
            }
            return;
        }
        let start = out.len();
        out.resize(start + plane.len(), 0);
        let (turned, _) = out[start..].as_chunks_mut::<N>();
        // In bands of the picture's rows, so that what is written stays in the cache until its lines are full.
        for band in (0..height).step_by(BAND_ROWS) {
            let rows: Vec<&[[u8; N]]> = (band..height.min(band + BAND_ROWS)).map(row_of).collect();
            for x in 0..width {
                let from = if self.flip_x { width - 1 - x } else { x };
                for (to, row) in turned[x * height + band..][..rows.len()].iter_mut().zip(&rows) {
                    *to = row[from];
                }
            }
        }
    }

    /// Groups of two pixels that share their chroma; never transposed.
    fn packed(self, format: PixelFormat, plane: &[u8], row_bytes: usize, out: &mut Vec<u8>) {
        let rows = plane.len() / row_bytes;
        let first = if format == PixelFormat::Uyvy { 1 } else { 0 };
        for y in 0..rows {
            let y = if self.flip_y { rows - 1 - y } else { y };
            let row = &plane[y * row_bytes..][..row_bytes];
            if self.flip_x {
                let (groups, _) = row.as_chunks::<4>();
                for mut group in groups.iter().rev().copied() {
                    group.swap(first, first + 2);
                    out.extend(group);
                }
            } else {
                out.extend_from_slice(row);
            }
        }
    }
}

const BAND_ROWS: usize = 64;

/// A YUV frame with its chroma repeated for every pixel.
fn full_chroma(frame: Frame) -> Frame {
    let (width, height) = (frame.width as usize, frame.height as usize);
    let source = planes(frame.format);
    // Where the samples of Y, U and V lie: their plane, and the byte in a group of it. A packed group has a second Y
    // two bytes after the first.
    let places: [(usize, usize); 3] = match frame.format {
        PixelFormat::Yuyv => [(0, 0), (0, 1), (0, 3)],
        PixelFormat::Uyvy => [(0, 1), (0, 0), (0, 2)],
        PixelFormat::Nv12 => [(0, 0), (1, 0), (1, 1)],
        _ => [(0, 0), (1, 0), (2, 0)],
    };
    let mut data = Vec::with_capacity(3 * width * height);
    for (channel, (index, byte)) in places.into_iter().enumerate() {
        let before: usize =
            source[..index].iter().map(|plane| plane.row_bytes(width) * plane.row_count(height)).sum();
        let plane = source[index];
        let second_y = if channel == 0 && plane.columns == 2 { 2 } else { 0 };
        for y in 0..height {
            let row = &frame.data[before + y / plane.rows * plane.row_bytes(width)..];
            data.extend(
                (0..width)
                    .map(|x| row[x / plane.columns * plane.bytes + byte + x % plane.columns * second_y]),
            );
        }
    }
    Frame { format: PixelFormat::I444, data, ..frame }
}

/// Any source with its frames cropped, mirrored and turned.
///
/// A crop that leaves the frame ends the stream ([`SourceError::BadCrop`]), as it will leave the next frame too; only where every
/// frame is a picture of its own, with a name, is it a [`SourceError::BrokenFrame`].
pub struct Turned<S> {
    source: S,
    geometry: Geometry,
    over: bool,
}

impl<S: Source> Turned<S> {
    /// Puts `geometry` on every frame of `source`.
    pub fn new(source: S, geometry: Geometry) -> Turned<S> {
        Turned { source, geometry, over: false }
    }
}

impl<S: Source> Source for Turned<S> {
    fn info(&self) -> &SourceInfo {
        self.source.info()
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        if self.over {
            return None;
        }
        let next = self.source.next_frame()?;
        if let (Ok(frame), Some(crop)) = (&next, self.geometry.crop)
            && frame.name.is_none()
            && let Err(reason) = crop.check(frame.width, frame.height)
        {
            self.over = true;
            return Some(Err(SourceError::BadCrop { name: self.info().name.clone(), reason }));
        }
        Some(next.and_then(|frame| {
            let number = frame.number;
            self.geometry.apply(frame).map_err(|reason| SourceError::BrokenFrame {
                name: self.info().name.clone(),
                frame: number,
                reason,
            })
        }))
    }

    fn keeps_newest(&self) -> bool {
        self.source.keeps_newest()
    }

    fn watch(&mut self, heartbeats: &Heartbeats) {
        self.source.watch(heartbeats);
    }

    fn losses(&self) -> Losses {
        self.source.losses()
    }
}

#[cfg(test)]
mod tests;
