//! Cameras as sources: with their thread.

use std::sync::mpsc::{Sender, channel};

use rustix::io::Errno;

use super::super::device::{Captures, Identity};
use super::super::format::Encoding;
use super::super::testing::{Event, Machine, Plan, absent, camera, layout, mode};
use super::*;
use crate::camera::testing::{jpeg, report};

fn open(text: &str, machine: &Machine) -> Result<V4l, SourceError> {
    let options = V4lOptions::parse(text).expect("a camera");
    V4l::with(machine.clone(), options, Box::new(machine.clock.clone()))
}

/// The next event that is not a mere wait, as a line.
fn next(source: &mut V4l) -> String {
    loop {
        match source.next_frame() {
            Some(Ok(frame)) => {
                return format!("frame {} {}x{} {:?}", frame.number, frame.width, frame.height, frame.format);
            }
            // A machine that is very slow.
            Some(Err(SourceError::NotYet { .. })) => {}
            Some(Err(error)) => return error.to_string(),
            None => return "end".into(),
        }
    }
}

/// A camera whose events the test sends.
fn fed(encoding: Encoding, size: (u32, u32)) -> (Plan, Sender<Event>) {
    let (events, more) = channel();
    let plan =
        Plan { modes: vec![mode(encoding, size.0, size.1)], more: Some(more), ..camera(encoding, &[]) };
    (plan, events)
}

#[test]
fn cameras_that_do_not_open_say_why() {
    let yuyv = || camera(Encoding::Yuyv, &[]);
    let captures = |captures| Plan { identity: Identity { captures, ..Identity::default() }, ..yuyv() };
    let cases: Vec<(&str, Machine, &str)> = vec![
        (
            "v4l:/dev/video7",
            Machine::new(vec![yuyv()]),
            "v4l:/dev/video7: there is no device /dev/video7; there is /dev/video0",
        ),
        (
            "v4l:/dev/video0",
            Machine::default(),
            "v4l:/dev/video0: there is no device /dev/video0; there is no video device at all",
        ),
        ("v4l:", Machine::default(), "v4l:auto: there is no camera: no device /dev/video* captures frames"),
        ("v4l:auto", Machine::new(vec![captures(Captures::Nothing)]), "v4l:auto: there is no camera"),
        (
            "v4l:/dev/video0",
            Machine::new(vec![captures(Captures::Nothing)]),
            "/dev/video0 captures no frames",
        ),
        ("v4l:/dev/video0", Machine::new(vec![captures(Captures::Otherwise)]), "only into several planes"),
        (
            "v4l:/dev/video0",
            Machine::new(vec![absent(Errno::ACCESS)]),
            "make the user a member of the group video",
        ),
        ("v4l:/dev/video0?wait=true", Machine::new(vec![absent(Errno::ACCESS)]), "no permission"),
        (
            "v4l:/dev/video0?width=640",
            Machine::new(vec![yuyv()]),
            "does not offer 640xany; it offers YUYV 4x2 at 10 fps",
        ),
        ("v4l:/dev/video0?fps=60", Machine::new(vec![yuyv()]), "does not offer 60 frames a second"),
        (
            "v4l:/dev/video0?format=NV12",
            Machine::new(vec![yuyv()]),
            "does not offer NV12; it offers YUYV 4x2",
        ),
        (
            "v4l:/dev/video0?widht=640",
            Machine::new(vec![yuyv()]),
            "there is no control widht; the nearest are gain",
        ),
        (
            "v4l:/dev/video0?gain=10",
            Machine::new(vec![yuyv()]),
            "the control gain does not take 10, only 0 to 9",
        ),
        (
            "v4l:/dev/video0?crop=2,0,4,2",
            Machine::new(vec![yuyv()]),
            "does not offer anyxany that holds the crop",
        ),
        (
            "v4l:/dev/video0?crop=2,0,4,2&wait=true",
            Machine::new(vec![yuyv()]),
            "that holds the crop; it offers YUYV 4x2 at 10 fps; give another crop",
        ),
    ];
    report(cases.into_iter().filter_map(|(text, machine, want)| {
        let got = open(text, &machine).map(|_| ()).map_err(|error| error.to_string());
        let closed = machine.take_log();
        let open_left = closed.iter().filter(|line| line.starts_with("open")).count()
            != closed.iter().filter(|line| *line == "close").count();
        (!matches!(&got, Err(message) if message.contains(want)) || open_left)
            .then(|| format!("{text}: {got:?}, {closed:?}"))
    }));
}

