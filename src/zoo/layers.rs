//! Layers with parameters: convolutions, batch and layer norms, dense layers, and what usually follows them.

use super::builder::{Builder, Value};
use super::parameter::Initial;
use crate::onnx::Attribute;

/// A convolution's settings, without a bias and with "same" padding until told otherwise.
#[derive(Clone, Copy)]
pub(super) struct Conv {
    /// `None`: one filter a channel (depthwise).
    filters: Option<usize>,
    kernel: usize,
    stride: usize,
    dilation: usize,
    bias: bool,
    padding: Padding,
    initial: Option<Initial>,
    linear: bool,
}

/// Zeros around a convolution's or a pool's input.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Padding {
    /// TensorFlow's: the output has size / stride pixels, rounded up, and an odd zero goes to the end.
    Same,
    /// PyTorch's habit: half of the kernel on both sides, whatever the stride.
    Half,
    /// None.
    Valid,
}

impl Conv {
    /// `filters` square filters.
    pub(super) fn new(filters: usize, kernel: usize) -> Conv {
        Conv {
            filters: Some(filters),
            kernel,
            stride: 1,
            dilation: 1,
            bias: false,
            padding: Padding::Same,
            initial: None,
            linear: false,
        }
    }

    /// One square filter for each channel.
    pub(super) fn depthwise(kernel: usize) -> Conv {
        Conv { filters: None, ..Conv::new(1, kernel) }
    }

    pub(super) fn stride(self, stride: usize) -> Conv {
        Conv { stride, ..self }
    }

    pub(super) fn dilation(self, dilation: usize) -> Conv {
        Conv { dilation, ..self }
    }

    pub(super) fn bias(self) -> Conv {
        Conv { bias: true, ..self }
    }

    pub(super) fn padding(self, padding: Padding) -> Conv {
        Conv { padding, ..self }
    }

    /// Says that no activation follows, which halves the variance of the weights.
    pub(super) fn linear(self) -> Conv {
        Conv { linear: true, ..self }
    }

    /// Weights as the paper has them, in place of He's.
    pub(super) fn initial(self, initial: Initial) -> Conv {
        Conv { initial: Some(initial), ..self }
    }

    fn pads(&self, (height, width): (usize, usize)) -> Vec<i64> {
        let one = |size| pads(self.padding, size, self.kernel, self.stride, self.dilation);
        let ((top, bottom), (left, right)) = (one(height), one(width));
        vec![top, left, bottom, right]
    }
}

/// Zeros before and after `size` pixels.
fn pads(padding: Padding, size: usize, kernel: usize, stride: usize, dilation: usize) -> (i64, i64) {
    let reach = (kernel - 1) * dilation;
    match padding {
        Padding::Valid => (0, 0),
        Padding::Half => ((reach / 2) as i64, (reach / 2) as i64),
        Padding::Same => {
            let total = ((size.div_ceil(stride).max(1) - 1) * stride + reach + 1).saturating_sub(size);
            ((total / 2) as i64, (total - total / 2) as i64)
        }
    }
}

/// What a batch norm adds to the variance, and how slowly its statistics follow.
#[derive(Clone, Copy)]
pub(super) struct Norm {
    epsilon: f32,
    /// Share of the old statistics that each step keeps.
    momentum: f32,
}

impl Norm {
    /// PyTorch's defaults.
    pub(super) const TORCH: Norm = Norm { epsilon: 1e-5, momentum: 0.9 };
    /// Keras's defaults.
    pub(super) const KERAS: Norm = Norm { epsilon: 1e-3, momentum: 0.99 };
    /// The MobileNets of Keras and TensorFlow.
    pub(super) const MOBILENET: Norm = Norm { epsilon: 1e-3, momentum: 0.999 };
    /// What TensorFlow's DeepLab puts on a backbone.
    pub(super) const TENSORFLOW_HEAD: Norm = Norm { epsilon: 1e-5, momentum: 0.9997 };
    /// The MobileNetV3 of torchvision.
    pub(super) const MOBILENET_TORCH: Norm = Norm { epsilon: 1e-3, momentum: 0.99 };
}

/// An activation.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Act {
    None,
    Relu,
    Relu6,
    /// `x * relu6(x + 3) / 6`
    HardSwish,
}

