//! A network that can be trained: an ONNX model, its variables, and a plan to run it.

use sedge::onnx::{DataType, Model};
use tch::{Device, Kind, Tensor, no_grad};

use super::execute::run;
use super::grid::Grid;
use super::logits::logits_of;
use super::memory_order::channels_last;
use super::pattern::fits;
use super::plan::{Plan, Schedule, hoist_constants, variables};
use super::value::Value;
use super::{GraphError, Mode, Role, Variable};

/// A network whose initializers are variables and whose nodes are calls of libtorch.
pub struct Network {
    pub(super) model: Model,
    pub(super) device: Device,
    pub(super) kind: Kind,
    pub(super) plan: Plan,
    pub(super) variables: Vec<Variable>,
    /// For each variable that the model stores as integers, the grid they lie on.
    pub(super) grids: Vec<Option<Grid>>,
    pub(super) frozen: Vec<bool>,
    input: [usize; 3],
    schedule: Schedule,
    /// Shape of one picture's logits, `[1,classes,H,W]` or `[1,classes]`.
    logits: Vec<i64>,
}

impl Network {
    /// Makes `model` trainable on `device`. A trial run with a black picture checks every node.
    ///
    /// # Errors
    /// When a node's operator or the way it is used is not known (the message names both), the model does not take one
    /// float image of fixed size, or does not give logits of one or two spatial dimensions' rank.
    pub fn new(model: &Model, device: Device) -> Result<Network, GraphError> {
        Network::of_kind(model, device, Kind::Float)
    }

    /// The same with all floats of `kind`, e.g. doubles for comparing gradients with finite differences.
    ///
    /// # Errors
    /// Those of [`Network::new`].
    pub fn of_kind(model: &Model, device: Device, kind: Kind) -> Result<Network, GraphError> {
        let mut model = model.clone();
        hoist_constants(&mut model.graph);
        let wrong = |reason: String| GraphError::Model { model: model.origin.clone(), reason };
        let input = input_of(&model).map_err(wrong)?;
        let logits = logits_of(&model.graph).ok_or_else(|| wrong("the graph has no outputs".to_string()))?;
        let logits = logits.to_string();
        let mut taken = variables(&model, device)?;
        if kind != Kind::Float {
            for variable in &mut taken.all {
                let tensor = variable.tensor.f_detach()?.f_to_kind(kind)?;
                variable.tensor = tensor.f_set_requires_grad(variable.role == Role::Weight)?;
            }
        }
        let plan = Plan::of(&model, &taken, device, kind)?;
        let place = *plan
            .places
            .get(&logits)
            .ok_or_else(|| GraphError::Tensor { model: model.origin.clone(), name: logits.clone() })?;
        let schedule = plan.schedule(vec![place]);
        let mut network = Network {
            frozen: vec![false; taken.all.len()],
            variables: taken.all,
            grids: taken.grids,
            model,
            device,
            kind,
            plan,
            input,
            schedule,
            logits: Vec::new(),
        };
        network.try_out(&logits)?;
        Ok(network)
    }

    /// Runs a black picture through every node.
    fn try_out(&mut self, logits: &str) -> Result<(), GraphError> {
        let [channels, height, width] = self.input.map(|size| size as i64);
        let images = Tensor::f_zeros([1, channels, height, width], (self.kind, self.device))?;
        let value = no_grad(|| run(self, &self.schedule, &images, Mode::Evaluate))?.swap_remove(0);
        let shape = value.shape_of_one(1);
        let is_float = matches!(value.tensor.kind(), Kind::Float | Kind::Double);
        if !is_float || value.batch != Some(0) || !matches!(shape.len(), 2 | 4) || shape[0] != 1 {
            return Err(GraphError::Model {
                model: self.model.origin.clone(),
                reason: format!(
                    "{logits} has shape {shape:?}; a trainable network gives logits [1,classes] or \
                     [1,classes,height,width] that depend on its image"
                ),
            });
        }
        self.logits = shape;
        Ok(())
    }

    /// Channels, height and width of the images that it takes.
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// Channels of the logits.
    pub fn classes(&self) -> usize {
        self.logits[1] as usize
    }

    /// Whether the logits are `[N,classes,H,W]`; else they are `[N,classes]`.
    pub fn is_segmenter(&self) -> bool {
        self.logits.len() == 4
    }

    /// The device that it runs on.
    pub fn device(&self) -> Device {
        self.device
    }

