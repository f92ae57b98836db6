//! What is asked of kernels on a frame's way to a network's input: rows to RGB, the two directions of a resize, tables.

use super::{Q, generic};

/// A row of a picture in the pixel format of its camera, from an even column on. Where chroma is halved, a sample serves
/// two columns, and the last one serves what is left. Y, U and V are BT.601 limited range.
#[derive(Clone, Copy, Debug)]
pub enum PixelRow<'a> {
    /// Interleaved R, G, B.
    Rgb(&'a [u8]),
    /// Interleaved B, G, R.
    Bgr(&'a [u8]),
    /// Luminance of full range.
    Gray(&'a [u8]),
    /// Groups Y, U, Y, V of two pixels.
    Yuyv(&'a [u8]),
    /// Groups U, Y, V, Y of two pixels.
    Uyvy(&'a [u8]),
    /// Y, and pairs of U and V, each for two pixels.
    Pairs {
        /// Y of every pixel.
        y: &'a [u8],
        /// U and V of every two pixels.
        uv: &'a [u8],
    },
    /// Y, U and V, chroma samples each for two pixels.
    Halved {
        /// Y of every pixel.
        y: &'a [u8],
        /// U of every two pixels.
        u: &'a [u8],
        /// V of every two pixels.
        v: &'a [u8],
    },
    /// Y, U and V of every pixel.
    Full {
        /// Y of every pixel.
        y: &'a [u8],
        /// U of every pixel.
        u: &'a [u8],
        /// V of every pixel.
        v: &'a [u8],
    },
}

impl<'a> PixelRow<'a> {
    /// Whether there are at least `width` pixels.
    pub fn holds(&self, width: usize) -> bool {
        let pairs = width.div_ceil(2);
        match self {
            PixelRow::Rgb(pixels) | PixelRow::Bgr(pixels) => pixels.len() >= 3 * width,
            PixelRow::Gray(pixels) => pixels.len() >= width,
            PixelRow::Yuyv(groups) | PixelRow::Uyvy(groups) => groups.len() >= 4 * pairs,
            PixelRow::Pairs { y, uv } => y.len() >= width && uv.len() >= 2 * pairs,
            PixelRow::Halved { y, u, v } => y.len() >= width && u.len() >= pairs && v.len() >= pairs,
            PixelRow::Full { y, u, v } => y.len() >= width && u.len() >= width && v.len() >= width,
        }
    }

    /// The row from `column` on, which is even.
    pub fn from(self, column: usize) -> PixelRow<'a> {
        assert_eq!(column % 2, 0, "chroma serves two columns");
        let half = column / 2;
        match self {
            PixelRow::Rgb(pixels) => PixelRow::Rgb(&pixels[3 * column..]),
            PixelRow::Bgr(pixels) => PixelRow::Bgr(&pixels[3 * column..]),
            PixelRow::Gray(pixels) => PixelRow::Gray(&pixels[column..]),
            PixelRow::Yuyv(groups) => PixelRow::Yuyv(&groups[2 * column..]),
            PixelRow::Uyvy(groups) => PixelRow::Uyvy(&groups[2 * column..]),
            PixelRow::Pairs { y, uv } => PixelRow::Pairs { y: &y[column..], uv: &uv[column..] },
            PixelRow::Halved { y, u, v } => {
                PixelRow::Halved { y: &y[column..], u: &u[half..], v: &v[half..] }
            }
            PixelRow::Full { y, u, v } => {
                PixelRow::Full { y: &y[column..], u: &u[column..], v: &v[column..] }
            }
        }
    }
}

/// One direction of a resize: output `o` is the weighted sum of the inputs from `starts[o]` on,
/// `(2^(precision - 1) + sum_t(weights[o][t] * x[starts[o] + t])) >> precision`, bounded by 0 and 255. Sums fit in an
/// `i32`: the weights of an output add up to 2^precision within rounding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows {
    /// First input of every output; never less than that of the output before.
    pub starts: Vec<usize>,
    /// Inputs of every output, from 1 to `taps`.
    pub lengths: Vec<usize>,
    /// `[outputs][taps]`, not negative, 0 past the output's length.
    pub weights: Vec<i16>,
    /// The most inputs of an output.
    pub taps: usize,
    /// Bits behind the binary point of the weights, from 1 to 22.
    pub precision: u32,
}

impl Windows {
    /// First input and weights of an output.
    pub fn window(&self, output: usize) -> (usize, &[i16]) {
        (self.starts[output], &self.weights[output * self.taps..][..self.lengths[output]])
    }
}

/// [`Windows`] across rows of interleaved channels, with the weights in the order in which an instruction set reads them.
#[derive(Clone, Debug)]
pub struct PackedWindows {
    /// The windows.
    pub windows: Windows,
    /// Interleaved channels of a row, 1 or 3.
    pub channels: usize,
    /// The instruction set's own.
    pub packed: Vec<i16>,
}

/// From 8-bit pixels to stored values: channel `c` of the output is `tables[c][pixel[order[c]]]`.
#[derive(Clone, Copy, Debug)]
pub struct LookUp<'a> {
    tables: &'a [[Q; 256]],
    order: &'a [usize],
    channels: usize,
    one_table: bool,
}

impl<'a> LookUp<'a> {
    /// Of pixels of `channels` interleaved channels.
    ///
    /// # Panics
    /// If there are not as many tables as channels in `order`, or `order` names one that the pixels do not have.
    pub fn new(tables: &'a [[Q; 256]], order: &'a [usize], channels: usize) -> LookUp<'a> {
        assert_eq!(tables.len(), order.len(), "one table an output channel");
        assert!(order.iter().all(|&channel| channel < channels), "{order:?} of {channels} channels");
        let in_order = channels == order.len() && order.iter().enumerate().all(|(i, &channel)| i == channel);
        let one_table = in_order && tables.windows(2).all(|pair| pair[0] == pair[1]);
        LookUp { tables, order, channels, one_table }
    }

    /// A table for each output channel.
    pub fn tables(&self) -> &'a [[Q; 256]] {
        self.tables
    }

    /// The pixels' channel for each output channel.
    pub fn order(&self) -> &'a [usize] {
        self.order
    }

    /// Interleaved channels of the pixels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The only table, if every output is found in the same one, in the order of the pixels' bytes.
    pub fn one_table(&self) -> Option<&'a [Q; 256]> {
        self.tables.first().filter(|_| self.one_table)
    }
}