impl Builder {
    /// A convolution over `[N,C,H,W]`.
    pub(super) fn conv(&mut self, name: &str, x: &Value, conv: Conv) -> Value {
        let groups = if conv.filters.is_none() { x.channels() } else { 1 };
        let filters = conv.filters.unwrap_or(x.channels());
        let shape = [filters, x.channels() / groups, conv.kernel, conv.kernel];
        let fan_in = shape[1..].iter().product();
        let initial = if conv.linear { Initial::linear(fan_in) } else { Initial::he(fan_in) };
        let weight = self.weight(format!("{name}.weight"), &shape, conv.initial.unwrap_or(initial));
        let bias = conv.bias.then(|| self.weight(format!("{name}.bias"), &[filters], Initial::Constant(0.0)));
        let mut inputs = vec![x.name.as_str(), &weight];
        inputs.extend(bias.as_deref());
        let (kernel, stride, dilation) = (conv.kernel as i64, conv.stride as i64, conv.dilation as i64);
        self.node(
            name,
            "Conv",
            &inputs,
            vec![
                ("dilations", Attribute::Ints(vec![dilation; 2])),
                ("group", Attribute::Int(groups as i64)),
                ("kernel_shape", Attribute::Ints(vec![kernel; 2])),
                ("pads", Attribute::Ints(conv.pads(x.size()))),
                ("strides", Attribute::Ints(vec![stride; 2])),
            ],
        )
    }

    /// A transposed convolution with `filters` square filters that multiplies height and width by `stride`; of the
    /// `kernel - stride` pixels too many the odd one is cut off at the end, as TensorFlow's "same" padding does.
    pub(super) fn conv_transpose(
        &mut self,
        name: &str,
        x: &Value,
        filters: usize,
        (kernel, stride): (usize, usize),
        bias: bool,
        initial: Option<Initial>,
    ) -> Value {
        // Each output pixel sees the kernel's share that the stride leaves.
        let fan_in = x.channels() * (kernel * kernel).div_ceil(stride * stride);
        let shape = [x.channels(), filters, kernel, kernel];
        let weight = self.weight(format!("{name}.weight"), &shape, initial.unwrap_or(Initial::he(fan_in)));
        let bias = bias.then(|| self.weight(format!("{name}.bias"), &[filters], Initial::Constant(0.0)));
        let mut inputs = vec![x.name.as_str(), &weight];
        inputs.extend(bias.as_deref());
        let cut = kernel.saturating_sub(stride) as i64;
        let (start, end) = (cut / 2, cut - cut / 2);
        self.node(
            name,
            "ConvTranspose",
            &inputs,
            vec![
                ("kernel_shape", Attribute::Ints(vec![kernel as i64; 2])),
                ("pads", Attribute::Ints(vec![start, start, end, end])),
                ("strides", Attribute::Ints(vec![stride as i64; 2])),
            ],
        )
    }

    /// A batch norm over the channels of `[N,C,H,W]` (Ioffe and Szegedy, 2015).
    pub(super) fn norm(&mut self, name: &str, x: &Value, norm: Norm) -> Value {
        let shape = [x.channels()];
        let gamma = self.weight(format!("{name}.gamma"), &shape, Initial::Constant(1.0));
        let beta = self.weight(format!("{name}.beta"), &shape, Initial::Constant(0.0));
        let mean = self.statistic(format!("{name}.mean"), &shape, Initial::Constant(0.0));
        let variance = self.statistic(format!("{name}.variance"), &shape, Initial::Constant(1.0));
        self.node(
            name,
            "BatchNormalization",
            &[&x.name, &gamma, &beta, &mean, &variance],
            vec![("epsilon", Attribute::Float(norm.epsilon)), ("momentum", Attribute::Float(norm.momentum))],
        )
    }

