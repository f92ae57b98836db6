//! Clips built in memory: whole, unfinished, cut, damaged, and at random.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::camera::testing::{jpeg, report, transcript, without_huffman_tables};

fn chunk(id: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut bytes = [&id[..], &(data.len() as u32).to_le_bytes(), data].concat();
    if data.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

fn list(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"LIST", &[&kind[..], &parts.concat()].concat())
}

fn riff(kind: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"RIFF", &[&kind[..], &parts.concat()].concat())
}

fn stream(kind: &[u8; 4], codec: &[u8; 4], size: (u32, i32), scale: u32, rate: u32, frames: u32) -> Vec<u8> {
    let mut header = [&kind[..], &codec[..]].concat();
    for field in [0, 0, 0, scale, rate, 0, frames] {
        header.extend(field.to_le_bytes());
    }
    let mut format = 40u32.to_le_bytes().to_vec();
    format.extend(size.0.to_le_bytes());
    format.extend(size.1.to_le_bytes());
    format.extend([1, 0, 24, 0]);
    format.extend(codec);
    format.extend([0; 20]);
    list(b"strl", &[chunk(b"strh", &header), chunk(b"strf", &format)])
}

/// A header of one video stream of 16x8 at 10 frames a second.
fn header() -> Vec<u8> {
    list(b"hdrl", &[chunk(b"avih", &[0; 56]), stream(b"vids", b"MJPG", (16, 8), 1, 10, 3)])
}

fn gray(level: u8) -> Vec<u8> {
    jpeg(16, 8, [level; 3])
}

fn frame(level: u8) -> Vec<u8> {
    chunk(b"00dc", &gray(level))
}

fn clip(head: Vec<u8>, frames: &[Vec<u8>]) -> Vec<u8> {
    riff(b"AVI ", &[head, list(b"movi", frames)])
}

/// Overwrites the size field of the first `LIST movi`.
fn with_movi_size(mut bytes: Vec<u8>, size: u32) -> Vec<u8> {
    let at = bytes.windows(4).position(|four| four == b"movi").expect("a frame list") - 4;
    bytes[at..at + 4].copy_from_slice(&size.to_le_bytes());
    bytes
}

fn check(cases: Vec<(&str, Vec<u8>, &[&str])>) {
    report(cases.into_iter().filter_map(|(name, bytes, want)| {
        let got = transcript(Avi::new(Cursor::new(bytes), "clip"));
        (got != want.join("\n")).then(|| format!("{name}:\n{got}"))
    }));
}

#[test]
fn every_shape_of_clip_gives_its_frames() {
    let three: &[&str] = &[
        "frame 0 at 0 ms 16x8 Rgb8 ~32",
        "frame 1 at 100 ms 16x8 Rgb8 ~128",
        "frame 2 at 200 ms 16x8 Rgb8 ~224",
    ];
    let frames = [frame(32), frame(128), frame(224)];
    let whole = clip(header(), &frames);
    let two_streams = list(
        b"hdrl",
        &[stream(b"auds", b"\0\0\0\0", (0, 0), 1, 8000, 0), stream(b"vids", b"mjpg", (16, -8), 1, 10, 3)],
    );
    let by_microseconds =
        list(b"hdrl", &[chunk(b"avih", &[0xA0, 0x86, 0x01, 0]), stream(b"vids", b"MJPG", (16, 8), 0, 0, 0)]);
    let odd = |level| {
        let mut data = gray(level);
        if data.len().is_multiple_of(2) {
            data.push(0);
        }
        chunk(b"00dc", &data)
    };
    check(vec![
        ("plain", whole.clone(), three),
        ("00db", clip(header(), &frames.clone().map(|frame| [b"00db", &frame[4..]].concat())), three),
        ("odd sizes are padded", clip(header(), &[odd(32), odd(128), odd(224)]), three),
        (
            "no Huffman tables",
            clip(
                header(),
                &[32, 128, 224].map(|level| chunk(b"00dc", &without_huffman_tables(&gray(level)))),
            ),
            three,
        ),
        (
            "rec lists, sound, junk, index",
            riff(
                b"AVI ",
                &[
                    chunk(b"JUNK", &[0; 7]),
                    header(),
                    list(b"INFO", &[chunk(b"ISFT", b"x")]),
                    list(
                        b"movi",
                        &[
                            list(b"rec ", &[frames[0].clone(), chunk(b"01wb", &[1; 5])]),
                            chunk(b"ix00", &[0; 32]),
                            list(b"rec ", &[frames[1].clone(), frames[2].clone()]),
                        ],
                    ),
                    chunk(b"idx1", &[0xEE; 48]),
                ],
            ),
            three,
        ),
        (
            "video is the second stream",
            clip(two_streams, &frames.clone().map(|frame| [b"01dc", &frame[4..]].concat())),
            three,
        ),
        ("rate from the main header", clip(by_microseconds, &frames), three),
        (
            "OpenDML continuation",
            [clip(header(), &frames[..1]), riff(b"AVIX", &[list(b"movi", &frames[1..])])].concat(),
            three,
        ),
        ("never finished: size 0", with_movi_size(whole.clone(), 0), three),
        ("never finished: size -1", with_movi_size(whole.clone(), u32::MAX), three),
        ("bytes after the end", [whole.clone(), b"\xFF\xFEsome text and more".to_vec()].concat(), three),
        ("a few bytes after the end", [whole.clone(), vec![0; 3]].concat(), three),
        (
            "an empty chunk repeats",
            clip(header(), &[frame(32), chunk(b"00dc", &[]), frame(224)]),
            &[
                "frame 0 at 0 ms 16x8 Rgb8 ~32",
                "frame 1 at 100 ms 16x8 Rgb8 ~32",
                "frame 2 at 200 ms 16x8 Rgb8 ~224",
            ],
        ),
        ("no frames", clip(header(), &[]), &[]),
    ]);
}

