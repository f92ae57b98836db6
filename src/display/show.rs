//! The display as the pipeline sees it: pictures at a bounded rate, a lost screen said once and tried again.

use std::time::Duration;

use embedded_graphics::prelude::Size;

use super::{DisplayError, Output};
use crate::clock::Clock;
use crate::frame::Frame;
use crate::mask::{Class, Mask};
use crate::overlay::{Parts, Scene, Statistics, View};

/// Time between two attempts on a display that fails.
const RETRY: Duration = Duration::from_secs(5);

/// What to tell of a display, once.
#[derive(Debug)]
pub enum Event {
    /// It fails, and is tried again every 5 s.
    Lost(DisplayError),
    /// It works again.
    Back,
    /// It fails for good.
    Ended(DisplayError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Working,
    Lost,
    Ended,
}

/// Shows frames and masks on an [`Output`]; whatever becomes of the display, the run goes on.
pub struct Display {
    output: Box<dyn Output>,
    scene: Scene,
    rgb: Vec<u8>,
    clock: Box<dyn Clock>,
    interval: Duration,
    /// When the next picture may be shown, on the monotonic clock.
    due: Duration,
    state: State,
}

impl Display {
    /// A display that shows at most one picture an `interval`.
    pub fn new(output: Box<dyn Output>, parts: Parts, interval: Duration, clock: Box<dyn Clock>) -> Display {
        let (scene, due) = (Scene::new(parts), clock.monotonic());
        Display { output, scene, rgb: Vec::new(), clock, interval, due, state: State::Working }
    }

    /// Shows other parts from the next picture on.
    pub fn set_parts(&mut self, parts: Parts) {
        self.scene.set_parts(parts);
    }

    /// Shows at most one picture an `interval` from the next picture on.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Whether [`Display::show`] would show a picture now.
    pub fn is_due(&self) -> bool {
        self.state != State::Ended && self.clock.monotonic() >= self.due
    }

    /// Shows a frame with its mask (of any size), if it is time; says what there is to tell.
    pub fn show(
        &mut self,
        frame: &Frame,
        mask: &Mask,
        classes: &[Class],
        statistics: Statistics,
    ) -> Option<Event> {
        if !self.is_due() {
            return None;
        }
        let shown = self.try_show(frame, mask, classes, statistics);
        let before = self.state;
        self.state = match &shown {
            Ok(()) => State::Working,
            Err(error) if error.may_pass() => State::Lost,
            Err(_) => State::Ended,
        };
        // Counted from the end: a slow display takes a share of the time, and not all of it.
        let pause = if self.state == State::Working { self.interval } else { self.interval.max(RETRY) };
        self.due = self.clock.monotonic().saturating_add(pause);
        match (before, self.state, shown) {
            (State::Working, State::Lost, Err(error)) => Some(Event::Lost(error)),
            (_, State::Ended, Err(error)) => Some(Event::Ended(error)),
            (State::Lost, State::Working, Ok(())) => Some(Event::Back),
            _ => None,
        }
    }

    fn try_show(
        &mut self,
        frame: &Frame,
        mask: &Mask,
        classes: &[Class],
        statistics: Statistics,
    ) -> Result<(), DisplayError> {
        let size = self.output.size(Size::new(frame.width, frame.height))?;
        frame.write_rgb(&mut self.rgb)?;
        let (rgb, width, height) = (&self.rgb, frame.width, frame.height);
        self.scene.compose(&View { rgb, width, height, mask, classes, statistics }, size)?;
        self.output.show(&self.scene)
    }
}

#[cfg(test)]
mod tests;
