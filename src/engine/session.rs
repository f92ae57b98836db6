//! A model prepared to run with tract. With `engine/tensors` and `onnx/`, the only place that knows tract.

use std::sync::{Arc, MutexGuard};

use tract_core::prelude::{Framework, IntoRunnable, TValue, TypedRunnableModel, tvec};
use tract_onnx::prelude::InferenceModelExt;

use super::EngineError;
use super::guard::guarded;
use super::lower::lower;
use super::plan::Plan;
use super::program::{Element, Program};
use super::region::{self, Region};
use super::run::Runner;
#[cfg(feature = "host")]
use super::tensors;
use crate::kernels;
use crate::onnx::{DataType, Model};

/// Most pixels on a side of an input, as of a frame.
const SIDE_MAX: usize = 16_384;

/// Who runs a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Quantized regions run in integers, the rest in tract.
    #[default]
    Int8,
    /// Everything runs in tract, quantized or not; for comparisons.
    Tract,
}

/// How a model is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads of the integer engine; tract uses one.
    pub threads: usize,
    /// Who runs it.
    pub engine: Engine,
}

impl Default for Options {
    fn default() -> Options {
        Options { threads: 1, engine: Engine::Int8 }
    }
}

/// A model that is ready to run.
pub struct Session {
    model: String,
    body: Body,
    input_shape: [usize; 4],
    outputs: Vec<String>,
}

enum Body {
    /// The whole model is one program.
    Int8(Region),
    /// Tract around the regions.
    Mixed(Arc<TypedRunnableModel>),
}

/// One output of an inference.
pub struct Value(Content);

enum Content {
    Tract(TValue),
    Floats(Vec<usize>, Vec<f32>),
}

impl Value {
    /// Sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        match &self.0 {
            Content::Tract(value) => value.shape(),
            Content::Floats(shape, _) => shape,
        }
    }

    /// The elements in row-major order, if they are 32-bit floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.0 {
            Content::Tract(value) => value.try_as_plain_ram().ok()?.as_slice::<f32>().ok(),
            Content::Floats(_, values) => Some(values),
        }
    }
}

impl Session {
    /// Prepares `model`, whose one input must be a float image `[1, channels, height, width]`, for one thread.
    ///
    /// # Errors
    /// When the input is another, an operator is not supported, or the graph contradicts itself.
    pub fn new(model: &Model) -> Result<Session, EngineError> {
        Session::with_options(model, &Options::default())
    }

    /// As [`Session::new`].
    ///
    /// # Errors
    /// As [`Session::new`], and when the system gives no more threads.
    pub fn with_options(model: &Model, options: &Options) -> Result<Session, EngineError> {
        let input_shape = image_input(model)?;
        let outputs = model.graph.outputs.iter().map(|output| output.name.clone()).collect();
        let body = match options.engine {
            Engine::Tract => Body::Mixed(plan(model, &[])?),
            Engine::Int8 => int8(model, options)?,
        };
        Ok(Session { model: model.origin.clone(), body, input_shape, outputs })
    }

    /// As [`Session::new`], but an inference gives the tensors named by `outputs`, which may be inside the graph.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn with_outputs(model: &Model, outputs: &[String]) -> Result<Session, EngineError> {
        let mut model = model.clone();
        let shapes = model.infer_shapes().map_err(|error| preparation(&model, error.to_string()))?;
        model.graph.outputs = outputs
            .iter()
            .map(|name| crate::onnx::ValueInfo {
                name: name.clone(),
                data_type: DataType::F32,
                shape: shapes
                    .get(name)
                    .map(|shape| shape.iter().map(|&size| crate::onnx::Dim::Fixed(size)).collect()),
            })
            .collect();
        Session::new(&model)
    }

    /// The input's shape, `[1, channels, height, width]`.
    pub fn input_shape(&self) -> [usize; 4] {
        self.input_shape
    }

    /// Names of what [`Session::run`] gives, in order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The integer engine, if it runs the whole model: for callers that write stored values and read them, without a copy or an
    /// allocation.
    pub fn int8(&self) -> Option<MutexGuard<'_, Runner>> {
        match &self.body {
            Body::Int8(region) => Some(region.runner()),
            Body::Mixed(_) => None,
        }
    }

    /// Runs one inference; `input` holds the elements of [`Session::input_shape`] in row-major order.
    ///
    /// # Errors
    /// When `input` has another length, or the engine fails.
    pub fn run(&self, input: &[f32]) -> Result<Vec<Value>, EngineError> {
        let failed = |reason: String| EngineError::Inference { model: self.model.clone(), reason };
        let needed: usize = self.input_shape.iter().product();
        if input.len() != needed {
            return Err(failed(format!("the input takes {needed} values, but {} were given", input.len())));
        }
        match &self.body {
            Body::Int8(region) => {
                let mut runner = region.runner();
                runner.set_input_f32(0, input);
                runner.run();
                Ok((0..self.outputs.len()).map(|index| Value(floats(&runner, index))).collect())
            }
            Body::Mixed(plan) => {
                let tensor = tract_core::prelude::Tensor::from_shape(&self.input_shape, input)
                    .map_err(|error| failed(error.to_string()))?;
                let outputs = guarded(|| plan.run(tvec!(tensor.into()))).map_err(failed)?;
                Ok(outputs.into_iter().map(|value| Value(Content::Tract(value))).collect())
            }
        }
    }
}

