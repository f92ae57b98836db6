//! Steps along the gradients.

use tch::{TchError, Tensor};

use super::Method;

/// A variable that is trained.
#[derive(Debug)]
pub struct Parameter {
    /// Its name, unlike all others'.
    pub name: String,
    /// The variable itself (f32), which requires gradients.
    pub tensor: Tensor,
    /// Factor of the learning rate.
    pub rate_factor: f64,
    /// Whether weight decay acts on it.
    pub decays: bool,
}

impl Parameter {
    /// A parameter at the full learning rate. Vectors and scalars, which are biases and norms, do not decay.
    pub fn new(name: &str, tensor: &Tensor) -> Parameter {
        Parameter {
            name: name.to_string(),
            tensor: tensor.shallow_clone(),
            rate_factor: 1.0,
            decays: tensor.dim() > 1,
        }
    }
}

/// Why a saved state does not fit.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A tensor is missing or of another shape.
    #[error("the optimizer's {name} is missing or of another shape: the checkpoint is another network's")]
    Tensor {
        /// The tensor.
        name: String,
    },
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// Parameters with what the method remembers of each.
pub struct Optimizer {
    method: Method,
    weight_decay: f64,
    parameters: Vec<Parameter>,
    state: Vec<Vec<Tensor>>,
    steps: i64,
}

impl Optimizer {
    /// An optimizer before its first step.
    ///
    /// # Errors
    /// When memory is missing.
    pub fn new(method: Method, weight_decay: f64, parameters: Vec<Parameter>) -> Result<Optimizer, TchError> {
        let zeros = |parameter: &Parameter| {
            method.slots().iter().map(|_| parameter.tensor.f_detach()?.f_zeros_like()).collect()
        };
        let state = parameters.iter().map(zeros).collect::<Result<_, TchError>>()?;
        Ok(Optimizer { method, weight_decay, parameters, state, steps: 0 })
    }

    /// What is trained.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Steps taken.
    pub fn steps(&self) -> i64 {
        self.steps
    }

    /// Forgets all gradients.
    pub fn zero_gradients(&mut self) {
        for parameter in &mut self.parameters {
            parameter.tensor.zero_grad();
        }
    }

    /// The gradients that are there.
    pub fn gradients(&self) -> impl Iterator<Item = Tensor> {
        self.parameters.iter().map(|parameter| parameter.tensor.grad()).filter(Tensor::defined)
    }

    /// Scales all gradients so that their common Euclidean norm is at most `norm_max`; gives the norm before as a tensor
    /// of one number. As PyTorch's `clip_grad_norm_`.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn clip(&self, norm_max: f64) -> Result<Tensor, TchError> {
        tch::no_grad(|| {
            let mut gradients: Vec<Tensor> = self.gradients().collect();
            let norms = gradients.iter().map(Tensor::f_norm).collect::<Result<Vec<_>, _>>()?;
            if norms.is_empty() {
                return Ok(Tensor::from(0.0_f32));
            }
            let norm = Tensor::f_stack(&norms, 0)?.f_norm()?;
            let factor = norm.f_add_scalar(1e-6)?.f_reciprocal()?.f_mul_scalar(norm_max)?.f_clamp_max(1.0)?;
            for gradient in &mut gradients {
                let _ = gradient.f_mul_(&factor)?;
            }
            Ok(norm)
        })
    }

    /// Moves every parameter that has a gradient, at the learning rate `rate` times its own factor.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn step(&mut self, rate: f64) -> Result<(), TchError> {
        self.steps += 1;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        tch::no_grad(|| {
            for (parameter, state) in self.parameters.iter_mut().zip(&mut self.state) {
                let gradient = parameter.tensor.grad();
                if gradient.defined() {
                    let decay = if parameter.decays { self.weight_decay } else { 0.0 };
                    let rate = rate * parameter.rate_factor;
                    apply(&self.method, &mut parameter.tensor, gradient, state, rate, decay, steps)?;
                }
            }
            Ok(())
        })
    }

    /// The state by name, `SLOT.PARAMETER`.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut named = Vec::new();
        for (parameter, state) in self.parameters.iter().zip(&self.state) {
            for (slot, tensor) in self.method.slots().iter().zip(state) {
                named.push((format!("{slot}.{}", parameter.name), tensor.shallow_clone()));
            }
        }
        named
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// [`StateError::Tensor`] names what does not fit.
    pub fn load(&mut self, steps: i64, saved: &[(String, Tensor)]) -> Result<(), StateError> {
        let saved: std::collections::BTreeMap<&str, &Tensor> =
            saved.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        for (name, mut tensor) in self.state() {
            match saved.get(name.as_str()) {
                Some(value) if value.size() == tensor.size() => tch::no_grad(|| tensor.f_copy_(value))?,
                _ => return Err(StateError::Tensor { name }),
            }
        }
        self.steps = steps;
        Ok(())
    }
}

/// One step of one parameter, in PyTorch's order of operations.
fn apply(
    method: &Method,
    weights: &mut Tensor,
    gradient: Tensor,
    state: &mut [Tensor],
    rate: f64,
    decay: f64,
    steps: i32,
) -> Result<(), TchError> {
    let decayed = |gradient: Tensor, weights: &Tensor| match decay {
        0.0 => Ok(gradient),
        decay => gradient.f_add(&weights.f_mul_scalar(decay)?),
    };
    match (method, state) {
        (Method::Sgd { .. }, []) => {
            let gradient = decayed(gradient, weights)?;
            let _ = weights.f_sub_(&gradient.f_mul_scalar(rate)?)?;
        }
        (Method::Sgd { momentum, nesterov }, [velocity, ..]) => {
            let gradient = decayed(gradient, weights)?;
            // From zero the first step is the gradient itself, as PyTorch's.
            let _ = velocity.f_mul_scalar_(*momentum)?.f_add_(&gradient)?;
            let direction = match nesterov {
                true => gradient.f_add(&velocity.f_mul_scalar(*momentum)?)?,
                false => velocity.shallow_clone(),
            };
            let _ = weights.f_sub_(&direction.f_mul_scalar(rate)?)?;
        }
        (Method::Adam { betas, epsilon } | Method::AdamW { betas, epsilon }, [mean, square, ..]) => {
            let gradient = match method {
                Method::AdamW { .. } => {
                    if decay != 0.0 {
                        let _ = weights.f_mul_scalar_(1.0 - rate * decay)?;
                    }
                    gradient
                }
                _ => decayed(gradient, weights)?,
            };
            let _ = mean.f_lerp_(&gradient, 1.0 - betas.0)?;
            let _ =
                square.f_mul_scalar_(betas.1)?.f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - betas.1)?)?;
            let correction = (1.0 - betas.1.powi(steps)).sqrt();
            let denominator = square.f_sqrt()?.f_div_scalar(correction)?.f_add_scalar(*epsilon)?;
            let step = mean.f_div(&denominator)?.f_mul_scalar(rate / (1.0 - betas.0.powi(steps)))?;
            let _ = weights.f_sub_(&step)?;
        }
        // `Optimizer::new` gives every method its slots.
        (Method::Adam { .. } | Method::AdamW { .. }, _) => {}
    }
    Ok(())
}
