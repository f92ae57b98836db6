//! Logits and targets side by side, with what several terms take from them.

use std::cell::OnceCell;

use tch::{Kind, TchError, Tensor};

/// Smaller sums than this are those of a batch without a valid target.
const TINY: f64 = 1e-12;

/// Logits `[N,C,...]` and targets `[N,...]`; "pixel" also stands for a classifier's image.
pub(super) struct Pixels<'a> {
    pub(super) logits: &'a Tensor,
    /// As given, the ignored label among them.
    pub(super) targets: &'a Tensor,
    pub(super) ignore: Option<i64>,
    pub(super) class_weights: Option<Tensor>,
    /// Type of the logits, and of all that is computed here.
    pub(super) kind: Kind,
    /// Targets with class 0 in place of the ignored label.
    pub(super) labels: Tensor,
    /// 1 where a target counts, `[N,...]`; `None` where all do.
    valid: Option<Tensor>,
    log_probabilities: OnceCell<Tensor>,
    one_hot: OnceCell<Tensor>,
}

impl<'a> Pixels<'a> {
    pub(super) fn new(
        logits: &'a Tensor,
        targets: &'a Tensor,
        ignore: Option<i64>,
        class_weights: Option<&'a Tensor>,
    ) -> Result<Pixels<'a>, TchError> {
        let kind = logits.f_kind()?;
        let (labels, valid) = match ignore {
            None => (targets.shallow_clone(), None),
            Some(ignore) => {
                let ignored = targets.f_eq(ignore)?;
                let labels = targets.f_masked_fill(&ignored, 0)?;
                (labels, Some(ignored.f_logical_not()?.f_to_kind(kind)?))
            }
        };
        Ok(Pixels {
            logits,
            targets,
            ignore,
            class_weights: class_weights.map(|weights| weights.f_to_kind(kind)).transpose()?,
            kind,
            labels,
            valid,
            log_probabilities: OnceCell::new(),
            one_hot: OnceCell::new(),
        })
    }

    pub(super) fn channels(&self) -> i64 {
        self.logits.size().get(1).copied().unwrap_or(1)
    }

    /// log softmax over the channels, `[N,C,...]`.
    pub(super) fn log_probabilities(&self) -> Result<&Tensor, TchError> {
        if let Some(known) = self.log_probabilities.get() {
            return Ok(known);
        }
        let found = self.logits.f_log_softmax(1, self.kind)?;
        Ok(self.log_probabilities.get_or_init(|| found))
    }

    /// softmax over the channels, 0 at ignored pixels, `[N,C,...]`.
    pub(super) fn probabilities(&self) -> Result<Tensor, TchError> {
        let probabilities = self.log_probabilities()?.f_exp()?;
        match &self.valid {
            None => Ok(probabilities),
            Some(valid) => probabilities.f_mul(&valid.f_unsqueeze(1)?),
        }
    }

    /// 1 in the target's channel, 0 elsewhere and at ignored pixels, `[N,C,...]`.
    pub(super) fn one_hot(&self) -> Result<&Tensor, TchError> {
        if let Some(known) = self.one_hot.get() {
            return Ok(known);
        }
        let index = self.labels.f_unsqueeze(1)?;
        let zeros = self.logits.f_detach()?.f_zeros_like()?;
        let found = match &self.valid {
            None => zeros.f_scatter_value(1, &index, 1.0)?,
            Some(valid) => zeros.f_scatter(1, &index, &valid.f_unsqueeze(1)?)?,
        };
        Ok(self.one_hot.get_or_init(|| found))
    }

    /// 1 where a target counts, `[N,1,...]`; `None` where all do.
    pub(super) fn valid_channel(&self) -> Result<Option<Tensor>, TchError> {
        self.valid.as_ref().map(|valid| valid.f_unsqueeze(1)).transpose()
    }

    /// What each pixel weighs, `[N,...]`: its class's weight, 0 where ignored; `None` where all weigh 1.
    fn weights(&self) -> Result<Option<Tensor>, TchError> {
        let by_class = match &self.class_weights {
            None => return Ok(self.valid.as_ref().map(Tensor::shallow_clone)),
            Some(weights) => weights.f_index_select(0, &self.labels.f_flatten(0, -1)?)?,
        };
        let by_class = by_class.f_view_as(&self.labels)?;
        match &self.valid {
            None => Ok(Some(by_class)),
            Some(valid) => Ok(Some(by_class.f_mul(valid)?)),
        }
    }

    /// Sum of the pixels' weights: a tensor of one number, never 0.
    pub(super) fn weight_sum(&self) -> Result<Tensor, TchError> {
        match self.weights()? {
            None => Tensor::f_full([], self.labels.numel() as f64, (self.kind, self.logits.device())),
            Some(weights) => weights.f_sum(self.kind)?.f_clamp_min(TINY),
        }
    }

    /// Weighted mean of one loss a pixel, `[N,...]`.
    pub(super) fn mean(&self, losses: &Tensor) -> Result<Tensor, TchError> {
        match self.weights()? {
            None => losses.f_mean(self.kind),
            Some(weights) => {
                let sum = losses.f_mul(&weights)?.f_sum(self.kind)?;
                sum.f_div(&weights.f_sum(self.kind)?.f_clamp_min(TINY)?)
            }
        }
    }

    /// Weighted mean of one loss a class, `[C]`, over the classes with `pixels[c] > 0`.
    pub(super) fn mean_over_present(&self, losses: &Tensor, pixels: &Tensor) -> Result<Tensor, TchError> {
        let mut present = pixels.f_gt(0.0)?.f_to_kind(self.kind)?;
        if let Some(weights) = &self.class_weights {
            present = present.f_mul(weights)?;
        }
        let sum = losses.f_mul(&present)?.f_sum(self.kind)?;
        sum.f_div(&present.f_sum(self.kind)?.f_clamp_min(TINY)?)
    }

    /// Sums over all but the channels: `[N,C,...]` to `[C]`.
    pub(super) fn sum_by_class(&self, values: &Tensor) -> Result<Tensor, TchError> {
        let dims: Vec<i64> = (0..values.dim() as i64).filter(|&dim| dim != 1).collect();
        values.f_sum_dim_intlist(&dims[..], false, self.kind)
    }
}
