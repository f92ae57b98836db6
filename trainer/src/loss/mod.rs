//! Losses between logits and labels.
//!
//! 1. [`Loss::parse`] reads a sum such as `ce+0.5*dice`.
//! 2. [`Loss::of`] gives its value for logits `[N,C,...]` and targets `[N,...]`, as a tensor that carries gradients.
//!
//! Every term leaves out ignored targets and takes one weight a class. Terms over pixels (cross entropy, binary, focal)
//! are weighted means as PyTorch's: the sum of weighted losses by the sum of weights. Terms over regions (Dice, Jaccard,
//! Lovász) are weighted means over the classes that occur in the batch. A batch whose every target is ignored costs 0.

mod binary;
mod classes;
mod cross_entropy;
mod focal;
mod lovasz;
mod pixels;
mod region;
mod term;

pub(crate) use classes::median_frequency;
pub use classes::{ClassWeights, WeightsError};
pub use term::{LossError, Term};

use tch::{Device, TchError, Tensor};

use pixels::Pixels;

/// A weighted sum of terms, with what all of them share.
#[derive(Debug)]
pub struct Loss {
    terms: Vec<(f64, Term)>,
    ignore: Option<i64>,
    smoothing: f64,
    weights: Option<Tensor>,
}

impl Loss {
    /// The sum that `text` describes, e.g. `ce`, `ce+0.5*dice`, `focal(3)+lovasz`; without ignored label, class weights
    /// or smoothing.
    ///
    /// # Errors
    /// [`LossError::Term`] names the part that is no term.
    pub fn parse(text: &str) -> Result<Loss, LossError> {
        Ok(Loss { terms: term::parse(text)?, ignore: None, smoothing: 0.0, weights: None })
    }

    /// The label that counts nowhere.
    pub fn with_ignore(mut self, ignore: Option<u8>) -> Loss {
        self.ignore = ignore.map(i64::from);
        self
    }

    /// Label smoothing for cross entropy and the binary term, 0 to below 1: that part of a target's weight goes to
    /// all classes alike (Szegedy et al., CVPR 2016, section 7).
    ///
    /// # Errors
    /// [`LossError::Smoothing`] for another value.
    pub fn with_smoothing(mut self, smoothing: f64) -> Result<Loss, LossError> {
        if !(0.0..1.0).contains(&smoothing) {
            return Err(LossError::Smoothing(smoothing));
        }
        self.smoothing = smoothing;
        Ok(self)
    }

    /// One weight a class, finite and not negative; `None` weighs all alike.
    ///
    /// # Errors
    /// [`LossError::Torch`] when they cannot be moved to `device`.
    pub fn with_weights(mut self, weights: Option<&[f32]>, device: Device) -> Result<Loss, LossError> {
        self.weights = match weights {
            None => None,
            Some(weights) => Some(Tensor::f_from_slice(weights)?.f_to_device(device)?),
        };
        Ok(self)
    }

    /// Checks that the terms can be taken of `channels` logits for `classes` classes.
    ///
    /// # Errors
    /// [`LossError::Channels`] names the term.
    pub fn check(&self, channels: usize, classes: usize) -> Result<(), LossError> {
        for (_, term) in &self.terms {
            let fits = match term {
                Term::Binary => classes == 2 && channels <= 2,
                _ => channels > 1,
            };
            if !fits {
                return Err(LossError::Channels { term: term.to_string(), channels, classes });
            }
        }
        match &self.weights {
            Some(weights) if weights.numel() != classes => {
                Err(LossError::Weights { weights: weights.numel(), classes })
            }
            _ => Ok(()),
        }
    }

    /// The loss of logits `[N,C,...]` against targets `[N,...]` (i64): a tensor of one number.
    ///
    /// # Errors
    /// What libtorch says, such as memory that is missing.
    pub fn of(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, TchError> {
        let pixels = Pixels::new(logits, targets, self.ignore, self.weights.as_ref())?;
        let mut sum: Option<Tensor> = None;
        for (factor, term) in &self.terms {
            let value = match term {
                Term::CrossEntropy => cross_entropy::loss(&pixels, self.smoothing)?,
                Term::Binary => binary::loss(&pixels, self.smoothing)?,
                Term::Dice => region::dice(&pixels)?,
                Term::Jaccard => region::jaccard(&pixels)?,
                Term::Lovasz => lovasz::loss(&pixels)?,
                Term::Focal { gamma } => focal::loss(&pixels, *gamma)?,
            };
            let value = if *factor == 1.0 { value } else { value.f_mul_scalar(*factor)? };
            sum = Some(match sum {
                None => value,
                Some(sum) => sum.f_add(&value)?,
            });
        }
        sum.ok_or_else(|| TchError::Convert("a loss without terms".to_string()))
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (factor, term)) in self.terms.iter().enumerate() {
            if index > 0 {
                write!(f, "+")?;
            }
            if *factor != 1.0 {
                write!(f, "{factor}*")?;
            }
            write!(f, "{term}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
