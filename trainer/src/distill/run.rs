//! A distilled student, its control and its teacher, side by side.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Distillation;
use crate::data::Split;
use crate::fit::{
    FitError, Folder, Options, Outcome, Run, Scores, Setup, Stop, Supervised, Trial, TrialOptions, Watch,
    fit, write_result,
};

/// What a distillation came to; `result.json` holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The distilled student.
    #[serde(flatten)]
    pub student: Outcome,
    /// The same student, seed and budget, without the teacher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Outcome>,
    /// The teacher's scores.
    pub teacher: TeacherScores,
}

/// A teacher's scores on the splits on which the student is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TeacherScores {
    /// SHA-256 of its file.
    pub sha256: String,
    /// On the split that chooses the student's epoch.
    pub val: Scores,
    /// On the test split, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Scores>,
}

/// Trains a student with its teacher into `folder` and, with `control`, without it into `folder/control`.
///
/// `watch` is asked for anew for each run by its name.
///
/// # Errors
/// [`FitError`]; with [`Setup::resume`] the comparison goes on where it ended.
pub fn distill(
    options: &Options,
    setup: &Setup,
    distillation: &Distillation,
    control: bool,
    folder: &Path,
    watch: &mut dyn FnMut(&'static str) -> Box<dyn Watch>,
    stop: &Stop,
) -> Result<Comparison, FitError> {
    let mut student_watch = watch("student");
    let run = Run::open(options, setup, distillation, folder, student_watch.as_mut())?;
    let folder = Folder::create(folder)?;
    if setup.resume
        && let Some(done) = crate::fit::read_result::<Comparison>(&folder)?
    {
        return Ok(done);
    }
    let student = run.train(student_watch.as_mut(), stop)?;
    let control = match control {
        false => None,
        true => {
            let folder = folder.path().join("control");
            Some(fit(options, setup, &Supervised, &folder, watch("control").as_mut(), stop)?)
        }
    };
    let teacher = teacher_scores(options, distillation)?;
    let comparison = Comparison { student, control, teacher };
    write_result(&folder, &comparison)?;
    Ok(comparison)
}

fn teacher_scores(options: &Options, distillation: &Distillation) -> Result<TeacherScores, FitError> {
    let trial = |split: Split| {
        let trial_options = TrialOptions {
            split,
            limit: options.limit,
            leave_out: options.leave_out.clone(),
            batch: options.batch,
            passes: 1,
            maps: None,
            float: false,
            seed: options.seed,
            device: options.device.clone(),
        };
        Trial::run(&distillation.teacher, &options.data, &trial_options)
    };
    let val = trial(options.validate)?;
    // A data set may have no test split; the student's own result says why.
    let test = match crate::data::open(&options.data, Split::Test) {
        Ok(_) => Some(trial(Split::Test)?.scores),
        Err(_) => None,
    };
    Ok(TeacherScores { sha256: val.model_sha256, val: val.scores, test })
}
