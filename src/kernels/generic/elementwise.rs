//! Sums and products of elements.

use super::rounding::Rounding;
use crate::kernels::{AddParams, MulParams, Operand, Q};

/// Values in a block, the unit of work.
pub const BLOCK: usize = 32;

/// See [`crate::kernels::Operators::add`].
#[inline(always)]
pub fn add(a: &[Q], b: Operand, params: &AddParams, out: &mut [Q]) {
    let rounding = Rounding::new(params.zero, params.low, params.high);
    broadcast(a, b, &Sum { params: *params, rounding }, out);
}

/// See [`crate::kernels::Operators::mul`].
#[inline(always)]
pub fn mul(a: &[Q], b: Operand, params: &MulParams, out: &mut [Q]) {
    let rounding = Rounding::new(params.zero, params.low, params.high);
    broadcast(a, b, &Product { params: *params, rounding }, out);
}

/// A function of two values, by blocks. A trait and not a closure, because only a function can be marked as always inlined.
pub trait Binary {
    /// The function of each pair.
    fn block(&self, a: &[Q; BLOCK], b: &[Q; BLOCK], out: &mut [Q; BLOCK]);
}

struct Sum {
    params: AddParams,
    rounding: Rounding,
}

impl Binary for Sum {
    #[inline(always)]
    fn block(&self, a: &[Q; BLOCK], b: &[Q; BLOCK], out: &mut [Q; BLOCK]) {
        for i in 0..BLOCK {
            let a = (i32::from(a[i]) - self.params.a_zero) as f32 * self.params.factors[0];
            let b = (i32::from(b[i]) - self.params.b_zero) as f32 * self.params.factors[1];
            out[i] = self.rounding.store(a + b);
        }
    }
}

struct Product {
    params: MulParams,
    rounding: Rounding,
}

impl Binary for Product {
    #[inline(always)]
    fn block(&self, a: &[Q; BLOCK], b: &[Q; BLOCK], out: &mut [Q; BLOCK]) {
        for i in 0..BLOCK {
            let a = (i32::from(a[i]) - self.params.a_zero) as f32;
            let b = (i32::from(b[i]) - self.params.b_zero) as f32;
            // Products of two differences of bytes are exact in f32.
            out[i] = self.rounding.store(a * b * self.params.multiplier);
        }
    }
}

/// Room for the channels of the second tensor, repeated to the end of a block.
const REPEATED: usize = 1024;

/// Applies a function to the values of `a` and `b`.
#[inline(always)]
pub fn broadcast(a: &[Q], b: Operand, function: &impl Binary, out: &mut [Q]) {
    assert_eq!(a.len(), out.len(), "the first tensor has the size of the output");
    match b {
        Operand::Same(b) => {
            assert_eq!(b.len(), out.len(), "the second tensor has the size of the output");
            row(a, |start| start, b, function, out);
        }
        Operand::Channels(b) => {
            let channels = b.len();
            assert!(
                channels > 0 && out.len().is_multiple_of(channels),
                "the output has whole pixels of the second tensor"
            );
            if channels + BLOCK <= REPEATED {
                // Blocks need not care for pixels: each begins somewhere in the channels and finds enough of them.
                let mut repeated = [0; REPEATED];
                for (index, slot) in repeated[..channels + BLOCK].iter_mut().enumerate() {
                    *slot = b[index % channels];
                }
                row(a, |start| start % channels, &repeated, function, out);
            } else {
                for (out, a) in out.chunks_exact_mut(channels).zip(a.chunks_exact(channels)) {
                    row(a, |start| start, b, function, out);
                }
            }
        }
        Operand::Pixels(b) => {
            assert!(
                !b.is_empty() && out.len().is_multiple_of(b.len()),
                "the second tensor has one value for each pixel"
            );
            let channels = (out.len() / b.len()).max(1);
            for ((out, a), &b) in out.chunks_exact_mut(channels).zip(a.chunks_exact(channels)).zip(b) {
                row(a, |_| 0, &[b; BLOCK], function, out);
            }
        }
        Operand::One(b) => row(a, |_| 0, &[b; BLOCK], function, out),
    }
}

/// Blocks of `a` and those that begin at `place` of their start in `b`. What is left of a row after whole blocks is computed in a
/// block that overlaps the last one.
#[inline(always)]
fn row(a: &[Q], place: impl Fn(usize) -> usize, b: &[Q], function: &impl Binary, out: &mut [Q]) {
    let length = out.len();
    let mut start = 0;
    while start < length {
        if start + BLOCK > length {
            if length < BLOCK {
                let mut short = [[0; BLOCK]; 3];
                let (b, known) = (&b[place(0)..], length.min(b.len()));
                short[0][..length].copy_from_slice(a);
                short[1][..known].copy_from_slice(&b[..known]);
                let [a, b, values] = &mut short;
                function.block(a, b, values);
                out.copy_from_slice(&values[..length]);
                return;
            }
            start = length - BLOCK;
        }
        function.block(block(a, start), block(b, place(start)), block_mut(out, start));
        start += BLOCK;
    }
}

#[inline(always)]
fn block(values: &[Q], start: usize) -> &[Q; BLOCK] {
    values[start..].first_chunk().expect("a whole block")
}

#[inline(always)]
fn block_mut(values: &mut [Q], start: usize) -> &mut [Q; BLOCK] {
    values[start..].first_chunk_mut().expect("a whole block")
}
