//! Resizing of images.

use super::round;
use super::tensor::{View, places};
use crate::engine::program::{Between, Bounds, Tensor};

/// See `Kind::Nearest`.
pub fn nearest(x: &View, rows: &[usize], columns: &[usize], output: &Tensor) -> Vec<u8> {
    let value = |place: Vec<usize>| x.at(&[place[0], rows[place[1]], columns[place[2]], place[3]]);
    places(&output.dims).into_iter().map(value).collect()
}

/// See `Kind::Linear`.
pub fn linear(x: &View, rows: &[Between], columns: &[Between], multiplier: f32, output: &Tensor) -> Vec<u8> {
    let value = |place: Vec<usize>| {
        let (row, column) = (&rows[place[1]], &columns[place[2]]);
        let real = blend(row, column, |y, x_| x.centered(&[place[0], y, x_, place[3]]) as f32);
        round(real * multiplier, output.zero_point, Bounds::ALL)
    };
    places(&output.dims).into_iter().map(value).collect()
}

/// See `Kind::ResizeArgMax`.
pub fn resize_argmax(x: &View, rows: &[Between], columns: &[Between], output: &Tensor) -> Vec<u8> {
    let [n, _, _, classes] = x.image();
    assert_eq!(
        output.elements(),
        n * rows.len() * columns.len(),
        "{}: one class for each pixel",
        output.name
    );
    let mut winners = vec![];
    for n in 0..n {
        for row in rows {
            for column in columns {
                let logit = |class| {
                    let at = |y, x_| x.centered(&[n, y, x_, class]) as f32 * x.tensor.scale;
                    blend(row, column, at)
                };
                let (mut best, mut winner) = (f32::NEG_INFINITY, 0);
                for class in 0..classes {
                    if logit(class) > best {
                        (best, winner) = (logit(class), class as u8);
                    }
                }
                winners.push(winner);
            }
        }
    }
    winners
}

/// Along columns first, then along rows.
fn blend(row: &Between, column: &Between, at: impl Fn(usize, usize) -> f32) -> f32 {
    let along_columns =
        |y| at(y, column.low) * (1.0 - column.fraction) + at(y, column.high) * column.fraction;
    along_columns(row.low) * (1.0 - row.fraction) + along_columns(row.high) * row.fraction
}
