//! The panel that names the classes in a picture and their shares.

use embedded_graphics::mono_font::iso_8859_1::{FONT_6X10, FONT_10X20};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use embedded_graphics::text::{Baseline, Text};

use super::blend::Paint;
use super::canvas::{Canvas, Scaled};
use crate::mask::{Class, Mask};

/// Space around and between the parts of the panel, in pixels of its font.
const GAP: u32 = 3;
/// Longest name shown, in characters; longer ones end in "..".
const NAME_CHARS_MAX: usize = 24;

/// One line of the panel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    color: [u8; 3],
    name: String,
    /// Share of the picture's pixels, in percent.
    share: f64,
}

/// The painted classes in the mask, the largest first.
pub(super) fn rows(mask: &Mask, classes: &[Class], paint: &Paint) -> Vec<Row> {
    let mut present: Vec<(usize, u64)> = mask.histogram().into_iter().enumerate().collect();
    present.retain(|&(id, count)| count > 0 && paint[id].is_some());
    present.sort_by_key(|&(id, count)| (std::cmp::Reverse(count), id));
    let row = |(id, count): (usize, u64)| {
        let class = classes.iter().find(|class| usize::from(class.id) == id);
        Row {
            color: paint[id].unwrap_or_default(),
            name: shortened(&class.map_or_else(|| format!("class {id}"), |class| class.name.clone())),
            share: 100.0 * count as f64 / mask.data.len() as f64,
        }
    };
    present.into_iter().map(row).collect()
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_CHARS_MAX - 2).chain("..".chars()).collect()
}

/// Font and magnification for a picture: text of about one thirtieth of its height.
fn text_size(width: u32, height: u32) -> (&'static MonoFont<'static>, u32) {
    // A picture that is higher than 4:3 has as little room beside the text as a lower one.
    match (width * 3 / 4).min(height) {
        0..360 => (&FONT_6X10, 1),
        side @ 360.. => (&FONT_10X20, (side / 500).max(1)),
    }
}

/// Draws the panel, with as many rows as there is room for and a count of the rest; nothing without rows or room.
pub(super) fn draw(canvas: &mut Canvas, rows: &[Row]) {
    let size = canvas.size();
    let (font, scale) = text_size(size.width, size.height);
    let mut display = Scaled::new(canvas, scale);
    let room = display.size();
    let line = font.character_size.height + 1;
    let fitting = (room.height.saturating_sub(4 * GAP) / line) as usize;
    if rows.is_empty() || fitting == 0 {
        return;
    }
    let shown = if rows.len() > fitting { fitting - 1 } else { rows.len() };
    let rest = rows.len() - shown;
    let mut lines: Vec<(Option<[u8; 3]>, String)> = Vec::new();
    let names = rows[..shown].iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    for row in &rows[..shown] {
        lines.push((Some(row.color), format!("{:<names$} {:>5.1}%", row.name, row.share)));
    }
    if rest > 0 {
        lines.push((None, format!("and {rest} more")));
    }

    let advance = font.character_size.width + font.character_spacing;
    let swatch = font.character_size.height - 2;
    let characters = lines.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0) as u32;
    let panel = Rectangle::new(
        Point::new(GAP as i32, GAP as i32),
        Size::new(3 * GAP + swatch + characters * advance, 2 * GAP + lines.len() as u32 * line),
    );
    let shaded = display.below(&panel);
    display.display().shade(&shaded);
    let style = MonoTextStyle::new(font, Rgb888::WHITE);
    for (number, (color, text)) in lines.iter().enumerate() {
        let corner = panel.top_left + Point::new(GAP as i32, (GAP + number as u32 * line) as i32);
        if let Some([r, g, b]) = *color {
            let square = Rectangle::new(corner + Point::new(0, 1), Size::new(swatch, swatch));
            let Ok(()) = display.fill_solid(&square, Rgb888::new(r, g, b));
        }
        let start = corner + Point::new((swatch + GAP) as i32, 0);
        let Ok(_) = Text::with_baseline(text, start, style, Baseline::Top).draw(&mut display);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::classes_from_names;
    use crate::overlay::blend;

    #[test]
    fn rows_are_the_painted_classes_by_share() {
        let classes = classes_from_names(&["background", "cat", "a name of more than 24 characters"]);
        let mask = Mask { width: 8, height: 1, data: vec![0, 1, 0, 2, 2, 9, 9, 9] };
        let rows = rows(&mask, &classes, &blend::paint(&classes));
        let lines: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.share)).collect();
        assert_eq!(lines, [("class 9", 37.5), ("a name of more than 24..", 25.0), ("cat", 12.5)]);
    }

    #[test]
    fn text_grows_with_the_picture() {
        let cases =
            [((320, 240), 10), ((640, 480), 20), ((480, 640), 20), ((1280, 720), 20), ((1920, 1080), 40)];
        for ((width, height), expected) in cases {
            let (font, scale) = text_size(width, height);
            assert_eq!(font.character_size.height * scale, expected, "{width}x{height}");
        }
    }

    fn row(name: &str, share: f64) -> Row {
        Row { color: [255, 0, 0], name: name.into(), share }
    }

    /// The panel on a grey picture: `R` swatch, `#` text, `.` shade, space for what is not touched.
    fn panel(width: u32, height: u32, rows: &[Row]) -> Vec<String> {
        let mut rgb = vec![100; 3 * (width * height) as usize];
        draw(&mut Canvas::new(&mut rgb, width, height), rows);
        let sign = |pixel: &[u8]| match pixel {
            [255, 0, 0] => 'R',
            [255, 255, 255] => '#',
            [25, 25, 25] => '.',
            [100, 100, 100] => ' ',
            _ => '?',
        };
        let lines = rgb.chunks_exact(3 * width as usize);
        lines.map(|line| line.chunks_exact(3).map(sign).collect::<String>().trim_end().to_owned()).collect()
    }

    #[test]
    fn a_panel_is_drawn() {
        let expected = [
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
        ];
        let got = panel(90, 24, &[row("ab", 7.5)]);
        assert_eq!(got, expected, "\n{}", got.join("\n"));
    }

    #[test]
    fn rows_without_room_are_counted() {
        let many: Vec<Row> = (0..9).map(|number| row(&format!("class {number}"), 1.0)).collect();
        let swatches =
            |height| panel(200, height, &many).iter().filter(|line| line.contains('R')).count() / 8;
        let cases = [(12, 0), (24, 0), (35, 1), (60, 3), (111, 9), (300, 9)];
        for (height, expected) in cases {
            assert_eq!(swatches(height), expected, "height {height}");
        }
    }
}
