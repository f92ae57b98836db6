//! The teacher, and the images as it sees them.

use std::path::Path;
use std::sync::Arc;

use sedge::frame::{ColorOrder, InputRule};
use sedge::onnx::Card;
use tch::{Device, TchError, Tensor};

use crate::data::{Batch, Epoch, Loader, LoaderOptions};
use crate::fit::{Context, FitError, read_model, usual_rule};
use crate::graph::{Mode, Network};

/// BT.601 luminance, as of [`ColorOrder::Gray`].
const LUMINANCE: [f32; 3] = [0.299, 0.587, 0.114];

/// A trained network that is only asked.
pub struct Teacher {
    network: Network,
    rule: InputRule,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Where each class of the data is among its logits, unless in the same order.
    order: Option<Tensor>,
    view: View,
}

/// How the teacher comes to its images.
enum View {
    /// They are the student's.
    Same,
    /// The student's with other values or channels.
    Converted(InputRule),
    /// Its own loader makes them, at its size, in the student's order and with its augmentation.
    Loaded(Box<Loader>, Option<Epoch>),
}

impl Teacher {
    /// Reads the teacher at `path` (a model file, a run's folder, a checkpoint) for the data and the student of `context`.
    ///
    /// # Errors
    /// When the file is wrong, or its classes are not the data's.
    pub fn open(path: &Path, context: &Context<'_>, note: &mut dyn FnMut(&str)) -> Result<Teacher, FitError> {
        let (model, sha256) = read_model(path)?;
        let card = Card::of_file(&model, path)?;
        let network = Network::new(&model, context.device)?;
        let classes = context.examples.classes();
        let told = |network: &Network| if network.is_segmenter() { "segmenter" } else { "classifier" };
        if network.is_segmenter() != context.network.is_segmenter() {
            return Err(FitError::Option(format!(
                "the teacher {} is a {}, but the student a {}; choose a teacher for the same task",
                path.display(),
                told(&network),
                told(context.network)
            )));
        }
        if network.classes() != classes.len() || network.classes() != context.network.classes() {
            return Err(FitError::Classes {
                model: format!("the teacher {}", path.display()),
                channels: network.classes(),
                data: "the data set".to_string(),
                classes: classes.to_vec(),
            });
        }
        let names: Vec<&str> = match card.labels.is_empty() {
            true => card.classes.iter().map(|class| class.name.as_str()).collect(),
            false => card.labels.iter().map(String::as_str).collect(),
        };
        if names.is_empty() {
            note("the teacher names no classes; they are taken in the data's order");
        }
        let order = match order(&names, classes) {
            Ok(None) => None,
            Ok(Some(order)) => Some(Tensor::f_from_slice(&order)?.f_to_device(context.device)?),
            Err(missing) => {
                return Err(FitError::Option(format!(
                    "the teacher {} has no class {missing}; its classes are {}; choose a teacher trained on the same \
                     classes",
                    path.display(),
                    names.join(", ")
                )));
            }
        };
        let rule = card.input.clone().unwrap_or_else(|| usual_rule(&model));
        let view = view(&network, &rule, context, note)?;
        Ok(Teacher { network, rule, sha256, order, view })
    }

    /// An epoch of the student begins.
    pub(super) fn begin_epoch(&mut self, epoch: u64) {
        if let View::Loaded(loader, batches) = &mut self.view {
            *batches = Some(loader.epoch(epoch));
        }
    }

    /// Logits for the student's batch in the order of the data's classes, and the tensors called `taps`; without gradients.
    pub(super) fn ask(&mut self, batch: &Batch, taps: &[String]) -> Result<(Tensor, Vec<Tensor>), FitError> {
        let images = match &mut self.view {
            View::Same => batch.images.shallow_clone(),
            View::Converted(student) => converted(&batch.images, student, &self.rule)?,
            View::Loaded(_, batches) => {
                let own = batches.as_mut().and_then(Iterator::next);
                let own =
                    own.ok_or_else(|| FitError::Option("the teacher's images ran out".to_string()))??;
                if own.indices != batch.indices {
                    return Err(FitError::Option("the teacher's images are not the student's".to_string()));
                }
                own.images
            }
        };
        self.run(&images, taps)
    }

    /// Logits and taps of images that are prepared for the teacher.
    pub(super) fn run(&self, images: &Tensor, taps: &[String]) -> Result<(Tensor, Vec<Tensor>), FitError> {
        tch::no_grad(|| {
            let (logits, taps) = if taps.is_empty() {
                (self.network.forward(images, Mode::Evaluate)?, Vec::new())
            } else {
                self.network.forward_with(images, Mode::Evaluate, taps)?
            };
            match &self.order {
                None => Ok((logits, taps)),
                Some(order) => Ok((logits.f_index_select(1, order)?, taps)),
            }
        })
    }

    /// A loader of unchanged images in the data's order, as the teacher takes them.
    pub(super) fn plain_loader(&self, context: &Context<'_>) -> Result<Loader, FitError> {
        let options = LoaderOptions {
            augment: Default::default(),
            shuffle: false,
            drop_last: false,
            cache_bytes: 0,
            ..own_options(&self.network, &self.rule, context.loader)
        };
        Ok(Loader::new(Arc::clone(context.examples), options)?)
    }

    /// One empty image as the teacher takes it.
    pub(super) fn blank(&self, device: Device) -> Result<Tensor, TchError> {
        let [channels, height, width] = self.network.input().map(|size| size as i64);
        Tensor::f_zeros([1, channels, height, width], (tch::Kind::Float, device))
    }
}

