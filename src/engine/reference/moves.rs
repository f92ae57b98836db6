//! Operators that only move elements.

use super::tensor::{View, places};
use crate::engine::program::{Fill, Tensor};

/// See `Kind::Concat`.
pub fn concat(inputs: &[View], dim: usize, output: &Tensor) -> Vec<u8> {
    let element = |mut place: Vec<usize>| {
        for input in inputs {
            let size = input.tensor.dims[dim];
            if place[dim] < size {
                return input.at(&place);
            }
            place[dim] -= size;
        }
        panic!("{}: the inputs are smaller than the output", output.name);
    };
    places(&output.dims).into_iter().map(element).collect()
}

/// See `Kind::Slice`.
pub fn slice(x: &View, starts: &[usize], steps: &[usize], output: &Tensor) -> Vec<u8> {
    let element = |place: Vec<usize>| {
        let source: Vec<usize> = (0..place.len()).map(|d| starts[d] + place[d] * steps[d]).collect();
        x.at(&source)
    };
    places(&output.dims).into_iter().map(element).collect()
}

/// See `Kind::Pad`.
pub fn pad(x: &View, before: &[usize], fill: Fill, output: &Tensor) -> Vec<u8> {
    let element = |place: Vec<usize>| {
        let mut source = vec![];
        for (d, &i) in place.iter().enumerate() {
            let (mut i, size) = (i as isize - before[d] as isize, x.tensor.dims[d] as isize);
            match fill {
                Fill::Constant(value) if i < 0 || i >= size => return value,
                Fill::Constant(_) => {}
                Fill::Edge => i = i.max(0).min(size - 1),
                Fill::Reflect if size == 1 => i = 0,
                Fill::Reflect => {
                    while i < 0 || i >= size {
                        i = if i < 0 { -i } else { 2 * (size - 1) - i };
                    }
                }
            }
            source.push(i as usize);
        }
        x.at(&source)
    };
    places(&output.dims).into_iter().map(element).collect()
}

/// See `Kind::Permute`.
pub fn permute(x: &View, order: &[usize], output: &Tensor) -> Vec<u8> {
    let element = |place: Vec<usize>| {
        let mut source = vec![0; place.len()];
        for (d, &from) in order.iter().enumerate() {
            source[from] = place[d];
        }
        x.at(&source)
    };
    places(&output.dims).into_iter().map(element).collect()
}
