//! Training end to end on small pictures made here.

mod fit_shapes;

use std::fs;
use std::path::Path;
use std::process::Command;

use fit_shapes::{CLASSIFIER, SEGMENTER, classes, column, json, masks, options, setup, tensors};
use sedge::onnx::{Card, Model};
use sedge_train::data::Split;
use sedge_train::fit::{
    EpochLine, FitError, Options, Outcome, Runner, Scores, Silent, Stop, Supervised, Trial, TrialOptions,
    Watch, fit,
};
use sedge_train::loss::ClassWeights;
use sedge_train::optimize::Groups;

fn run(options: &Options, folder: &Path) -> Result<Outcome, FitError> {
    fit(options, &setup(false), &Supervised, folder, &mut Told, &Stop::never())
}

/// Puts notes into the test's output.
struct Told;

impl Watch for Told {
    fn note(&mut self, text: &str) {
        println!("{text}");
    }

    fn begin_epoch(&mut self, _: usize, _: usize, _: usize) {}

    fn step(&mut self, _: usize, _: Option<f64>) {}

    fn end_epoch(&mut self, line: &EpochLine, _: &str, _: bool) {
        println!("{line:?}");
    }
}

fn trial(split: Split) -> TrialOptions {
    TrialOptions {
        split,
        limit: None,
        leave_out: None,
        batch: 4,
        passes: 1,
        maps: None,
        float: false,
        seed: 0,
        device: Some("cpu".to_string()),
    }
}

#[test]
fn eight_images_are_learnt_by_heart() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (masks(folder.path(), [8, 2, 2]), folder.path().join("run"));
    let options = Options {
        validate: Split::Train,
        loss: "ce+0.5*dice".to_string(),
        clip: Some(1.0),
        ..options(SEGMENTER, &data, 30)
    };
    let outcome = run(&options, &out).unwrap();
    assert!(outcome.val.accuracy > 0.98, "{outcome:?}");
    assert!(outcome.val.mean_iou.unwrap() > 0.9, "{outcome:?}");

    let files = ["run.json", "log.jsonl", "curves.svg", "result.json", "model.onnx", "sheets/epoch-30.png"];
    let missing: Vec<_> = files.iter().filter(|name| !out.join(name).is_file()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let kept: Vec<bool> = ["last", "best", "epoch-30", "epoch-29"]
        .iter()
        .map(|name| out.join(format!("checkpoints/{name}.ckpt")).exists())
        .collect();
    assert_eq!(kept, [true, true, true, false]);
    assert_eq!(column(&out, "epoch").len(), 30);
    assert_eq!(json(&out.join("result.json"))["best_epoch"], outcome.best_epoch);

    // The model's card says where it came from, and the model alone scores as the run says.
    let model = Model::read(&out.join("model.onnx")).unwrap();
    let card = Card::of(&model).unwrap();
    let names: Vec<&str> = card.classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["ground", "square", "disc"]);
    let provenance = card.provenance.unwrap();
    let record = json(&out.join("run.json"));
    let hash = record["data"]["train_sha256"].as_str().unwrap();
    assert_eq!(provenance.data.unwrap(), format!("shapes, training split sha256:{hash}"));
    assert!(provenance.seed == Some(0) && provenance.commit.is_some() && provenance.parent_sha256.is_none());
    let scores = [("test", outcome.test.as_ref().unwrap()), ("train", &outcome.val)];
    let percent = |scores: &Scores| (1e4 * scores.mean_iou.unwrap()).round() / 100.0;
    let expected = scores.map(|(split, scores)| (format!("{split} mean IoU"), percent(scores)));
    assert!(provenance.scores.into_iter().eq(expected));
    for source in ["model.onnx", "", "checkpoints/best.ckpt"] {
        let tried = Trial::run(&out.join(source), &data, &trial(Split::Train)).unwrap();
        assert_eq!((tried.runner, &tried.scores), (Runner::Graph, &outcome.val), "{source}");
    }
}

