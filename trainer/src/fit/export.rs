//! The trained model with its card.

use sedge::mask::classes_from_names;
use sedge::onnx::{Card, Model, Provenance, Task};

use super::{COMMIT, Scores, Start};
use crate::data::{Examples, Split};

/// Where the data of a card came from.
pub(super) struct Origin<'a> {
    /// As the model was asked for, e.g. `zoo:unet-mnv2-4:width=0.5`.
    pub(super) source: &'a str,
    /// The data set's name.
    pub(super) data: &'a str,
    /// Its training split's fingerprint.
    pub(super) data_sha256: &'a str,
    /// The run's seed.
    pub(super) seed: u64,
    /// The teacher, if there was one.
    pub(super) teacher: Option<String>,
}

/// Gives `model` the card of what it was trained for.
pub(super) fn with_card(
    mut model: Model,
    start: &Start,
    examples: &dyn Examples,
    origin: &Origin<'_>,
    scores: &[(Split, Scores)],
) -> Model {
    let names = examples.classes();
    let before = &start.card;
    let mut card = Card { task: Some(examples.task()), input: Some(start.rule.clone()), ..Card::default() };
    match examples.task() {
        Task::Segmentation => {
            // Colours that people know the classes by stay.
            let same = before.classes.iter().map(|class| &class.name).eq(names);
            card.classes = if same { before.classes.clone() } else { classes_from_names(names) };
        }
        Task::Classification => card.labels = names.to_vec(),
    }
    let parent = before.provenance.clone().unwrap_or_default();
    let init = start.init.as_ref().map(|init| format!(", begun with {init}")).unwrap_or_default();
    let teacher = origin.teacher.as_ref().map(|teacher| format!(", teacher {teacher}")).unwrap_or_default();
    card.provenance = Some(Provenance {
        source: Some(format!(
            "sedge-train {} from {}{init}{teacher}",
            env!("CARGO_PKG_VERSION"),
            origin.source
        )),
        license: parent.license,
        data: Some(format!("{}, training split sha256:{}", origin.data, origin.data_sha256)),
        seed: Some(origin.seed),
        commit: Some(COMMIT.to_string()),
        parent_sha256: start.parent_sha256.clone(),
        scores: scores.iter().map(|(split, scores)| figure(*split, scores)).collect(),
    });
    // The scales are as they were; the figures measured with the old weights are not.
    card.quantization = before.quantization.clone().map(|mut quantization| {
        quantization.score = None;
        quantization
    });
    card.store(&mut model);
    model
}

/// A split's figure as a card has it: hundredths of a percent.
fn figure(split: Split, scores: &Scores) -> (String, f64) {
    (format!("{} {}", split.name(), scores.selection_name()), (1e4 * scores.selection()).round() / 100.0)
}
