//! A moving pattern that depends on the frame's number alone, for trying things out without a camera.

use super::rate::{Rate, frame_time};
use super::size::check_size;
use super::{Source, SourceError, SourceInfo};
use crate::frame::{Frame, PixelFormat};

/// A disc and a square that bounce over a gradient, as [`Rgb8`](PixelFormat::Rgb8).
///
/// The same number gives the same bytes on every machine. Frames come as fast as they are asked for; only their times
/// follow the rate.
#[derive(Debug)]
pub struct Synthetic {
    info: SourceInfo,
    width: u32,
    height: u32,
    rate: Option<Rate>,
    next: u64,
}

impl Synthetic {
    /// From the text `synthetic:WIDTHxHEIGHT@FPS` or `synthetic:WIDTHxHEIGHT@FPS:FRAMES`; sizes in pixels, the rate
    /// above 0 up to 1000 with at most three decimals, without `FRAMES` endless.
    ///
    /// # Errors
    /// [`SourceError::BadPattern`], naming the part that is wrong.
    pub fn parse(text: &str) -> Result<Synthetic, SourceError> {
        let bad = |reason: String| SourceError::BadPattern { text: text.into(), reason };
        let pattern = text.strip_prefix("synthetic:").unwrap_or(text);
        let (size, rest) =
            pattern.split_once('@').ok_or_else(|| bad("the @ before the rate is missing".into()))?;
        let (width, height) =
            size.split_once('x').ok_or_else(|| bad(format!("{size:?} is not WIDTHxHEIGHT")))?;
        let side =
            |side: &str| side.parse::<u64>().map_err(|_| bad(format!("{side:?} is not a number of pixels")));
        let (width, height) = check_size(side(width)?, side(height)?).map_err(bad)?;
        let (fps, frames) = match rest.split_once(':') {
            Some((fps, frames)) => (fps, Some(frames)),
            None => (rest, None),
        };
        let rate = parse_rate(fps).ok_or_else(|| bad(format!("{fps:?} is not a rate from 0.001 to 1000")))?;
        let frames = frames
            .map(|frames| frames.parse().map_err(|_| bad(format!("{frames:?} is not a number of frames"))))
            .transpose()?;
        let info = SourceInfo { name: text.into(), frames, fps: Some(rate.fps()), live: false };
        Ok(Synthetic { info, width, height, rate: Some(rate), next: 0 })
    }
}

/// A decimal number of frames per second, in thousandths.
fn parse_rate(text: &str) -> Option<Rate> {
    let fps: f64 = text.parse().ok()?;
    (0.001..=1000.0).contains(&fps).then(|| Rate::new((fps * 1000.0).round() as u32, 1000))?
}

impl Source for Synthetic {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        if self.info.frames.is_some_and(|frames| self.next >= frames) {
            return None;
        }
        let number = self.next;
        self.next += 1;
        Some(Ok(Frame {
            number,
            time: frame_time(number, self.rate),
            width: self.width,
            height: self.height,
            format: PixelFormat::Rgb8,
            data: draw(self.width, self.height, number),
            name: None,
        }))
    }
}

fn draw(width: u32, height: u32, number: u64) -> Vec<u8> {
    let (w, h) = (i64::from(width), i64::from(height));
    let radius = (w.min(h) / 6).max(1);
    let disc_x = bounce(number, w, 64);
    let disc_y = bounce(number, h, 96);
    let square_x = bounce(number + 40, w, 110);
    let square_y = bounce(number + 70, h, 50);
    let mut data = Vec::with_capacity(PixelFormat::Rgb8.frame_bytes(width, height));
    for y in 0..h {
        let green = (y * 255 / h) as u8;
        for x in 0..w {
            let (dx, dy) = (x - disc_x, y - disc_y);
            let in_disc = dx * dx + dy * dy <= radius * radius;
            let in_square = (x - square_x).abs() <= radius && (y - square_y).abs() <= radius;
            data.extend(match (in_disc, in_square) {
                (true, _) => [230, 60, 40],
                (_, true) => [40, 70, 220],
                _ => [(x * 255 / w) as u8, green, 96],
            });
        }
    }
    data
}

/// A place from 0 to `length` - 1 that goes back and forth, one way in `frames` frames.
fn bounce(number: u64, length: i64, frames: u64) -> i64 {
    let phase = (number % (2 * frames)) as i64;
    let frames = frames as i64;
    (length - 1) * if phase < frames { phase } else { 2 * frames - phase } / frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::testing::{report, transcript};

    #[test]
    fn texts_make_patterns_or_clear_errors() {
        let two: &[&str] = &["frame 0 at 0 ms 8x4 Rgb8 ~224", "frame 1 at 80 ms 8x4 Rgb8 ~224"];
        let cases: &[(&str, &[&str])] = &[
            ("synthetic:8x4@12.5:2", two),
            ("synthetic:1x1@30:1", &["frame 0 at 0 ms 1x1 Rgb8 ~224"]),
            ("synthetic:8x4@30:0", &[]),
            ("synthetic:", &["the @ before the rate is missing"]),
            ("synthetic:8x4", &["the @ before the rate is missing"]),
            ("synthetic:8@30", &["\"8\" is not WIDTHxHEIGHT"]),
            ("synthetic:8xtall@30", &["\"tall\" is not a number of pixels"]),
            ("synthetic:0x4@30", &["a picture of 0x4 has no pixels"]),
            ("synthetic:8x99999@30", &["a picture of 8x99999 is too large; 16384 pixels a side is the most"]),
            ("synthetic:8x4@0", &["\"0\" is not a rate from 0.001 to 1000"]),
            ("synthetic:8x4@NaN", &["\"NaN\" is not a rate from 0.001 to 1000"]),
            ("synthetic:8x4@fast", &["\"fast\" is not a rate from 0.001 to 1000"]),
            ("synthetic:8x4@30:many", &["\"many\" is not a number of frames"]),
        ];
        report(cases.iter().filter_map(|(text, want)| {
            let want = match want {
                [reason] if !reason.starts_with("frame") => format!(
                    "error: {text:?} is not a pattern: {reason}; write synthetic:WIDTHxHEIGHT@FPS or \
                     synthetic:WIDTHxHEIGHT@FPS:FRAMES, for example synthetic:640x480@30:100"
                ),
                _ => want.join("\n"),
            };
            let got = transcript(Synthetic::parse(text));
            (got != want).then(|| format!("{text}:\n{got}"))
        }));
    }

    #[test]
    fn the_pattern_moves_and_is_the_same_every_time() {
        let frames = || {
            let mut source = Synthetic::parse("synthetic:64x48@30").expect("a pattern");
            std::array::from_fn::<_, 3, _>(|_| source.next_frame().expect("endless").expect("whole").data)
        };
        let [first, second, third] = frames();
        assert!(first != second && second != third);
        assert_eq!([first, second, third], frames());
    }
}