    /// A layer norm over the channels of `[N,C,H,W]` (Ba et al., 2016).
    pub(super) fn layer_norm(&mut self, name: &str, x: &Value, epsilon: f32) -> Value {
        self.opset = self.opset.max(17);
        let shape = [x.channels()];
        let last = self.transpose(&format!("{name}.channels_last"), x, &[0, 2, 3, 1]);
        let gamma = self.weight(format!("{name}.gamma"), &shape, Initial::Constant(1.0));
        let beta = self.weight(format!("{name}.beta"), &shape, Initial::Constant(0.0));
        let attributes = vec![("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(epsilon))];
        let y = self.node(name, "LayerNormalization", &[&last.name, &gamma, &beta], attributes);
        self.transpose(&format!("{name}.channels_first"), &y, &[0, 3, 1, 2])
    }

    /// `name.conv`, `name.norm` and the activation.
    pub(super) fn conv_norm(&mut self, name: &str, x: &Value, conv: Conv, norm: Norm, act: Act) -> Value {
        let y = self.conv(&format!("{name}.conv"), x, conv);
        let y = self.norm(&format!("{name}.norm"), &y, norm);
        self.act(name, &y, act)
    }

    /// `name.conv` with a bias, and the activation.
    pub(super) fn conv_act(&mut self, name: &str, x: &Value, conv: Conv, act: Act) -> Value {
        let conv = if act == Act::None { conv.linear() } else { conv };
        let y = self.conv(&format!("{name}.conv"), x, conv.bias());
        self.act(name, &y, act)
    }

    /// An activation, called `name.relu` and alike.
    pub(super) fn act(&mut self, name: &str, x: &Value, act: Act) -> Value {
        match act {
            Act::None => x.clone(),
            Act::Relu => self.node(&format!("{name}.relu"), "Relu", &[&x.name], vec![]),
            Act::Relu6 => {
                let (zero, six) = (self.scalar(0.0), self.scalar(6.0));
                self.node(&format!("{name}.relu6"), "Clip", &[&x.name, &zero, &six], vec![])
            }
            Act::HardSwish => {
                self.opset = self.opset.max(14);
                self.node(&format!("{name}.hardswish"), "HardSwish", &[&x.name], vec![])
            }
        }
    }

    /// A dense layer from `[N,features]` to `[N,units]`.
    pub(super) fn dense(&mut self, name: &str, x: &Value, units: usize, initial: Option<Initial>) -> Value {
        let features = x.dim(1);
        let initial = initial.unwrap_or(Initial::he(features));
        let weight = self.weight(format!("{name}.weight"), &[units, features], initial);
        let bias = self.weight(format!("{name}.bias"), &[units], Initial::Constant(0.0));
        self.node(name, "Gemm", &[&x.name, &weight, &bias], vec![("transB", Attribute::Int(1))])
    }

    /// The largest value under a square window.
    pub(super) fn max_pool(
        &mut self,
        name: &str,
        x: &Value,
        (kernel, stride): (usize, usize),
        padding: Padding,
    ) -> Value {
        let (height, width) = x.size();
        let (top, bottom) = pads(padding, height, kernel, stride, 1);
        let (left, right) = pads(padding, width, kernel, stride, 1);
        self.node(
            name,
            "MaxPool",
            &[&x.name],
            vec![
                ("kernel_shape", Attribute::Ints(vec![kernel as i64; 2])),
                ("pads", Attribute::Ints(vec![top, left, bottom, right])),
                ("strides", Attribute::Ints(vec![stride as i64; 2])),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_of_both_schools() {
        let cases = [
            // padding, size, kernel, stride, dilation, expected
            (Padding::Same, 224, 3, 2, 1, (0, 1)),
            (Padding::Same, 257, 3, 2, 1, (1, 1)),
            (Padding::Same, 33, 3, 1, 4, (4, 4)),
            (Padding::Same, 32, 2, 1, 1, (0, 1)),
            (Padding::Same, 32, 2, 2, 1, (0, 0)),
            (Padding::Same, 7, 5, 2, 1, (2, 2)),
            (Padding::Half, 224, 7, 2, 1, (3, 3)),
            (Padding::Half, 224, 3, 1, 2, (2, 2)),
            (Padding::Valid, 71, 3, 2, 1, (0, 0)),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .filter(|&(padding, size, kernel, stride, dilation, expected)| {
                pads(padding, size, kernel, stride, dilation) != expected
            })
            .map(|(_, size, kernel, stride, dilation, expected)| (size, kernel, stride, dilation, expected))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
