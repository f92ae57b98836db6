//! A window on the desktop, by the simulator of embedded-graphics.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics_simulator::{OutputSettings, SimulatorDisplay, SimulatorEvent, Window as SdlWindow};

use super::{DisplayError, Output};
use crate::overlay::Scene;

/// How long the window waits for a picture before it looks for the user again.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// A picture on its way to the window.
struct Picture {
    rgb: Vec<u8>,
    size: Size,
}

/// A window of the first frame's size. It lives on a thread of its own, because only one thread may talk to SDL and the
/// desktop wants answers at all times.
#[derive(Default)]
pub struct Window {
    open: Option<(SyncSender<Picture>, Size)>,
}

impl Window {
    /// A window that opens with the first picture.
    pub fn new() -> Window {
        Window::default()
    }
}

impl Output for Window {
    fn size(&mut self, frame: Size) -> Result<Size, DisplayError> {
        Ok(self.open.as_ref().map_or(frame, |(_, size)| *size))
    }

    fn show(&mut self, scene: &Scene) -> Result<(), DisplayError> {
        let (pictures, _) = self.open.get_or_insert_with(|| {
            let (sender, receiver) = sync_channel(1);
            let size = scene.size();
            thread::spawn(move || live(&receiver, size));
            (sender, size)
        });
        match pictures.try_send(Picture { rgb: scene.rgb().to_vec(), size: scene.size() }) {
            // A window that is behind skips this one.
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Disconnected(_)) => Err(DisplayError::Closed),
        }
    }
}

/// The life of a window: until the user closes it, or no more pictures can come. Without a desktop SDL panics, which ends
/// this thread alone.
fn live(pictures: &Receiver<Picture>, size: Size) {
    let mut display = SimulatorDisplay::<Rgb888>::new(size);
    let mut window = SdlWindow::new("Sedge", &OutputSettings::default());
    loop {
        match pictures.recv_timeout(LOOK_EVERY) {
            Ok(picture) => {
                let colors = picture.rgb.chunks_exact(3).map(|rgb| Rgb888::new(rgb[0], rgb[1], rgb[2]));
                let Ok(()) = display.fill_contiguous(&Rectangle::new(Point::zero(), picture.size), colors);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        window.update(&display);
        if window.events().any(|event| event == SimulatorEvent::Quit) {
            return;
        }
    }
}