#[test]
fn a_classifier_learns_from_colour_and_grey() {
    for grey in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (data, out) = (classes(folder.path(), grey), folder.path().join("run"));
        let options = Options {
            class_weights: ClassWeights::Auto,
            average: Some(0.9),
            ..options(CLASSIFIER, &data, 4)
        };
        let outcome = run(&options, &out).unwrap();
        assert!(outcome.test.as_ref().unwrap().accuracy > 0.9, "grey {grey}: {outcome:?}");
        let model = Model::read(&out.join("model.onnx")).unwrap();
        let channels = if grey { 1 } else { 3 };
        assert_eq!(model.graph.inputs[0].fixed_shape().unwrap(), [1, channels, 32, 32]);
        assert_eq!(Card::of(&model).unwrap().labels, ["left", "right"]);
    }
}

#[test]
fn frozen_variables_stay_and_scaled_ones_move_less() {
    let folder = tempfile::tempdir().unwrap();
    let data = classes(folder.path(), true);
    let start = folder.path().join("start");
    run(&options(CLASSIFIER, &data, 1), &start).unwrap();
    let names: Vec<String> = tensors(&start, "last")
        .into_iter()
        .filter_map(|(name, _)| name.strip_prefix("variable/").map(str::to_string))
        .collect();
    let (frozen, scaled) = (names[0].clone(), names[names.len() - 1].clone());
    let out = folder.path().join("frozen");
    let options = Options {
        init: Some(start.join("model.onnx")),
        freeze: vec![frozen.clone()],
        rate_scales: Groups { scales: vec![(scaled.clone(), 0.0)] },
        ..options(CLASSIFIER, &data, 1)
    };
    run(&options, &out).unwrap();
    let of = |run: &Path, name: &str| {
        let key = format!("variable/{name}");
        tensors(run, "best").into_iter().find(|(name, _)| *name == key).unwrap().1
    };
    let changed: Vec<&String> = names.iter().filter(|name| of(&start, name) != of(&out, name)).collect();
    assert!(!changed.is_empty() && !changed.contains(&&frozen) && !changed.contains(&&scaled), "{changed:?}");
    let provenance = Card::of(&Model::read(&out.join("model.onnx")).unwrap()).unwrap().provenance.unwrap();
    let parent = sedge::quantize::sha256(&fs::read(start.join("model.onnx")).unwrap());
    assert_eq!(provenance.parent_sha256, Some(parent));
}

#[test]
fn folded_weights_train_and_fill_the_norms_that_take_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = masks(folder.path(), [8, 4, 2]);
    let first = folder.path().join("first");
    let trained = run(&options(SEGMENTER, &data, 12), &first).unwrap();
    let mut model = Model::read(&first.join("model.onnx")).unwrap();
    sedge::quantize::fold::fold(&mut model).unwrap();
    // Models from elsewhere have other names.
    let names: Vec<String> = model.graph.initializers.keys().cloned().collect();
    for name in names {
        let tensor = model.graph.initializers.remove(&name).unwrap();
        model.graph.initializers.insert(format!("theirs.{name}"), tensor);
        for input in
            model.graph.nodes.iter_mut().flat_map(|node| &mut node.inputs).filter(|input| **input == name)
        {
            *input = format!("theirs.{name}");
        }
    }
    let folded = folder.path().join("folded.onnx");
    let card = r#"{"provenance": {"license": "CC0-1.0"}}"#;
    fs::write(folder.path().join("folded.card.json"), card).unwrap();
    model.write(&folded).unwrap();

    // Without norms the model trains on as it is.
    let on = Options { rate: Some(1e-4), ..options(folded.to_str().unwrap(), &data, 1) };
    let outcome = run(&on, &folder.path().join("on")).unwrap();
    assert!(outcome.val.loss.unwrap() < 2.0 * trained.val.loss.unwrap(), "{outcome:?}, from {trained:?}");

    // In a network with norms, its weights score as before at once: in training too, where norms take the batch's
    // statistics.
    let into = Options { init: Some(folded.clone()), rate: Some(1e-9), ..options(SEGMENTER, &data, 1) };
    let out = folder.path().join("into");
    let outcome = run(&into, &out).unwrap();
    let provenance = Card::of(&Model::read(&out.join("model.onnx")).unwrap()).unwrap().provenance.unwrap();
    assert_eq!(provenance.license.as_deref(), Some("CC0-1.0"));
    assert!(provenance.source.unwrap().ends_with(", begun with folded.onnx"));
    let (before, after) = (trained.val.loss.unwrap(), outcome.val.loss.unwrap());
    assert!((after - before).abs() < 0.25 * before + 0.02, "{after} from {before}");
    let (last, taken) = (*column(&first, "loss").last().unwrap(), column(&out, "loss")[0]);
    assert!(taken < 2.0 * last + 0.05, "loss in training {taken} from {last}");

    // The source's fixed size does not bind the network's.
    let larger = options("zoo:unet-mnv2-4:width=0.35,size=48", &data, 1);
    run(&Options { init: Some(folded), ..larger }, &folder.path().join("larger")).unwrap();
}