fn floats(runner: &Runner, index: usize) -> Content {
    let shape = runner.output_tensor(index).onnx_shape();
    let mut values = vec![0.0; shape.iter().product()];
    runner.output_f32(index, &mut values);
    Content::Floats(shape, values)
}

/// Lowers what can be lowered.
fn int8(model: &Model, options: &Options) -> Result<Body, EngineError> {
    let kernels = kernels::best().map_err(|error| preparation(model, error.to_string()))?;
    let lowered = lower(model).map_err(|error| preparation(model, error.to_string()))?;
    let region = |program: &Program| {
        let runner = Runner::new(Arc::new(Plan::new(program, kernels)), options.threads);
        runner.map(Region::new).map_err(|error| preparation(model, format!("no threads: {error}")))
    };
    if let Some(program) = lowered.whole()
        && program.inputs.len() == 1
        && program.inputs[0].element == Element::F32
        && program.outputs.iter().all(|port| port.element == Element::F32)
    {
        return Ok(Body::Int8(region(program)?));
    }
    let regions = lowered.programs.iter().map(region).collect::<Result<Vec<Region>, EngineError>>()?;
    Ok(Body::Mixed(plan(&lowered.model, &regions)?))
}

/// Runs one node on constants.
#[cfg(feature = "host")]
pub(crate) fn evaluate(
    model: &Model,
    node: &crate::onnx::Node,
    inputs: &std::collections::BTreeMap<String, crate::onnx::Tensor>,
) -> Option<Vec<crate::onnx::Tensor>> {
    let mut alone = model.clone_without_graph();
    alone.graph.initializers = inputs.clone();
    alone.graph.outputs = node
        .outputs
        .iter()
        .map(|name| crate::onnx::ValueInfo { name: name.clone(), data_type: DataType::Other(0), shape: None })
        .collect();
    alone.graph.nodes = vec![node.clone()];
    let plan = plan(&alone, &[]).ok()?;
    let outputs = guarded(|| plan.run(tvec!())).ok()?;
    outputs.iter().map(|value| tensors::from_tract(value)).collect()
}

fn preparation(model: &Model, reason: String) -> EngineError {
    EngineError::Preparation { model: model.origin.clone(), reason }
}

/// The shape of the model's one input, checked.
fn image_input(model: &Model) -> Result<[usize; 4], EngineError> {
    let wrong = |reason: String| EngineError::Input { model: model.origin.clone(), reason };
    let [input] = model.graph.inputs.as_slice() else {
        return Err(wrong(format!(
            "has {} inputs; a model for Sedge takes one image",
            model.graph.inputs.len()
        )));
    };
    if input.data_type != DataType::F32 {
        return Err(wrong(format!(
            "input {} is {}; export the model with an f32 input",
            input.name, input.data_type
        )));
    }
    match input.fixed_shape().as_deref() {
        Some(&[1, 1 | 3, height, width]) if height.max(width) > SIDE_MAX => Err(wrong(format!(
            "input {} has {height}x{width} pixels; {SIDE_MAX} on a side is the most",
            input.name
        ))),
        Some(&[1, channels @ (1 | 3), height, width]) => Ok([1, channels, height, width]),
        Some(&[1, _, _, 1 | 3]) => Err(wrong(format!(
            "input {} has its channels last; export it with channels first (tf2onnx: --inputs-as-nchw {})",
            input.name, input.name
        ))),
        Some(shape) => Err(wrong(format!(
            "input {} has shape {shape:?}; Sedge feeds one image [1, 1 or 3, height, width]",
            input.name
        ))),
        None => Err(wrong(format!("input {} has no fixed shape; give its size with --size", input.name))),
    }
}

/// Parses, checks and optimizes with tract, which may panic on graphs that contradict themselves in ways that Sedge's
/// own check does not know.
fn plan(model: &Model, regions: &[Region]) -> Result<Arc<TypedRunnableModel>, EngineError> {
    let mut onnx = tract_onnx::onnx();
    onnx.op_register.insert(region::OPERATOR, region::vacant);
    if let Some(node) = model.graph.nodes.iter().find(|node| {
        let known = onnx.op_register.0.contains_key(&node.op);
        !known || !matches!(node.domain.as_str(), "" | "com.microsoft" | region::DOMAIN)
    }) {
        return Err(EngineError::UnsupportedOperator {
            model: model.origin.clone(),
            place: format!("node {}", node.name),
            op: if node.domain.is_empty() { node.op.clone() } else { format!("{}.{}", node.domain, node.op) },
        });
    }
    let proto = model.to_proto();
    guarded(|| {
        let mut parsed = onnx.model_for_proto_model(&proto)?;
        region::put_in_place(&model.graph, regions, &mut parsed);
        parsed.into_optimized()?.into_runnable()
    })
    .map_err(|reason| preparation(model, reason))
}
