//! The terms of a loss and how they are written.

use tch::TchError;

/// One term of a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    /// Cross entropy of the softmax of the logits.
    CrossEntropy,
    /// Cross entropy of the sigmoid of each logit: one channel, or two against the one-hot target.
    Binary,
    /// 1 less the Dice coefficient of softened regions (Milletari et al., 3DV 2016, with sums in place of squares).
    Dice,
    /// 1 less the IoU of softened regions.
    Jaccard,
    /// The Lovász extension of the Jaccard loss (Berman et al., CVPR 2018).
    Lovasz,
    /// Cross entropy times (1 - p)^gamma (Lin et al., ICCV 2017).
    Focal {
        /// The exponent: 0, or 1 and more.
        gamma: f64,
    },
}

/// Why a loss cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LossError {
    /// A part of the text is no term.
    #[error(
        "{part:?} is no loss; write terms with factors, such as ce+0.5*dice, of ce, bce, dice, jaccard, lovasz, focal, \
         focal(3)"
    )]
    Term {
        /// The part.
        part: String,
    },
    /// Smoothing out of range.
    #[error("a label smoothing of {0} is not from 0 to below 1")]
    Smoothing(f64),
    /// Number of weights and of classes differ.
    #[error("{weights} class weights were given for {classes} classes; give one a class")]
    Weights {
        /// Weights given.
        weights: usize,
        /// Classes of the data.
        classes: usize,
    },
    /// A term does not fit the network's output.
    #[error(
        "the loss {term} does not fit {channels} logit channel(s) and {classes} classes: bce is for 2 classes with 1 or 2 \
         channels, all others for 2 channels and more"
    )]
    Channels {
        /// The term.
        term: String,
        /// The network's logits.
        channels: usize,
        /// Classes of the data.
        classes: usize,
    },
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Term::CrossEntropy => write!(f, "ce"),
            Term::Binary => write!(f, "bce"),
            Term::Dice => write!(f, "dice"),
            Term::Jaccard => write!(f, "jaccard"),
            Term::Lovasz => write!(f, "lovasz"),
            Term::Focal { gamma } if *gamma == GAMMA_USUAL => write!(f, "focal"),
            Term::Focal { gamma } => write!(f, "focal({gamma})"),
        }
    }
}

/// The exponent of Lin et al.
const GAMMA_USUAL: f64 = 2.0;

/// Terms with their factors, joined by `+`.
pub(super) fn parse(text: &str) -> Result<Vec<(f64, Term)>, LossError> {
    text.split('+').map(|part| one(part.trim())).collect()
}

fn one(part: &str) -> Result<(f64, Term), LossError> {
    let wrong = || LossError::Term { part: part.to_string() };
    let (factor, name) = match part.split_once('*') {
        None => (1.0, part),
        Some((factor, name)) => (factor.trim().parse().map_err(|_| wrong())?, name.trim()),
    };
    if !(f64::is_finite(factor) && factor > 0.0) {
        return Err(wrong());
    }
    let term = match name {
        "ce" => Term::CrossEntropy,
        "bce" => Term::Binary,
        "dice" => Term::Dice,
        "jaccard" => Term::Jaccard,
        "lovasz" => Term::Lovasz,
        "focal" => Term::Focal { gamma: GAMMA_USUAL },
        _ => {
            let gamma = name.strip_prefix("focal(").and_then(|rest| rest.strip_suffix(')'));
            let gamma = gamma.and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
            // Between 0 and 1 the slope at p = 1 is infinite.
            if gamma != 0.0 && !(1.0..=16.0).contains(&gamma) {
                return Err(wrong());
            }
            Term::Focal { gamma }
        }
    };
    Ok((factor, term))
}
