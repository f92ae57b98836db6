//! The model that a run starts from.

use std::path::{Path, PathBuf};

use sedge::frame::{ColorOrder, InputRule, ResizeRule};
use sedge::onnx::{Card, Model};
use sedge::zoo::{self, Blueprint, Setting, Settings, transfer};
use tch::Device;

use super::state::State;
use super::{Checkpoint, FitError, sha256};
use crate::graph::Network;

/// A model before training, and where it came from.
#[derive(Clone, Debug)]
pub struct Start {
    /// The graph and its first weights.
    pub model: Model,
    /// Its card.
    pub card: Card,
    /// How pictures become its input: the card's rule, or values in -1..=1.
    pub rule: InputRule,
    /// SHA-256 of the graph and the first weights.
    pub sha256: String,
    /// SHA-256 of the file that the weights came from; none for drawn ones.
    pub parent_sha256: Option<String>,
    /// The name of the file that weights were taken from with `init`.
    pub init: Option<String>,
    /// What was taken from another model.
    pub notes: Vec<String>,
}

impl Start {
    /// The model that `source` names: a file, a run's folder, a checkpoint, or `zoo:NAME:setting=value,...`, which is built
    /// for `classes` classes, and for grey pictures where the network can be; then with the weights of `init`.
    ///
    /// # Errors
    /// When a file or a setting is wrong.
    pub fn new(
        source: &str,
        init: Option<&Path>,
        classes: usize,
        grey: bool,
        seed: u64,
    ) -> Result<Start, FitError> {
        let (mut model, mut parent_sha256) = match source.strip_prefix("zoo:") {
            Some(text) => (from_zoo(text, classes, grey, seed)?, None),
            None => {
                let (model, hash) = read_model(Path::new(source))?;
                (model, Some(hash))
            }
        };
        let (mut notes, mut license) = (Vec::new(), None);
        if let Some(init) = init {
            let (from, hash) = read_model(init)?;
            let taken = take(&mut model, &from)?;
            notes.push(format!(
                "{} tensors by name and {} layers by place taken from {}; {} layers keep their first values",
                taken.by_name.len(),
                taken.by_place.len(),
                init.display(),
                taken.kept.len()
            ));
            parent_sha256 = Some(hash);
            license = Card::of_file(&from, init)?.provenance.and_then(|provenance| provenance.license);
        }
        let mut card = match source.starts_with("zoo:") {
            true => Card::of(&model)?,
            false => Card::of_file(&model, Path::new(source))?,
        };
        if license.is_some() {
            card.provenance.get_or_insert_default().license = license;
        }
        let rule = match &card.input {
            Some(rule) => rule.clone(),
            None => usual_rule(&model),
        };
        let sha256 = sha256(&model.to_bytes());
        let init = init.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        Ok(Start { model, card, rule, sha256, parent_sha256, init, notes })
    }
}

/// [`transfer::transfer`], also from a source whose input has another fixed size: weights do not depend on it.
fn take(model: &mut Model, source: &Model) -> Result<transfer::Taken, FitError> {
    let own = model.graph.inputs.first().and_then(|input| input.shape.clone());
    let fixed = source.graph.inputs.first().filter(|input| input.fixed_shape().is_some());
    let theirs = fixed.and_then(|input| input.shape.clone());
    if let (Some(input), Some(shape)) = (model.graph.inputs.first_mut(), theirs) {
        // The transfer folds the source at the size that the model declares.
        input.shape = Some(shape);
    }
    let taken = transfer::transfer(model, source);
    if let Some(input) = model.graph.inputs.first_mut() {
        input.shape = own;
    }
    Ok(taken?)
}

/// Values in -1..=1 of as many channels as the model takes.
pub(crate) fn usual_rule(model: &Model) -> InputRule {
    let channels = model.graph.inputs.first().and_then(|input| input.shape.as_ref()?.get(1)?.fixed());
    match channels {
        Some(1) => InputRule {
            color: ColorOrder::Gray,
            mean: vec![0.5],
            std: vec![0.5],
            resize: ResizeRule::Stretch,
        },
        _ => InputRule::symmetric(),
    }
}

