//! Streams built in memory: every layout, cut, damaged, and at random.

use proptest::prelude::*;

use super::*;
use crate::camera::testing::{report, transcript};

fn stream(header: &str, frames: &[(u8, usize)]) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 {header}\n").into_bytes();
    for &(value, size) in frames {
        bytes.extend(b"FRAME\n");
        bytes.extend(vec![value; size]);
    }
    bytes
}

fn cut(mut bytes: Vec<u8>, from_end: usize) -> Vec<u8> {
    bytes.truncate(bytes.len() - from_end);
    bytes
}

#[test]
fn streams_give_whole_frames_and_clear_errors() {
    let two = [(16, 24), (32, 24)];
    let first = "frame 0 at 0 ms 4x4 I420 ~16";
    let second = "frame 1 at 40 ms 4x4 I420 ~32";
    let truncated = "error: pipe: ends in the middle of frame 1; all frames before it are whole";
    let layout = |name: &str| {
        format!(
            "error: pipe: its samples are laid out as {name}, and only 8 bits in 4:2:0, 4:2:2, 4:4:4 or mono are \
             read; make it with ffmpeg's -pix_fmt yuv420p"
        )
    };
    let (ten_bit, unknown) = (layout("C420p10"), layout("C411"));
    check(vec![
        ("no layout means 4:2:0", stream("W4 H4 F25:1", &two), &[first, second]),
        ("420jpeg", stream("W4 H4 F25:1 Ip A1:1 C420jpeg", &two), &[first, second]),
        ("420paldv", stream("W4 H4 F25:1 C420paldv", &two), &[first, second]),
        ("420mpeg2", stream("W4 H4 F25:1 C420mpeg2 XYSCSS=420MPEG2", &two), &[first, second]),
        ("odd size", stream("W3 H3 F1:1 C420", &[(48, 17)]), &["frame 0 at 0 ms 3x3 I420 ~48"]),
        ("422", stream("W4 H4 F1:1 C422", &[(48, 32)]), &["frame 0 at 0 ms 4x4 I422 ~48"]),
        ("444", stream("W4 H4 F1:1 C444", &[(48, 48)]), &["frame 0 at 0 ms 4x4 I444 ~48"]),
        ("mono", stream("W4 H4 F1:1 Cmono", &[(48, 16)]), &["frame 0 at 0 ms 4x4 Gray8 ~48"]),
        ("no rate known", stream("W4 H4 F0:0", &two), &[first, "frame 1 at 1000 ms 4x4 I420 ~32"]),
        (
            "a frame with parameters",
            b"YUV4MPEG2 W1 H1 Cmono\nFRAME Ip\n\x40".to_vec(),
            &["frame 0 at 0 ms 1x1 Gray8 ~64"],
        ),
        ("no frames", stream("W4 H4 F25:1", &[]), &[]),
        ("cut in pixels", cut(stream("W4 H4 F25:1", &two), 1), &[first, truncated]),
        ("cut in the word FRAME", cut(stream("W4 H4 F25:1", &two), 27), &[first, truncated]),
        ("10 bits", stream("W4 H4 F25:1 C420p10", &[]), &[&ten_bit]),
        ("4:1:1", stream("W4 H4 F25:1 C411", &[]), &[&unknown]),
        (
            "pixels where a frame should begin",
            [stream("W4 H4 F25:1", &two[..1]), b"NOISE\n".to_vec()].concat(),
            &[first, "error: pipe: frame 1 does not begin with the word FRAME; the stream is damaged"],
        ),
        (
            "empty",
            vec![],
            &["error: pipe: the stream is empty; a Y4M stream begins with a line YUV4MPEG2 ..."],
        ),
        (
            "not Y4M",
            b"once upon a time\n".to_vec(),
            &["error: pipe: it does not begin as a Y4M stream does, with the word YUV4MPEG2"],
        ),
        (
            "endless header",
            stream(&"A".repeat(2000), &[]),
            &["error: pipe: its Y4M header line does not end"],
        ),
        ("no size", stream("F25:1", &[]), &["error: pipe: its Y4M header does not say width and height"]),
        ("no pixels", stream("W0 H4", &[]), &["error: pipe: a picture of 0x4 has no pixels"]),
        (
            "too large",
            stream("W18446744073709551615 H4", &[]),
            &[
                "error: pipe: a picture of 18446744073709551615x4 is too large; 16384 pixels a side is the most",
            ],
        ),
        (
            "wrong rate",
            stream("W4 H4 Fast", &[]),
            &["error: pipe: its Y4M header is wrong: General parsing error"],
        ),
    ]);
}

fn check(cases: Vec<(&str, Vec<u8>, &[&str])>) {
    report(cases.into_iter().filter_map(|(name, bytes, want)| {
        let got = transcript(Y4m::new(&bytes[..], "pipe"));
        (got != want.join("\n")).then(|| format!("{name}:\n{got}"))
    }));
}

#[test]
fn ranges_become_those_of_the_formats() {
    let cases: &[(&str, u8, [u8; 2])] = &[
        ("C444 XCOLORRANGE=FULL", 0, [16, 16]),
        ("C444 XCOLORRANGE=FULL", 255, [235, 240]),
        ("C444 XCOLORRANGE=FULL", 128, [126, 128]),
        ("C444 XCOLORRANGE=LIMITED", 235, [235, 235]),
        ("C444", 235, [235, 235]),
        ("Cmono XCOLORRANGE=LIMITED", 235, [255, 255]),
        ("Cmono XCOLORRANGE=LIMITED", 3, [0, 0]),
        ("Cmono XCOLORRANGE=FULL", 235, [235, 235]),
    ];
    report(cases.iter().filter_map(|&(header, value, want)| {
        let bytes = stream(&format!("W1 H1 F1:1 {header}"), &[(value, 3)]);
        let mut source = Y4m::new(&bytes[..], "pipe").expect("a header");
        let data = source.next_frame().expect("a frame").expect("a whole frame").data;
        let got = [data[0], data[data.len() - 1]];
        (got != want).then(|| format!("{header} {value}: {got:?}, not {want:?}"))
    }));
}

proptest! {
    /// Any bytes end without a panic, in no more events than there is room for frames.
    #[test]
    fn damaged_streams_end(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        near_start in prop::collection::vec((0usize..40, prop::sample::select(b"0123456789WHFCI: \n".to_vec())), 0..3),
        kept in 0.2f64..1.2,
    ) {
        let mut bytes = stream("W4 H4 F25:1 C420jpeg", &[(16, 24), (32, 24), (48, 24)]);
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        for (at, value) in near_start {
            bytes[at] = value;
        }
        bytes.truncate((bytes.len() as f64 * kept) as usize);
        let most = bytes.len() / 6 + 1;
        if let Ok(mut source) = Y4m::new(&bytes[..], "pipe") {
            let mut events = 0;
            while source.next_frame().is_some() {
                events += 1;
                prop_assert!(events <= most);
            }
        }
    }
}
