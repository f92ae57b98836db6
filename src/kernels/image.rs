//! The image behind the patches of a 3x3 convolution of stride 1, for kernels that read its pixels themselves.

use super::{Patches, Q};

/// The pixels that the patches of a convolution see.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The values from the first pixel on.
    pub data: &'a [Q],
    /// Channels, and values from a pixel to the next of its row.
    pub channels: usize,
    /// Values from a row to the next.
    pub row_step: usize,
    /// Last row and column that any patch sees.
    pub last: [usize; 2],
}

impl<'a> Image<'a> {
    /// The image of patches of 3x3 neighboring pixels of `channels` values, of which there is one at least.
    ///
    /// # Panics
    /// For other patches, and for those that do not lie inside their data.
    pub fn new(patches: &Patches<'a>, channels: usize) -> Image<'a> {
        let Patches { data, taps, run, step, row_step, width, height } = *patches;
        let regular = match taps.len() {
            3 => run == 3 * channels && (0..3).all(|tap| taps[tap] == taps[0] + tap * row_step),
            9 => {
                let place = |tap: usize| taps[0] + tap / 3 * row_step + tap % 3 * channels;
                run == channels && (0..9).all(|tap| taps[tap] == place(tap))
            }
            _ => false,
        };
        assert!(regular && step == channels, "not the patches of a 3x3 convolution of stride 1");
        assert!(patches.end() <= data.len(), "patches lie inside their data");
        Image { data: &data[taps[0]..], channels, row_step, last: [height + 1, width + 1] }
    }

    /// Offsets in the data of `N` rows from `y` on and of `N` columns from `x` on; beyond the last row and column, which
    /// only outputs beyond the last see, these are repeated.
    pub fn square<const N: usize>(&self, y: usize, x: usize) -> [[usize; N]; 2] {
        [
            std::array::from_fn(|row| (y + row).min(self.last[0]) * self.row_step),
            std::array::from_fn(|column| (x + column).min(self.last[1]) * self.channels),
        ]
    }
}
