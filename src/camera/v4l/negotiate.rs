//! Which of a camera's modes costs least and still serves the network.

use super::format::Encoding;
use super::mode::{Interval, Intervals, Mode, fps_text, offers};
use crate::camera::Crop;

/// What is wanted of a camera.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// Exactly this width in pixels.
    pub width: Option<u32>,
    /// Exactly this height in pixels.
    pub height: Option<u32>,
    /// At least this many frames per second.
    pub fps: Option<f64>,
    /// Exactly this encoding.
    pub encoding: Option<Encoding>,
    /// Width and height of the network's input, as the camera sees it: before the frame is turned.
    pub input: Option<(u32, u32)>,
    /// A region that the frame has to hold.
    pub crop: Option<Crop>,
    /// Whether the network does without color.
    pub gray: bool,
}

/// A mode to ask the driver for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The encoding.
    pub encoding: Encoding,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The frame interval, where the driver says which there are.
    pub interval: Option<Interval>,
}

/// What a camera should cover where the network's input is not known.
const USUAL_INPUT: (u32, u32) = (640, 360);

/// The rate that is taken where none is wanted, or the nearest below it.
const USUAL_FPS: f64 = 30.0;

/// Rates this much apart are the same: 29.97 serves for 30.
const SAME_RATE: f64 = 0.99;

/// Chooses the cheapest mode.
///
/// What the wish fixes (width, height, encoding, least rate, crop) is kept. Of the modes that are left these win, in this
/// order: with color, unless the network needs none; not smaller than the network's input; of the shape of the largest
/// mode, as others show less of the scene; fewest bytes to read and decode; the nearest rate.
///
/// # Errors
/// A sentence that says what is not offered, and what is.
pub fn negotiate(modes: &[Mode], wish: &Wish) -> Result<Choice, String> {
    let refuse = |what: String| Err(format!("the camera does not offer {what}; it offers {}", offers(modes)));
    let native = modes
        .iter()
        .filter(|mode| Encoding::of(mode.format).is_some())
        .map(|mode| (mode.width.max, mode.height.max))
        .max_by_key(|&(width, height)| (area(width, height), width));
    let Some(native) = native else {
        return refuse("a format that can be read".into());
    };
    let named =
        |encoding: Option<Encoding>| encoding.map_or(String::new(), |encoding| format!(" {encoding}"));
    let mut sized: Vec<(&Mode, Choice)> = Vec::new();
    for mode in modes {
        let Some(encoding) = Encoding::of(mode.format) else { continue };
        if wish.encoding.is_none_or(|wanted| wanted == encoding) {
            for (width, height) in candidate_sizes(mode, wish, native) {
                sized.push((mode, Choice { encoding, width, height, interval: None }));
            }
        }
    }
    if sized.is_empty() {
        let side = |side: Option<u32>| side.map_or("any".into(), |side| side.to_string());
        return match (wish.width, wish.height, wish.encoding) {
            (None, None, Some(encoding)) => refuse(encoding.to_string()),
            (width, height, encoding) => {
                let crop = wish.crop.map_or(String::new(), |_| " that holds the crop".into());
                refuse(format!("{}x{}{}{crop}", side(width), side(height), named(encoding)))
            }
        };
    }
    let choices = sized.into_iter().filter_map(|(mode, choice)| {
        Some(Choice { interval: interval(&mode.intervals, wish.fps)?, ..choice })
    });
    match choices.min_by_key(|choice| rank(choice, wish, native)) {
        Some(choice) => Ok(choice),
        None => {
            let fps = fps_text(wish.fps.unwrap_or(USUAL_FPS));
            refuse(format!("{fps} frames a second with that size and format{}", named(wish.encoding)))
        }
    }
}

fn area(width: u32, height: u32) -> u64 {
    u64::from(width) * u64::from(height)
}

