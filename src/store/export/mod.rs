//! From a store of masks to files that other tools read.
//!
//! | format | file | read by |
//! |---|---|---|
//! | [`Format::Png`] | a folder of indexed PNG with its index, itself a store | anything |
//! | [`Format::Coco`] | JSON with compressed run-lengths, an annotation for each class of a mask | pycocotools, Datumaro, FiftyOne |
//! | [`Format::Cvat`] | `annotations.xml` of "CVAT for images 1.1" | CVAT |
//! | [`Format::Csv`] | a line a mask: its times, the share of each class | spreadsheets, pandas |
//! | [`Format::Sheet`] | a PNG of small pictures of masks from the whole time | people |
//! | [`Format::Y4m`] | a video of the masks, or of the frames with the masks over them | ffmpeg, mpv, `sedge run` |
//!
//! All of them take one mask at a time, so that a store may be of any length, and appear under their names when they are
//! whole.

mod annotations;
mod coco;
mod cvat;
mod error;
mod folder;
mod frames;
mod masks;
mod output;
mod pictures;
mod segments;
mod selection;
mod shares;
mod sheet;
mod time;
mod video;

use std::path::{Component, Path};

pub use error::{Damage, ExportError, ReadError};
pub use frames::FrameFeed;
pub use masks::Masks;
pub use time::utc;

use crate::mask::Class;
use crate::store::StoredMask;
use selection::Selection;

/// What masks are exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder of indexed PNG.
    Png,
    /// COCO's JSON.
    Coco,
    /// CVAT's XML.
    Cvat,
    /// Shares of the classes as comma-separated values.
    Csv,
    /// A contact sheet, one PNG.
    Sheet,
    /// An uncompressed video.
    Y4m,
}

/// Which masks are exported, and how.
#[derive(Default)]
pub struct Options {
    /// Names of the classes that are exported; all without it. Pixels of the others become background.
    pub classes: Option<Vec<String>>,
    /// The first mask, by its place in the store.
    pub from: Option<u64>,
    /// The last mask, by its place in the store.
    pub to: Option<u64>,
    /// Whether an export that is there is replaced.
    pub overwrite: bool,
    /// For a video, the frames under the masks; black without them.
    pub frames: Option<FrameFeed>,
    /// For a video, frames per second; those of `frames`, or 10, without it.
    pub fps: Option<f64>,
}

/// What came of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Masks in it.
    pub masks: u64,
    /// Damaged masks that were passed over.
    pub damaged: u64,
    /// Places in the store of the first and the last mask.
    pub range: Option<(u64, u64)>,
    /// Bytes written.
    pub bytes: u64,
}

/// One format's way to take masks.
trait Exporter {
    /// Takes the next mask.
    fn put(&mut self, stored: &StoredMask) -> Result<(), ExportError>;
    /// Gives the export its name; returns its bytes.
    fn finish(self: Box<Self>) -> Result<u64, ExportError>;
}

/// What happens on the way, for whoever watches.
#[derive(Debug)]
pub enum Event<'a> {
    /// One more mask is in the export.
    Exported,
    /// A damaged mask is passed over.
    Damaged(&'a ReadError),
}

/// Writes masks to `out`, which is a folder for [`Format::Png`] and a file else.
///
/// # Errors
/// [`ExportError`]. There is then no file at `out` but the one that was there; in a folder of pictures those before the
/// error are whole and listed.
pub fn export(
    mut masks: Masks,
    format: Format,
    out: &Path,
    mut options: Options,
    watch: &mut dyn FnMut(Event),
) -> Result<Summary, ExportError> {
    if is_of_store(masks.folder(), out) {
        return Err(ExportError::OwnStore { path: out.to_owned() });
    }
    masks.skip_to(options.from.unwrap_or(0))?;
    // The export begins with the first whole mask, so that an empty store leaves nothing behind.
    let mut begun: Option<(Vec<Class>, Box<dyn Exporter>)> = None;
    let mut summary = Summary::default();
    while let Some(stored) = masks.next() {
        let stored = match stored {
            Ok(stored) => stored,
            Err(error) if error.is_damage() => {
                summary.damaged += 1;
                watch(Event::Damaged(&error));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let sequence = stored.sequence;
        if options.to.is_some_and(|to| sequence > to) {
            break;
        }
        let (classes, exporter) = match &mut begun {
            Some(begun) => begun,
            None => {
                let classes = masks.classes().to_vec();
                let selection = Selection::new(&classes, options.classes.as_deref())?;
                let exporter = exporter(format, out, selection, &mut options)?;
                begun.insert((classes, exporter))
            }
        };
        if masks.classes() != classes {
            return Err(ExportError::OtherClasses { sequence });
        }
        exporter.put(&stored)?;
        summary.masks += 1;
        summary.range = Some((summary.range.map_or(sequence, |(first, _)| first), sequence));
        watch(Event::Exported);
    }
    let Some((_, exporter)) = begun else {
        let range = match (options.from, options.to) {
            (None, None) => String::new(),
            (from, None) => format!(" from {} on", from.unwrap_or(0)),
            (from, Some(to)) => format!(" from {} to {to}", from.unwrap_or(0)),
        };
        return Err(ExportError::Nothing { folder: masks.folder().to_owned(), range });
    };
    summary.bytes = exporter.finish()?;
    Ok(summary)
}

/// Begins an export.
fn exporter(
    format: Format,
    out: &Path,
    selection: Selection,
    options: &mut Options,
) -> Result<Box<dyn Exporter>, ExportError> {
    let overwrite = options.overwrite;
    Ok(match format {
        Format::Png => Box::new(pictures::Pictures::create(out, selection, overwrite)?),
        Format::Coco => Box::new(coco::Coco::create(out, selection, overwrite)?),
        Format::Cvat => Box::new(cvat::Cvat::create(out, selection, overwrite)?),
        Format::Csv => Box::new(shares::Shares::create(out, selection, overwrite)?),
        Format::Sheet => Box::new(sheet::Sheet::create(out, selection, overwrite)?),
        Format::Y4m => {
            let (frames, fps) = (options.frames.take(), options.fps);
            Box::new(video::Video::create(out, selection, overwrite, frames, fps)?)
        }
    })
}

/// Whether `out` is the folder of the store itself or lies in it, there already or not.
fn is_of_store(folder: &Path, out: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    // What is there, with links followed, and then the names of what is not.
    let mut there = out;
    let mut rest = Vec::new();
    let mut place = loop {
        let here = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        match (here.canonicalize(), there.parent(), there.components().next_back()) {
            (Ok(place), ..) => break place,
            (Err(_), Some(parent), Some(last)) => {
                rest.push(last);
                there = parent;
            }
            _ => return false,
        }
    };
    for part in rest.into_iter().rev() {
        match part {
            Component::ParentDir => drop(place.pop()),
            Component::Normal(name) => place.push(name),
            _ => {}
        }
    }
    place.starts_with(&folder)
}

#[cfg(test)]
mod tests;
