//! Copies: other orders, parts, wider tensors.

use crate::kernels::{Padding, Q};

/// See [`crate::kernels::Operators::copy_strided`].
pub fn copy_strided(input: &[Q], dims: &[usize], steps: &[usize], out: &mut [Q]) {
    assert_eq!(dims.len(), steps.len(), "there is a step for each dim");
    assert_eq!(out.len(), dims.iter().product::<usize>(), "the output has the size of its dims");
    let ([outer_dims @ .., dim], [outer_steps @ .., step]) = (dims, steps) else {
        out.copy_from_slice(&input[..1]);
        return;
    };
    if out.is_empty() {
        return;
    }
    match outer_dims {
        [] => copy_row(input, *step, out),
        [outer_dims @ .., rows] => {
            // The two last dims in one loop: the inner one may be short.
            let (row_step, outer_steps) =
                (outer_steps[outer_steps.len() - 1], &outer_steps[..outer_dims.len()]);
            for (index, out) in out.chunks_exact_mut(rows * dim).enumerate() {
                let input = &input[offset(index, outer_dims, outer_steps)..];
                for (row, out) in out.chunks_exact_mut(*dim).enumerate() {
                    copy_row(&input[row * row_step..], *step, out);
                }
            }
        }
    }
}

#[inline(always)]
fn copy_row(input: &[Q], step: usize, out: &mut [Q]) {
    if step == 1 {
        out.copy_from_slice(&input[..out.len()]);
        return;
    }
    for (index, out) in out.iter_mut().enumerate() {
        *out = input[index * step];
    }
}

/// Where element `index` (row by row) of these dims lies, neighbours along dim `d` being `steps[d]` apart.
fn offset(mut index: usize, dims: &[usize], steps: &[usize]) -> usize {
    let mut offset = 0;
    for (dim, step) in dims.iter().zip(steps).rev() {
        offset += index % dim * step;
        index /= dim;
    }
    offset
}

/// See [`crate::kernels::Operators::pad`].
pub fn pad(
    input: &[Q],
    dims: &[usize],
    before: &[usize],
    padding: Padding,
    out_dims: &[usize],
    out: &mut [Q],
) {
    assert!(dims.len() == before.len() && dims.len() == out_dims.len(), "all have the same number of dims");
    assert_eq!(input.len(), dims.iter().product::<usize>(), "the input has the size of its dims");
    assert_eq!(out.len(), out_dims.iter().product::<usize>(), "the output has the size of its dims");
    if out.is_empty() {
        return;
    }
    if let Padding::Constant(value) = padding {
        out.fill(value);
        if input.is_empty() {
            return;
        }
    }
    assert!(!input.is_empty(), "there is no element to pad with");
    let ([dim, dims @ ..], [before, befores @ ..], [out_dim, out_dims @ ..]) = (dims, before, out_dims)
    else {
        out.copy_from_slice(input);
        return;
    };
    let (row, out_row) = (input.len() / dim, out.len() / out_dim);
    for (index, out) in out.chunks_exact_mut(out_row).enumerate() {
        let Some(source) = source(index as isize - *before as isize, *dim, padding) else { continue };
        pad(&input[source * row..][..row], dims, befores, padding, out_dims, out);
    }
}

/// The element of `dim` of them that stands at `index`, which may lie outside; none where a constant stands.
fn source(index: isize, dim: usize, padding: Padding) -> Option<usize> {
    let last = dim as isize - 1;
    if (0..=last).contains(&index) {
        return Some(index as usize);
    }
    match padding {
        Padding::Constant(_) => None,
        Padding::Edge => Some(index.clamp(0, last) as usize),
        Padding::Reflect => {
            let place = index.rem_euclid((2 * last).max(1));
            Some(place.min(2 * last - place).max(0) as usize)
        }
    }
}