/// The sizes of a mode that may be chosen: its one size, or from a range the ones that fit the wish best.
fn candidate_sizes(mode: &Mode, wish: &Wish, native: (u32, u32)) -> Vec<(u32, u32)> {
    let (input_width, input_height) = wish.input.unwrap_or(USUAL_INPUT);
    // As large as the input in both directions, in the shape of the largest mode.
    let by_width = |width: u32| scaled(width, native.1, native.0);
    let by_height = |height: u32| scaled(height, native.0, native.1);
    let covering = (input_width.max(by_height(input_height)), input_height.max(by_width(input_width)));
    let crop = wish
        .crop
        .map_or((0, 0), |crop| (crop.x.saturating_add(crop.width), crop.y.saturating_add(crop.height)));
    let wanted = match (wish.width, wish.height) {
        (Some(width), Some(height)) => (width, height),
        (Some(width), None) => (width, by_width(width)),
        (None, Some(height)) => (by_height(height), height),
        (None, None) => (covering.0.max(crop.0), covering.1.max(crop.1)),
    };
    let fitting = (mode.width.at_least(wanted.0), mode.height.at_least(wanted.1));
    let mut sizes = vec![fitting, (mode.width.max, mode.height.max)];
    sizes.retain(|&(width, height)| {
        wish.width.is_none_or(|wanted| wanted == width)
            && wish.height.is_none_or(|wanted| wanted == height)
            && mode.width.contains(width)
            && mode.height.contains(height)
            && width >= crop.0
            && height >= crop.1
    });
    sizes.dedup();
    sizes
}