#[test]
fn a_quantized_model_is_fine_tuned_and_stays_quantized() {
    let folder = tempfile::tempdir().unwrap();
    let data = masks(folder.path(), [8, 4, 2]);
    let float = folder.path().join("float");
    run(&options(SEGMENTER, &data, 12), &float).unwrap();
    let model = Model::read(&float.join("model.onnx")).unwrap();
    let (card, images) = (Card::of(&model).unwrap(), data.join("train/images"));
    let rule = card.input.clone().unwrap();
    let open = || sedge::camera::open(images.to_str().unwrap());
    let quantized =
        sedge::quantize::quantize(&model, &card, &rule, Default::default(), &open, &|_| ()).unwrap();
    let int8 = folder.path().join("int8.onnx");
    quantized.model.write(&int8).unwrap();

    let tune = Options { rate: None, ..options(int8.to_str().unwrap(), &data, 2) };
    let out = folder.path().join("tuned");
    let outcome = run(&tune, &out).unwrap();
    let rates = column(&out, "rate");
    assert!(rates[0] <= 1e-5, "the usual rate of a quantized model is small: {rates:?}");
    let tuned = Model::read(&out.join("model.onnx")).unwrap();
    assert_eq!(tuned.graph.nodes.len(), quantized.model.graph.nodes.len());
    assert!(Card::of(&tuned).unwrap().quantization.is_some());
    let engine = Trial::run(&out, &data, &trial(Split::Val)).unwrap();
    assert_eq!(engine.runner, Runner::Engine);
    let simulated = Trial::run(&out, &data, &TrialOptions { float: true, ..trial(Split::Val) }).unwrap();
    assert_eq!((simulated.runner, &simulated.scores), (Runner::Graph, &outcome.val));
    let difference = (engine.scores.accuracy - simulated.scores.accuracy).abs();
    assert!(difference < 0.01, "engine {:?}, graph {:?}", engine.scores, simulated.scores);
}