#[test]
fn cameras_that_may_come_are_waited_for() {
    let cases = [
        ("v4l:/dev/video0?wait=true", Machine::default(), "there is no device /dev/video0"),
        ("v4l:/dev/video0", Machine::new(vec![absent(Errno::BUSY)]), "another program uses the camera"),
    ];
    report(cases.into_iter().filter_map(|(text, machine, want)| {
        let mut source = open(text, &machine).ok()?;
        let got = next(&mut source);
        (!got.contains(want) || !got.ends_with("trying again")).then(|| format!("{text}: {got}"))
    }));
    assert!(open("v4l:/dev/video0?wait=true", &Machine::default()).is_ok());
}

#[test]
fn frames_are_decoded_turned_and_go_on_after_broken_ones() {
    let picture = jpeg(16, 8, [90, 120, 150]);
    let (plan, events) = fed(Encoding::Mjpg, (16, 8));
    let mut source =
        open("v4l:/dev/video0?rotate=90&crop=0,0,16,4", &Machine::new(vec![plan])).expect("a camera");
    assert_eq!(source.info().fps, Some(10.0));
    assert!(source.info().live);
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("whole", picture.clone(), "frame 0 4x16 Rgb8"),
        ("cut", picture[..picture.len() / 2].to_vec(), "frame 1 is broken: the JPEG ends in the middle"),
        ("noise", vec![7; 50], "frame 2 is broken: it does not begin as a JPEG does"),
        (
            "another size",
            jpeg(8, 8, [0; 3]),
            "frame 3 is broken: the picture is 8x8 where the stream's header says 16x8",
        ),
        ("whole again", picture, "frame 4 4x16 Rgb8"),
    ];
    report(cases.into_iter().filter_map(|(name, bytes, want)| {
        events.send(Event::Bytes(bytes)).expect("the camera listens");
        let got = next(&mut source);
        // A back-off ends with a frame that decodes.
        let proves = source.live.shared().take_proven() == name.starts_with("whole");
        (!got.ends_with(want) || !proves).then(|| format!("{name}: {got}, proves: {proves}"))
    }));
    assert_eq!(source.losses(), Losses::default());
}

#[test]
fn a_crop_that_the_camera_cannot_give_is_no_trouble_that_passes() {
    // It is not there at first, or another program has it, and then its picture is too small; or the driver makes it so.
    let small = || camera(Encoding::Yuyv, &[Event::Frame]);
    let shrunk = Plan { layout: Some(layout(b"YUYV", 2, 2)), ..camera(Encoding::Yuyv, &[]) };
    let cases: Vec<(&str, Vec<Plan>, &str)> = vec![
        (
            "v4l:/dev/video0?crop=0,0,8,2&wait=true",
            vec![absent(Errno::NOENT), small()],
            "that holds the crop",
        ),
        ("v4l:/dev/video0?crop=0,0,8,2", vec![absent(Errno::BUSY), small()], "that holds the crop"),
        ("v4l:/dev/video0?crop=0,0,4,2", vec![absent(Errno::BUSY), shrunk], "beyond the picture of 2x2"),
    ];
    report(cases.into_iter().filter_map(|(text, plans, want)| {
        let machine = Machine::new(plans);
        let mut source = open(text, &machine).ok()?;
        let error = loop {
            match source.next_frame() {
                Some(Err(error)) if error.goes_on() => {}
                Some(Err(error)) => break error,
                other => return Some(format!("{text}: {other:?}")),
            }
        };
        let ended = source.next_frame().is_none();
        let right = matches!(error, SourceError::BadCrop { .. }) && error.to_string().contains(want);
        (!right || !ended).then(|| format!("{text}: {error:?}, ended: {ended}"))
    }));
}

