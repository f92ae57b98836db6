//! A heat map of scores over two settings, as SVG.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::PlotError;
use crate::sweep::HeatMap;

const CELL: (i32, i32) = (72, 40);
/// Room for the values and the name of the option down, and of the one across with the title.
const LEFT: i32 = 120;
const TOP: i32 = 92;
const MARGIN: i32 = 24;
const FONT: &str = "sans-serif";
/// Dark to bright in even steps of lightness: viridis, by Smith, van der Walt and Firing (matplotlib).
const COLORS: [(u8, u8, u8); 5] = [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)];

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Draws the map with the mean in every cell: three decimals, shares in percent.
///
/// # Errors
/// [`PlotError::File`].
pub fn heat_map(path: &Path, map: &HeatMap) -> Result<(), PlotError> {
    let error = |reason: String| PlotError::File { path: path.to_path_buf(), reason };
    let text = svg(map).map_err(|reason| error(reason.to_string()))?;
    std::fs::write(path, text).map_err(|reason| error(reason.to_string()))
}

fn svg(map: &HeatMap) -> Result<String, Box<dyn std::error::Error>> {
    let (rows, columns) = (map.rows.1.len() as i32, map.columns.1.len() as i32);
    let title = title(map);
    // Seven pixels a letter of the title's font.
    let width = (LEFT + columns * CELL.0 + MARGIN).max(7 * title.len() as i32 + 2 * MARGIN);
    let height = TOP + rows * CELL.1 + MARGIN;
    let mut svg = String::new();
    draw(&mut svg, (width as u32, height as u32), &title, map)?;
    Ok(svg)
}

fn title(map: &HeatMap) -> String {
    let runs = map.cells.iter().flatten().flatten().map(|&(_, runs)| runs);
    let (least, most) = (runs.clone().min().unwrap_or(0), runs.max().unwrap_or(0));
    let of = match (least, most) {
        (1, 1) => String::new(),
        (least, most) if least == most => format!(", mean of {most} runs"),
        (least, most) => format!(", mean of {least} to {most} runs"),
    };
    let unit = if is_share(map) { " in %" } else { "" };
    format!("{}{unit}{of}", map.score)
}

fn is_share(map: &HeatMap) -> bool {
    map.cells.iter().flatten().flatten().all(|&(mean, _)| (0.0..=1.0).contains(&mean))
}

fn draw(svg: &mut String, size: (u32, u32), title: &str, map: &HeatMap) -> Drawn {
    let area = SVGBackend::with_string(svg, size).into_drawing_area();
    area.fill(&WHITE)?;
    let means = || map.cells.iter().flatten().flatten().map(|&(mean, _)| mean);
    let (least, most) = (means().fold(f64::INFINITY, f64::min), means().fold(f64::NEG_INFINITY, f64::max));
    let label = |text: &str, at: (i32, i32), size: i32, across: HPos, color: RGBColor| {
        let style = (FONT, size).into_font().color(&color).pos(Pos::new(across, VPos::Center));
        area.draw(&Text::new(text.to_owned(), at, style)).map_err(|error| error.to_string())
    };
    label(title, (MARGIN, 24), 16, HPos::Left, BLACK)?;
    label(&map.columns.0, (LEFT + map.columns.1.len() as i32 * CELL.0 / 2, 52), 14, HPos::Center, BLACK)?;
    label(&map.rows.0, (MARGIN, TOP - 16), 14, HPos::Left, BLACK)?;
    for (column, value) in (0..).zip(&map.columns.1) {
        label(&short(value), (LEFT + column * CELL.0 + CELL.0 / 2, TOP - 16), 13, HPos::Center, BLACK)?;
    }
    for ((row, value), cells) in (0..).zip(&map.rows.1).zip(&map.cells) {
        let y = TOP + row * CELL.1;
        label(&short(value), (LEFT - 10, y + CELL.1 / 2), 13, HPos::Right, BLACK)?;
        for (column, cell) in (0..).zip(cells) {
            let x = LEFT + column * CELL.0;
            let corners = [(x, y), (x + CELL.0 - 2, y + CELL.1 - 2)];
            let middle = (x + CELL.0 / 2 - 1, y + CELL.1 / 2 - 1);
            let Some((mean, _)) = *cell else {
                area.draw(&Rectangle::new(corners, RGBColor(235, 235, 235).filled()))?;
                continue;
            };
            let share = if most > least { (mean - least) / (most - least) } else { 0.5 };
            area.draw(&Rectangle::new(corners, color(share).filled()))?;
            let number = if is_share(map) { format!("{:.1}", 100.0 * mean) } else { format!("{mean:.3}") };
            label(&number, middle, 13, HPos::Center, if share < 0.6 { WHITE } else { BLACK })?;
        }
    }
    area.present()?;
    Ok(())
}

/// A value that fits over a column, of a path the end.
fn short(value: &str) -> String {
    let letters: Vec<char> = value.chars().collect();
    letters[letters.len().saturating_sub(12)..].iter().collect()
}

/// A color of the map, linear between its stops.
fn color(share: f64) -> RGBColor {
    let place = share.clamp(0.0, 1.0) * (COLORS.len() - 1) as f64;
    let (first, part) = (place.floor().min(3.0), place - place.floor().min(3.0));
    let (a, b) = (COLORS[first as usize], COLORS[first as usize + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(cells: Vec<Vec<Option<(f64, usize)>>>) -> HeatMap {
        let names = |name: &str, n: usize| (name.to_owned(), (0..n).map(|i| format!("{name}{i}")).collect());
        HeatMap {
            rows: names("alpha", cells.len()),
            columns: names("T", cells[0].len()),
            cells,
            score: "test.accuracy".into(),
        }
    }

    #[test]
    fn every_cell_has_its_number() {
        let cases = [
            (
                map(vec![vec![Some((0.5, 1)), Some((0.25, 1))]]),
                vec!["50.0", "25.0", "test.accuracy in %", "T1", "alpha0"],
            ),
            (
                map(vec![vec![Some((1.5, 3))], vec![None]]),
                vec!["1.500", "test.accuracy, mean of 3 runs", "alpha1"],
            ),
            (map(vec![vec![Some((0.5, 1)), Some((0.5, 3))]]), vec!["mean of 1 to 3 runs"]),
        ];
        for (map, expected) in cases {
            let svg = svg(&map).unwrap();
            for text in expected {
                assert!(svg.contains(text), "{text} is not in {svg}");
            }
        }
    }

    #[test]
    fn colors_from_dark_to_bright() {
        assert_eq!((color(0.0), color(1.0)), (RGBColor(68, 1, 84), RGBColor(253, 231, 37)));
        assert_eq!(color(0.125), RGBColor(64, 42, 112));
    }
}