#[test]
fn what_cannot_be_trained_is_told_before() {
    let folder = tempfile::tempdir().unwrap();
    let (shapes, sides) = (masks(folder.path(), [4, 2, 2]), classes(folder.path(), false));
    let other = folder.path().join("other.onnx");
    let network = sedge::zoo::find("unet-mnv2-4").unwrap();
    let settings = sedge::zoo::Settings {
        classes: Some(21),
        size: Some((32, 32)),
        width: Some(0.35),
        ..Default::default()
    };
    sedge::zoo::Blueprint::of(network, &settings).unwrap().model(0).unwrap().write(&other).unwrap();
    let plain = options(SEGMENTER, &shapes, 1);
    let with = |change: fn(&mut Options)| {
        let mut options = plain.clone();
        change(&mut options);
        options
    };
    let model = |model: &str| Options { model: model.to_string(), ..plain.clone() };
    let cases = [
        (
            "21 classes",
            model(other.to_str().unwrap()),
            "tells 21 classes apart, but shapes has 3 (ground, square, disc)",
        ),
        ("a classifier", model(CLASSIFIER), "is a classifier, but shapes has masks"),
        (
            "a segmenter",
            Options { data: sides, ..plain.clone() },
            "is a segmenter, but sides has a class for each image",
        ),
        ("no epochs", with(|o| o.epochs = 0), "--epochs must be at least 1"),
        ("a wrong rate", with(|o| o.rate = Some(-1.0)), "--lr must be above 0"),
        ("a wrong loss", with(|o| o.loss = "mse".to_string()), "\"mse\" is no loss"),
        (
            "two weights",
            with(|o| o.class_weights = ClassWeights::Given(vec![1.0, 2.0])),
            "2 class weights were given for 3",
        ),
        ("nothing left", with(|o| o.freeze = vec!["*".to_string()]), "--freeze leaves nothing to train"),
        ("no such name", with(|o| o.freeze = vec!["encoder9*".to_string()]), "encoder9*"),
        ("no such device", with(|o| o.device = Some("tpu".to_string())), "--device tpu is none"),
        ("too large a batch", with(|o| o.batch = 1 << 40), "does not fit into memory"),
        ("no such folder", with(|o| o.data = "missing".into()), "missing"),
    ];
    let mut wrong = Vec::new();
    for (name, options, expected) in cases {
        match run(&options, &folder.path().join(name)) {
            Ok(_) => wrong.push(format!("{name}: trained")),
            Err(error) if error.to_string().contains(expected) => {}
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
        if folder.path().join(name).join("checkpoints/last.ckpt").exists() {
            wrong.push(format!("{name}: left a checkpoint"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_diverging_loss_stops_the_program_and_keeps_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (classes(folder.path(), true), folder.path().join("run"));
    // The rate rises over three epochs: the first is sound, the last ones are not.
    let output = Command::new(env!("CARGO_BIN_EXE_sedge-train"))
        .args([
            "fit",
            "--model",
            CLASSIFIER,
            "--epochs",
            "6",
            "--batch",
            "4",
            "--device",
            "cpu",
            "--threads",
            "1",
        ])
        .args(["--optimizer", "sgd", "--lr", "1e12", "--warmup-epochs", "6", "--clip", "1e30", "--data"])
        .args([data.as_os_str(), "--out".as_ref(), out.as_os_str()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: the loss diverged in epoch") && said.contains("lower --lr"), "{said}");
    assert!(!out.join("result.json").exists());
}

#[test]
fn training_ends_early_without_a_better_score() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (classes(folder.path(), true), folder.path().join("run"));
    let still = Options { rate: Some(1e-12), patience: Some(2), ..options(CLASSIFIER, &data, 9) };
    let outcome = run(&still, &out).unwrap();
    assert_eq!((outcome.epochs, outcome.best_epoch), (3, 1));
    // A resumed run that ended early ends at once, with the same result.
    let again = fit(&still, &setup(true), &Supervised, &out, &mut Silent, &Stop::never()).unwrap();
    assert_eq!((again.epochs, again.model_sha256), (3, outcome.model_sha256));
}

#[test]
fn a_folder_holds_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (classes(folder.path(), true), folder.path().join("run"));
    let first = options(CLASSIFIER, &data, 1);
    run(&first, &out).unwrap();
    let error = run(&first, &out).unwrap_err().to_string();
    assert!(error.contains("holds a run already"), "{error}");
    let other = Options { rate: Some(0.5), ..first };
    let error =
        fit(&other, &setup(true), &Supervised, &out, &mut Silent, &Stop::never()).unwrap_err().to_string();
    assert!(error.contains("was begun with rate 0.01, not 0.5"), "{error}");
}

#[test]
fn several_passes_of_live_dropout_give_uncertainty() {
    let folder = tempfile::tempdir().unwrap();
    let data = masks(folder.path(), [2, 2, 2]);
    let network = sedge::zoo::find("bayesian-segnet").unwrap();
    let settings = sedge::zoo::Settings { classes: Some(3), size: Some((32, 32)), ..Default::default() };
    let model = folder.path().join("bayesian.onnx");
    sedge::zoo::Blueprint::of(network, &settings).unwrap().model(0).unwrap().write(&model).unwrap();
    let maps = folder.path().join("maps");
    let options = TrialOptions { passes: 3, maps: Some(maps.clone()), limit: Some(1), ..trial(Split::Test) };
    let one = Trial::run(&model, &data, &options).unwrap();
    let uncertainty = one.uncertainty.unwrap();
    assert!(uncertainty.variance > 0.0 && (0.0..=1.0).contains(&uncertainty.entropy), "{uncertainty:?}");
    let mut files: Vec<_> = fs::read_dir(&maps).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    let again = Trial::run(&model, &data, &options).unwrap();
    assert_eq!(
        (one.scores, Some(uncertainty)),
        (again.scores, again.uncertainty),
        "the same seed draws the same"
    );
}
