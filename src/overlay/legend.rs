//! The lines that name the classes in a picture and their shares.

use embedded_graphics::prelude::*;

use super::blend::Paint;
use super::canvas::Canvas;
use super::panel::{self, Corner, Line};
use crate::mask::{Class, Mask};

/// Longest name shown, in characters; longer ones end in "..".
const NAME_CHARS_MAX: usize = 24;

/// One class of the legend.
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

/// Draws the legend in the upper `height` pixels, with as many rows as there is room for and a count of the rest;
/// nothing without rows or room.
pub(super) fn draw(canvas: &mut Canvas, rows: &[Row], height: u32) {
    panel::draw(canvas, Corner::UpperLeft, &lines(rows, panel::fitting(canvas.size(), height)));
}

/// The rows as at most `fitting` lines.
fn lines(rows: &[Row], fitting: usize) -> Vec<Line> {
    if fitting == 0 {
        return Vec::new();
    }
    let shown = if rows.len() > fitting { fitting - 1 } else { rows.len() };
    let names = rows[..shown].iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let line = |row: &Row| Line::new(Some(row.color), format!("{:<names$} {:>5.1}%", row.name, row.share));
    let mut lines: Vec<Line> = rows[..shown].iter().map(line).collect();
    if shown < rows.len() {
        lines.push(Line::new(None, format!("and {} more", rows.len() - shown)));
    }
    lines
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
    fn rows_without_room_are_counted() {
        let row = |(name, share): (&str, f64)| Row { color: [255, 0, 0], name: name.into(), share };
        let rows: Vec<Row> = [("cat", 40.0), ("dog", 9.9), ("hedgehog", 0.0)].map(row).into();
        let cases: [(usize, &[&str]); 5] = [
            (0, &[]),
            (1, &["and 3 more"]),
            (2, &["cat  40.0%", "and 2 more"]),
            (3, &["cat       40.0%", "dog        9.9%", "hedgehog   0.0%"]),
            (9, &["cat       40.0%", "dog        9.9%", "hedgehog   0.0%"]),
        ];
        for (fitting, expected) in cases {
            let got: Vec<String> = lines(&rows, fitting).into_iter().map(|line| line.text).collect();
            assert_eq!(got, expected, "{fitting} lines");
        }
        assert_eq!(lines(&[], 3), []);
    }
}
