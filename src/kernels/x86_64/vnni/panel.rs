//! How VNNI lays out weights: panels of up to four registers of output channels, four terms side by side.

use super::vector::Vector;
use crate::kernels::{Lines, Matrix, PackedMatrix};

/// Terms of a dot product.
pub const TERMS: usize = 4;

/// Neighboring output channels that are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panel {
    /// The first register, counted over the whole matrix.
    pub first: usize,
    /// Registers: 1 to [`Vector::PANEL`].
    pub width: usize,
}

impl Panel {
    /// The panel that holds `channel` of `outputs`. Panels are as wide as can be; the last takes what is left, and a last
    /// one of one register next to one of four shares with it, so that both have enough sums.
    pub fn holding<T: Vector>(channel: usize, outputs: usize) -> Panel {
        let registers = outputs.div_ceil(T::LANES);
        let left = registers % T::PANEL;
        let shared = left == 1 && T::PANEL == 4 && registers > T::PANEL;
        let tail = if shared { T::PANEL + 1 } else { left };
        let (register, start) = (channel / T::LANES, registers - tail);
        if register < start {
            return Panel { first: register / T::PANEL * T::PANEL, width: T::PANEL };
        }
        match (shared, register - start < 3) {
            (false, _) => Panel { first: start, width: tail },
            (true, true) => Panel { first: start, width: 3 },
            (true, false) => Panel { first: start + 3, width: 2 },
        }
    }

    /// First output channel.
    pub fn start(self, lanes: usize) -> usize {
        self.first * lanes
    }

    /// One past the last output channel, which may be more than the matrix has.
    pub fn end(self, lanes: usize) -> usize {
        (self.first + self.width) * lanes
    }

    /// Where the weights begin, in bytes.
    pub fn offset(self, depth: usize, lanes: usize) -> usize {
        self.start(lanes) * steps(depth) * TERMS
    }
}

/// Dot products that a sum of `depth` terms takes.
pub fn steps(depth: usize) -> usize {
    depth.div_ceil(TERMS)
}

/// Output channel, counted from the panel's first, of lane `lane` of register `v` of a panel of `width` registers.
/// Packing registers to bytes works within quads of lanes; in this order the channels come out sorted, once quads of
/// several pixels are separated.
pub fn channel_of_lane(width: usize, v: usize, lane: usize) -> usize {
    (lane / 4 * width + v) * 4 + lane % 4
}

/// Brings values given for each output channel into the order of the lanes, `[registers][lanes]`; `other` where there is
/// no such channel.
pub fn by_lanes<T: Copy>(panel: Panel, lanes: usize, values: &[T], other: T, to: &mut [T]) {
    for (v, register) in to.chunks_exact_mut(lanes).enumerate() {
        for (lane, to) in register.iter_mut().enumerate() {
            let channel = panel.start(lanes) + channel_of_lane(panel.width, v, lane);
            *to = values.get(channel).copied().unwrap_or(other);
        }
    }
}

/// The bias with the zero point folded in: `sum((x - zero) * w) = sum(x * w) - zero * sum(w)`, which also holds where it
/// wraps.
pub fn fold(bias: i32, weights: impl Iterator<Item = i8>, zero_point: i32) -> i32 {
    let sum = weights.fold(0i32, |sum, weight| sum.wrapping_add(i32::from(weight)));
    bias.wrapping_sub(sum.wrapping_mul(zero_point))
}

/// Packs to `[panels][steps][registers][lanes][4]`; the bias is in the order of the lanes and has the zero point
/// folded in.
pub fn pack<T: Vector>(matrix: &Matrix) -> PackedMatrix {
    let (outputs, depth) = (matrix.outputs, matrix.depth);
    let registers = outputs.div_ceil(T::LANES);
    let mut data = Lines::zeros(registers * T::LANES * steps(depth) * TERMS);
    let mut bias = vec![0; registers * T::LANES];
    let folded: Vec<i32> = (0..outputs)
        .map(|channel| {
            let row = &matrix.weights[channel * depth..][..depth];
            fold(matrix.bias[channel], row.iter().copied(), matrix.zero_point)
        })
        .collect();
    let mut channel = 0;
    while channel < outputs {
        let panel = Panel::holding::<T>(channel, outputs);
        let row_bytes = panel.width * T::LANES * TERMS;
        let weights = &mut data.bytes_mut()[panel.offset(depth, T::LANES)..][..steps(depth) * row_bytes];
        for v in 0..panel.width {
            for lane in 0..T::LANES {
                let channel = panel.start(T::LANES) + channel_of_lane(panel.width, v, lane);
                if channel < outputs {
                    let row = &matrix.weights[channel * depth..][..depth];
                    for (term, &weight) in row.iter().enumerate() {
                        let at = term / TERMS * row_bytes + (v * T::LANES + lane) * TERMS + term % TERMS;
                        weights[at] = weight as u8;
                    }
                }
            }
        }
        let lanes = &mut bias[panel.start(T::LANES)..panel.end(T::LANES)];
        by_lanes(panel, T::LANES, &folded, 0, lanes);
        channel = panel.end(T::LANES);
    }
    PackedMatrix { outputs, depth, data, bias, zero_point: matrix.zero_point }
}

#[cfg(test)]
mod tests {
    use super::super::{ymm::Ymm, zmm::Zmm};
    use super::*;

    fn check_panels<T: Vector>() {
        let lanes = T::LANES;
        for outputs in 1..=20 * lanes {
            let mut channel = 0;
            while channel < outputs {
                let panel = Panel::holding::<T>(channel, outputs);
                assert_eq!(panel.start(lanes), channel, "{outputs} outputs");
                let within = channel..panel.end(lanes).min(outputs);
                let same = within.clone().all(|other| Panel::holding::<T>(other, outputs) == panel);
                assert!(same && (1..=T::PANEL).contains(&panel.width), "{outputs} outputs: {panel:?}");
                channel = panel.end(lanes);
            }
            assert_eq!(channel, outputs.next_multiple_of(lanes));
        }
    }

    #[test]
    fn panels_cover_all_channels_once() {
        check_panels::<Zmm>();
        check_panels::<Ymm>();
    }
}
