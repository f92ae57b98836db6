//! Transformed weights of 3x3 filters: `G g G'`.

use super::super::super::folded_bias;
use super::{CHANNELS, PLACES, SEEN, stride};
use crate::kernels::{Lines, Matrix, PackedConv3x3};

/// Fewest input and output channels for which this is faster than the matrix product.
const LEAST_CHANNELS: usize = 16;
/// `G`, its rows scaled by 24, 6, 6, 24, 24 and 6.
const G: [[i32; 3]; SEEN] = [[6, 0, 0], [-1, -1, -1], [-1, 1, -1], [1, 2, 4], [1, -2, 4], [0, 0, 6]];
/// Sums below this magnitude come out exact.
const SUM_END: i64 = 1 << 25;

/// Bytes of the weights of one panel.
pub fn panel_bytes(channels: usize) -> usize {
    PLACES * stride(channels) * CHANNELS * size_of::<i16>()
}

/// The largest magnitude of `sum(x * w)` for any `x` from -128 to 127.
fn magnitude(weights: &[i8]) -> i64 {
    128 * weights.iter().map(|weight| i64::from(weight.unsigned_abs())).sum::<i64>()
}

/// Packs to `[panels][36 places][channels][16]` of `i16`. `None` for few channels, which are faster as a matrix product,
/// and for weights so large that sums might not come out exact.
pub fn pack(matrix: &Matrix) -> Option<PackedConv3x3> {
    let (outputs, channels) = (matrix.outputs, matrix.depth / 9);
    if channels < LEAST_CHANNELS || outputs < LEAST_CHANNELS || matrix.depth != 9 * channels {
        return None;
    }
    if matrix.weights.chunks_exact(matrix.depth).any(|row| magnitude(row) >= SUM_END) {
        return None;
    }
    let panels = outputs.div_ceil(CHANNELS);
    let mut data = Lines::zeros(panels * panel_bytes(channels));
    for (output, row) in matrix.weights.chunks_exact(matrix.depth).enumerate() {
        let panel = &mut data.bytes_mut()[output / CHANNELS * panel_bytes(channels)..];
        for channel in 0..channels {
            let filter = std::array::from_fn(|tap| i32::from(row[tap * channels + channel]));
            for (place, value) in transform(&filter).into_iter().enumerate() {
                let at = 2 * ((place * stride(channels) + channel) * CHANNELS + output % CHANNELS);
                panel[at..at + 2].copy_from_slice(&value.to_le_bytes());
            }
        }
    }
    let (mut bias, largest) = folded_bias(matrix);
    bias.resize(panels * CHANNELS, 0);
    bias.extend(largest);
    Some(PackedConv3x3 { outputs, channels, data, bias })
}

/// `G g G'` of one filter, row by row; at most 49 * 128 in magnitude.
fn transform(filter: &[i32; 9]) -> [i16; PLACES] {
    std::array::from_fn(|place| {
        let (above, beside) = (G[place / SEEN], G[place % SEEN]);
        let value: i32 = (0..9).map(|tap| above[tap / 3] * filter[tap] * beside[tap % 3]).sum();
        value as i16
    })
}