/// `side * of / from`, rounded up.
fn scaled(side: u32, of: u32, from: u32) -> u32 {
    let scaled = (u64::from(side) * u64::from(of)).div_ceil(u64::from(from.max(1)));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// The interval to ask for: with the lowest rate that is not below the wanted one. The inner `None` leaves it to the
/// driver, the outer says that the mode is too slow.
fn interval(intervals: &Intervals, wanted: Option<f64>) -> Option<Option<Interval>> {
    match intervals {
        Intervals::Unknown => Some(None),
        Intervals::Listed(list) => {
            let mut list: Vec<Interval> =
                list.iter().copied().filter(|interval| interval.fps() > 0.0).collect();
            list.sort_by(|a, b| a.fps().total_cmp(&b.fps()));
            match wanted {
                Some(fps) => list.into_iter().find(|interval| interval.fps() >= fps * SAME_RATE).map(Some),
                None => {
                    let usual = list.iter().rfind(|interval| interval.fps() * SAME_RATE <= USUAL_FPS);
                    Some(usual.or(list.first()).copied())
                }
            }
        }
        Intervals::Between { shortest, longest } => {
            let (slowest, fastest) = (longest.fps(), shortest.fps());
            match wanted {
                Some(fps) if fastest < fps * SAME_RATE => None,
                wanted => {
                    let fps = wanted.unwrap_or(USUAL_FPS);
                    Some(Some(if fps >= fastest {
                        *shortest
                    } else if fps <= slowest {
                        *longest
                    } else {
                        Interval::of_fps(fps)
                    }))
                }
            }
        }
    }
}

/// What makes a choice worse, the most important first.
fn rank(choice: &Choice, wish: &Wish, native: (u32, u32)) -> (bool, u64, bool, u64, u64, Encoding) {
    let Choice { encoding, width, height, interval } = *choice;
    let (input_width, input_height) = wish.input.unwrap_or(USUAL_INPUT);
    let missing = area(input_width, input_height) - area(width.min(input_width), height.min(input_height));
    let (crosswise, lengthwise) = (area(width, native.1), area(native.0, height));
    // 3 of 100 apart: 854x480 has the shape of 1920x1080.
    let other_shape = crosswise.abs_diff(lengthwise) * 100 > 3 * crosswise.max(lengthwise);
    let wanted = wish.fps.unwrap_or(USUAL_FPS);
    // A rate that is not known ranks behind all that are.
    let rate_off = interval.map_or(u64::MAX, |interval| ((interval.fps() - wanted).abs() * 1000.0) as u64);
    (
        encoding == Encoding::Grey && !wish.gray,
        missing,
        other_shape,
        encoding.cost_bytes(width, height),
        rate_off,
        encoding,
    )
}

#[cfg(test)]
mod tests {
    use super::super::mode::Steps;
    use super::*;
    use crate::camera::testing::report;

    fn mode(format: &[u8; 4], size: (u32, u32), fps: &[u32]) -> Mode {
        let listed = fps.iter().map(|&fps| Interval { numerator: 1, denominator: fps }).collect();
        let intervals = if fps.is_empty() { Intervals::Unknown } else { Intervals::Listed(listed) };
        let (width, height) = (Steps::one(size.0), Steps::one(size.1));
        Mode { format: super::super::format::FourCc(*format), width, height, intervals }
    }

    /// A usual USB camera: raw frames are slow where they are large.
    fn webcam() -> Vec<Mode> {
        vec![
            mode(b"YUYV", (320, 240), &[30, 15]),
            mode(b"YUYV", (640, 480), &[30, 15]),
            mode(b"YUYV", (1280, 720), &[10, 5]),
            mode(b"MJPG", (320, 240), &[30]),
            mode(b"MJPG", (640, 480), &[60, 30]),
            mode(b"MJPG", (1280, 720), &[30, 15]),
            mode(b"MJPG", (640, 360), &[30]),
            mode(b"H264", (1920, 1080), &[30]),
        ]
    }

    fn stepped() -> Vec<Mode> {
        let range = |format: &[u8; 4]| Mode {
            width: Steps { min: 32, max: 2592, step: 2 },
            height: Steps { min: 32, max: 1944, step: 2 },
            intervals: Intervals::Between {
                shortest: Interval { numerator: 1, denominator: 90 },
                longest: Interval { numerator: 1, denominator: 1 },
            },
            ..mode(format, (0, 0), &[])
        };
        vec![range(b"YUYV"), range(b"YU12"), range(b"RGB3"), range(b"MJPG")]
    }

    #[test]
    fn the_cheapest_mode_that_serves_is_chosen() {
        let every_format = || -> Vec<Mode> {
            let formats = [b"YUYV", b"UYVY", b"NV12", b"YU12", b"RGB3", b"BGR3", b"GREY", b"MJPG"];
            formats.into_iter().map(|format| mode(format, (640, 480), &[])).collect()
        };
        let wish = Wish::default();
        let input = |width, height| Wish { input: Some((width, height)), ..Wish::default() };
        let fps = |fps| Wish { fps: Some(fps), ..input(257, 257) };
        let cases: Vec<(&str, Vec<Mode>, Wish, &str)> = vec![
            ("fewest bytes", every_format(), wish.clone(), "NV12 640x480"),
            (
                "grey serves a grey network",
                every_format(),
                Wish { gray: true, ..wish.clone() },
                "GREY 640x480",
            ),
            ("grey alone", vec![mode(b"GREY", (64, 64), &[])], wish.clone(), "GREY 64x64"),
            (
                "color before bytes",
                vec![mode(b"GREY", (640, 480), &[]), mode(b"MJPG", (640, 480), &[])],
                wish.clone(),
                "MJPG 640x480",
            ),
            (
                "of the sensor's shape, not smaller than the input",
                webcam(),
                input(257, 257),
                "YUYV 1280x720 at 10",
            ),
            ("the same, fast", webcam(), fps(30.0), "MJPG 640x360 at 30"),
            (
                "a size given",
                webcam(),
                Wish { width: Some(640), height: Some(480), ..input(257, 257) },
                "YUYV 640x480 at 30",
            ),
            ("a width given", webcam(), Wish { width: Some(320), ..input(257, 257) }, "YUYV 320x240 at 30"),
            ("larger than all", webcam(), input(4096, 4096), "YUYV 1280x720 at 10"),
            ("the rate only JPEG has", webcam(), fps(60.0), "MJPG 640x480 at 60"),
            (
                "the lowest rate that serves",
                webcam(),
                Wish { width: Some(640), height: Some(480), ..fps(12.0) },
                "YUYV 640x480 at 15",
            ),
            ("raw is too slow", webcam(), Wish { height: Some(720), ..fps(12.0) }, "MJPG 1280x720 at 15"),
            ("raw is fast enough", webcam(), Wish { height: Some(720), ..fps(8.0) }, "YUYV 1280x720 at 10"),
            (
                "a format given",
                webcam(),
                Wish { encoding: Some(Encoding::Mjpg), ..input(640, 480) },
                "MJPG 1280x720 at 30",
            ),
            (
                "a crop wants its room",
                webcam(),
                Wish { crop: Some(Crop { x: 600, y: 0, width: 200, height: 300 }), ..input(64, 64) },
                "YUYV 1280x720 at 10",
            ),
            (
                "a range: the input's size in the sensor's shape",
                stepped(),
                input(257, 257),
                "YU12 344x258 at 30",
            ),
            (
                "a range: a size given",
                stepped(),
                Wish { width: Some(640), height: Some(480), fps: Some(7.5), ..wish.clone() },
                "YU12 640x480 at 7.5",
            ),
            (
                "a range: a height given",
                stepped(),
                Wish { height: Some(480), ..wish.clone() },
                "YU12 640x480 at 30",
            ),
            (
                "a range: too slow a wish",
                stepped(),
                Wish { fps: Some(0.2), ..input(64, 48) },
                "YU12 64x48 at 1",
            ),
            (
                "29.97 is 30",
                vec![Mode {
                    intervals: Intervals::Listed(vec![Interval { numerator: 1001, denominator: 30000 }]),
                    ..mode(b"YUYV", (64, 64), &[])
                }],
                fps(30.0),
                "YUYV 64x64 at 29.97",
            ),
            (
                "fractions without a value are passed over",
                vec![Mode {
                    intervals: Intervals::Listed(vec![
                        Interval { numerator: 0, denominator: 1 },
                        Interval { numerator: 1, denominator: 5 },
                    ]),
                    ..mode(b"YUYV", (64, 64), &[])
                }],
                wish.clone(),
                "YUYV 64x64 at 5",
            ),
            (
                "nothing at all",
                vec![],
                wish.clone(),
                "the camera does not offer a format that can be read; it offers nothing",
            ),
            (
                "nothing that is read",
                vec![mode(b"H264", (64, 64), &[])],
                wish.clone(),
                "the camera does not offer a format that can be read; it offers H264, which cannot be read",
            ),
            (
                "another size",
                webcam(),
                Wish { width: Some(800), height: Some(600), ..wish.clone() },
                "the camera does not offer 800x600; it offers YUYV 320x240 at 30, 15 fps; 640x480 at 30, 15 fps; 1280x720 at 10, 5 fps; MJPG 320x240 at 30 fps; 640x480 at 60, 30 fps; 1280x720 at 30, 15 fps; 640x360 at 30 fps; H264, which cannot be read",
            ),
            (
                "another format",
                vec![mode(b"YUYV", (64, 64), &[])],
                Wish { encoding: Some(Encoding::Nv12), ..wish.clone() },
                "the camera does not offer NV12; it offers YUYV 64x64",
            ),
            (
                "a size of another format",
                vec![mode(b"YUYV", (64, 64), &[]), mode(b"MJPG", (80, 80), &[])],
                Wish { encoding: Some(Encoding::Yuyv), width: Some(80), ..wish.clone() },
                "the camera does not offer 80xany YUYV; it offers YUYV 64x64; MJPG 80x80",
            ),
            (
                "a rate of none",
                vec![mode(b"YUYV", (64, 64), &[5])],
                fps(30.0),
                "the camera does not offer 30 frames a second with that size and format; it offers YUYV 64x64 at 5 fps",
            ),
            (
                "a crop beyond all",
                vec![mode(b"YUYV", (64, 64), &[5])],
                Wish { crop: Some(Crop { x: u32::MAX, y: 0, width: 9, height: 9 }), ..wish.clone() },
                "the camera does not offer anyxany that holds the crop; it offers YUYV 64x64 at 5 fps",
            ),
        ];
        report(cases.into_iter().filter_map(|(name, modes, wish, want)| {
            let got = match negotiate(&modes, &wish) {
                Ok(Choice { encoding, width, height, interval }) => {
                    let rate = interval
                        .map_or(String::new(), |interval| format!(" at {}", fps_text(interval.fps())));
                    format!("{encoding} {width}x{height}{rate}")
                }
                Err(reason) => reason,
            };
            (got != want).then(|| format!("{name}: {got}"))
        }));
    }
}
