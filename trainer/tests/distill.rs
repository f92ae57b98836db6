//! Distillation end to end on small pictures made here.

mod fit_shapes;

use std::path::{Path, PathBuf};

use fit_shapes::{CLASSIFIER, SEGMENTER, classes, column, differences, json, masks, options, setup, tensors};
use sedge_train::distill::{Comparison, Distillation, distill};
use sedge_train::fit::{FitError, Options, Silent, Stop, Supervised, Watch, fit};

fn train(options: &Options, folder: &Path) {
    fit(options, &setup(false), &Supervised, folder, &mut Silent, &Stop::never()).unwrap();
}

fn teacher(path: PathBuf) -> Distillation {
    Distillation {
        teacher: path,
        alpha: 0.5,
        temperature: 4.0,
        t_squared: true,
        conditional: false,
        matches: Vec::new(),
        cache: None,
    }
}

/// Keeps what a run says.
#[derive(Clone, Default)]
struct Notes(std::rc::Rc<std::cell::RefCell<Vec<String>>>);

impl Watch for Notes {
    fn note(&mut self, text: &str) {
        self.0.borrow_mut().push(text.to_string());
    }

    fn begin_epoch(&mut self, _: usize, _: usize, _: usize) {}

    fn step(&mut self, _: usize, _: Option<f64>) {}

    fn end_epoch(&mut self, _: &sedge_train::fit::EpochLine, _: &str, _: bool) {}
}

fn run(
    options: &Options,
    distillation: &Distillation,
    control: bool,
    folder: &Path,
) -> (Result<Comparison, FitError>, Vec<String>) {
    let notes = Notes::default();
    let mut watch = |_| Box::new(notes.clone()) as Box<dyn Watch>;
    let result = distill(options, &setup(true), distillation, control, folder, &mut watch, &Stop::never());
    let notes = notes.0.borrow().clone();
    (result, notes)
}

#[test]
fn student_control_and_teacher_stand_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let data = masks(folder.path(), [8, 4, 2]);
    let at = |name: &str| folder.path().join(name);
    train(&options("zoo:unet-mnv2-4:width=0.35,size=48", &data, 10), &at("teacher"));
    let student = options(SEGMENTER, &data, 3);
    let (result, notes) = run(&student, &teacher(at("teacher")), true, &at("student"));
    let comparison = result.unwrap();
    assert!(notes.iter().any(|note| note.contains("at its own 48x48")), "{notes:?}");
    let control = comparison.control.clone().unwrap();
    assert!(comparison.student.val != control.val, "the teacher changed nothing");
    assert_eq!(comparison.teacher.val.images, 4);
    let written = json(&at("student").join("result.json"));
    assert_eq!(written["control"]["val"]["mean_iou"], control.val.mean_iou.unwrap());
    assert_eq!(written["val"]["mean_iou"], comparison.student.val.mean_iou.unwrap());
    assert!(json(&at("student").join("run.json"))["objective"]["teacher_sha256"].is_string());

    // With alpha 1 only the labels count: the student is its control. So is a run of `fit`.
    let labels = Distillation { alpha: 1.0, ..teacher(at("teacher")) };
    run(&student, &labels, true, &at("labels")).0.unwrap();
    assert_eq!(tensors(&at("labels"), "last"), tensors(&at("labels/control"), "last"));
    assert_eq!(differences(&at("labels/control"), &at("student/control")), Vec::<String>::new());
    // A complete comparison is not made again.
    let again = run(&student, &teacher(at("teacher")), true, &at("student")).0.unwrap();
    assert_eq!(again.student.model_sha256, comparison.student.model_sha256);
    assert_eq!(json(&at("student").join("result.json")), written);
}

#[test]
fn cached_logits_are_the_live_ones() {
    let folder = tempfile::tempdir().unwrap();
    let data = masks(folder.path(), [8, 2, 2]);
    let at = |name: &str| folder.path().join(name);
    train(&options(SEGMENTER, &data, 6), &at("teacher"));
    let student = Options { seed: 5, ..options(SEGMENTER, &data, 1) };
    let live = Distillation { alpha: 0.0, ..teacher(at("teacher")) };
    let cached = Distillation { cache: Some(at("logits")), ..live.clone() };
    run(&student, &live, false, &at("live")).0.unwrap();
    let (result, notes) = run(&student, &cached, false, &at("cached"));
    result.unwrap();
    assert!(notes.iter().any(|note| note.contains("are written to")), "{notes:?}");
    let (a, b) = (column(&at("live"), "loss")[0], column(&at("cached"), "loss")[0]);
    assert!((a - b).abs() < 0.02 * a, "live {a}, cached {b}");
    let (result, notes) = run(&student, &cached, false, &at("again"));
    result.unwrap();
    assert!(notes.iter().any(|note| note.contains("come from")), "{notes:?}");
    assert_eq!(differences(&at("cached"), &at("again")), Vec::<String>::new());
    // The live teacher sees the moved image and may say something else of it than of the image at rest.
    let turned = Options { augment: "flip,rotate=5,scale=0.9:1.1".parse().unwrap(), ..student };
    run(&turned, &live, false, &at("live-turned")).0.unwrap();
    run(&turned, &cached, false, &at("cached-turned")).0.unwrap();
    let (a, b) = (column(&at("live-turned"), "loss")[0], column(&at("cached-turned"), "loss")[0]);
    assert!((a - b).abs() < 0.2 * a, "live {a}, cached {b} for images that are moved at random");
}