/// The model in an ONNX file, of a run's folder (its best), or of a checkpoint in one; with the SHA-256 of the file.
///
/// # Errors
/// When the file is missing or broken.
pub fn read_model(path: &Path) -> Result<(Model, String), FitError> {
    if path.is_dir() {
        return read_model(&path.join("model.onnx"));
    }
    let bytes = std::fs::read(path).map_err(FitError::file(path))?;
    let hash = sha256(&bytes);
    if path.extension().is_none_or(|extension| extension != "ckpt") {
        return Ok((Model::from_bytes(&path.display().to_string(), &bytes)?, hash));
    }
    // A checkpoint holds values; their graph is that of the run's model.
    let folder = path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let (mut model, _) = read_model(&folder.join("model.onnx"))?;
    model.origin = path.display().to_string();
    let checkpoint: Checkpoint<State> = Checkpoint::read(path)?;
    let mut network = Network::new(&model, Device::Cpu)?;
    let average = checkpoint.part("average/");
    network.load(&if average.is_empty() { checkpoint.part("variable/") } else { average })?;
    Ok((network.model()?, hash))
}

/// `NAME` or `NAME:setting=value,...` with the names of `sedge new`'s options.
fn from_zoo(text: &str, classes: usize, grey: bool, seed: u64) -> Result<Model, FitError> {
    let (name, given) = text.split_once(':').unwrap_or((text, ""));
    let network = zoo::find(name)?;
    let mut settings = Settings { classes: Some(classes), ..Settings::default() };
    if grey && network.settings.contains(&Setting::Channels) {
        settings.channels = Some(1);
    }
    for setting in given.split(',').filter(|setting| !setting.is_empty()) {
        set(&mut settings, setting)
            .map_err(|reason| FitError::Option(format!("--model zoo:{text}: {setting}: {reason}")))?;
    }
    Ok(Blueprint::of(network, &settings)?.model(seed)?)
}

fn set(settings: &mut Settings, setting: &str) -> Result<(), String> {
    let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
    let number = || value.parse::<usize>().map_err(|_| "write a whole number".to_string());
    let pair = |separator: char| {
        let (a, b) = value.split_once(separator)?;
        Some((a.parse().ok()?, b.parse().ok()?))
    };
    match key {
        "size" => {
            let square = || value.parse().ok().map(|side| (side, side));
            settings.size = Some(pair('x').or_else(square).ok_or("write 128, or 96x128 (height x width)")?);
        }
        "channels" => settings.channels = Some(number()?),
        "width" => {
            settings.width = Some(value.parse().map_err(|_| "write a number such as 0.5".to_string())?)
        }
        "head" => settings.head = Some(value.parse()?),
        "divisor" => settings.divisor = Some(number()?),
        "output-stride" => settings.output_stride = Some(number()?),
        "fc-widths" => settings.fc_widths = Some(pair('/').ok_or("write two numbers such as 512/256")?),
        "backbone" => settings.backbone = Some(value.parse()?),
        "layer-norm" if value.is_empty() => settings.layer_norm = true,
        _ => {
            return Err(
                "no such setting; there are size, channels, width, divisor, head, output-stride, fc-widths, backbone, layer-norm"
                    .to_string(),
            );
        }
    }
    Ok(())
}

/// The data set's folder name.
pub(super) fn data_name(path: &Path) -> String {
    let whole: PathBuf = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    whole.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_by_name_and_settings() {
        let shape = |source: &str, grey: bool| -> Result<(Vec<usize>, usize), String> {
            let start = Start::new(source, None, 3, grey, 0).map_err(|error| error.to_string())?;
            Ok((start.model.graph.inputs[0].fixed_shape().unwrap(), start.rule.color.channels()))
        };
        let right = [
            ("zoo:unet-mnv2-4:width=0.35,size=64", false, vec![1, 3, 64, 64], 3),
            ("zoo:unet-mnv2-4:width=0.35,size=32x64", true, vec![1, 3, 32, 64], 3),
            ("zoo:kd-student", true, vec![1, 1, 32, 32], 1),
            ("zoo:kd-student:channels=3", true, vec![1, 3, 32, 32], 3),
        ];
        for (source, grey, input, channels) in right {
            assert_eq!(shape(source, grey), Ok((input, channels)), "{source}");
        }
        let wrong = [
            ("zoo:unet", "unet is not in the zoo"),
            ("zoo:kd-student:depth=3", "--model zoo:kd-student:depth=3: depth=3: no such setting"),
            ("zoo:unet-mnv2-4:size=70", "unet-mnv2-4 cannot take an input of 70x70"),
            ("missing.onnx", "missing.onnx: "),
        ];
        for (source, expected) in wrong {
            let message = shape(source, false).unwrap_err();
            assert!(message.starts_with(expected), "{source}: {message}");
        }
        let seeded = |seed| Start::new("zoo:kd-student", None, 3, false, seed).unwrap().sha256;
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
    }
}
