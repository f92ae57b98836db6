//! A camera's life under faults, written out step by step.

use rustix::io::Errno;

use super::super::testing::{Event, Machine, Plan, absent, camera, layout, mode};
use super::*;
use crate::camera::Losses;
use crate::camera::live::{Arrival, BACK_OFF_FIRST, Found};
use crate::camera::testing::report;

/// What a reader finds now, as a line.
fn found(shared: &Shared, told: &mut Option<String>) -> Option<String> {
    match shared.next(Duration::ZERO, told.as_deref()) {
        Found::Arrival(Arrival { number, content: Content::Frame(frame) }) => {
            *told = None;
            let format = frame.format.map_or("JPEG".into(), |format| format!("{format:?}"));
            let first = frame.bytes.first().copied().unwrap_or_default();
            let (time_ms, Captured { width, height, .. }) = (frame.time.as_millis(), frame);
            Some(format!("frame {number} at {time_ms} ms {width}x{height} {format} {first}"))
        }
        Found::Arrival(Arrival { number, content: Content::Broken(reason) }) => {
            Some(format!("broken {number}: {reason}"))
        }
        Found::Interrupted(reason) if told.as_ref() == Some(&reason) => None,
        Found::Interrupted(reason) => {
            *told = Some(reason.clone());
            Some(format!("interrupted: {reason}"))
        }
        Found::Nothing => None,
        Found::Ended(why) => Some(format!("ended: {why:?}")),
    }
}

/// Steps through all that is planned for a camera whose reader looks after every step: what the camera and the reader
/// saw, the pauses in milliseconds, and the losses.
fn life(text: &str, machine: Machine) -> String {
    let shared = Arc::new(Shared::default());
    let options = V4lOptions::parse(text).expect("a camera");
    let clock = Box::new(machine.clock.clone());
    let mut capture = Capture::new(machine.clone(), options, clock, shared.clone());
    let mut lines = Vec::new();
    let mut told = None;
    while !machine.is_done() {
        let pause = capture.step();
        lines.extend(machine.take_log());
        lines.extend(found(&shared, &mut told));
        if !pause.is_zero() {
            lines.push(format!("pause {}", pause.as_millis()));
            machine.clock.advance(pause);
        }
    }
    let Losses { dropped, missed, reopened } = shared.losses();
    lines.push(format!("dropped {dropped} missed {missed} reopened {reopened}"));
    lines.join("\n")
}

fn check(cases: Vec<(&str, &str, Machine, &[&str])>) {
    report(cases.into_iter().filter_map(|(name, text, machine, want)| {
        let got = life(text, machine);
        // The end of what was planned is not what a case is about.
        let missing: Vec<&&str> = {
            let mut rest = got.as_str();
            want.iter()
                .filter(|line| match rest.find(**line) {
                    Some(at) => {
                        rest = &rest[at + line.len()..];
                        false
                    }
                    None => true,
                })
                .collect()
        };
        (!missing.is_empty()).then(|| format!("{name}: without {missing:?} in its place:\n{got}"))
    }));
}