#[test]
fn broken_frames_are_passed_and_broken_clips_end() {
    let whole = clip(header(), &[frame(32), frame(128), frame(224)]);
    let cut = |bytes: usize| whole[..whole.len() - bytes].to_vec();
    let size_lost = with_movi_size(whole.clone(), 0);
    let codec = |codec| clip(list(b"hdrl", &[stream(b"vids", codec, (16, 8), 1, 10, 1)]), &[frame(0)]);
    let huge = clip(list(b"hdrl", &[stream(b"vids", b"MJPG", (60000, 8), 1, 10, 1)]), &[frame(0)]);
    let first = "frame 0 at 0 ms 16x8 Rgb8 ~32";
    let second = "frame 1 at 100 ms 16x8 Rgb8 ~128";
    let cut_in_third = "error: clip: ends in the middle of frame 2; all frames before it are whole";
    let no_header = "error: clip: it holds no AVI header";
    let not_avi = "error: clip: it does not begin as an AVI clip does";
    let mut garbage_inside = whole.clone();
    let third = garbage_inside.len() - frame(224).len();
    garbage_inside[third..third + 4].copy_from_slice(&[0xFF, 0, 1, 2]);
    let damaged = format!(
        "error: clip: it is damaged at byte {third}, where frame 2 should begin; what follows cannot be found"
    );
    check(vec![
        (
            "broken frames",
            clip(
                header(),
                &[
                    chunk(b"00dc", &[]),
                    chunk(b"00dc", b"not a JPEG"),
                    chunk(b"00dc", &jpeg(8, 8, [0; 3])),
                    chunk(b"00dc", &gray(0)[..200]),
                    frame(128),
                ],
            ),
            &[
                "broken: clip: frame 0 is broken: it repeats the frame before it, which is not there",
                "broken: clip: frame 1 is broken: it does not begin as a JPEG does",
                "broken: clip: frame 2 is broken: the picture is 8x8 where the stream's header says 16x8",
                "broken: clip: frame 3 is broken: the JPEG ends in the middle",
                "frame 4 at 400 ms 16x8 Rgb8 ~128",
            ],
        ),
        ("cut in a frame", cut(20), &[first, second, cut_in_third]),
        ("cut between frames", cut(frame(224).len()), &[first, second, cut_in_third]),
        ("cut in a chunk's head", cut(frame(224).len() - 5), &[first, second, cut_in_third]),
        (
            "unfinished and cut in a frame",
            size_lost[..size_lost.len() - 20].to_vec(),
            &[first, second, cut_in_third],
        ),
        (
            "unfinished, cut between",
            size_lost[..size_lost.len() - frame(224).len()].to_vec(),
            &[first, second],
        ),
        (
            "cut in the header",
            whole[..100].to_vec(),
            &["error: clip: ends in the middle of frame 0; all frames before it are whole"],
        ),
        ("garbage between frames", garbage_inside, &[first, second, &damaged]),
        (
            "another codec",
            codec(b"XVID"),
            &["error: clip: its pictures are compressed as XVID, not Motion-JPEG; convert it with \
                 `ffmpeg -i FILE -c:v mjpeg -q:v 3 NEW.avi`"],
        ),
        (
            "too large",
            huge,
            &["error: clip: a picture of 60000x8 is too large; 16384 pixels a side is the most"],
        ),
        ("no video", clip(list(b"hdrl", &[]), &[]), &["error: clip: the AVI header lists no video stream"]),
        ("no header", riff(b"AVI ", &[]), &[no_header]),
        ("a WAVE file", riff(b"WAVE", &[]), &["error: clip: it is a RIFF file but not an AVI clip"]),
        (
            "frames first",
            riff(b"AVI ", &[list(b"movi", &[])]),
            &["error: clip: its frames come before any header"],
        ),
        ("empty", vec![], &[not_avi]),
        ("text", b"once upon a time".to_vec(), &[not_avi]),
    ]);
}

#[test]
fn the_header_is_shown_before_the_first_frame() {
    let source = Avi::new(Cursor::new(clip(header(), &[])), "clip").expect("a clip");
    assert_eq!(
        source.info(),
        &SourceInfo { name: "clip".into(), frames: Some(3), fps: Some(10.0), live: false }
    );
}

proptest! {
    /// Any bytes end, without a panic, in no more events than there is room for chunks.
    #[test]
    fn damaged_clips_end(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        kept in 0.2f64..1.2,
    ) {
        let frames = [frame(32), list(b"rec ", &[frame(128)]), chunk(b"00dc", &[]), frame(224)];
        let mut bytes = [clip(header(), &frames), riff(b"AVIX", &[list(b"movi", &frames)])].concat();
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate((bytes.len() as f64 * kept) as usize);
        let most = bytes.len() / 8 + 1;
        if let Ok(mut source) = Avi::new(Cursor::new(bytes), "clip") {
            let mut events = 0;
            while source.next_frame().is_some() {
                events += 1;
                prop_assert!(events <= most);
            }
        }
    }

    #[test]
    fn damaged_headers_are_parsed(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = header::parse(&bytes);
        let list = list(b"strl", &[chunk(b"strh", &[b"vids", &bytes[..]].concat()), chunk(b"strf", &bytes)]);
        let _ = header::parse(&list);
    }
}
