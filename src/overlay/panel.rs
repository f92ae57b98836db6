//! A shaded panel with lines of text and, before them, squares of color.

use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};

use super::canvas::{Canvas, Scaled};

/// Space around and between the parts of a panel, in pixels of its font.
const GAP: u32 = 3;

/// Where on the picture a panel lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Corner {
    UpperLeft,
    LowerLeft,
}

/// One line of a panel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// The square before the text; text begins at the panel's edge if no line has one.
    pub swatch: Option<[u8; 3]>,
    pub text: String,
    /// Whether the text is red instead of white.
    pub alarm: bool,
}

impl Line {
    /// White text.
    pub(super) fn new(swatch: Option<[u8; 3]>, text: String) -> Line {
        Line { swatch, text, alarm: false }
    }
}

/// Font and magnification for a picture: text of about one thirtieth of its height.
fn text_size(size: Size) -> (&'static MonoFont<'static>, u32) {
    // A picture that is higher than 4:3 has as little room beside the text as a lower one.
    match (size.width * 3 / 4).min(size.height) {
        0..360 => (&FONT_6X10, 1),
        side @ 360.. => (&FONT_10X20, (side / 500).max(1)),
    }
}

fn line_height(font: &MonoFont) -> u32 {
    font.character_size.height + 1
}

/// Height that a panel of `lines` takes of a picture, in pixels, with the space to the picture's edge.
pub(super) fn height(size: Size, lines: usize) -> u32 {
    let (font, scale) = text_size(size);
    (3 * GAP + lines as u32 * line_height(font)) * scale
}

/// Lines for which `height` pixels of a picture have room.
pub(super) fn fitting(size: Size, height: u32) -> usize {
    let (font, scale) = text_size(size);
    ((height / scale).saturating_sub(4 * GAP) / line_height(font)) as usize
}

/// Draws a panel in a corner; nothing without lines.
pub(super) fn draw(canvas: &mut Canvas, corner: Corner, lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    let (font, scale) = text_size(canvas.size());
    let mut display = Scaled::new(canvas, scale);
    let line_height = line_height(font);
    let advance = font.character_size.width + font.character_spacing;
    let swatch = font.character_size.height - 2;
    let indent = if lines.iter().any(|line| line.swatch.is_some()) { swatch + GAP } else { 0 };
    let characters = lines.iter().map(|line| line.text.chars().count()).max().unwrap_or(0) as u32;
    let size = Size::new(2 * GAP + indent + characters * advance, 2 * GAP + lines.len() as u32 * line_height);
    let top = match corner {
        Corner::UpperLeft => GAP,
        Corner::LowerLeft => display.size().height.saturating_sub(GAP + size.height),
    };
    let panel = Rectangle::new(Point::new(GAP as i32, top as i32), size);
    let shaded = display.below(&panel);
    display.display().shade(&shaded);
    for (number, line) in lines.iter().enumerate() {
        let corner = panel.top_left + Point::new(GAP as i32, (GAP + number as u32 * line_height) as i32);
        if let Some([r, g, b]) = line.swatch {
            let square = Rectangle::new(corner + Point::new(0, 1), Size::new(swatch, swatch));
            let Ok(()) = display.fill_solid(&square, Rgb888::new(r, g, b));
        }
        let color = if line.alarm { Rgb888::new(255, 96, 96) } else { Rgb888::WHITE };
        let start = corner + Point::new(indent as i32, 0);
        let style = MonoTextStyle::new(font, color);
        let Ok(_) = Text::with_baseline(&line.text, start, style, Baseline::Top).draw(&mut display);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_grows_with_the_picture() {
        let cases = [
            ((128, 64), 10),
            ((320, 240), 10),
            ((640, 480), 20),
            ((480, 640), 20),
            ((1280, 720), 20),
            ((1920, 1080), 40),
        ];
        for ((width, height), expected) in cases {
            let (font, scale) = text_size(Size::new(width, height));
            assert_eq!(font.character_size.height * scale, expected, "{width}x{height}");
        }
    }

    /// A panel on a grey picture: `R` swatch, `#` text, `!` alarm, `.` shade, space for what is not touched.
    fn drawn(width: u32, height: u32, corner: Corner, lines: &[Line]) -> Vec<String> {
        let mut rgb = vec![100; 3 * (width * height) as usize];
        draw(&mut Canvas::new(&mut rgb, width, height), corner, lines);
        let sign = |pixel: &[u8]| match pixel {
            [255, 0, 0] => 'R',
            [255, 255, 255] => '#',
            [255, 96, 96] => '!',
            [25, 25, 25] => '.',
            [100, 100, 100] => ' ',
            _ => '?',
        };
        let rows = rgb.chunks_exact(3 * width as usize);
        rows.map(|row| row.chunks_exact(3).map(sign).collect::<String>().trim_end().to_owned()).collect()
    }

    #[test]
    fn panels_are_drawn() {
        let swatch = Line::new(Some([255, 0, 0]), "ab   7.5%".into());
        let alarm = Line { swatch: None, text: "?".into(), alarm: true };
        let cases = [
            (
                "a swatch and text, upper left",
                (90, 24, Corner::UpperLeft, vec![swatch]),
                vec![
                    "",
                    "",
                    "",
                    "   .......................................................................",
                    "   .......................................................................",
                    "   .......................................................................",
                    "   .......................................................................",
                    "   ...RRRRRRRR.........#.......................#####.......#####..#..#....",
                    "   ...RRRRRRRR.........#...........................#.......#.....#.#.#....",
                    "   ...RRRRRRRR....###..#.##.......................#........#.##...#.#.....",
                    "   ...RRRRRRRR.......#.##..#......................#........##..#...#......",
                    "   ...RRRRRRRR....####.#...#.....................#.............#..#.#.....",
                    "   ...RRRRRRRR...#...#.##..#....................#......#...#...#.#.#.#....",
                    "   ...RRRRRRRR....####.#.##.....................#.....###...###..#..#.....",
                    "   ...RRRRRRRR.........................................#..................",
                    "   .......................................................................",
                    "   .......................................................................",
                    "   .......................................................................",
                    "   .......................................................................",
                    "   .......................................................................",
                    "",
                    "",
                    "",
                    "",
                ],
            ),
            (
                "an alarm, lower left",
                (18, 22, Corner::LowerLeft, vec![alarm]),
                vec![
                    "",
                    "",
                    "   ............",
                    "   ............",
                    "   ............",
                    "   ............",
                    "   ....!!!.....",
                    "   ...!...!....",
                    "   ......!.....",
                    "   .....!......",
                    "   .....!......",
                    "   ............",
                    "   .....!......",
                    "   ............",
                    "   ............",
                    "   ............",
                    "   ............",
                    "   ............",
                    "   ............",
                    "",
                    "",
                    "",
                ],
            ),
            ("no lines", (4, 2, Corner::UpperLeft, vec![]), vec!["", ""]),
        ];
        for (name, (width, height, corner, lines), expected) in cases {
            let got = drawn(width, height, corner, &lines);
            assert_eq!(got, expected, "{name}\n{}", got.join("\n"));
        }
    }

    #[test]
    fn lines_that_fit_do_fit() {
        for (width, height) in [(64, 12), (64, 24), (320, 240), (640, 480), (1920, 1080)] {
            let size = Size::new(width, height);
            let lines = fitting(size, height);
            assert!(lines == 0 || self::height(size, lines) <= height, "{lines} of {width}x{height}");
            assert!(self::height(size, lines + 2) > height, "{lines} of {width}x{height}");
        }
    }
}
