//! Loss and score over epochs, as SVG.

use std::ops::Range;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::PlotError;
use crate::fit::EpochLine;

const SIZE: (u32, u32) = (960, 400);
const TRAIN: RGBColor = RGBColor(31, 119, 180);
const VALIDATION: RGBColor = RGBColor(214, 87, 39);
const FONT: (&str, u32) = ("sans-serif", 14);

/// Draws the losses on the left and the score in percent on the right.
///
/// # Errors
/// [`PlotError::File`].
pub fn curves(path: &Path, lines: &[EpochLine], score_name: &str) -> Result<(), PlotError> {
    let error = |reason: String| PlotError::File { path: path.to_path_buf(), reason };
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&area, lines, score_name).map_err(|reason| error(reason.to_string()))?;
    }
    std::fs::write(path, text).map_err(|reason| error(reason.to_string()))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(area: &Area<'_>, lines: &[EpochLine], score_name: &str) -> Drawn {
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(SIZE.0 / 2);
    let of = |value: fn(&EpochLine) -> f64| -> Vec<(f64, f64)> {
        lines
            .iter()
            .map(|line| (line.epoch as f64, value(line)))
            .filter(|(_, value)| value.is_finite())
            .collect()
    };
    let losses = [
        Series { name: "training loss", color: TRAIN, points: of(|line| line.loss) },
        Series { name: "validation cross entropy", color: VALIDATION, points: of(|line| line.val_loss) },
    ];
    chart(&left, "loss", &losses, None)?;
    let scores = [
        Series { name: score_name, color: VALIDATION, points: of(|line| 100.0 * line.score) },
        Series { name: "accuracy", color: TRAIN, points: of(|line| 100.0 * line.accuracy) },
    ];
    let shown = if score_name == "accuracy" { 1 } else { 2 };
    chart(&right, "validation, percent", &scores[..shown], Some(0.0..100.0))?;
    area.present()?;
    Ok(())
}

struct Series<'a> {
    name: &'a str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

fn chart(area: &Area<'_>, title: &str, series: &[Series<'_>], range: Option<Range<f64>>) -> Drawn {
    let values = || series.iter().flat_map(|series| &series.points);
    let last = values().map(|(epoch, _)| *epoch).fold(1.0, f64::max);
    let largest = values().map(|(_, value)| *value).fold(0.0, f64::max);
    let range = range.unwrap_or(0.0..if largest > 0.0 { 1.05 * largest } else { 1.0 });
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .caption(title, FONT)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(1.0..last.max(1.0 + 1e-9), range)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .light_line_style(WHITE)
        .x_labels(lines_max(last))
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .label_style(FONT)
        .draw()?;
    for one in series {
        let color = one.color;
        chart
            .draw_series(LineSeries::new(one.points.iter().copied(), color.stroke_width(2)))?
            .label(one.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .label_font(FONT)
        .draw()?;
    Ok(())
}

/// At most ten labels, none between two epochs.
fn lines_max(last: f64) -> usize {
    (last as usize).clamp(2, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(epoch: usize) -> EpochLine {
        EpochLine {
            epoch,
            loss: 1.0 / epoch as f64,
            val_loss: if epoch == 2 { f64::NAN } else { 2.0 / epoch as f64 },
            score: 0.1 * epoch as f64,
            accuracy: 0.5,
            rate: 1e-3,
            train_seconds: 1.0,
            val_seconds: 1.0,
            images_per_second: 8.0,
        }
    }

    #[test]
    fn curves_of_any_length_are_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.svg");
        for epochs in [0, 1, 2, 7, 200] {
            let lines: Vec<EpochLine> = (1..=epochs).map(line).collect();
            curves(&path, &lines, "mean IoU").unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{epochs}: {text}");
            assert!(
                ["training loss", "mean IoU", "accuracy"].iter().all(|name| text.contains(name)),
                "{epochs}"
            );
            assert!(!text.contains("NaN") && !text.contains("inf\""), "{epochs}");
        }
    }
}