    /// All variables, ordered by name.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// Freezes the variables whose names fit one of `patterns` (`*` stands for any characters, `?` for one) and releases
    /// all others; gives the number of frozen variables. A batch norm with a frozen variable uses its running statistics
    /// in training, too, and leaves them as they are.
    ///
    /// # Errors
    /// When a pattern fits no variable; nothing is changed then.
    pub fn freeze(&mut self, patterns: &[String]) -> Result<usize, GraphError> {
        for pattern in patterns {
            if !self.variables.iter().any(|variable| fits(pattern, &variable.name)) {
                let names: Vec<&str> = self.variables.iter().take(3).map(|v| v.name.as_str()).collect();
                return Err(GraphError::Pattern {
                    model: self.model.origin.clone(),
                    pattern: pattern.clone(),
                    example: names.join(", "),
                });
            }
        }
        for (variable, frozen) in self.variables.iter_mut().zip(&mut self.frozen) {
            *frozen = patterns.iter().any(|pattern| fits(pattern, &variable.name));
            let trains = variable.role == Role::Weight && !*frozen;
            if variable.tensor.requires_grad() != trains {
                variable.tensor = variable.tensor.f_detach()?.f_set_requires_grad(trains)?;
            }
        }
        Ok(self.frozen.iter().filter(|frozen| **frozen).count())
    }

    /// The logits of `images` `[N,C,H,W]`: `[N,classes,H,W]` or `[N,classes]`, f32. A last softmax, sigmoid or arg max of
    /// the graph is left out. Random draws of the graph come from libtorch's generator (`tch::manual_seed`).
    ///
    /// # Errors
    /// When the images do not fit, or a node fails (for example for want of memory).
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor, GraphError> {
        let value = self.run(&self.schedule, images, mode)?.swap_remove(0);
        Ok(value.tensor.f_to_kind(self.kind)?)
    }

    /// The logits, and the tensors of the graph called `taps`, their first axis counting the pictures.
    ///
    /// # Errors
    /// When the graph has no tensor of such a name, and those of [`Network::forward`].
    pub fn forward_with(
        &self,
        images: &Tensor,
        mode: Mode,
        taps: &[String],
    ) -> Result<(Tensor, Vec<Tensor>), GraphError> {
        let mut targets = self.schedule.targets.clone();
        for name in taps {
            let place = self.plan.places.get(name);
            targets.push(*place.ok_or_else(|| GraphError::Tensor {
                model: self.model.origin.clone(),
                name: name.clone(),
            })?);
        }
        let mut values = self.run(&self.plan.schedule(targets), images, mode)?.into_iter();
        let mut tensors = values.by_ref().map(|value| value.tensor.f_to_kind(self.kind));
        let logits = tensors.next().transpose()?.ok_or_else(|| GraphError::Torch("no logits".to_string()))?;
        Ok((logits, tensors.collect::<Result<_, _>>()?))
    }

    fn run(&self, schedule: &Schedule, images: &Tensor, mode: Mode) -> Result<Vec<Value>, GraphError> {
        let shape = images.size();
        let expected = self.input.map(|size| size as i64);
        if shape.len() != 4 || shape[1..] != expected || shape[0] < 1 {
            return Err(GraphError::Images { model: self.model.origin.clone(), shape, input: self.input });
        }
        let images = channels_last(&images.f_to_device(self.device)?.f_to_kind(self.kind)?)?;
        run(self, schedule, &images, mode)
    }
}

/// Channels, height and width of the model's only input.
fn input_of(model: &Model) -> Result<[usize; 3], String> {
    let [input] = model.graph.inputs.as_slice() else {
        return Err(format!(
            "has {} inputs; the trainer takes networks of one image",
            model.graph.inputs.len()
        ));
    };
    if input.data_type != DataType::F32 {
        return Err(format!("input {} is {}; the trainer takes f32 images", input.name, input.data_type));
    }
    let dims = input.shape.as_deref().unwrap_or_default();
    let fixed: Vec<Option<usize>> = dims.iter().map(|dim| dim.fixed()).collect();
    match fixed.as_slice() {
        [None | Some(1), Some(channels), Some(height), Some(width)] => Ok([*channels, *height, *width]),
        [Some(batch), _, _, _] if *batch > 1 => Err(format!(
            "input {} is a batch of {batch}; export the model for one image, the trainer makes batches itself",
            input.name
        )),
        _ => Err(format!(
            "input {} is not [1,channels,height,width] of fixed size; export the model at one size",
            input.name
        )),
    }
}
