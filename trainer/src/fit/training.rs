//! Epochs and steps.

use std::time::Instant;

use tch::{Device, Tensor};

use super::divergence::{check_epoch, check_step};
use super::memory::largest_that_works;
use super::state::State;
use super::{Checkpoint, FitError, Objective, Options, Stop, Watch};
use crate::data::{Batch, Loader};
use crate::graph::{Mode, Network, Role};
use crate::optimize::{Average, Optimizer, Parameter, Schedule};

/// Steps between two looks at the loss where a look waits for the device.
const LOOK_EVERY: usize = 20;

/// What a training goes on with from step to step.
pub(super) struct Training<'a> {
    pub(super) network: Network,
    pub(super) objective: Box<dyn Objective>,
    pub(super) optimizer: Optimizer,
    pub(super) average: Option<Average>,
    pub(super) schedule: Schedule,
    pub(super) state: State,
    pub(super) options: &'a Options,
    pub(super) device: Device,
}

/// An epoch's training, in figures.
pub(super) struct Trained {
    pub(super) loss: f64,
    pub(super) rate: f64,
    pub(super) seconds: f64,
    pub(super) images: usize,
}

impl<'a> Training<'a> {
    pub(super) fn new(
        network: Network,
        objective: Box<dyn Objective>,
        options: &'a Options,
        schedule: Schedule,
        device: Device,
    ) -> Result<Training<'a>, FitError> {
        let trained = network.variables().iter().filter(|variable| variable.tensor.requires_grad());
        let mut parameters: Vec<Parameter> =
            trained.map(|variable| Parameter::new(&variable.name, &variable.tensor)).collect();
        if parameters.is_empty() {
            return Err(FitError::Option(
                "--freeze leaves nothing to train; free some variables".to_string(),
            ));
        }
        options.rate_scales.apply(&mut parameters)?;
        parameters.extend(objective.parameters());
        let optimizer = Optimizer::new(options.optimizer, options.weight_decay, parameters)?;
        let average = match options.average {
            None => None,
            Some(decay) => Some(Average::new(decay, named(&network))?),
        };
        let state = State::default();
        Ok(Training { network, objective, optimizer, average, schedule, state, options, device })
    }

    /// All steps of the next epoch.
    pub(super) fn epoch(
        &mut self,
        loader: &Loader,
        watch: &mut dyn Watch,
        stop: &Stop,
    ) -> Result<Trained, FitError> {
        let begun = Instant::now();
        let (epoch, steps) = (self.state.epoch, loader.batches());
        watch.begin_epoch(epoch + 1, self.options.epochs, steps);
        self.objective.begin_epoch(epoch as u64)?;
        let mut sum = Tensor::f_zeros([], (tch::Kind::Double, self.device))?;
        let (mut images, mut rate) = (0, 0.0);
        for (index, batch) in loader.epoch(epoch as u64).enumerate() {
            let batch = batch?;
            let looked = self.device == Device::Cpu || (index + 1) % LOOK_EVERY == 0;
            rate = self.schedule.rate(self.state.step, &self.state.plateau);
            let loss = match self.step(&batch, rate, epoch, index) {
                Err(error) if error.wants_memory() => return Err(self.batch_that_fits(&batch, &error)?),
                loss => loss?,
            };
            images += batch.indices.len();
            let _ = sum.f_add_(&loss.f_mul_scalar(batch.indices.len() as f64)?)?;
            let value = if looked { Some(loss.f_double_value(&[])?) } else { None };
            if let Some(value) = value {
                check_step(value, epoch + 1, index + 1)?;
            }
            watch.step(index + 1, value);
            if stop.now() {
                return Err(FitError::Stopped { epoch: epoch + 1 });
            }
        }
        let loss = sum.f_double_value(&[])? / images.max(1) as f64;
        check_epoch(loss, &self.state, self.options.diverge_factor, steps)?;
        Ok(Trained { loss, rate, seconds: begun.elapsed().as_secs_f64(), images })
    }

    /// One step; gives the loss without gradients.
    fn step(&mut self, batch: &Batch, rate: f64, epoch: usize, index: usize) -> Result<Tensor, FitError> {
        // Draws inside the graph (dropout) follow from seed, epoch and step alone, so that a resumed run repeats them.
        tch::manual_seed(mixed([self.options.seed, epoch as u64, index as u64]));
        let half = self.half();
        let (objective, network) = (&mut self.objective, &self.network);
        let loss = tch::autocast(half, || objective.loss(network, batch))?;
        self.optimizer.zero_gradients();
        self.state.step += 1;
        if half {
            self.state.scaler.scaled(&loss)?.f_backward()?;
            if !self.state.scaler.unscale(self.optimizer.gradients(), self.device)? {
                return Ok(loss.f_detach()?);
            }
        } else {
            loss.f_backward()?;
        }
        if let Some(norm) = self.options.clip {
            let _ = self.optimizer.clip(norm)?;
        }
        self.optimizer.step(rate)?;
        if let Some(average) = &mut self.average {
            average.follow(self.network.variables().iter().map(|variable| &variable.tensor))?;
        }
        Ok(loss.f_detach()?)
    }

    fn half(&self) -> bool {
        self.options.half && matches!(self.device, Device::Cuda(_))
    }

    /// The error of a step for which memory was missing, with a batch for which it is not.
    fn batch_that_fits(&mut self, batch: &Batch, error: &FitError) -> Result<FitError, FitError> {
        let images = batch.indices.len();
        self.optimizer.zero_gradients();
        let half = self.half();
        let fits = largest_that_works(images, |size| {
            let loss = tch::autocast(half, || -> Result<Tensor, FitError> {
                let logits = self.network.forward(&batch.images.f_narrow(0, 0, size as i64)?, Mode::Train)?;
                Ok(logits.f_sum(tch::Kind::Float)?)
            })?;
            Ok(loss.f_backward()?)
        })?;
        Ok(FitError::Memory { batch: images, fits, reason: error.to_string() })
    }

    /// Runs `look` on the network with the averaged weights, where there are any.
    pub(super) fn with_average<T>(
        &mut self,
        look: impl FnOnce(&mut Network) -> Result<T, FitError>,
    ) -> Result<T, FitError> {
        let Some(average) = &self.average else { return look(&mut self.network) };
        let own = copies(&self.network)?;
        self.network.load(average.values())?;
        let result = look(&mut self.network);
        self.network.load(&own)?;
        result
    }

    /// Everything that a run needs to go on.
    pub(super) fn checkpoint(&mut self) -> Checkpoint<State> {
        self.state.optimizer_steps = self.optimizer.steps();
        self.state.average_steps = self.average.as_ref().map_or(0, Average::steps);
        let mut tensors = Vec::new();
        let mut put = |prefix: &str, name: &str, tensor: &Tensor| {
            tensors.push((format!("{prefix}/{name}"), tensor.shallow_clone()));
        };
        for (name, tensor) in named(&self.network) {
            put("variable", name, tensor);
        }
        for parameter in self.objective.parameters() {
            put("objective", &parameter.name, &parameter.tensor);
        }
        for (name, tensor) in self.optimizer.state() {
            put("optimizer", &name, &tensor);
        }
        for (name, tensor) in self.average.iter().flat_map(Average::values) {
            put("average", name, tensor);
        }
        Checkpoint { state: self.state.clone(), tensors }
    }

    /// Goes on from a checkpoint.
    pub(super) fn load(&mut self, checkpoint: &Checkpoint<State>) -> Result<(), FitError> {
        self.state = checkpoint.state.clone();
        self.network.load(&checkpoint.part("variable/"))?;
        let saved = checkpoint.part("objective/");
        for mut parameter in self.objective.parameters() {
            if let Some((_, value)) = saved.iter().find(|(name, _)| *name == parameter.name) {
                tch::no_grad(|| parameter.tensor.f_copy_(value))?;
            }
        }
        self.optimizer.load(self.state.optimizer_steps, &checkpoint.part("optimizer/"))?;
        if let Some(average) = &mut self.average {
            average.load(self.state.average_steps, &checkpoint.part("average/"))?;
        }
        Ok(())
    }
}

/// Variables by name, running statistics among them.
fn named(network: &Network) -> impl Iterator<Item = (&str, &Tensor)> {
    network
        .variables()
        .iter()
        .filter(|variable| matches!(variable.role, Role::Weight | Role::Statistic))
        .map(|variable| (variable.name.as_str(), &variable.tensor))
}

/// Copies of all variables.
fn copies(network: &Network) -> Result<Vec<(String, Tensor)>, FitError> {
    let copy = |(name, tensor): (&str, &Tensor)| {
        let tensor = tensor.f_detach()?;
        let mut copy = tensor.f_zeros_like()?;
        copy.f_copy_(&tensor)?;
        Ok((name.to_string(), copy))
    };
    named(network).map(copy).collect()
}

/// A seed from several numbers, by the finalizer of SplitMix64.
pub(super) fn mixed(numbers: [u64; 3]) -> i64 {
    let mut state = 0_u64;
    for number in numbers {
        state = state.wrapping_add(number).wrapping_add(0x9E37_79B9_7F4A_7C15);
        state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^= state >> 31;
    }
    (state >> 1) as i64
}
