//! Kernels on rows of pixels against the definition.

use proptest::prelude::*;

use super::cases::Numbers;
use super::{assert_all, check_all};
use crate::kernels::generic::Generic;
use crate::kernels::{Kernels, LookUp, PixelRow, Q, Windows};

/// Bytes that must stay as they are behind every output.
const GUARD: usize = 40;

fn compare(
    kernels: &dyn Kernels,
    length: usize,
    run: impl Fn(&dyn Kernels, &mut [u8]),
) -> Result<(), String> {
    let result = |kernels: &dyn Kernels| {
        let mut out = vec![77; length + GUARD];
        run(kernels, &mut out[..length]);
        out
    };
    let (expected, found) = (result(&Generic), result(kernels));
    match expected.iter().zip(&found).position(|(expected, found)| expected != found) {
        None => Ok(()),
        Some(at) => {
            Err(format!("{}: byte {at}: {} expected, {} found", kernels.isa(), expected[at], found[at]))
        }
    }
}

/// Bytes of any value, many of them at the ends.
fn bytes(numbers: &mut Numbers, count: usize) -> Vec<u8> {
    let mut byte = || match numbers.below(8) {
        0 => 0,
        1 => 255,
        _ => numbers.below(256) as u8,
    };
    (0..count).map(|_| byte()).collect()
}

#[derive(Clone, Copy, Debug)]
struct ColorCase {
    layout: usize,
    width: usize,
    seed: u64,
}

fn check_color(kernels: &dyn Kernels, case: &ColorCase) -> Result<(), String> {
    let ColorCase { layout, width, seed } = *case;
    let numbers = &mut Numbers(seed);
    let pairs = width.div_ceil(2);
    let [a, b, c] = [4 * width + 4, 2 * pairs + width, width].map(|count| bytes(numbers, count));
    let row = match layout {
        0 => PixelRow::Rgb(&a[..3 * width]),
        1 => PixelRow::Bgr(&a[..3 * width]),
        2 => PixelRow::Gray(&a[..width]),
        3 => PixelRow::Yuyv(&a[..4 * pairs]),
        4 => PixelRow::Uyvy(&a[..4 * pairs]),
        5 => PixelRow::Pairs { y: &a[..width], uv: &b[..2 * pairs] },
        6 => PixelRow::Halved { y: &a[..width], u: &b[..pairs], v: &c[..pairs] },
        _ => PixelRow::Full { y: &a[..width], u: &b[..width], v: &c[..width] },
    };
    compare(kernels, 3 * width, |kernels, out| kernels.rgb_row(row, out))?;
    compare(kernels, width, |kernels, out| kernels.gray_row(row, out))
}

#[test]
fn colors_of_rows_around_vectors() {
    let mut cases = Vec::new();
    for layout in 0..8 {
        for width in [0, 1, 2, 3, 5, 6, 7, 8, 15, 16, 17, 18, 31, 32, 33, 47, 48, 64, 65, 640] {
            cases.extend((0..4).map(|seed| ColorCase { layout, width, seed }));
        }
    }
    assert_all(&cases, check_color);
}

#[derive(Clone, Copy, Debug)]
struct RowsCase {
    rows: usize,
    length: usize,
    precision: u32,
    seed: u64,
}

/// Weights that add up to `2^precision` at most, each at most 2^14.
fn weights(numbers: &mut Numbers, count: usize, precision: u32) -> Vec<i16> {
    let share = ((1 << precision) / count.max(1)).min(1 << 14);
    (0..count).map(|_| (share - numbers.below(share / 2 + 1)) as i16).collect()
}

fn check_rows(kernels: &dyn Kernels, case: &RowsCase) -> Result<(), String> {
    let RowsCase { rows, length, precision, seed } = *case;
    let numbers = &mut Numbers(seed);
    let data = bytes(numbers, rows * (length + 3) + 1);
    let starts: Vec<usize> = (0..rows).map(|row| 1 + row * (length + 3)).collect();
    let weights = weights(numbers, rows, precision);
    compare(kernels, length, |kernels, out| kernels.mix_rows(&data, &starts, &weights, precision, out))
}

#[test]
fn mixed_rows_of_every_count_and_length() {
    let mut cases = Vec::new();
    for rows in [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 17] {
        for length in [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 192] {
            cases.extend([14, 15, 17, 21].map(|precision| RowsCase { rows, length, precision, seed: 5 }));
        }
    }
    assert_all(&cases, check_rows);
}