#[test]
fn a_colour_teacher_sees_grey_images_in_all_its_channels() {
    let folder = tempfile::tempdir().unwrap();
    let data = classes(folder.path(), true);
    let at = |name: &str| folder.path().join(name);
    train(&options("zoo:kd-student:channels=3,size=24", &data, 3), &at("teacher"));
    let (result, _) = run(&options(CLASSIFIER, &data, 2), &teacher(at("teacher")), false, &at("student"));
    let comparison = result.unwrap();
    assert!(comparison.student.val.accuracy > 0.9, "{comparison:?}");
    let same_size = options("zoo:kd-student:channels=3,size=32", &data, 2);
    train(&same_size, &at("teacher-32"));
    let (result, notes) =
        run(&options(CLASSIFIER, &data, 1), &teacher(at("teacher-32")), false, &at("student-32"));
    result.unwrap();
    assert!(notes.iter().any(|note| note.contains("under its own input rule")), "{notes:?}");
}

#[test]
fn inner_tensors_are_matched_by_a_learned_projection() {
    let folder = tempfile::tempdir().unwrap();
    let data = classes(folder.path(), true);
    let at = |name: &str| folder.path().join(name);
    train(&options("zoo:kd-student:size=24", &data, 2), &at("teacher"));
    let model = sedge::onnx::Model::read(&at("teacher").join("model.onnx")).unwrap();
    let convolutions: Vec<&str> = model
        .graph
        .nodes
        .iter()
        .filter(|node| node.standard_op() == "Conv")
        .map(|node| node.output())
        .collect();
    let rule = format!("{}={}:0.5", convolutions[0], convolutions[1]);
    let matched = Distillation { matches: vec![rule.parse().unwrap()], ..teacher(at("teacher")) };
    let student = options(CLASSIFIER, &data, 2);
    run(&student, &matched, false, &at("student")).0.unwrap();
    let saved = tensors(&at("student"), "last");
    let projection = saved.iter().find(|(name, _)| name.starts_with("objective/projection."));
    assert!(projection.is_some(), "the projection is not in the checkpoint");
    let unknown = Distillation { matches: vec!["nothing=nothing".parse().unwrap()], ..matched };
    let error = run(&student, &unknown, false, &at("unknown")).0.unwrap_err().to_string();
    assert!(error.contains("no tensor called nothing"), "{error}");
}

#[test]
fn a_teacher_of_other_classes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = masks(folder.path(), [4, 2, 2]);
    let at = |name: &str| folder.path().join(name);
    let network = sedge::zoo::find("unet-mnv2-4").unwrap();
    let built = |classes: usize, name: &str| {
        let settings = sedge::zoo::Settings {
            classes: Some(classes),
            size: Some((32, 32)),
            width: Some(0.35),
            ..Default::default()
        };
        let mut model = sedge::zoo::Blueprint::of(network, &settings).unwrap().model(0).unwrap();
        let names = ["ground", "square", "triangle"];
        let mut card = sedge::onnx::Card::of(&model).unwrap();
        card.classes = sedge::mask::classes_from_names(&names[..classes.min(3)]);
        card.store(&mut model);
        model.write(&at(name)).unwrap();
        at(name)
    };
    let student = options(SEGMENTER, &data, 1);
    let cases = [
        (teacher(built(21, "21.onnx")), "tells 21 classes apart"),
        (teacher(built(3, "triangle.onnx")), "has no class disc; its classes are ground, square, triangle"),
        (Distillation { alpha: 1.5, ..teacher(at("triangle.onnx")) }, "--alpha must be from 0 to 1"),
        (Distillation { temperature: 0.0, ..teacher(at("triangle.onnx")) }, "--temperature must be above 0"),
    ];
    for (index, (distillation, expected)) in cases.into_iter().enumerate() {
        let error =
            run(&student, &distillation, false, &at(&format!("run-{index}"))).0.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