fn own_options(network: &Network, rule: &InputRule, student: &LoaderOptions) -> LoaderOptions {
    let [_, height, width] = network.input();
    LoaderOptions { height, width, rule: rule.clone(), ..student.clone() }
}

fn view(
    network: &Network,
    rule: &InputRule,
    context: &Context<'_>,
    note: &mut dyn FnMut(&str),
) -> Result<View, FitError> {
    let student = context.loader;
    let [_, height, width] = network.input();
    if (height, width) != (student.height, student.width) || rule.resize != student.rule.resize {
        note(&format!(
            "the teacher sees the images at its own {width}x{height}, loaded beside the student's {}x{}",
            student.width, student.height
        ));
        let options = own_options(network, rule, student);
        return Ok(View::Loaded(Box::new(Loader::new(Arc::clone(context.examples), options)?), None));
    }
    if *rule == student.rule {
        return Ok(View::Same);
    }
    note("the teacher sees the student's images under its own input rule");
    Ok(View::Converted(student.rule.clone()))
}

/// For each class of the data its place among the teacher's names; `None` where both agree or the teacher names none; the
/// class that is missing as an error.
fn order(names: &[&str], classes: &[String]) -> Result<Option<Vec<i64>>, String> {
    if names.is_empty() || classes.iter().eq(names) {
        return Ok(None);
    }
    let place = |class: &String| {
        let found = names.iter().position(|name| name == class).map(|place| place as i64);
        found.ok_or_else(|| class.clone())
    };
    classes.iter().map(place).collect::<Result<Vec<i64>, String>>().map(Some)
}

/// Images `[N,C,H,W]` under one rule as another has them: pixel values are the same, grey is repeated.
fn converted(images: &Tensor, from: &InputRule, to: &InputRule) -> Result<Tensor, TchError> {
    let plane =
        |values: &[f32]| Tensor::f_from_slice(values)?.f_view([-1, 1, 1])?.f_to_device(images.device());
    let pixels = images.f_mul(&plane(&from.std)?)?.f_add(&plane(&from.mean)?)?;
    let rgb_order = |pixels: &Tensor, color: ColorOrder| match color {
        ColorOrder::Bgr => pixels.f_flip([1]),
        _ => Ok(pixels.shallow_clone()),
    };
    let pixels = match (from.color, to.color) {
        (ColorOrder::Gray, ColorOrder::Gray) => pixels,
        (ColorOrder::Gray, _) => pixels.f_expand([-1, 3, -1, -1], false)?,
        (from, ColorOrder::Gray) => {
            let weighted = rgb_order(&pixels, from)?.f_mul(&plane(&LUMINANCE)?)?;
            weighted.f_sum_dim_intlist(&[1_i64][..], true, tch::Kind::Float)?
        }
        (from, to) if from == to => pixels,
        _ => pixels.f_flip([1])?,
    };
    pixels.f_sub(&plane(&to.mean)?)?.f_div(&plane(&to.std)?)
}

#[cfg(test)]
mod tests {
    use sedge::frame::ResizeRule;

    use super::*;

    #[test]
    fn images_change_their_rule() {
        let rule = |color: ColorOrder, mean: f32, std: f32| {
            let channels = color.channels();
            InputRule {
                color,
                mean: vec![mean; channels],
                std: vec![std; channels],
                resize: ResizeRule::Stretch,
            }
        };
        // Pixels 0.2, 0.4, 0.6 as R, G, B.
        let rgb = [0.2_f32, 0.4, 0.6];
        let luminance = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.6;
        let (color, gray) = (rule(ColorOrder::Rgb, 0.5, 0.5), rule(ColorOrder::Gray, 0.5, 0.25));
        let bgr = rule(ColorOrder::Bgr, 0.0, 1.0);
        let cases = [
            ("rgb to bgr", &color, rgb.map(|v| (v - 0.5) / 0.5).to_vec(), &bgr, vec![0.6, 0.4, 0.2]),
            ("bgr to rgb", &bgr, vec![0.6, 0.4, 0.2], &color, rgb.map(|v| (v - 0.5) / 0.5).to_vec()),
            (
                "rgb to gray",
                &color,
                rgb.map(|v| (v - 0.5) / 0.5).to_vec(),
                &gray,
                vec![(luminance - 0.5) / 0.25],
            ),
            ("bgr to gray", &bgr, vec![0.6, 0.4, 0.2], &gray, vec![(luminance - 0.5) / 0.25]),
            ("gray to rgb", &gray, vec![1.0], &color, vec![0.5; 3]),
            ("gray to gray", &gray, vec![1.0], &rule(ColorOrder::Gray, 0.0, 1.0), vec![0.75]),
        ];
        for (name, from, image, to, expected) in cases {
            let image = Tensor::from_slice(&image).view([1, -1, 1, 1]);
            let found =
                Vec::<f32>::try_from(converted(&image, from, to).unwrap().contiguous().view([-1])).unwrap();
            let near = found.len() == expected.len()
                && found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(near, "{name}: {found:?}, not {expected:?}");
        }
    }

    #[test]
    fn classes_are_matched_by_name() {
        let data = ["sky".to_string(), "tree".to_string()];
        type Case<'a> = (&'a [&'a str], Result<Option<Vec<i64>>, &'a str>);
        let cases: [Case; 4] = [
            (&[], Ok(None)),
            (&["sky", "tree"], Ok(None)),
            (&["tree", "sky"], Ok(Some(vec![1, 0]))),
            (&["sky", "road"], Err("tree")),
        ];
        for (names, expected) in cases {
            assert_eq!(order(names, &data), expected.map_err(str::to_string), "{names:?}");
        }
    }
}
