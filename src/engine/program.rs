//! An int8 program: quantized tensors and the operators between them, in order. `lower` writes it, `plan` lays it out,
//! `run` computes it.
//!
//! Every activation is 8 bits, here in its unsigned form: a tensor that ONNX declares as s8 has 128 added to its values
//! and to its zero point, which changes no real number. All shapes are fixed.

pub use crate::kernels::Between;

/// Index of a tensor in [`Program::tensors`].
pub type Id = usize;

/// Quantized tensors and the operators between them, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// All tensors.
    pub tensors: Vec<Tensor>,
    /// Operators, each after those that write its inputs. Each tensor that is not an input or a constant is written once.
    pub ops: Vec<Op>,
    /// What is fed, in order.
    pub inputs: Vec<Port>,
    /// What is given, in order.
    pub outputs: Vec<Port>,
}

/// A quantized tensor: value `q` stands for `(q - zero_point) * scale`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name in the ONNX graph.
    pub name: String,
    /// Sizes in the order of memory, slowest first. An image is `[n, h, w, c]`.
    pub dims: Vec<usize>,
    /// Which axis of the ONNX tensor each of `dims` is; an image has `[0, 2, 3, 1]`.
    pub axes: Vec<usize>,
    /// Step between two neighbouring values; positive and finite. 1 for class numbers.
    pub scale: f32,
    /// The value that stands for 0.
    pub zero_point: u8,
    /// Elements in the order of memory, if they are constant.
    pub constant: Option<Vec<u8>>,
}

impl Tensor {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    /// Shape as in the ONNX graph.
    pub fn onnx_shape(&self) -> Vec<usize> {
        let mut shape = vec![0; self.dims.len()];
        for (&axis, &size) in self.axes.iter().zip(&self.dims) {
            shape[axis] = size;
        }
        shape
    }
}

/// A tensor that crosses the program's edge.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Name outside.
    pub name: String,
    /// The tensor.
    pub tensor: Id,
    /// Element type outside. Outside, elements are in the order of the ONNX axes.
    pub element: Element,
}

/// Element types outside a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Real numbers: quantized on the way in (`saturate(round_half_even(x / scale) + zero_point)`), dequantized on the way
    /// out (`(q - zero_point) * scale`).
    F32,
    /// The unsigned values themselves.
    U8,
    /// The values minus 128.
    I8,
    /// Class numbers; only outwards.
    I64,
}

/// One operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// The ONNX node it comes from (of several, the one that names it best).
    pub node: String,
    /// What it computes.
    pub kind: Kind,
    /// Tensors read.
    pub inputs: Vec<Id>,
    /// Tensor written.
    pub output: Id,
}

/// Bounds of an output, unsigned form, both inclusive: 0 and 255, or those of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Lowest value.
    pub low: u8,
    /// Highest value.
    pub high: u8,
}

impl Bounds {
    /// All 256 values.
    pub const ALL: Bounds = Bounds { low: 0, high: 255 };
}

/// Where a window lies on an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Pixels from a window to the next, down and right.
    pub strides: [usize; 2],
    /// Padding at top, left, bottom, right; zero of the input (never wins in a maximum).
    pub pads: [usize; 4],
    /// Distance of neighbouring taps, down and right.
    pub dilations: [usize; 2],
}

/// Constants of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// `[outputs][kernel height][kernel width][inputs / groups]`, also for transposed convolutions.
    pub values: Vec<i8>,
    /// One for each output channel, in units of the accumulator (input scale times weight scale).
    pub bias: Vec<i32>,
    /// Input scale times weight scale over output scale, one for each output channel.
    pub multipliers: Vec<f32>,
    /// Groups; input and output channels are multiples of it.
    pub groups: usize,
}

/// How out-of-range elements of a padded tensor are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// One value.
    Constant(u8),
    /// The nearest element.
    Edge,
    /// Mirrored at the border, without repeating it.
    Reflect,
}