/// Kernels on rows of 8-bit pixels.
pub trait Pixels {
    /// Writes R, G, B of the first `rgb.len() / 3` pixels of a row. YUV is read as BT.601 limited range (ITU-R BT.601-7),
    /// in integers, within 1 of the exact formula.
    fn rgb_row(&self, row: PixelRow, rgb: &mut [u8]) {
        generic::pixels::rgb_row(row, rgb);
    }

    /// Writes the luminance of the first `gray.len()` pixels of a row, full range: of RGB that of BT.601, of YUV its Y.
    fn gray_row(&self, row: PixelRow, gray: &mut [u8]) {
        generic::pixels::gray_row(row, gray);
    }

    /// One row of a resize downwards: byte `i` of `out` is that of [`Windows`] of bytes `data[rows[t] + i]`.
    fn mix_rows(&self, data: &[u8], rows: &[usize], weights: &[i16], precision: u32, out: &mut [u8]) {
        generic::pixels::mix_rows(data, rows, weights, precision, out);
    }

    /// Brings the weights for rows of `channels` interleaved channels, 1 or 3, into this instruction set's order.
    fn pack_windows(&self, windows: Windows, channels: usize) -> PackedWindows {
        PackedWindows { windows, channels, packed: Vec::new() }
    }

    /// One row of a resize across, each channel on its own: as many pixels as `windows` has outputs. It is faster where
    /// some bytes follow the last pixel of `row`; they may hold anything.
    fn mix_columns(&self, row: &[u8], windows: &PackedWindows, out: &mut [u8]) {
        generic::pixels::mix_columns(row, windows, out);
    }

    /// The stored values of a row of pixels. See [`LookUp`].
    fn look_up(&self, pixels: &[u8], look_up: &LookUp, out: &mut [Q]) {
        generic::pixels::look_up(pixels, look_up, out);
    }
}