#[test]
fn a_camera_whose_pictures_are_no_jpegs_is_opened_again_and_told_once() {
    let whole = jpeg(16, 8, [90, 120, 150]);
    let cases: [(&str, Vec<u8>); 4] = [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("of another size", jpeg(8, 8, [0; 3])),
        ("noise", vec![7; 50]),
        ("empty", vec![]),
    ];
    report(cases.into_iter().filter_map(|(name, bytes)| {
        let (first, bad) = fed(Encoding::Mjpg, (16, 8));
        let (second, good) = fed(Encoding::Mjpg, (16, 8));
        let mut source = open("v4l:/dev/video0", &Machine::new(vec![first, second])).expect("a camera");
        let mut told = Vec::new();
        for number in 0..DAMAGED_MAX {
            bad.send(Event::Bytes(bytes.clone())).expect("the camera listens");
            // Empty buffers are counted where they come from, and the last of them has no frame.
            told.push(next(&mut source));
            if !told[number as usize].contains(" is broken: ") {
                break;
            }
        }
        good.send(Event::Bytes(whole.clone())).expect("the camera listens");
        loop {
            told.push(next(&mut source));
            if told.last().is_some_and(|line| line.starts_with("frame ")) {
                break;
            }
        }
        told.dedup();
        let broken = told.iter().filter(|line| line.contains(" is broken: ")).count();
        let lost = told.iter().filter(|line| line.ends_with("trying again")).count();
        let right = (7..=8).contains(&broken) && lost == 1 && source.losses().reopened == 1;
        (!right || told.len() != broken + 2).then(|| format!("{name}: {told:#?}"))
    }));
}

#[test]
fn a_driver_that_hangs_is_seen_by_the_watchdog() {
    let (release, hang) = channel();
    let (plan, events) = fed(Encoding::Yuyv, (4, 2));
    let mut source =
        open("v4l:/dev/video0", &Machine::new(vec![Plan { hang: Some(hang), ..plan }])).expect("a camera");
    let clock = crate::clock::ManualClock::default();
    let heartbeats = Heartbeats::new(clock.clone());
    source.watch(&heartbeats);
    assert_eq!(heartbeats.alive(), ["camera"]);
    events.send(Event::Frame).expect("the camera listens");
    assert_eq!(next(&mut source), "frame 0 4x2 Yuyv");
    events.send(Event::Fail(Errno::IO)).expect("the camera listens");
    assert!(next(&mut source).ends_with("trying again"));
    clock.advance(Duration::from_secs(61));
    assert_eq!(heartbeats.stuck().map(|stuck| stuck.thread), Some("camera"));
    drop(release);
    drop(source);
    assert!(heartbeats.alive().is_empty());
}

#[test]
fn a_lost_camera_is_told_at_once_and_closed() {
    let (plan, events) = fed(Encoding::Yuyv, (4, 2));
    let machine = Machine::new(vec![plan]);
    let mut source = open("v4l:/dev/video0?mirror=horizontal", &machine).expect("a camera");
    assert_eq!(source.mode().map(|mode| (mode.width, mode.height)), Some((4, 2)));
    events.send(Event::Frame).expect("the camera listens");
    assert_eq!(next(&mut source), "frame 0 4x2 Yuyv");
    events.send(Event::Fail(Errno::NODEV)).expect("the camera listens");
    assert_eq!(next(&mut source), "v4l:/dev/video0: the camera is not connected; trying again");
    assert_eq!(source.mode(), None);
    // It is told before it is closed, so that a driver that hangs there is no secret.
    drop(source);
    assert_eq!(machine.take_log().last().map(String::as_str), Some("close"));
}

#[test]
fn dropping_does_not_wait_for_a_driver_that_hangs() {
    let (release, hang) = channel();
    let (plan, _events) = fed(Encoding::Yuyv, (4, 2));
    let machine = Machine::new(vec![Plan { hang: Some(hang), ..plan }]);
    let mut source = open("v4l:/dev/video0", &machine).expect("a camera");
    source.live.set_grace(Duration::from_millis(1));
    drop(source);
    assert!(!machine.take_log().contains(&"close".to_string()), "the driver still hangs");
    drop(release);
}

#[test]
fn dropping_closes_the_camera() {
    let (plan, _events) = fed(Encoding::Yuyv, (4, 2));
    let machine = Machine::new(vec![plan]);
    drop(open("v4l:/dev/video0", &machine).expect("a camera"));
    assert_eq!(machine.take_log(), ["open /dev/video0", "set YUYV 4x2", "start", "stop", "close"]);
}

#[test]
fn without_its_thread_a_source_ends() {
    let (plan, _events) = fed(Encoding::Yuyv, (4, 2));
    let mut source = open("v4l:/dev/video0", &Machine::new(vec![plan])).expect("a camera");
    source.live.shared().ended();
    assert!(next(&mut source).contains("has ended; start the program again"));
    assert_eq!(next(&mut source), "end");
}
