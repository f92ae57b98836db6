//! The frames that masks were made from, by their numbers.

use super::ExportError;
use crate::camera::{Source, SourceError};
use crate::frame::Frame;

type Open = Box<dyn FnMut() -> Result<Box<dyn Source>, SourceError>>;

/// A source that is read alongside a store, and opened again where the store goes on with a further run over it.
pub struct FrameFeed {
    open: Open,
    source: Option<Box<dyn Source>>,
    /// The frame that was read last.
    last: Option<Frame>,
}

impl FrameFeed {
    /// Frames of the source that `open` opens.
    pub fn new(open: impl FnMut() -> Result<Box<dyn Source>, SourceError> + 'static) -> FrameFeed {
        FrameFeed { open: Box::new(open), source: None, last: None }
    }

    /// Frames per second of the source, where it has a rate.
    ///
    /// # Errors
    /// [`ExportError::Frames`].
    pub(super) fn fps(&mut self) -> Result<Option<f64>, ExportError> {
        Ok(self.source()?.info().fps)
    }

    /// The frame with this number.
    ///
    /// # Errors
    /// [`ExportError::Frames`], and [`ExportError::NoFrame`] where the source ends before it or lacks it.
    pub(super) fn frame(&mut self, number: u64) -> Result<&Frame, ExportError> {
        if self.last.as_ref().is_some_and(|last| last.number > number) {
            (self.source, self.last) = (None, None);
        }
        while self.last.as_ref().is_none_or(|last| last.number < number) {
            match self.source()?.next_frame() {
                Some(Ok(frame)) => self.last = Some(frame),
                Some(Err(error)) if error.is_broken_frame() => {}
                Some(Err(error)) => return Err(error.into()),
                None => break,
            }
        }
        let name = match &self.source {
            Some(source) => source.info().name.clone(),
            None => String::new(),
        };
        let found = self.last.as_ref().filter(|last| last.number == number);
        found.ok_or(ExportError::NoFrame { name, frame: number })
    }

    fn source(&mut self) -> Result<&mut Box<dyn Source>, ExportError> {
        let source = match self.source.take() {
            Some(source) => source,
            None => {
                let source = (self.open)()?;
                if source.info().live {
                    return Err(SourceError::Unsupported {
                        name: source.info().name.clone(),
                        reason: "a live camera has no past frames; give a file that was recorded".into(),
                    }
                    .into());
                }
                source
            }
        };
        Ok(self.source.insert(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera;

    #[test]
    fn frames_by_number() {
        let mut feed = FrameFeed::new(|| camera::open("synthetic:8x8@5:4"));
        // Forward, the same again, over some, back, and beyond the end.
        let mut got = Vec::new();
        for number in [0, 1, 1, 3, 0, 2, 4, 1] {
            got.push(match feed.frame(number) {
                Ok(frame) => frame.number.to_string(),
                Err(error) => error.to_string(),
            });
        }
        let none = "synthetic:8x8@5:4 has no frame 4; give --frames the source that the masks were made from";
        assert_eq!(got, ["0", "1", "1", "3", "0", "2", none, "1"]);
    }
}
