//! A run from its options to `result.json`.

use std::path::Path;
use std::time::Instant;

use super::export::{Origin, with_card};
use super::folder::link_atomic;
use super::outcome::{Outcome, read_result, write_result};
use super::record::{Data, json};
use super::sheets::Sheet;
use super::state::{Best, State};
use super::training::{Trained, Training, mixed};
use super::{
    Checkpoint, EpochLine, FitError, Folder, Options, Recipe, Scores, Setup, Start, Stop, Subset, Watch,
    evaluate, evaluate_at_image_size, sha256, write_atomic,
};
use crate::data::{Loader, Split, open};
use crate::optimize::Exact;
use crate::plot::curves;

/// Trains to the end, or goes on with the run in `folder`.
///
/// # Errors
/// [`FitError`].
pub fn fit(
    options: &Options,
    setup: &Setup,
    recipe: &dyn Recipe,
    folder: &Path,
    watch: &mut dyn Watch,
    stop: &Stop,
) -> Result<Outcome, FitError> {
    let run = Run::open(options, setup, recipe, folder, watch)?;
    let folder = run.folder.clone();
    if setup.resume
        && let Some(done) = read_result(&folder)?
    {
        return Ok(done);
    }
    let outcome = run.train(watch, stop)?;
    write_result(&folder, &outcome)?;
    Ok(outcome)
}

/// A run that is ready to begin or to go on.
pub struct Run<'a> {
    pub(super) options: &'a Options,
    pub(super) setup: &'a Setup,
    pub(super) folder: Folder,
    pub(super) start: Start,
    pub(super) train: Loader,
    pub(super) val: Loader,
    pub(super) data: Data,
    pub(super) teacher: Option<String>,
    pub(super) training: Training<'a>,
}

