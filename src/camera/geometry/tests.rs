//! Crops, mirrors and turns against pictures written out, and against turned RGB.

use std::time::Duration;

use super::*;
use crate::camera::Synthetic;
use crate::camera::testing::report;

const ROTATIONS: [Rotation; 4] = [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];
const MIRRORS: [Mirror; 4] = [Mirror::None, Mirror::Horizontal, Mirror::Vertical, Mirror::Both];

fn frame(format: PixelFormat, width: u32, height: u32, data: &[u8]) -> Frame {
    let data = data.to_vec();
    Frame { number: 3, time: Duration::from_millis(7), width, height, format, data, name: Some("n".into()) }
}

fn some_frame(format: PixelFormat, width: u32, height: u32) -> Frame {
    let bytes: Vec<u8> = (0..format.frame_bytes(width, height)).map(|at| (at * 89 % 241) as u8).collect();
    frame(format, width, height, &bytes)
}

fn as_rgb(frame: &Frame) -> Frame {
    let mut data = Vec::new();
    frame.write_rgb(&mut data).expect("a whole frame");
    Frame { format: PixelFormat::Rgb8, data, ..frame.clone() }
}

#[test]
fn tiny_pictures_turn_as_written() {
    use PixelFormat::*;
    let geometry = |mirror, rotation| Geometry { crop: None, mirror, rotation };
    let cases: Vec<(&str, Geometry, Frame, Frame)> = vec![
        (
            "grey, a quarter: the left column becomes the top row",
            geometry(Mirror::None, Rotation::Quarter),
            frame(Gray8, 3, 2, &[1, 2, 3, 4, 5, 6]),
            frame(Gray8, 2, 3, &[4, 1, 5, 2, 6, 3]),
        ),
        (
            "grey, half",
            geometry(Mirror::None, Rotation::Half),
            frame(Gray8, 3, 2, &[1, 2, 3, 4, 5, 6]),
            frame(Gray8, 3, 2, &[6, 5, 4, 3, 2, 1]),
        ),
        (
            "grey, three quarters",
            geometry(Mirror::None, Rotation::ThreeQuarters),
            frame(Gray8, 3, 2, &[1, 2, 3, 4, 5, 6]),
            frame(Gray8, 2, 3, &[3, 6, 2, 5, 1, 4]),
        ),
        (
            "grey, mirrored before it is turned",
            geometry(Mirror::Horizontal, Rotation::Quarter),
            frame(Gray8, 3, 2, &[1, 2, 3, 4, 5, 6]),
            frame(Gray8, 2, 3, &[6, 3, 5, 2, 4, 1]),
        ),
        (
            "bgr, mirrored",
            geometry(Mirror::Horizontal, Rotation::None),
            frame(Bgr8, 2, 1, &[1, 2, 3, 4, 5, 6]),
            frame(Bgr8, 2, 1, &[4, 5, 6, 1, 2, 3]),
        ),
        (
            "yuyv, mirrored: Y change places, chroma stays with its pair",
            geometry(Mirror::Horizontal, Rotation::None),
            frame(Yuyv, 4, 1, &[1, 100, 2, 200, 3, 101, 4, 201]),
            frame(Yuyv, 4, 1, &[4, 101, 3, 201, 2, 100, 1, 200]),
        ),
        (
            "uyvy, mirrored",
            geometry(Mirror::Horizontal, Rotation::None),
            frame(Uyvy, 4, 1, &[100, 1, 200, 2, 101, 3, 201, 4]),
            frame(Uyvy, 4, 1, &[101, 4, 201, 3, 100, 2, 200, 1]),
        ),
        (
            "yuyv, a quarter: 4:4:4",
            geometry(Mirror::None, Rotation::Quarter),
            frame(Yuyv, 2, 2, &[1, 100, 2, 200, 3, 101, 4, 201]),
            frame(I444, 2, 2, &[3, 1, 4, 2, 101, 100, 101, 100, 201, 200, 201, 200]),
        ),
        (
            "nv12, a quarter",
            geometry(Mirror::None, Rotation::Quarter),
            frame(Nv12, 4, 2, &[1, 2, 3, 4, 5, 6, 7, 8, 100, 200, 101, 201]),
            frame(Nv12, 2, 4, &[5, 1, 6, 2, 7, 3, 8, 4, 100, 200, 101, 201]),
        ),
        (
            "yu12, upside down",
            geometry(Mirror::Vertical, Rotation::None),
            frame(I420, 2, 4, &[1, 2, 3, 4, 5, 6, 7, 8, 100, 101, 200, 201]),
            frame(I420, 2, 4, &[7, 8, 5, 6, 3, 4, 1, 2, 101, 100, 201, 200]),
        ),
        (
            "yu12, odd and mirrored: 4:4:4",
            geometry(Mirror::Horizontal, Rotation::None),
            frame(I420, 3, 1, &[1, 2, 3, 100, 101, 200, 201]),
            frame(I444, 3, 1, &[3, 2, 1, 101, 100, 100, 201, 200, 200]),
        ),
    ];
    report(cases.into_iter().filter_map(|(name, geometry, given, want)| {
        let got = geometry.apply(given);
        (got.as_ref() != Ok(&want)).then(|| format!("{name}: {got:?}, not {want:?}"))
    }));
}

