//! The loss of distillation.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

use super::cache::Logits;
use super::features::{Match, Pair};
use super::teacher::Teacher;
use crate::data::{Augment, Batch};
use crate::fit::{Context, FitError, Objective, Recipe, read_model, resized};
use crate::graph::{Mode, Network};
use crate::loss::Loss;
use crate::optimize::Parameter;

/// A teacher, and how its word counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distillation {
    /// A model file, a run's folder, or a checkpoint.
    pub teacher: PathBuf,
    /// What the labels' loss counts, 0..=1; the teacher's counts the rest.
    pub alpha: f64,
    /// T: what logits are divided by before the softmax, above 0.
    pub temperature: f64,
    /// Multiply the teacher's term by T^2, which keeps its gradients' size (Hinton et al., 2015, section 2).
    pub t_squared: bool,
    /// The label takes the teacher's place where the teacher is wrong (Meng et al., "Conditional teacher-student learning",
    /// 2019).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
    /// Inner tensors to match.
    pub matches: Vec<Match>,
    /// Keep the teacher's logits in this folder.
    #[serde(skip)]
    pub cache: Option<PathBuf>,
}

impl Recipe for Distillation {
    fn objective(
        &self,
        loss: Loss,
        context: &Context<'_>,
        note: &mut dyn FnMut(&str),
    ) -> Result<Box<dyn Objective>, FitError> {
        self.check()?;
        let teacher = Teacher::open(&self.teacher, context, note)?;
        let pairs = self.pairs(&teacher, context)?;
        let source = self.source(teacher, context, note)?;
        Ok(Box::new(Distilled { rule: self.clone(), loss, ignore: context.examples.ignore(), pairs, source }))
    }

    fn describe(&self) -> Result<serde_json::Value, FitError> {
        let (_, hash) = read_model(&self.teacher)?;
        Ok(serde_json::json!({
            "distillation": self,
            "teacher_sha256": hash,
            "loss": format!(
                "{alpha} * labels + {rest} *{square} KL(softmax(teacher/{t}){or_label} || softmax(student/{t}))",
                alpha = self.alpha,
                rest = 1.0 - self.alpha,
                or_label = if self.conditional { " or label" } else { "" },
                square = if self.t_squared { " T^2 *" } else { "" },
                t = self.temperature
            ),
        }))
    }
}

impl Distillation {
    fn check(&self) -> Result<(), FitError> {
        if !(0.0..=1.0).contains(&self.alpha) {
            return Err(FitError::Option("--alpha must be from 0 to 1".to_string()));
        }
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return Err(FitError::Option("--temperature must be above 0".to_string()));
        }
        Ok(())
    }

    fn pairs(&self, teacher: &Teacher, context: &Context<'_>) -> Result<Vec<Pair>, FitError> {
        if self.matches.is_empty() {
            return Ok(Vec::new());
        }
        let taps =
            |name: fn(&Match) -> &String| -> Vec<String> { self.matches.iter().map(name).cloned().collect() };
        let [channels, height, width] = context.network.input().map(|size| size as i64);
        let blank = Tensor::f_zeros([1, channels, height, width], (Kind::Float, context.device))?;
        let (_, own) =
            tch::no_grad(|| context.network.forward_with(&blank, Mode::Evaluate, &taps(|m| &m.student)))?;
        let (_, theirs) = teacher.run(&teacher.blank(context.device)?, &taps(|m| &m.teacher))?;
        let pairs = self.matches.iter().zip(own.iter().zip(&theirs));
        pairs.map(|(rule, (own, theirs))| Ok(Pair::new(rule, own, theirs, context.seed)?)).collect()
    }

    /// Where the teacher's logits come from.
    fn source(
        &self,
        teacher: Teacher,
        context: &Context<'_>,
        note: &mut dyn FnMut(&str),
    ) -> Result<Source, FitError> {
        let Some(folder) = &self.cache else { return Ok(Source::Live(Box::new(teacher))) };
        let augment = &context.loader.augment;
        if !self.matches.is_empty() {
            note("the teacher runs live: --match needs its inner tensors, which are not cached");
        } else if !context.network.is_segmenter() && !keeps_places(augment) {
            note(
                "the teacher runs live: the augmentation moves images, and there are no maps to move with them",
            );
        } else {
            if !augment.is_none() {
                note("the teacher's cached logits are those of the unchanged images, moved as those are");
            }
            let size = [context.loader.height as i64, context.loader.width as i64];
            let classes = context.network.classes() as i64;
            let (shape, size) = match context.network.is_segmenter() {
                true => (vec![1, classes, size[0], size[1]], Some(size)),
                false => (vec![1, classes], None),
            };
            let resize = |logits: &Tensor| resized(logits, size.as_ref().map(<[i64; 2]>::as_slice));
            return Ok(Source::Cached(Logits::open(folder, &teacher, context, shape, resize, note)?));
        }
        Ok(Source::Live(Box::new(teacher)))
    }
}