impl Run<'_> {
    /// Trains the epochs that are left and scores the best one's weights, which are `model.onnx` then. The result is not
    /// written yet.
    ///
    /// # Errors
    /// [`FitError`]; checkpoints of whole epochs stay.
    pub fn train(mut self, watch: &mut dyn Watch, stop: &Stop) -> Result<Outcome, FitError> {
        let mut lines = self.lines()?;
        while self.training.state.epoch < self.options.epochs && !self.is_out_of_patience() {
            let trained = self.training.epoch(&self.train, watch, stop)?;
            let begun = Instant::now();
            let scores = self.validate()?;
            let line = self.end_epoch(&trained, &scores, begun.elapsed().as_secs_f64())?;
            lines.push(line.clone());
            self.write_lines(&lines)?;
            curves(&self.folder.curves(), &lines, scores.selection_name())?;
            let is_best = self.training.state.best.is_some_and(|best| best.epoch == line.epoch);
            watch.end_epoch(&line, scores.selection_name(), is_best);
        }
        if self.is_out_of_patience() && self.training.state.epoch < self.options.epochs {
            watch.note(&format!("stopped early: no better score for {} epochs", self.training.state.waited));
        }
        self.finish(watch)
    }

    fn is_out_of_patience(&self) -> bool {
        self.options.patience.is_some_and(|patience| self.training.state.waited >= patience)
    }

    fn validate(&mut self) -> Result<Scores, FitError> {
        let Run { val, folder, setup, start, .. } = &*self;
        let (val, folder, seed) = (val, folder.clone(), self.options.seed);
        let examples = val.examples();
        let mut sheet = Sheet::new(setup.sheet_images, &start.rule, examples.task(), examples.ignore());
        let epoch = self.training.state.epoch;
        // Networks with live dropout are judged by the same draws whenever the epoch is judged.
        tch::manual_seed(mixed([seed, epoch as u64, u64::MAX]));
        let val = &self.val;
        let scores = self
            .training
            .with_average(|network| evaluate(network, val, |batch, predicted| sheet.add(batch, predicted)))?;
        sheet.write(&folder, epoch + 1)?;
        Ok(scores)
    }

    /// Takes an epoch into the state and writes its checkpoints.
    fn end_epoch(
        &mut self,
        trained: &Trained,
        scores: &Scores,
        val_seconds: f64,
    ) -> Result<EpochLine, FitError> {
        let training = &mut self.training;
        let state = &mut training.state;
        state.epoch += 1;
        state.seconds += trained.seconds + val_seconds;
        state.first_loss.get_or_insert(Exact(trained.loss));
        state.least_loss =
            Some(Exact(state.least_loss.map_or(trained.loss, |least| least.0.min(trained.loss))));
        let score = scores.selection();
        let is_best = state.best.is_none_or(|best| score > best.score.0);
        if is_best {
            state.best = Some(Best { epoch: state.epoch, score: Exact(score) });
            state.waited = 0;
        } else {
            state.waited += 1;
        }
        training.schedule.scored(score, &mut state.plateau);
        let epoch = state.epoch;
        let path = self.folder.checkpoint(&format!("epoch-{epoch}"));
        training.checkpoint().write(&path)?;
        if is_best {
            self.write_model(&[(self.options.validate, scores.clone())])?;
            link_atomic(&path, &self.folder.checkpoint("best"))?;
        }
        link_atomic(&path, &self.folder.checkpoint("last"))?;
        self.folder.keep_newest(self.setup.keep)?;
        Ok(EpochLine {
            epoch,
            loss: trained.loss,
            val_loss: scores.loss.unwrap_or(f64::NAN),
            score,
            accuracy: scores.accuracy,
            rate: trained.rate,
            train_seconds: trained.seconds,
            val_seconds,
            images_per_second: trained.images as f64 / trained.seconds.max(1e-9),
        })
    }

    /// Writes the present weights (averaged, where they are) as `model.onnx`, with what they reach; gives its SHA-256.
    fn write_model(&mut self, scores: &[(Split, Scores)]) -> Result<String, FitError> {
        let model = self.training.with_average(|network| Ok(network.model()?))?;
        let origin = Origin {
            source: &self.options.model,
            data: &self.data.name,
            data_sha256: &self.data.train_sha256,
            seed: self.options.seed,
            teacher: self.teacher.as_ref().map(|hash| format!("sha256:{hash}")),
        };
        let bytes = with_card(model, &self.start, self.train.examples().as_ref(), &origin, scores).to_bytes();
        write_atomic(&self.folder.model(), &bytes)?;
        Ok(sha256(&bytes))
    }

    /// The lines of the log up to the epoch of the checkpoint: later ones are done anew.
    fn lines(&self) -> Result<Vec<EpochLine>, FitError> {
        if self.training.state.epoch == 0 {
            return Ok(Vec::new());
        }
        let path = self.folder.log();
        let text = std::fs::read_to_string(&path).map_err(FitError::file(&path))?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<EpochLine>(line).ok());
        Ok(lines.filter(|line| line.epoch <= self.training.state.epoch).collect())
    }

    fn write_lines(&self, lines: &[EpochLine]) -> Result<(), FitError> {
        let path = self.folder.log();
        let mut text = String::new();
        for line in lines {
            text.push_str(&format!("{}\n", json(line, &path)?));
        }
        write_atomic(&path, text.as_bytes())
    }

    /// Scores the best epoch's weights on validation and test split and writes the result.
    fn finish(mut self, watch: &mut dyn Watch) -> Result<Outcome, FitError> {
        let best: Checkpoint<State> = Checkpoint::read(&self.folder.checkpoint("best"))?;
        let state = self.training.state.clone();
        self.training.load(&best)?;
        let test = match open(&self.options.data, Split::Test) {
            Ok(examples) => {
                let Options { limit, leave_out, .. } = self.options;
                let examples = Subset::of(examples, *limit, leave_out.as_deref())?;
                Some(Loader::new(examples, self.val.options().clone())?)
            }
            Err(error) => {
                watch.note(&format!("no scores on a test split: {error}"));
                None
            }
        };
        let seed = self.options.seed;
        let val = &self.val;
        let (val, test) = self.training.with_average(|network| {
            tch::manual_seed(mixed([seed, u64::MAX, 0]));
            let val = evaluate_at_image_size(network, val, |_| ())?;
            let test = test.map(|test| evaluate_at_image_size(network, &test, |_| ())).transpose()?;
            Ok((val, test))
        })?;
        let mut scores = vec![(self.options.validate, val.clone())];
        scores.extend(test.clone().map(|test| (Split::Test, test)));
        let model_sha256 = self.write_model(&scores)?;
        Ok(Outcome {
            epochs: state.epoch,
            best_epoch: best.state.epoch,
            val,
            test,
            model_sha256,
            seconds: state.seconds,
        })
    }
}