/// What an operator computes. `s`, `z` are scale and zero point, `round` rounds half to even; results are bounded as
/// [`Bounds`] say before they are stored. All arithmetic between integers and the rounding is f32, never fused.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Same elements in the same memory with other dims or axes. Costs nothing.
    View,
    /// Convolution of `[n, h, w, c]`: `round(f32(bias + sum((x - x_z) * w)) * multiplier) + y_z`.
    Conv {
        /// The window.
        window: Window,
        /// The constants.
        weights: Weights,
        /// Bounds of the output.
        bounds: Bounds,
    },
    /// Transposed convolution of `[n, h, w, c]`; as `Conv`, input pixel `y` adds to output pixels
    /// `y * stride + tap * dilation - pad`. Output size is that of the output tensor.
    ConvTranspose {
        /// The window, on the output.
        window: Window,
        /// The constants.
        weights: Weights,
        /// Bounds of the output.
        bounds: Bounds,
    },
    /// Product of two computed (or asymmetric) tensors `[.., m, k]` and `[.., k, n]` (or `[.., n, k]` if transposed), leading
    /// dims equal or 1: `round(f32(sum((a - a_z) * (b - b_z))) * multiplier) + y_z`.
    MatMul {
        /// Whether the second tensor is `[.., n, k]`.
        transposed: bool,
        /// `a_s * b_s / y_s`.
        multiplier: f32,
        /// Bounds of the output.
        bounds: Bounds,
    },
    /// `round(f32(a - a_z) * factors[0] + f32(b - b_z) * factors[1]) + y_z`; dims of the inputs are those of the output or 1.
    /// A subtraction has a negative factor.
    Add {
        /// `a_s / y_s` and `b_s / y_s`.
        factors: [f32; 2],
        /// Bounds of the output.
        bounds: Bounds,
    },
    /// `round(f32((a - a_z) * (b - b_z)) * multiplier) + y_z`; dims of the inputs are those of the output or 1.
    Mul {
        /// `a_s * b_s / y_s`.
        multiplier: f32,
        /// Bounds of the output.
        bounds: Bounds,
    },
    /// A function of one variable: `tables[x]`; 256 entries, or 256 for each index of the last of dims.
    Table {
        /// The entries.
        tables: Vec<u8>,
    },
    /// Inputs one after another along a dim of memory. All have scale and zero point of the output.
    Concat {
        /// The dim.
        dim: usize,
    },
    /// Part of a tensor: element `i` along dim `d` is element `starts[d] + i * steps[d]` of the input.
    Slice {
        /// First element along each dim.
        starts: Vec<usize>,
        /// Distance of elements along each dim.
        steps: Vec<usize>,
    },
    /// A larger tensor: element `i` along dim `d` is element `i - before[d]` of the input where that exists.
    Pad {
        /// Elements before the input's first along each dim.
        before: Vec<usize>,
        /// What else is filled with.
        fill: Fill,
    },
    /// Copy in another order of dims: dim `d` of the output is dim `order[d]` of the input.
    Permute {
        /// The order.
        order: Vec<usize>,
    },
    /// Nearest resize of `[n, h, w, c]`: `y[i][j] = x[rows[i]][columns[j]]`.
    Nearest {
        /// Input row of each output row.
        rows: Vec<usize>,
        /// Input column of each output column.
        columns: Vec<usize>,
    },
    /// Linear resize of `[n, h, w, c]`. With `v(i) = f32(x - x_z)`, along columns first: `t = v(low) * (1 - fraction) +
    /// v(high) * fraction`, then the same along rows on `t`, then `round(. * multiplier) + y_z`.
    Linear {
        /// For each output row.
        rows: Vec<Between>,
        /// For each output column.
        columns: Vec<Between>,
        /// `x_s / y_s`.
        multiplier: f32,
    },
    /// Largest value of each window of `[n, h, w, c]`. Scale and zero point stay.
    MaxPool {
        /// The window.
        window: Window,
    },
    /// Mean of each window of `[n, h, w, c]`: `round(f32(sum(x - x_z)) * (x_s / y_s / count)) + y_z`, the factor computed in
    /// f64 and rounded to f32. Padding that counts does so as far as it goes: a window that reaches beyond it is smaller.
    AveragePool {
        /// The window.
        window: Window,
        /// Whether padding counts.
        count_include_pad: bool,
        /// Bounds of the output.
        bounds: Bounds,
    },
    /// Sum over the dims `from..to` of memory: `round(f32(sum(x - x_z)) * multiplier) + y_z`.
    Reduce {
        /// First dim summed over.
        from: usize,
        /// One past the last.
        to: usize,
        /// `x_s / y_s`, divided by the number of terms for a mean.
        multiplier: f32,
        /// Bounds of the output.
        bounds: Bounds,
    },
    /// Softmax over the last dim: `e = exponentials[largest x - x]`, `round(e / sum(e) / y_s) + y_z`; the sum goes from the first
    /// element to the last.
    Softmax {
        /// `exp(-d * x_s)` for d = 0..=255.
        exponentials: Vec<f32>,
    },
    /// Layer normalization over the last dim: with mean and variance of the integers, exact up to one rounding to f64 each,
    /// `round(((x - mean) / sqrt(variance + epsilon / x_s^2)) * scale[c] + shift[c]) + y_z`, where `scale` and `shift` are those
    /// of ONNX over `y_s`. Mean and square root are rounded to f32 before they meet `x`, which is the unsigned value.
    LayerNorm {
        /// For each index of the last dim.
        scale: Vec<f32>,
        /// For each index of the last dim.
        shift: Vec<f32>,
        /// Added to the variance, in units of the input's scale squared.
        epsilon: f32,
    },
    /// Index of the largest value along the last dim, the first of equals; at most 256 of them. The output has no last dim,
    /// and its values are the class numbers themselves (on a processor that stores values signed, too).
    ArgMax,
    /// `ArgMax` after a linear resize of `[n, h, w, c]` logits to the output's height and width, without ever holding the resized
    /// logits: the class whose dequantized, resized logit is the largest, the first of equals; blended as
    /// in `Linear`, along columns first.
    ResizeArgMax {
        /// For each output row.
        rows: Vec<Between>,
        /// For each output column.
        columns: Vec<Between>,
    },
}
