//! `sedge-train distill`: training a student on labels and a teacher's logits.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use sedge_train::distill::{Comparison, Distillation, Match, distill};
use sedge_train::fit::{Scores, Stop, Watch};

use super::eval::line;
use super::fit::stopped;
use super::print;
use super::training::{TrainingArgs, summary};
use super::watch::Terminal;

/// Train a student with a teacher, and the same student without it
///
/// The loss is alpha * labels + (1 - alpha) * T^2 * KL(softmax(teacher/T) || softmax(student/T)), a mean over the pixels that
/// count. The teacher sees every image under its own input rule, channels and size. The control (same student, seed and
/// budget, no teacher) is trained after the student into control/ of the run's folder; result.json holds both and the
/// teacher's scores.
#[derive(clap::Args)]
pub struct Args {
    /// Teacher: a model file, a run's folder, or a checkpoint; its classes must be the data's
    #[arg(long, value_name = "T.onnx")]
    teacher: PathBuf,
    /// What the labels' loss counts, 0 to 1; the teacher's counts the rest
    #[arg(long, default_value_t = 0.5, value_name = "X")]
    alpha: f64,
    /// T: what logits are divided by before the softmax
    #[arg(long, default_value_t = 4.0, value_name = "T")]
    temperature: f64,
    /// Leave out the factor T^2
    #[arg(long)]
    no_t_squared: bool,
    /// Put the label in the teacher's place where the teacher is wrong
    #[arg(long)]
    conditional: bool,
    /// Keep the teacher's logits in a folder (by default logits/ in the run's), so that it runs once; where the
    /// augmentation moves images, a segmenter's logits move with them (a classifier runs in every step all the same)
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    cache_logits: Option<Option<PathBuf>>,
    /// Inner tensors to match by their squared distance, after a learned 1x1 convolution where channels differ; may be given
    /// several times
    #[arg(long = "match", value_name = "STUDENT=TEACHER:WEIGHT", value_parser = matching)]
    matches: Vec<Match>,
    /// Do not train the control
    #[arg(long)]
    no_control: bool,
    #[command(flatten)]
    training: TrainingArgs,
}

fn matching(text: &str) -> anyhow::Result<Match> {
    text.parse().map_err(|reason: String| anyhow!(reason))
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (options, setup) = args.training.split();
    let out = &args.training.out;
    let distillation = Distillation {
        teacher: args.teacher,
        alpha: args.alpha,
        temperature: args.temperature,
        t_squared: !args.no_t_squared,
        conditional: args.conditional,
        matches: args.matches,
        cache: args.cache_logits.map(|folder| folder.unwrap_or_else(|| out.join("logits"))),
    };
    let mut watch = |name| Box::new(Terminal::new(name)) as Box<dyn Watch>;
    let result =
        distill(&options, &setup, &distillation, !args.no_control, out, &mut watch, &Stop::at_signals()?);
    match result {
        Ok(comparison) => {
            print(report(&comparison).trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => stopped(error),
    }
}

fn report(comparison: &Comparison) -> String {
    let mut text = format!("student: {}", summary(&comparison.student));
    if let Some(control) = &comparison.control {
        text.push_str(&format!("control: {}", summary(control)));
    }
    let teacher = &comparison.teacher;
    text.push_str(&format!("teacher:\nvalidation: {}\n", line(&teacher.val)));
    if let Some(test) = &teacher.test {
        text.push_str(&format!("test: {}\n", line(test)));
    }
    if let Some(control) = &comparison.control {
        let judged = |student: &Scores, control: &Scores| 100.0 * (student.selection() - control.selection());
        let (split, gain) = match (&comparison.student.test, &control.test) {
            (Some(student), Some(control)) => ("test", judged(student, control)),
            _ => ("validation", judged(&comparison.student.val, &control.val)),
        };
        text.push_str(&format!(
            "student less control on {split}: {gain:+.2} points of {}\n",
            comparison.student.val.selection_name()
        ));
    }
    text
}
