//! What int8 costs in accuracy, on pictures that are not part of the project: the folder `../shared/data` beside it.
//! Without that folder each test is listed as ignored.

mod program;

use std::path::PathBuf;

use libtest_mimic::{Arguments, Failed, Trial};
use program::{CAT, CAT_INT8, FLOAT, INT8, fresh_folder, masks, project, run};
use serde_json::Value;

fn data(path: &str) -> PathBuf {
    project("../shared/data").join(path)
}

fn main() {
    let arguments = Arguments::from_args();
    type Test = fn() -> Result<(), Failed>;
    let tests: [(&str, &str, Test); 3] = [
        ("a_bird_has_the_same_shape_in_int8", "photos/bird_segmentation.png", bird),
        ("cats_are_found_as_well_in_int8", "feral_cat/META.json", cats),
        ("the_cat_model_keeps_up_with_the_teacher", "feral_cat/META.json", cat_model),
    ];
    let trials = tests
        .map(|(name, needs, test)| Trial::test(name, test).with_ignored_flag(!data(needs).exists()))
        .into();
    libtest_mimic::run(&arguments, trials).exit();
}

/// IoU of the pixels that the two models call bird.
fn bird() -> Result<(), Failed> {
    const IOU_MIN: f64 = 0.95;
    const BIRD: u8 = 3;
    let folder = fresh_folder();
    let picture = data("photos/bird_segmentation.png");
    let mut found = Vec::new();
    for (model, out) in [(FLOAT, "float"), (INT8, "int8")] {
        let arguments = format!("run --model {model} --source {} --out {out}", picture.display());
        if let Some(failure) = run(folder.path(), &arguments).failure() {
            return Err(failure.into());
        }
        let mask = masks(&folder.path().join(out))?.pop().ok_or("no mask")?;
        found.push(mask.ids.into_iter().map(|id| id == BIRD).collect::<Vec<bool>>());
    }
    let both = found[0].iter().zip(&found[1]).filter(|(a, b)| **a && **b).count();
    let any = found[0].iter().zip(&found[1]).filter(|(a, b)| **a || **b).count();
    let iou = both as f64 / any as f64;
    println!("bird: IoU of int8 with float {iou:.4} over {any} pixels (min {IOU_MIN})");
    // A bird of a few pixels would say nothing.
    if any > 1000 && iou >= IOU_MIN { Ok(()) } else { Err(format!("IoU {iou:.4} over {any} pixels").into()) }
}

/// A figure of what `sedge eval` says of `model` on feral_cat's test split, by the names of its JSON.
fn evaluated(model: &str, figure: &str) -> Result<f64, Failed> {
    let folder = fresh_folder();
    let arguments = format!("eval --model {model} --data {} --json", data("feral_cat").display());
    let outcome = run(folder.path(), &arguments);
    if let Some(failure) = outcome.failure() {
        return Err(failure.into());
    }
    let report: Value = serde_json::from_str(&outcome.out)?;
    Ok(report.pointer(figure).and_then(Value::as_f64).ok_or_else(|| format!("no {figure}"))?)
}

fn cats() -> Result<(), Failed> {
    const LOSS_MAX: f64 = 1.0;
    let (float, int8) = (evaluated(FLOAT, "/iou_percent/cat")?, evaluated(INT8, "/iou_percent/cat")?);
    println!(
        "feral_cat test: cat IoU float {float:.2} %, int8 {int8:.2} % (at most {LOSS_MAX} points apart)"
    );
    if (float - int8).abs() <= LOSS_MAX {
        Ok(())
    } else {
        Err(format!("float {float:.2} %, int8 {int8:.2} %").into())
    }
}

/// The cat model that ships, in int8, beside the DeepLab that teaches its students, at about the same size of image.
fn cat_model() -> Result<(), Failed> {
    const LOSS_MAX: f64 = 2.0;
    const BYTES_MAX: u64 = 1_500_000;
    let result = std::fs::read_to_string(project("trainer/results/runs/cat-teacher/result.json"))?;
    let result: Value = serde_json::from_str(&result)?;
    let teacher = 100.0 * result["test"]["mean_iou"].as_f64().ok_or("no mean IoU of the teacher")?;
    let (float, int8) = (evaluated(CAT, "/mean_iou_percent")?, evaluated(CAT_INT8, "/mean_iou_percent")?);
    let bytes = std::fs::metadata(project(CAT_INT8))?.len();
    println!(
        "feral_cat test: mean IoU teacher {teacher:.2} %, float {float:.2} %, int8 {int8:.2} % (at most {LOSS_MAX} \
         points below), {bytes} bytes"
    );
    if teacher - int8 <= LOSS_MAX && bytes <= BYTES_MAX {
        Ok(())
    } else {
        Err(format!("teacher {teacher:.2} %, int8 {int8:.2} %, {bytes} bytes").into())
    }
}
