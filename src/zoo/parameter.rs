//! What a network learns: names and shapes first, values only when the model is written.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest, Sha256};

use crate::onnx::Tensor;

/// A stored tensor that belongs to a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The initializer's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// How it starts.
    pub initial: Initial,
}

/// Who changes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Gradients do.
    Trained,
    /// A batch norm does, with the mean and variance that it sees.
    Statistic,
}

/// Values before training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// The same number everywhere.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
    /// The same, drawn again beyond two standard deviations.
    TruncatedNormal(f32),
    /// Weights `[C,C,K,K]` of a transposed convolution that enlarges each channel bilinearly (Long et al., *Fully
    /// Convolutional Networks for Semantic Segmentation*, 2015).
    Bilinear,
}

impl Initial {
    /// Keeps the variance through a layer with `fan_in` inputs and a ReLU (He et al., *Delving Deep into
    /// Rectifiers*, 2015).
    pub(super) fn he(fan_in: usize) -> Initial {
        Initial::Normal((2.0 / fan_in.max(1) as f32).sqrt())
    }

    /// The same for a layer without an activation.
    pub(super) fn linear(fan_in: usize) -> Initial {
        Initial::Normal((1.0 / fan_in.max(1) as f32).sqrt())
    }
}

impl Parameter {
    /// Number of elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|&size| size as u64).product()
    }

    /// The tensor before training. It depends on `seed`, name and shape only, so that another part of a network may
    /// change and this one starts the same.
    pub fn fill(&self, seed: u64) -> Tensor {
        let elements = self.shape.iter().product();
        let values = match self.initial {
            Initial::Constant(value) => vec![value; elements],
            Initial::Normal(deviation) => {
                let mut random = self.random(seed);
                (0..elements).map(|_| deviation * normal(&mut random)).collect()
            }
            Initial::TruncatedNormal(deviation) => {
                let mut random = self.random(seed);
                let mut draw = || {
                    loop {
                        let value = normal(&mut random);
                        if value.abs() <= 2.0 {
                            return deviation * value;
                        }
                    }
                };
                (0..elements).map(|_| draw()).collect()
            }
            Initial::Bilinear => bilinear(&self.shape),
        };
        Tensor::f32(&self.shape, values)
    }

    fn random(&self, seed: u64) -> ChaCha8Rng {
        let hash =
            Sha256::new().chain_update(seed.to_le_bytes()).chain_update(self.name.as_bytes()).finalize();
        ChaCha8Rng::from_seed(hash.into())
    }
}

fn normal(random: &mut ChaCha8Rng) -> f32 {
    StandardNormal.sample(random)
}

/// `(1 - |y - c| / f) * (1 - |x - c| / f)` on the diagonal of `[C,C,K,K]`, with f = ceil(K / 2) and c the middle.
fn bilinear(shape: &[usize]) -> Vec<f32> {
    let mut values = vec![0.0; shape.iter().product()];
    let &[channels, outputs, height, width] = shape else {
        return values;
    };
    let weight = |at: usize, size: usize| {
        let factor = size.div_ceil(2) as f32;
        1.0 - (at as f32 - (size - 1) as f32 / 2.0).abs() / factor
    };
    for channel in 0..channels.min(outputs) {
        for y in 0..height {
            for x in 0..width {
                let index = ((channel * outputs + channel) * height + y) * width + x;
                values[index] = weight(y, height) * weight(x, width);
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(name: &str, seed: u64, initial: Initial) -> Vec<f32> {
        let parameter =
            Parameter { name: name.to_string(), shape: vec![64, 64], role: Role::Trained, initial };
        parameter.fill(seed).as_f32().unwrap().to_vec()
    }

    #[test]
    fn values_depend_on_seed_and_name_only() {
        let initial = Initial::Normal(1.0);
        assert_eq!(fill("a", 1, initial), fill("a", 1, initial));
        assert_ne!(fill("a", 1, initial), fill("a", 2, initial));
        assert_ne!(fill("a", 1, initial), fill("b", 1, initial));
    }

    #[test]
    fn normal_values_have_their_deviation() {
        for (initial, deviation, limit) in
            [(Initial::Normal(0.5), 0.5, 3.0), (Initial::TruncatedNormal(0.5), 0.44, 1.0)]
        {
            let values = fill("a", 7, initial);
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32;
            assert!(mean.abs() < 0.03 && (variance.sqrt() - deviation).abs() < 0.02, "{initial:?}");
            assert!(values.iter().all(|value| value.abs() <= limit), "{initial:?}");
        }
    }

    #[test]
    fn bilinear_weights_of_four() {
        let row = [0.25, 0.75, 0.75, 0.25];
        let expected: Vec<f32> = row.iter().flat_map(|a| row.iter().map(move |b| a * b)).collect();
        assert_eq!(bilinear(&[1, 1, 4, 4]), expected);
        assert_eq!(bilinear(&[2, 2, 4, 4])[16..32], [0.0; 16]);
    }
}