/// Whether augmentation leaves every pixel at its place.
fn keeps_places(augment: &Augment) -> bool {
    let places = Augment {
        brightness: 0.0,
        contrast: 0.0,
        saturation: 0.0,
        hue: 0.0,
        noise: 0.0,
        blur: 0.0,
        ..augment.clone()
    };
    places.is_none()
}

enum Source {
    Live(Box<Teacher>),
    Cached(Logits),
}

struct Distilled {
    rule: Distillation,
    loss: Loss,
    ignore: Option<u8>,
    pairs: Vec<Pair>,
    source: Source,
}

impl Objective for Distilled {
    fn begin_epoch(&mut self, epoch: u64) -> Result<(), FitError> {
        if let Source::Live(teacher) = &mut self.source {
            teacher.begin_epoch(epoch);
        }
        Ok(())
    }

    fn loss(&mut self, network: &Network, batch: &Batch) -> Result<Tensor, FitError> {
        let taps = |name: fn(&Match) -> &String| -> Vec<String> {
            self.rule.matches.iter().map(name).cloned().collect()
        };
        let (logits, own) = match self.pairs.is_empty() {
            true => (network.forward(&batch.images, Mode::Train)?, Vec::new()),
            false => network.forward_with(&batch.images, Mode::Train, &taps(|m| &m.student))?,
        };
        let teacher_taps = taps(|m| &m.teacher);
        let (teacher, theirs) = match &mut self.source {
            Source::Live(teacher) => teacher.ask(batch, &teacher_taps)?,
            Source::Cached(cached) => (cached.of(batch, logits.device())?, Vec::new()),
        };
        let targets = batch.targets.f_to_device(logits.device())?;
        let (logits, teacher) = match network.is_segmenter() {
            true => {
                let size = targets.size();
                (resized(&logits, size.get(1..))?, resized(&teacher, size.get(1..))?)
            }
            false => (logits, teacher),
        };
        let from_labels = self.loss.of(&logits, &targets)?.f_mul_scalar(self.rule.alpha)?;
        let temperature = self.rule.temperature;
        let square = if self.rule.t_squared { temperature * temperature } else { 1.0 };
        let from_teacher =
            distillation_loss(&logits, &teacher, &targets, self.ignore, temperature, self.rule.conditional)?;
        let mut sum = from_labels.f_add(&from_teacher.f_mul_scalar((1.0 - self.rule.alpha) * square)?)?;
        for (pair, (own, theirs)) in self.pairs.iter().zip(own.iter().zip(&theirs)) {
            sum = sum.f_add(&pair.loss(own, theirs)?)?;
        }
        Ok(sum)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.pairs.iter().filter_map(Pair::parameter).collect()
    }
}

/// KL(softmax(teacher / T) || softmax(student / T)), a mean over the targets `[N,...]` that are not ignored; logits
/// `[N,C,...]`. Where `conditional` and the teacher's largest logit is not the target's, the target alone takes the place of
/// softmax(teacher / T). Gradients go to the student alone. 0 where all targets are ignored.
///
/// # Errors
/// What libtorch says.
pub fn distillation_loss(
    student: &Tensor,
    teacher: &Tensor,
    targets: &Tensor,
    ignore: Option<u8>,
    temperature: f64,
    conditional: bool,
) -> Result<Tensor, TchError> {
    let kind = student.f_kind()?;
    let valid = ignore.map(|ignore| targets.f_ne(i64::from(ignore))).transpose()?;
    let log_softmax = |logits: &Tensor| logits.f_div_scalar(temperature)?.f_log_softmax(1, kind);
    let (student, mut teacher) = (log_softmax(student)?, log_softmax(&teacher.f_detach()?)?.f_exp()?);
    if conditional {
        teacher = corrected(&teacher, targets, valid.as_ref())?;
    }
    let divergence = teacher.f_xlogy(&teacher)?.f_sub(&teacher.f_mul(&student)?)?;
    let divergence = divergence.f_sum_dim_intlist(&[1_i64][..], false, kind)?;
    match valid {
        None => divergence.f_mean(kind),
        Some(valid) => {
            let valid = valid.f_to_kind(kind)?;
            divergence.f_mul(&valid)?.f_sum(kind)?.f_div(&valid.f_sum(kind)?.f_clamp_min(1.0)?)
        }
    }
}

