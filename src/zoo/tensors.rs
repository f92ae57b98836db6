//! Operators without parameters: arithmetic, joining, resizing, rearranging.

use super::builder::{Builder, Value};
use crate::onnx::{Attribute, Tensor};

/// Where the pixels of a resized image lie in the original.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Pixels {
    /// Pixels are squares and the images' outer edges meet (PyTorch without align_corners, TensorFlow 2).
    Squares,
    /// Pixels are points and the outermost ones meet (align_corners).
    Corners,
}

impl Builder {
    /// `a + b`
    pub(super) fn add(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node(name, "Add", &[&a.name, &b.name], vec![])
    }

    /// `a * b`
    pub(super) fn mul(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node(name, "Mul", &[&a.name, &b.name], vec![])
    }

    /// `factor * x`
    pub(super) fn scale(&mut self, name: &str, x: &Value, factor: f32) -> Value {
        let factor = self.scalar(factor);
        self.node(name, "Mul", &[&x.name, &factor], vec![])
    }

    /// Channels of all `parts`, one after the other.
    pub(super) fn concat(&mut self, name: &str, parts: &[&Value]) -> Value {
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        self.node(name, "Concat", &names, vec![("axis", Attribute::Int(1))])
    }

    /// `x` for x > 0, else `slope * x`
    pub(super) fn leaky_relu(&mut self, name: &str, x: &Value, slope: f32) -> Value {
        self.node(name, "LeakyRelu", &[&x.name], vec![("alpha", Attribute::Float(slope))])
    }

    /// `1 / (1 + exp(-x))`
    pub(super) fn sigmoid(&mut self, name: &str, x: &Value) -> Value {
        self.node(name, "Sigmoid", &[&x.name], vec![])
    }

    /// `relu6(x + 3) / 6`
    pub(super) fn hard_sigmoid(&mut self, name: &str, x: &Value) -> Value {
        let attributes = vec![("alpha", Attribute::Float(1.0 / 6.0)), ("beta", Attribute::Float(0.5))];
        self.node(name, "HardSigmoid", &[&x.name], attributes)
    }

    /// `x * Phi(x)`, Phi being the normal distribution (Hendrycks and Gimpel, 2016).
    pub(super) fn gelu(&mut self, name: &str, x: &Value) -> Value {
        let scaled = self.scale(&format!("{name}.scaled"), x, std::f32::consts::FRAC_1_SQRT_2);
        let erf = self.node(&format!("{name}.erf"), "Erf", &[&scaled.name], vec![]);
        let one = self.scalar(1.0);
        let shifted = self.node(&format!("{name}.shifted"), "Add", &[&erf.name, &one], vec![]);
        let product = self.mul(&format!("{name}.product"), x, &shifted);
        self.scale(name, &product, 0.5)
    }

    /// `exp(x)` over its sum along `axis`
    pub(super) fn softmax(&mut self, name: &str, x: &Value, axis: i64) -> Value {
        self.node(name, "Softmax", &[&x.name], vec![("axis", Attribute::Int(axis))])
    }

    /// Sum along `axis`, which keeps size 1.
    pub(super) fn sum(&mut self, name: &str, x: &Value, axis: i64) -> Value {
        let axes = self.integers(&[axis]);
        self.node(name, "ReduceSum", &[&x.name, &axes], vec![("keepdims", Attribute::Int(1))])
    }

    /// Product of the last two dimensions.
    pub(super) fn matmul(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node(name, "MatMul", &[&a.name, &b.name], vec![])
    }

    /// The same elements in another shape.
    pub(super) fn reshape(&mut self, name: &str, x: &Value, shape: &[usize]) -> Value {
        let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let shape = self.integers(&shape);
        self.node(name, "Reshape", &[&x.name, &shape], vec![])
    }

    /// Dimension `i` becomes what `order[i]` was.
    pub(super) fn transpose(&mut self, name: &str, x: &Value, order: &[i64]) -> Value {
        self.node(name, "Transpose", &[&x.name], vec![("perm", Attribute::Ints(order.to_vec()))])
    }