#[derive(Clone, Copy, Debug)]
struct ColumnsCase {
    channels: usize,
    width: usize,
    outputs: usize,
    taps: usize,
    /// Bytes behind the row.
    slack: usize,
    seed: u64,
}

fn check_columns(kernels: &dyn Kernels, case: &ColumnsCase) -> Result<(), String> {
    let ColumnsCase { channels, width, outputs, taps, slack, seed } = *case;
    let taps = taps.min(width);
    let numbers = &mut Numbers(seed);
    let row = bytes(numbers, width * channels + slack);
    let mut windows = Windows { precision: 15, ..Windows::default() };
    for output in 0..outputs {
        let length = taps - numbers.below(taps);
        windows.taps = windows.taps.max(length);
        windows.lengths.push(length);
        windows.starts.push(output * (width - length) / outputs.max(1));
    }
    windows.starts.sort_unstable();
    for (start, length) in windows.starts.iter().zip(&mut windows.lengths) {
        *length = (*length).min(width - start);
    }
    for &length in &windows.lengths {
        windows.weights.extend(weights(numbers, length, 15));
        windows.weights.extend(std::iter::repeat_n(0, windows.taps - length));
    }
    compare(kernels, outputs * channels, |kernels, out| {
        let packed = kernels.pack_windows(windows.clone(), channels);
        kernels.mix_columns(&row, &packed, out);
    })
}

#[test]
fn mixed_columns_of_every_count_and_window() {
    let mut cases = Vec::new();
    for channels in [1, 3] {
        for (width, outputs) in [(1, 1), (2, 9), (7, 4), (20, 8), (33, 16), (40, 17), (64, 25), (100, 33)] {
            for taps in 1..=16 {
                for slack in [0, 1, 8, 64] {
                    cases.push(ColumnsCase { channels, width, outputs, taps, slack, seed: taps as u64 });
                }
            }
        }
    }
    assert_all(&cases, check_columns);
}

#[derive(Clone, Debug)]
struct LookUpCase {
    order: &'static [usize],
    channels: usize,
    pixels: usize,
    one_table: bool,
}

fn check_look_up(kernels: &dyn Kernels, case: &LookUpCase) -> Result<(), String> {
    let LookUpCase { order, channels, pixels, one_table } = *case;
    let numbers = &mut Numbers(pixels as u64);
    let mut tables: Vec<[Q; 256]> =
        order.iter().map(|_| std::array::from_fn(|_| numbers.below(256) as u8 as Q)).collect();
    if one_table {
        let first = tables[0];
        tables.fill(first);
    }
    let row = bytes(numbers, pixels * channels);
    compare(kernels, pixels * order.len(), |kernels, out| {
        let mut stored = vec![0; out.len()];
        kernels.look_up(&row, &LookUp::new(&tables, order, channels), &mut stored);
        out.iter_mut().zip(stored).for_each(|(out, value)| *out = value.to_ne_bytes()[0]);
    })
}

#[test]
fn looked_up_rows() {
    let mut cases = Vec::new();
    for (order, channels) in
        [(&[0, 1, 2][..], 3), (&[2, 1, 0], 3), (&[0, 0, 0], 1), (&[0], 1), (&[1, 1], 2), (&[1, 2, 0], 3)]
    {
        for pixels in [0, 1, 2, 5, 10, 11, 15, 16, 17, 31, 32, 33, 48, 49, 257] {
            for one_table in [false, true] {
                cases.push(LookUpCase { order, channels, pixels, one_table });
            }
        }
    }
    assert_all(&cases, check_look_up);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_colors(layout in 0usize..8, width in 0usize..200, seed: u64) {
        check_all(&[ColorCase { layout, width, seed }], check_color).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn any_rows(rows in 1usize..12, length in 1usize..300, precision in 14u32..22, seed: u64) {
        check_all(&[RowsCase { rows, length, precision, seed }], check_rows).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn any_columns(channels in prop::sample::select(vec![1usize, 3]), width in 1usize..150, outputs in 1usize..90,
        taps in 1usize..20, slack in 0usize..70, seed: u64) {
        check_all(&[ColumnsCase { channels, width, outputs, taps, slack, seed }], check_columns).map_err(TestCaseError::fail)?;
    }
}
