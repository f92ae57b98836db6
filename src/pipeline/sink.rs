//! Where masks go: the folder of pictures, or the durable store.

use std::time::Duration;

use crate::frame::Frame;
use crate::mask::{Class, Mask};
use crate::overlay::{self, Legend};
use crate::status::StoreStatus;
use crate::store::{MaskFolder, Picture, Record, RecordMeta};

use super::PipelineError;

/// A mask on its way to disk.
#[derive(Debug)]
pub struct Saved {
    /// Whose it is.
    pub meta: RecordMeta,
    /// The mask.
    pub mask: Mask,
    /// The frame, where the sink wants it.
    pub frame: Option<Frame>,
}

/// What takes masks.
pub trait Sink: Send {
    /// Takes one mask. `Ok(false)` where it had to be refused because the disk is full or away for now.
    ///
    /// # Errors
    /// When no more masks can be taken; the run ends.
    fn put(&mut self, saved: &Saved) -> Result<bool, PipelineError>;

    /// Called at least once a second: the time to save what waits, to delete what is old, to look whether the disk is back.
    ///
    /// # Errors
    /// As [`Sink::put`].
    fn tick(&mut self) -> Result<(), PipelineError> {
        Ok(())
    }

    /// Bytes written so far.
    fn bytes_written(&self) -> u64;

    /// Why it takes nothing for now, without figures that change; `None` while all is well.
    fn waits(&self) -> Option<String> {
        None
    }

    /// How it is, for reports.
    fn status(&self) -> StoreStatus;

    /// Saves all that was taken, and says how it ends.
    ///
    /// # Errors
    /// When the disk fails.
    fn close(self: Box<Self>) -> Result<StoreStatus, PipelineError>;
}

/// A folder of pictures ([`MaskFolder`]) as a sink.
pub struct PictureFolder {
    folder: MaskFolder,
    classes: Vec<Class>,
    bytes: u64,
    stored: u64,
    rgb: Vec<u8>,
}

impl PictureFolder {
    /// Masks go into `folder`; each frame that comes with its mask is stored beside it, painted over.
    pub fn new(folder: MaskFolder, classes: &[Class]) -> PictureFolder {
        PictureFolder { folder, classes: classes.to_vec(), bytes: 0, stored: 0, rgb: Vec::new() }
    }

    fn draw(&mut self, frame: &Frame, mask: &Mask) -> Result<Vec<u8>, PipelineError> {
        frame.write_rgb(&mut self.rgb)?;
        let (width, height) = (frame.width, frame.height);
        // A mask of the network's size is drawn at the frame's, each of its pixels as a block.
        let scaled;
        let mask = if (mask.width, mask.height) == (width, height) {
            mask
        } else {
            scaled = mask.scaled(width, height);
            &scaled
        };
        overlay::draw(&mut self.rgb, width, height, mask, &self.classes, Legend::Shown)?;
        Ok(overlay::encode_jpeg(&self.rgb, width, height)?)
    }
}

impl Sink for PictureFolder {
    fn put(&mut self, saved: &Saved) -> Result<bool, PipelineError> {
        let picture = saved.frame.as_ref().map(|frame| self.draw(frame, &saved.mask)).transpose()?;
        let record = Record {
            frame: saved.meta.frame,
            time: saved.meta.time,
            name: saved.meta.name.as_deref(),
            overlay: picture.as_deref().map(|bytes| Picture { extension: "jpg", bytes }),
        };
        self.bytes += self.folder.put(record, &saved.mask)?;
        self.stored += 1;
        Ok(true)
    }

    fn bytes_written(&self) -> u64 {
        self.bytes
    }

    fn status(&self) -> StoreStatus {
        let state = "writing".into();
        // A mask is listed once its line is in the index.
        let (saved, listed, written_bytes) = (self.stored, self.stored, self.bytes);
        StoreStatus { state, saved, listed, written_bytes, ..StoreStatus::default() }
    }

    fn close(self: Box<Self>) -> Result<StoreStatus, PipelineError> {
        let status = self.status();
        self.folder.finish()?;
        Ok(status)
    }
}

/// How often a sink is ticked: together with the wait for a mask at most every half second.
pub(super) const TICK: Duration = Duration::from_millis(250);
