//! Matching inner tensors of student and teacher.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, TchError, Tensor};

use crate::data::Draws;
use crate::optimize::Parameter;

/// A tensor of the student that shall be like one of the teacher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// The student's tensor.
    pub student: String,
    /// The teacher's.
    pub teacher: String,
    /// What the mean squared distance counts in the loss.
    pub weight: f64,
}

impl FromStr for Match {
    type Err = String;

    /// `STUDENT=TEACHER` or `STUDENT=TEACHER:WEIGHT`.
    fn from_str(text: &str) -> Result<Match, String> {
        let wrong = || format!("{text:?}: write STUDENT_TENSOR=TEACHER_TENSOR:WEIGHT");
        let (student, rest) = text.split_once('=').ok_or_else(wrong)?;
        // Names may hold colons; a weight is what parses as a number behind the last one.
        let weighted =
            rest.rsplit_once(':').and_then(|(name, weight)| Some((name, weight.parse::<f64>().ok()?)));
        let (teacher, weight) = weighted.unwrap_or((rest, 1.0));
        if student.is_empty() || teacher.is_empty() || !(weight > 0.0 && weight.is_finite()) {
            return Err(wrong());
        }
        Ok(Match { student: student.to_string(), teacher: teacher.to_string(), weight })
    }
}

/// A match with its projection: a learned 1x1 convolution of the student's features where the channels differ. It is there
/// in training only.
pub(super) struct Pair {
    weight: f64,
    projection: Option<Parameter>,
}

impl Pair {
    /// For features as `student` and `teacher`, `[1,C,H,W]` or `[1,C]`.
    pub(super) fn new(rule: &Match, student: &Tensor, teacher: &Tensor, seed: u64) -> Result<Pair, TchError> {
        let channels = |tensor: &Tensor| tensor.size().get(1).copied().unwrap_or(1);
        let (from, to) = (channels(student), channels(teacher));
        if from == to {
            return Ok(Pair { weight: rule.weight, projection: None });
        }
        let mut draws = Draws::new([seed, PROJECTION, from as u64, to as u64]);
        let deviation = 1.0 / (from as f64).sqrt();
        let values: Vec<f32> = (0..from * to).map(|_| (deviation * draws.normal()[0]) as f32).collect();
        let tensor =
            Tensor::f_from_slice(&values)?.f_view([to, from, 1, 1])?.f_to_device(student.device())?;
        let name = format!("projection.{}.{}", rule.student, rule.teacher);
        let tensor = tensor.f_set_requires_grad(true)?;
        Ok(Pair { weight: rule.weight, projection: Some(Parameter::new(&name, &tensor)) })
    }

    pub(super) fn parameter(&self) -> Option<Parameter> {
        self.projection.as_ref().map(|projection| Parameter::new(&projection.name, &projection.tensor))
    }

    /// Weighted mean squared distance; the teacher's features are resized to the student's places.
    pub(super) fn loss(&self, student: &Tensor, teacher: &Tensor) -> Result<Tensor, TchError> {
        let (student, mut teacher) = (planes(student)?, planes(teacher)?);
        let places = student.size();
        if places[2..] != teacher.size()[2..] {
            teacher = teacher.f_upsample_bilinear2d(&places[2..], false, None, None)?;
        }
        let student = match &self.projection {
            None => student,
            Some(projection) => {
                student.f_conv2d(&projection.tensor, None::<&Tensor>, [1, 1], [0, 0], [1, 1], 1)?
            }
        };
        student.f_to_kind(Kind::Float)?.f_mse_loss(&teacher, Reduction::Mean)?.f_mul_scalar(self.weight)
    }
}

/// What the stream of draws is for.
const PROJECTION: u64 = 3;

/// `[N,C]` as `[N,C,1,1]`.
fn planes(features: &Tensor) -> Result<Tensor, TchError> {
    match features.size().as_slice() {
        &[images, channels] => features.f_view([images, channels, 1, 1]),
        _ => Ok(features.shallow_clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_from_text() {
        let right = |student: &str, teacher: &str, weight| {
            Ok(Match { student: student.to_string(), teacher: teacher.to_string(), weight })
        };
        let cases = [
            ("a=b", right("a", "b", 1.0)),
            ("a=b:0.5", right("a", "b", 0.5)),
            ("a=b:0:2", right("a", "b:0", 2.0)),
            ("a=b:c", right("a", "b:c", 1.0)),
            ("a", Err(())),
            ("=b", Err(())),
            ("a=b:-1", Err(())),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Match>().map_err(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn distances_of_features() {
        let rule = Match { student: "s".to_string(), teacher: "t".to_string(), weight: 0.5 };
        let (zeros, twos) = (Tensor::zeros([2, 3, 4, 4], (Kind::Float, tch::Device::Cpu)), 2.0);
        let teacher = Tensor::full([2, 3, 2, 2], twos, (Kind::Float, tch::Device::Cpu));
        let pair = Pair::new(&rule, &zeros, &teacher, 0).unwrap();
        assert!(pair.parameter().is_none());
        assert_eq!(pair.loss(&zeros, &teacher).unwrap().double_value(&[]), 2.0);
        // Other channels: a projection is drawn from the seed and gets gradients.
        let student = Tensor::ones([2, 5], (Kind::Float, tch::Device::Cpu));
        let teacher = Tensor::ones([2, 3], (Kind::Float, tch::Device::Cpu));
        let pair = Pair::new(&rule, &student, &teacher, 7).unwrap();
        pair.loss(&student, &teacher).unwrap().backward();
        let projection = pair.parameter().unwrap();
        assert_eq!(projection.tensor.size(), [3, 5, 1, 1]);
        assert!(projection.tensor.grad().abs().max().double_value(&[]) > 0.0);
        let again = Pair::new(&rule, &student, &teacher, 7).unwrap().parameter().unwrap();
        assert_eq!(projection.tensor, again.tensor);
    }
}