/// The geometry pixel by pixel, on RGB.
fn plainly(frame: &Frame, geometry: &Geometry, crop: Crop) -> Frame {
    let (w, h) = (crop.width as usize, crop.height as usize);
    let mut picture: Vec<Vec<[u8; 3]>> = (0..h)
        .map(|y| {
            let row = (crop.y as usize + y) * frame.width as usize + crop.x as usize;
            (0..w).map(|x| std::array::from_fn(|byte| frame.data[3 * (row + x) + byte])).collect()
        })
        .collect();
    if matches!(geometry.mirror, Mirror::Horizontal | Mirror::Both) {
        picture.iter_mut().for_each(|row| row.reverse());
    }
    if matches!(geometry.mirror, Mirror::Vertical | Mirror::Both) {
        picture.reverse();
    }
    let quarters = ROTATIONS.iter().position(|&rotation| rotation == geometry.rotation).expect("one of four");
    for _ in 0..quarters {
        let (w, h) = (picture[0].len(), picture.len());
        picture = (0..w).map(|x| (0..h).map(|y| picture[h - 1 - y][x]).collect()).collect();
    }
    let (width, height) = (picture[0].len() as u32, picture.len() as u32);
    let data = picture.into_iter().flatten().flatten().collect();
    Frame { width, height, data, ..frame.clone() }
}

#[test]
fn every_format_turns_as_its_rgb_does() {
    let sizes = [(1, 1), (2, 2), (3, 2), (2, 3), (5, 7), (8, 6), (70, 131)];
    let mut wrong = Vec::new();
    for format in PixelFormat::ALL {
        for (width, height) in sizes {
            let given = some_frame(format, width, height);
            for crop in
                [None, Some(Crop { x: width / 3, y: height / 2, width: width.div_ceil(2), height: 1 })]
            {
                for (mirror, rotation) in MIRRORS.iter().flat_map(|&m| ROTATIONS.map(|r| (m, r))) {
                    let geometry = Geometry { crop, mirror, rotation };
                    let region = crop.unwrap_or(Crop::whole(width, height)).aligned(format, width, height);
                    let want = plainly(&as_rgb(&given), &geometry, region);
                    match geometry.apply(given.clone()) {
                        Ok(got) if as_rgb(&got) == want => {}
                        got => wrong.push(format!("{format:?} {width}x{height} {geometry:?}: {got:?}")),
                    }
                }
            }
        }
    }
    report(wrong);
}

