//! Transformed weights of 3x3 filters: `G g G'`.

use super::super::panel::channel_of_lane;
use super::{CHANNELS, LEAST_CHANNELS, PLACES, SEEN};
use crate::kernels::{Lines, Matrix, PackedConv3x3};

/// `G`, its rows scaled by 24, 6, 6, 24, 24 and 6.
const G: [[i32; 3]; SEEN] = [[6, 0, 0], [-1, -1, -1], [-1, 1, -1], [1, 2, 4], [1, -2, 4], [0, 0, 6]];
/// Sums of this magnitude come out exact.
const SUM_END: i64 = 1 << 25;

/// Bytes of the weights of one panel.
pub fn panel_bytes(channels: usize) -> usize {
    PLACES * channels.div_ceil(2) * CHANNELS * 4
}

/// The largest magnitude of `sum(x * w)` for any `x` from 0 to 255.
fn magnitude(weights: &[i8]) -> i64 {
    let part = |sign: i64| weights.iter().map(|&weight| (sign * i64::from(weight)).max(0)).sum::<i64>();
    255 * part(1).max(part(-1))
}

/// Packs to `[panels][36 places][pairs of channels][16 lanes][2]` of `i16`, lanes as in a panel of the matrix product; the
/// bias is in the order of the lanes and has the zero point folded in. `None` for few channels, which are faster as a
/// matrix product, and for weights so large that sums might not come out exact.
pub fn pack(matrix: &Matrix) -> Option<PackedConv3x3> {
    let (outputs, channels) = (matrix.outputs, matrix.depth / 9);
    if channels < LEAST_CHANNELS || outputs < CHANNELS / 2 || matrix.depth != 9 * channels {
        return None;
    }
    if matrix.weights.chunks_exact(matrix.depth).any(|row| magnitude(row) >= SUM_END) {
        return None;
    }
    let panels = outputs.div_ceil(CHANNELS);
    let mut data = Lines::zeros(panels * panel_bytes(channels));
    let mut bias = vec![0; panels * CHANNELS];
    for (panel, data) in data.bytes_mut().chunks_exact_mut(panel_bytes(channels)).enumerate() {
        for lane in 0..CHANNELS {
            let output = panel * CHANNELS + channel_of_lane(2, lane);
            if output >= outputs {
                continue;
            }
            let row = &matrix.weights[output * matrix.depth..][..matrix.depth];
            let sum = row.iter().fold(0i32, |sum, &weight| sum.wrapping_add(i32::from(weight)));
            bias[panel * CHANNELS + lane] =
                matrix.bias[output].wrapping_sub(sum.wrapping_mul(matrix.zero_point));
            for channel in 0..channels {
                let filter = std::array::from_fn(|tap| i32::from(row[tap * channels + channel]));
                for (place, value) in transform(&filter).into_iter().enumerate() {
                    let pair = place * channels.div_ceil(2) + channel / 2;
                    let at = (pair * CHANNELS + lane) * 4 + channel % 2 * 2;
                    data[at..at + 2].copy_from_slice(&value.to_le_bytes());
                }
            }
        }
    }
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