#[test]
fn cameras_are_kept_running() {
    use Event::*;
    let yuyv = |events: &[Event]| camera(Encoding::Yuyv, events);
    let one = "v4l:/dev/video0";
    let lost_then_back = |error| Machine::new(vec![yuyv(&[Frame, Fail(error)]), yuyv(&[Frame, Frame])]);
    check(vec![
        (
            "a quiet life",
            one,
            Machine::new(vec![yuyv(&[Frame, Frame, Frame])]),
            &[
                "open /dev/video0\nset YUYV 4x2\nstart\nframe 0 at 0 ms 4x2 Yuyv 0\nframe 1 at 100 ms 4x2 Yuyv 1\n\
                 frame 2 at 200 ms 4x2 Yuyv 2\ndropped 0 missed 0 reopened 0",
            ],
        ),
        (
            "unplugged, away twice, back in another format",
            one,
            Machine::new(vec![
                yuyv(&[Frame, Fail(Errno::NODEV)]),
                absent(Errno::NOENT),
                absent(Errno::NXIO),
                Plan { modes: vec![mode(Encoding::Nv12, 6, 4)], ..camera(Encoding::Nv12, &[Frame]) },
            ]),
            &[
                "frame 0 at 0 ms 4x2 Yuyv 0\nstop\nclose\ninterrupted: the camera is not connected\npause 500\n\
                 pause 1000\nopen /dev/video0\nset NV12 6x4\nstart\nframe 1 at 1600 ms 6x4 Nv12 0\n\
                 dropped 0 missed 0 reopened 1",
            ],
        ),
        (
            "an I/O error: full close, a pause, full start",
            one,
            lost_then_back(Errno::IO),
            &[
                "stop\nclose\ninterrupted: the connection to the camera broke (Input/output error (os error 5))\n\
                 pause 500\nopen /dev/video0\nset YUYV 4x2\nstart\nframe 1 at 600 ms 4x2 Yuyv 0\nframe 2",
                "reopened 1",
            ],
        ),
        (
            "a broken pipe",
            one,
            lost_then_back(Errno::PIPE),
            &["the connection to the camera broke", "frame 1 at"],
        ),
        ("an error nobody knows", one, lost_then_back(Errno::NOMEM), &["the camera failed (", "frame 1 at"]),
        (
            "silent for longer than the timeout",
            "v4l:/dev/video0?timeout=0.5",
            Machine::new(vec![
                yuyv(&[Frame, Silence, Silence, Frame, Silence, Silence, Silence]),
                yuyv(&[Frame]),
            ]),
            &[
                "frame 0 at 0 ms",
                "frame 1 at 500 ms",
                "stop\nclose\ninterrupted: the camera gave no frame for 0.5 s\npause 500\nopen",
                "frame 2 at",
            ],
        ),
        (
            "no JPEG for a minute",
            "v4l:/dev/video0?timeout=60",
            Machine::new(vec![
                camera(Encoding::Mjpg, &[&[Bytes(vec![255])][..], &vec![Silence; 300]].concat()),
                camera(Encoding::Mjpg, &[Bytes(vec![254])]),
            ]),
            &[
                "frame 0 at 0 ms 4x2 JPEG 255\nstop\nclose\ninterrupted: the camera gave no frame for 60 s\npause 500\nopen",
                "frame 1 at 60600 ms 4x2 JPEG 254",
                "reopened 1",
            ],
        ),
        (
            "suspended with the board for longer than the timeout: neither silent nor late",
            one,
            Machine::new(vec![yuyv(&[Frame, Suspend, Unstamped, Frame])]),
            &["frame 0 at 0 ms", "frame 1 at 100 ms", "frame 2 at 200 ms", "missed 0 reopened 0"],
        ),
        (
            "silent again after each opening: the pauses grow; three intervals of 0.1 s are the least timeout",
            "v4l:/dev/video0?timeout=0.2",
            Machine::new(vec![
                yuyv(&[Silence, Silence]),
                yuyv(&[Silence, Silence]),
                yuyv(&[Silence, Silence]),
                yuyv(&[Frame]),
            ]),
            &[
                "interrupted: the camera gave no frame for 0.3 s\npause 500",
                "pause 1000",
                "pause 2000",
                "frame 0",
                "reopened 3",
            ],
        ),
        (
            "one damaged frame is one broken frame",
            one,
            Machine::new(vec![yuyv(&[Frame, Damaged, Frame, Bytes(vec![1; 15]), Frame])]),
            &["frame 0 at 0 ms 4x2 Yuyv 0\nbroken 1: the driver says that its bytes are damaged\n\
                 frame 2 at 200 ms 4x2 Yuyv 2\nbroken 3: it has fewer bytes than its size takes\n\
                 frame 4 at 400 ms 4x2 Yuyv 4\ndropped 0 missed 0 reopened 0"],
        ),
        (
            "damaged frames without end",
            one,
            Machine::new(vec![yuyv(&vec![Damaged; 8]), yuyv(&[Frame])]),
            &["broken 6", "stop\nclose\ninterrupted: every frame is damaged: the driver says", "frame 7"],
        ),
        (
            "wrong sizes without end",
            one,
            Machine::new(vec![yuyv(&vec![Bytes(vec![0; 3]); 8]), yuyv(&[Frame])]),
            &["interrupted: every frame is damaged: it has fewer bytes", "pause 500", "frame 7"],
        ),
        (
            "more bytes than the size takes are padding",
            one,
            Machine::new(vec![yuyv(&[Bytes(vec![9; 40])])]),
            &["frame 0 at 0 ms 4x2 Yuyv 9"],
        ),
        (
            "empty JPEGs",
            one,
            Machine::new(vec![camera(Encoding::Mjpg, &[Bytes(vec![]), Bytes(vec![255])])]),
            &["broken 0: it is empty\nframe 1 at 100 ms 4x2 JPEG 255"],
        ),
        (
            "frames that the camera skips",
            one,
            Machine::new(vec![yuyv(&[Frame, Skip(3), Frame, Skip(1)])]),
            &["dropped 0 missed 4 reopened 0"],
        ),
        (
            "without the driver's time",
            one,
            Machine::new(vec![yuyv(&[Unstamped, Unstamped, Frame, Unstamped])]),
            &["frame 0 at 0 ms", "frame 1 at 100 ms", "frame 2 at 200 ms", "frame 3 at 300 ms"],
        ),
        (
            "busy after a crash",
            one,
            Machine::new(vec![
                Plan { set_format: Some(Errno::BUSY), ..yuyv(&[]) },
                Plan { start: Some(Errno::BUSY), ..yuyv(&[]) },
                yuyv(&[Frame]),
            ]),
            &[
                "open /dev/video0\nclose\ninterrupted: another program uses the camera\npause 500\nopen /dev/video0\n\
                 set YUYV 4x2\nclose\npause 1000\nopen /dev/video0\nset YUYV 4x2\nstart\nframe 0",
            ],
        ),
        (
            "a stop that fails",
            one,
            Machine::new(vec![Plan { stop: Some(Errno::IO), ..yuyv(&[Fail(Errno::IO)]) }, yuyv(&[Frame])]),
            &["stop\nclose\ninterrupted", "frame 0 at 0 ms"],
        ),
        (
            "a buffer that does not go back",
            one,
            Machine::new(vec![yuyv(&[Frame, NoWayBack(Errno::IO)]), yuyv(&[Frame])]),
            &["frame 0", "stop\nclose\nframe 1 at 100 ms", "open", "frame 2"],
        ),
        (
            "the driver chooses another format",
            one,
            Machine::new(vec![
                Plan { layout: Some(layout(b"NV12", 4, 2)), ..yuyv(&[]) },
                Plan { layout: Some(layout(b"YUYV", 0, 2)), ..yuyv(&[]) },
                Plan { layout: Some(layout(b"YUYV", 8, 8)), ..yuyv(&[Frame]) },
            ]),
            &[
                "interrupted: the driver gives NV12 where YUYV was chosen",
                "interrupted: a picture of 0x2 has no pixels",
                "frame 0 at 0 ms 8x8 Yuyv 0",
            ],
        ),
        (
            "the driver does not keep a size that was asked for",
            "v4l:/dev/video0?width=4",
            Machine::new(vec![Plan { layout: Some(layout(b"YUYV", 8, 2)), ..yuyv(&[]) }]),
            &["interrupted: the driver gives 8x2 where 4x2 was chosen"],
        ),
        (
            "controls are set at every opening",
            "v4l:/dev/video0?gain=3",
            Machine::new(vec![yuyv(&[Fail(Errno::IO)]), yuyv(&[Frame])]),
            &["control 7 = 3\nset YUYV", "open /dev/video0\ncontrol 7 = 3\nset YUYV 4x2\nstart"],
        ),
        (
            "found again by its stable name",
            one,
            Machine::new(vec![yuyv(&[Frame, Fail(Errno::NODEV)])])
                .with("/dev/v4l/by-id/cam", vec![absent(Errno::NOENT), yuyv(&[Frame])])
                .with_link("/dev/video0", "/dev/v4l/by-id/cam"),
            &["open /dev/video0", "pause 500\nopen /dev/v4l/by-id/cam\nset YUYV", "frame 1"],
        ),
        (
            "found again under another node, by what it says of itself",
            one,
            Machine::new(vec![yuyv(&[Frame, Fail(Errno::NODEV)]), absent(Errno::NOENT)])
                .with(
                    "/dev/video1",
                    vec![Plan {
                        identity: Identity { bus: "memory:2".into(), ..Identity::default() },
                        ..yuyv(&[])
                    }],
                )
                .with("/dev/video2", vec![yuyv(&[Frame])]),
            &["pause 500\nopen /dev/video1\nclose\nopen /dev/video2\nset YUYV", "frame 1"],
        ),
        (
            "the first that captures",
            "v4l:auto",
            Machine::new(vec![Plan { identity: Identity::default(), ..yuyv(&[]) }])
                .with("/dev/video1", vec![yuyv(&[Frame])]),
            &["open /dev/video0\nclose\nopen /dev/video1\nset YUYV 4x2", "frame 0"],
        ),
        (
            "the crop is cut out, as wide as its chroma",
            "v4l:/dev/video0?crop=1,1,1,1",
            Machine::new(vec![yuyv(&[Bytes((0..16).collect())])]),
            &["frame 0 at 0 ms 2x1 Yuyv 8"],
        ),
    ]);
}