#[test]
fn formats_stay_where_chroma_lines_up() {
    let cases = [
        (PixelFormat::Yuyv, (4, 4), Rotation::Half, PixelFormat::Yuyv),
        (PixelFormat::Yuyv, (4, 4), Rotation::Quarter, PixelFormat::I444),
        (PixelFormat::Uyvy, (4, 4), Rotation::ThreeQuarters, PixelFormat::I444),
        (PixelFormat::I422, (4, 4), Rotation::Half, PixelFormat::I422),
        (PixelFormat::I420, (4, 4), Rotation::Quarter, PixelFormat::I420),
        (PixelFormat::Nv12, (4, 4), Rotation::Quarter, PixelFormat::Nv12),
        (PixelFormat::Nv12, (5, 4), Rotation::Half, PixelFormat::I444),
        (PixelFormat::Rgb8, (5, 5), Rotation::Quarter, PixelFormat::Rgb8),
    ];
    report(cases.into_iter().filter_map(|(format, (width, height), rotation, want)| {
        let geometry = Geometry { rotation, ..Geometry::default() };
        let got = geometry.apply(some_frame(format, width, height)).expect("a whole frame").format;
        (got != want).then(|| format!("{format:?} {width}x{height} {rotation:?}: {got:?}, not {want:?}"))
    }));
}

#[test]
fn frames_that_do_not_fit_are_refused() {
    let crop = Some(Crop { x: 3, y: 0, width: 2, height: 1 });
    let cases = [
        (
            Geometry { crop, ..Geometry::default() },
            frame(PixelFormat::Gray8, 4, 1, &[0; 4]),
            "beyond the picture of 4x1",
        ),
        (
            Geometry { mirror: Mirror::Both, ..Geometry::default() },
            frame(PixelFormat::Gray8, 4, 1, &[0; 3]),
            "takes 4 bytes, but the source gave 3",
        ),
    ];
    report(cases.into_iter().filter_map(|(geometry, given, want)| {
        let got = geometry.apply(given);
        (!matches!(&got, Err(reason) if reason.contains(want))).then(|| format!("{want}: {got:?}"))
    }));
}

#[test]
fn any_source_can_be_turned() {
    let synthetic = || Synthetic::parse("synthetic:8x6@5:2").expect("a pattern");
    let turned = |crop| {
        let geometry = Geometry { crop, mirror: Mirror::None, rotation: Rotation::Quarter };
        let mut source = Turned::new(synthetic(), geometry);
        assert_eq!(source.info(), synthetic().info());
        assert_eq!(source.losses(), Losses::default());
        let frames: Vec<String> = std::iter::from_fn(|| source.next_frame())
            .map(|frame| match frame {
                Ok(frame) => format!("{} {}x{}", frame.number, frame.width, frame.height),
                Err(error) => error.to_string(),
            })
            .collect();
        frames.join("; ")
    };
    assert_eq!(turned(None), "0 6x8; 1 6x8");
    assert_eq!(turned(Some(Crop { x: 1, y: 1, width: 3, height: 4 })), "0 4x3; 1 4x3");
    let beyond = Some(Crop { x: 1, y: 1, width: 8, height: 4 });
    let reason = "the crop of 8x4 at 1,1 reaches beyond the picture of 8x6";
    assert_eq!(
        turned(beyond),
        format!("synthetic:8x6@5:2: {reason}; give another crop"),
        "told once, at its end"
    );
}

/// Pictures of their own with these sizes.
struct Pictures(SourceInfo, std::vec::IntoIter<(u32, u32)>);

impl Source for Pictures {
    fn info(&self) -> &SourceInfo {
        &self.0
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let (width, height) = self.1.next()?;
        let data = vec![0; width as usize * height as usize];
        Some(Ok(Frame { name: Some("a.png".into()), ..frame(PixelFormat::Gray8, width, height, &data) }))
    }
}

#[test]
fn a_picture_that_is_too_small_for_the_crop_is_one_broken_frame() {
    let geometry = Geometry { crop: Some(Crop { x: 0, y: 0, width: 4, height: 4 }), ..Geometry::default() };
    let sizes = vec![(2, 2), (8, 8)].into_iter();
    let mut source = Turned::new(Pictures(SourceInfo::default(), sizes), geometry);
    assert!(matches!(source.next_frame(), Some(Err(SourceError::BrokenFrame { .. }))));
    assert!(matches!(source.next_frame(), Some(Ok(frame)) if (frame.width, frame.height) == (4, 4)));
    assert!(source.next_frame().is_none());
}
