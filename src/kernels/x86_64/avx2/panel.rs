//! How registers of 256 bits want weights: panels of 16 output channels (the last one of 8, 16 or 24), and in each lane of
//! 32 bits the terms that one instruction sums: two of 16 bits or four of 8.

use crate::kernels::{Lines, Matrix, PackedMatrix};

/// 32-bit sums of a register.
pub const LANES: usize = 8;
/// Registers of a panel but the last.
const WIDTH: usize = 2;

/// Bytes of a lane.
const LANE_BYTES: usize = 4;

/// Neighboring output channels that are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panel {
    /// The first register of 8 channels, counted over the whole matrix.
    pub first: usize,
    /// Registers: 1, 2 or 3.
    pub width: usize,
}

impl Panel {
    /// The panel that holds `channel` of `outputs`. Panels are two registers wide; the last is three wide where the
    /// number of registers is odd, and one wide where there is only one.
    pub fn holding(channel: usize, outputs: usize) -> Panel {
        let registers = outputs.div_ceil(LANES);
        let last = (registers / WIDTH).saturating_sub(1);
        let index = (channel / (WIDTH * LANES)).min(last);
        let first = index * WIDTH;
        Panel { first, width: if index == last { registers - first } else { WIDTH } }
    }

    /// First output channel.
    pub fn start(self) -> usize {
        self.first * LANES
    }

    /// One past the last output channel, which may be more than the matrix has.
    pub fn end(self) -> usize {
        (self.first + self.width) * LANES
    }

    /// Where the weights begin, in bytes, if sums have `groups` groups of terms.
    pub fn offset(self, groups: usize) -> usize {
        self.start() * groups * LANE_BYTES
    }
}

/// Output channel, counted from the panel's first, of lane `index` (counted over the panel's registers). Packing two
/// registers to 16 and then to 8 bits works within halves of a register; in this order of channels it comes out sorted.
pub fn channel_of_lane(width: usize, index: usize) -> usize {
    match (width >= WIDTH, index) {
        (true, 4..8) => index + 4,
        (true, 8..12) => index - 4,
        _ => index,
    }
}

/// Bytes of weights for `outputs` channels.
pub fn size(outputs: usize, groups: usize) -> usize {
    outputs.next_multiple_of(LANES) * groups * LANE_BYTES
}

/// Packs to `[panels][groups][registers][lanes][TERMS]`, groups of `TERMS` terms: two of `i16` or four of `i8`. The bias is
/// in the order of the lanes and has the zero point folded in: `sum((x - zero) * w) = sum(x * w) - zero * sum(w)`, which
/// also holds where it wraps.
pub fn pack<const TERMS: usize>(matrix: &Matrix) -> PackedMatrix {
    let (outputs, depth) = (matrix.outputs, matrix.depth);
    let (groups, term_bytes) = (depth.div_ceil(TERMS), LANE_BYTES / TERMS);
    let mut data = Lines::zeros(size(outputs, groups));
    let mut bias = vec![0i32; outputs.next_multiple_of(LANES)];
    let mut channel = 0;
    while channel < outputs {
        let panel = Panel::holding(channel, outputs);
        let row_bytes = panel.width * LANES * LANE_BYTES;
        let weights = &mut data.bytes_mut()[panel.offset(groups)..][..groups * row_bytes];
        for lane in 0..panel.width * LANES {
            let channel = panel.start() + channel_of_lane(panel.width, lane);
            if channel >= outputs {
                continue;
            }
            let row = &matrix.weights[channel * depth..][..depth];
            for (term, &weight) in row.iter().enumerate() {
                let at = term / TERMS * row_bytes + lane * LANE_BYTES + term % TERMS * term_bytes;
                weights[at..at + term_bytes].copy_from_slice(&i16::from(weight).to_le_bytes()[..term_bytes]);
            }
            let sum = row.iter().fold(0i32, |sum, &weight| sum.wrapping_add(i32::from(weight)));
            bias[panel.start() + lane] =
                matrix.bias[channel].wrapping_sub(sum.wrapping_mul(matrix.zero_point));
        }
        channel = panel.end();
    }
    PackedMatrix { outputs, depth, data, bias, zero_point: matrix.zero_point }
}
