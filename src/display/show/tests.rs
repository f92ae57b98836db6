//! A display in time: rate, loss and return, by a clock that is turned.

use std::io;
use std::sync::{Arc, Mutex};

use super::*;
use crate::clock::ManualClock;
use crate::frame::PixelFormat;

/// What the output does next, and what it has shown.
#[derive(Default)]
struct State {
    fails: Option<Kind>,
    pictures: usize,
    attempts: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Passing,
    Final,
}

#[derive(Clone, Default)]
struct Double(Arc<Mutex<State>>);

impl Output for Double {
    fn size(&mut self, frame: Size) -> Result<Size, DisplayError> {
        Ok(frame)
    }

    fn show(&mut self, scene: &Scene) -> Result<(), DisplayError> {
        assert_eq!(scene.rgb(), [50; 12]);
        let mut state = self.0.lock().unwrap();
        state.attempts += 1;
        match state.fails {
            None => {
                state.pictures += 1;
                Ok(())
            }
            Some(Kind::Passing) => {
                Err(DisplayError::Write { device: "double".into(), source: io::ErrorKind::Other.into() })
            }
            Some(Kind::Final) => Err(DisplayError::Closed),
        }
    }
}

#[test]
fn pictures_come_at_a_bounded_rate_and_losses_are_said_once() {
    let output = Double::default();
    let clock = ManualClock::new(Duration::from_secs(100), 0);
    let parts = Parts { overlay: true, legend: false, statistics: false };
    let interval = Duration::from_millis(500);
    let mut display = Display::new(Box::new(output.clone()), parts, interval, Box::new(clock.clone()));
    let (width, height, format) = (2, 2, PixelFormat::Rgb8);
    let frame =
        Frame { number: 0, time: Duration::ZERO, width, height, format, data: vec![50; 12], name: None };
    let mask = Mask { width: 1, height: 1, data: vec![0] };
    let (good, passing, final_) = (None, Some(Kind::Passing), Some(Kind::Final));
    // Milliseconds that pass, what the output does, what is told, and pictures and attempts by then.
    let steps = [
        (0, good, "", (1, 1)),
        (0, good, "", (1, 1)),
        (499, good, "", (1, 1)),
        (1, good, "", (2, 2)),
        (9000, good, "", (3, 3)),
        (400, good, "", (3, 3)),
        (100, passing, "lost", (3, 4)),
        (500, passing, "", (3, 4)),
        (4500, passing, "", (3, 5)),
        (5000, passing, "", (3, 6)),
        (4999, good, "", (3, 6)),
        (1, good, "back", (4, 7)),
        (500, good, "", (5, 8)),
        (500, passing, "lost", (5, 9)),
        (5000, final_, "ended", (5, 10)),
        (60_000, good, "", (5, 10)),
    ];
    for (number, (passed, fails, told, counts)) in steps.into_iter().enumerate() {
        clock.advance(Duration::from_millis(passed));
        output.0.lock().unwrap().fails = fails;
        let event = display.show(&frame, &mask, &[], Statistics::default());
        let got = match event {
            None => "",
            Some(Event::Lost(_)) => "lost",
            Some(Event::Back) => "back",
            Some(Event::Ended(_)) => "ended",
        };
        let state = output.0.lock().unwrap();
        assert_eq!((got, (state.pictures, state.attempts)), (told, counts), "step {number}");
    }
}

#[test]
fn another_rate_holds_from_the_next_picture_on() {
    let output = Double::default();
    let clock = ManualClock::default();
    let second = Duration::from_secs(1);
    let parts = Parts { overlay: true, legend: false, statistics: false };
    let mut display = Display::new(Box::new(output.clone()), parts, second, Box::new(clock.clone()));
    let (width, height, format) = (2, 2, PixelFormat::Rgb8);
    let frame =
        Frame { number: 0, time: Duration::ZERO, width, height, format, data: vec![50; 12], name: None };
    let mask = Mask { width: 1, height: 1, data: vec![0] };
    let mut pictures = Vec::new();
    for step in 0..12 {
        if step == 3 {
            display.set_interval(4 * second);
        }
        display.show(&frame, &mask, &[], Statistics::default());
        pictures.push(output.0.lock().unwrap().pictures);
        clock.advance(second);
    }
    assert_eq!(pictures, [1, 2, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6]);
}

#[test]
fn a_frame_that_is_none_does_not_end_the_run() {
    let clock = ManualClock::default();
    let output = Box::new(Double::default());
    let mut display = Display::new(output, Parts::default(), Duration::ZERO, Box::new(clock));
    let (width, height, format) = (2, 2, PixelFormat::Rgb8);
    let frame =
        Frame { number: 3, time: Duration::ZERO, width, height, format, data: vec![50; 11], name: None };
    let event = display.show(&frame, &Mask::default(), &[], Statistics::default());
    let Some(Event::Lost(error)) = event else { panic!("{event:?}") };
    assert!(error.to_string().starts_with("frame 3: 2x2 Rgb8 takes 12 bytes"), "{error}");
}