/// Probabilities `[N,C,...]` with those of the target alone, 1 and 0, wherever another class has the largest.
fn corrected(probabilities: &Tensor, targets: &Tensor, valid: Option<&Tensor>) -> Result<Tensor, TchError> {
    let targets = match valid {
        None => targets.shallow_clone(),
        // Any class will do where nothing counts.
        Some(valid) => targets.f_mul(valid)?,
    };
    let targets = targets.f_unsqueeze(1)?;
    let wrong = probabilities.f_argmax(1, true)?.f_ne_tensor(&targets)?;
    let sure = probabilities.f_zeros_like()?.f_scatter_value(1, &targets, 1.0)?;
    sure.f_where_self(&wrong, probabilities)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn divergences_worked_out_by_hand() {
        // Student (1/2, 1/2), teacher (3/4, 1/4) at T = 1 and (sqrt 3, 1) / (1 + sqrt 3) at T = 2; the second pixel is ignored.
        let student = Tensor::from_slice(&[0.0_f64, 5.0, 0.0, -5.0]).view([1, 2, 1, 2]);
        let teacher = Tensor::from_slice(&[3.0_f64.ln(), 0.0, 0.0, 0.0]).view([1, 2, 1, 2]);
        let targets = Tensor::from_slice(&[0_i64, 255]).view([1, 1, 2]);
        let divergence = |p: f64| p * (2.0 * p).ln() + (1.0 - p) * (2.0 * (1.0 - p)).ln();
        let root = 3.0_f64.sqrt();
        for (temperature, p) in [(1.0, 0.75), (2.0, root / (1.0 + root))] {
            let loss =
                distillation_loss(&student, &teacher, &targets, Some(255), temperature, false).unwrap();
            assert!((loss.double_value(&[]) - divergence(p)).abs() < 1e-12, "T {temperature}: {loss:?}");
        }
        let ignored = Tensor::from_slice(&[255_i64, 255]).view([1, 1, 2]);
        let none = distillation_loss(&student, &teacher, &ignored, Some(255), 2.0, true).unwrap();
        assert_eq!(none.double_value(&[]), 0.0);
        let same = distillation_loss(&teacher, &teacher, &targets, None, 3.0, false).unwrap();
        assert_eq!(same.double_value(&[]), 0.0);
    }

    #[test]
    fn the_label_stands_in_for_a_teacher_that_is_wrong() {
        // The student gives both classes 1/2; the teacher 3/4 to the first one: right, wrong, ignored.
        let student = Tensor::zeros([1, 2, 3], (Kind::Double, Device::Cpu));
        let teacher = Tensor::from_slice(&[3.0_f64.ln(), 0.0]).view([1, 2, 1]).expand([1, 2, 3], false);
        let targets = Tensor::from_slice(&[0_i64, 1, 255]).view([1, 3]);
        let divergence = 0.75 * 1.5_f64.ln() + 0.25 * 0.5_f64.ln();
        for (conditional, wrong) in [(false, divergence), (true, 2.0_f64.ln())] {
            let loss = distillation_loss(&student, &teacher, &targets, Some(255), 1.0, conditional).unwrap();
            let expected = (divergence + wrong) / 2.0;
            assert!((loss.double_value(&[]) - expected).abs() < 1e-12, "{loss:?}, not {expected}");
        }
    }

    #[test]
    fn the_square_of_the_temperature_keeps_the_gradient() {
        // For high T the gradient of T^2 KL tends to (z_s - z_t - their means) / C (Hinton et al., equation 4).
        let student = Tensor::from_slice(&[0.5_f64, -0.25, 0.1]).view([1, 3]).set_requires_grad(true);
        let teacher = Tensor::from_slice(&[1.0_f64, 0.0, -0.4]).view([1, 3]);
        let targets = Tensor::from_slice(&[0_i64]);
        let temperature = 500.0;
        let loss = distillation_loss(&student, &teacher, &targets, None, temperature, false).unwrap();
        (loss * temperature * temperature).backward();
        let found = Vec::<f64>::try_from(student.grad().view([-1])).unwrap();
        let (student, teacher) = ([0.5, -0.25, 0.1], [1.0, 0.0, -0.4]);
        let centred = |z: [f64; 3]| z.map(|v| v - z.iter().sum::<f64>() / 3.0);
        for ((found, s), t) in found.iter().zip(centred(student)).zip(centred(teacher)) {
            assert!((found - (s - t) / 3.0).abs() < 1e-3, "{found}, not {}", (s - t) / 3.0);
        }
    }
}