    /// `[N,C,H,W]` as `[N,C*H*W]`
    pub(super) fn flatten(&mut self, name: &str, x: &Value) -> Value {
        self.node(name, "Flatten", &[&x.name], vec![("axis", Attribute::Int(1))])
    }

    /// The mean of each channel, `[N,C,1,1]`
    pub(super) fn global_average_pool(&mut self, name: &str, x: &Value) -> Value {
        self.node(name, "GlobalAveragePool", &[&x.name], vec![])
    }

    /// The mean under windows of `kernel` pixels that move by `stride`, each (height, width), without padding.
    pub(super) fn average_pool(
        &mut self,
        name: &str,
        x: &Value,
        kernel: (usize, usize),
        stride: (usize, usize),
    ) -> Value {
        let ints = |(height, width): (usize, usize)| Attribute::Ints(vec![height as i64, width as i64]);
        self.node(
            name,
            "AveragePool",
            &[&x.name],
            vec![("kernel_shape", ints(kernel)), ("strides", ints(stride))],
        )
    }

    /// Each pixel `factor` x `factor` times.
    pub(super) fn nearest(&mut self, name: &str, x: &Value, factor: usize) -> Value {
        let scale = factor as f32;
        let scales = self
            .constant(format!("constants.enlarge{factor}"), Tensor::f32(&[4], vec![1.0, 1.0, scale, scale]));
        self.node(
            name,
            "Resize",
            &[&x.name, "", &scales],
            vec![
                ("coordinate_transformation_mode", Attribute::String(b"asymmetric".to_vec())),
                ("mode", Attribute::String(b"nearest".to_vec())),
                ("nearest_mode", Attribute::String(b"floor".to_vec())),
            ],
        )
    }

    /// Bilinear resize to `size` (height, width).
    pub(super) fn bilinear(&mut self, name: &str, x: &Value, size: (usize, usize), pixels: Pixels) -> Value {
        let sizes = self.integers(&[x.dim(0), x.channels(), size.0, size.1].map(|size| size as i64));
        let mode: &[u8] = match pixels {
            Pixels::Squares => b"half_pixel",
            Pixels::Corners => b"align_corners",
        };
        self.node(
            name,
            "Resize",
            &[&x.name, "", "", &sizes],
            vec![
                ("coordinate_transformation_mode", Attribute::String(mode.to_vec())),
                ("mode", Attribute::String(b"linear".to_vec())),
            ],
        )
    }

    /// Sets a share `ratio` of the elements to 0 in training; nothing at inference (Srivastava et al., 2014).
    pub(super) fn dropout(&mut self, name: &str, x: &Value, ratio: f32) -> Value {
        let ratio = self.scalar(ratio);
        self.node(name, "Dropout", &[&x.name, &ratio], vec![])
    }

    /// Dropout that goes on at inference: every run draws another mask (Gal and Ghahramani, *Dropout as a Bayesian
    /// Approximation*, 2016). Spelled out, since few runtimes run `Dropout` in training mode.
    pub(super) fn sampled_dropout(&mut self, name: &str, x: &Value, ratio: f32) -> Value {
        let shape = x.shape.iter().map(|&size| size as i64).collect();
        let draws = self.node(
            &format!("{name}.draws"),
            "RandomUniform",
            &[],
            vec![("shape", Attribute::Ints(shape))],
        );
        let share = self.scalar(ratio);
        let kept = self.node(&format!("{name}.kept"), "GreaterOrEqual", &[&draws.name, &share], vec![]);
        let to_float = vec![("to", Attribute::Int(1))];
        let mask = self.node(&format!("{name}.mask"), "Cast", &[&kept.name], to_float);
        let masked = self.mul(&format!("{name}.masked"), x, &mask);
        self.scale(name, &masked, 1.0 / (1.0 - ratio))
    }
}