#[test]
fn pauses_double_up_to_half_a_minute() {
    let plans = (0..9).map(|_| absent(Errno::NOENT)).collect();
    let got = life("v4l:/dev/video0", Machine::new(plans));
    let pauses: Vec<&str> = got.lines().filter_map(|line| line.strip_prefix("pause ")).collect();
    assert_eq!(pauses[..9], ["500", "1000", "2000", "4000", "8000", "16000", "30000", "30000", "30000"]);
    assert_eq!(got.matches("interrupted").count(), 1, "one state is told once:\n{got}");
}

#[test]
fn the_newest_frame_wins_and_dropped_ones_are_counted() {
    use Event::*;
    // Events that come before the reader looks; what it then finds, and the frames that were dropped.
    let cases: [(&[Event], &str, u64); 5] = [
        (&[Frame], "frame 0 at 0 ms 4x2 Yuyv 0", 0),
        (&[Frame, Frame, Frame], "frame 2 at 200 ms 4x2 Yuyv 2", 2),
        (&[Frame, Damaged], "frame 0 at 0 ms 4x2 Yuyv 0", 1),
        (&[Damaged, Frame], "frame 1 at 100 ms 4x2 Yuyv 1", 1),
        (&[Frame, Fail(Errno::NODEV)], "frame 0 at 0 ms 4x2 Yuyv 0", 0),
    ];
    report(cases.into_iter().filter_map(|(events, want, dropped)| {
        let machine = Machine::new(vec![camera(Encoding::Yuyv, events)]);
        let shared = Arc::new(Shared::default());
        let options = V4lOptions { device: Some("/dev/video0".into()), ..V4lOptions::default() };
        let mut capture =
            Capture::new(machine.clone(), options, Box::new(machine.clock.clone()), shared.clone());
        for _ in 0..=events.len() {
            capture.step();
        }
        let got = (found(&shared, &mut None), shared.losses().dropped);
        (got != (Some(want.into()), dropped)).then(|| format!("{events:?}: {got:?}"))
    }));
}

