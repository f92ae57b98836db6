//! The rules by which a gradient moves a variable.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A rule with its constants, as PyTorch 2 defines them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Stochastic gradient descent; weight decay is added to the gradient.
    Sgd {
        /// How much of the last step is kept, 0 to below 1.
        momentum: f64,
        /// Look ahead along the momentum.
        nesterov: bool,
    },
    /// Adam (Kingma and Ba, ICLR 2015); weight decay is added to the gradient.
    Adam {
        /// Decay of the mean of gradients and of their squares.
        betas: (f64, f64),
        /// Added to the denominator.
        epsilon: f64,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019).
    AdamW {
        /// As Adam's.
        betas: (f64, f64),
        /// As Adam's.
        epsilon: f64,
    },
}

const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// Why a method cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no optimizer; write sgd, sgd:momentum=0.9, sgd:momentum=0.9,nesterov, adam or adamw")]
pub struct MethodError(String);

impl FromStr for Method {
    type Err = MethodError;

    /// `sgd`, `adam` or `adamw`, and after a colon settings: `momentum=0.9`, `nesterov`, `beta1=`, `beta2=`, `epsilon=`.
    fn from_str(text: &str) -> Result<Method, MethodError> {
        let wrong = || MethodError(text.to_string());
        let (name, settings) = text.split_once(':').unwrap_or((text, ""));
        let mut method = match name {
            "sgd" => Method::Sgd { momentum: 0.9, nesterov: false },
            "adam" => Method::Adam { betas: BETAS, epsilon: EPSILON },
            "adamw" => Method::AdamW { betas: BETAS, epsilon: EPSILON },
            _ => return Err(wrong()),
        };
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            let number =
                || value.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0).ok_or_else(wrong);
            let share = || number().and_then(|n| if n < 1.0 { Ok(n) } else { Err(wrong()) });
            match (&mut method, key) {
                (Method::Sgd { momentum, .. }, "momentum") => *momentum = share()?,
                (Method::Sgd { nesterov, .. }, "nesterov") if value.is_empty() => *nesterov = true,
                (Method::Adam { betas, .. } | Method::AdamW { betas, .. }, "beta1") => betas.0 = share()?,
                (Method::Adam { betas, .. } | Method::AdamW { betas, .. }, "beta2") => betas.1 = share()?,
                (Method::Adam { epsilon, .. } | Method::AdamW { epsilon, .. }, "epsilon") => {
                    *epsilon = number()?
                }
                _ => return Err(wrong()),
            }
        }
        match method {
            Method::Sgd { momentum: 0.0, nesterov: true } => Err(wrong()),
            method => Ok(method),
        }
    }
}

impl Method {
    /// Tensors of state that a variable needs, by name.
    pub fn slots(&self) -> &'static [&'static str] {
        match self {
            Method::Sgd { momentum: 0.0, .. } => &[],
            Method::Sgd { .. } => &["momentum"],
            Method::Adam { .. } | Method::AdamW { .. } => &["mean", "square"],
        }
    }
}