#[test]
fn a_reader_that_decodes_nothing_has_the_camera_opened_again() {
    let machine = Machine::new(vec![camera(Encoding::Yuyv, &[]), camera(Encoding::Yuyv, &[])]);
    let shared = Arc::new(Shared::default());
    let options = V4lOptions { device: Some("/dev/video0".into()), ..V4lOptions::default() };
    let mut capture = Capture::new(machine.clone(), options, Box::new(machine.clock.clone()), shared.clone());
    assert_eq!(capture.step(), Duration::ZERO);
    machine.take_log();
    shared.ask_reopen("no frame can be decoded".into());
    assert_eq!(capture.step(), BACK_OFF_FIRST);
    assert_eq!(machine.take_log(), ["stop", "close"]);
    assert_eq!(found(&shared, &mut None).as_deref(), Some("interrupted: no frame can be decoded"));
    assert_eq!(capture.step(), Duration::ZERO);
    assert_eq!(machine.take_log(), ["open /dev/video0", "set YUYV 4x2", "start"]);
}

#[test]
fn a_camera_whose_jpegs_never_decode_is_opened_less_and_less_often() {
    let jpegs = || camera(Encoding::Mjpg, &vec![Event::Bytes(vec![255, 216, 0]); 8]);
    let machine = Machine::new((0..6).map(|_| jpegs()).collect());
    let shared = Arc::new(Shared::default());
    let options = V4lOptions { device: Some("/dev/video0".into()), ..V4lOptions::default() };
    let mut capture = Capture::new(machine.clone(), options, Box::new(machine.clock.clone()), shared.clone());
    // The reader decodes one frame in the fourth session, and gives up after the eighth frame of each.
    let mut pauses = Vec::new();
    for session in 0..6 {
        assert_eq!(capture.step(), Duration::ZERO, "opened");
        for _ in 0..8 {
            assert_eq!(capture.step(), Duration::ZERO, "a buffer");
            if session == 3 {
                shared.proven();
            }
        }
        shared.ask_reopen("no frame can be decoded".into());
        pauses.push(capture.step().as_millis());
    }
    assert_eq!(pauses, [500, 1000, 2000, 500, 1000, 2000]);
    // What the reader asked for of a session that is over does not end the next.
    shared.ask_reopen("no frame can be decoded".into());
    assert!(capture.step() > Duration::ZERO, "not connected any more");
}

#[test]
fn sequences_tell_what_was_skipped() {
    let cases = [
        (None, 5, None),
        (Some(5), 6, None),
        (Some(5), 8, Some(2)),
        (Some(u32::MAX), 1, Some(1)),
        (Some(5), 5, None),
        (Some(5), 2, None),
        (Some(0), 0, None),
    ];
    report(cases.into_iter().filter_map(|(last, sequence, want)| {
        let got = skipped(last, sequence);
        (got != want).then(|| format!("{last:?}, {sequence}: {got:?}, not {want:?}"))
    }));
}
