//! A model prepared to run with tract. With `engine/tensors` and `onnx/`, the only place that knows tract.

use std::sync::Arc;

use tract_core::prelude::{Framework, IntoRunnable, TValue, TypedRunnableModel, tvec};
use tract_onnx::prelude::InferenceModelExt;

use super::EngineError;
use super::guard::guarded;
#[cfg(feature = "host")]
use super::tensors;
use super::whole_numbers;
use crate::onnx::{DataType, Model};

/// Most pixels on a side of an input, as of a frame.
const SIDE_MAX: usize = 16_384;

/// A model that is ready to run, on one thread.
pub struct Session {
    model: String,
    plan: Arc<TypedRunnableModel>,
    input_shape: [usize; 4],
    outputs: Vec<String>,
}

/// One output of an inference.
pub struct Value(TValue);

impl Value {
    /// Sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    /// The elements in row-major order, if they are 32-bit floats.
    pub fn as_f32(&self) -> Option<&[f32]> {
        self.0.try_as_plain_ram().ok()?.as_slice::<f32>().ok()
    }
}

impl Session {
    /// Prepares `model`, whose one input must be a float image `[1, channels, height, width]`.
    ///
    /// # Errors
    /// When the input is another, an operator is not supported, or the graph contradicts itself.
    pub fn new(model: &Model) -> Result<Session, EngineError> {
        let outputs: Vec<String> = model.graph.outputs.iter().map(|output| output.name.clone()).collect();
        Session::with_outputs(model, &outputs)
    }

    /// As [`Session::new`], but an inference gives the tensors named by `outputs`, which may be inside the graph.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn with_outputs(model: &Model, outputs: &[String]) -> Result<Session, EngineError> {
        let input_shape = image_input(model)?;
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
        whole_numbers::rewrite(&mut model.graph);
        let plan = plan(&model)?;
        Ok(Session { model: model.origin, plan, input_shape, outputs: outputs.to_vec() })
    }

    /// The input's shape, `[1, channels, height, width]`.
    pub fn input_shape(&self) -> [usize; 4] {
        self.input_shape
    }

    /// Names of what [`Session::run`] gives, in order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Runs one inference; `input` holds the elements of [`Session::input_shape`] in row-major order.
    ///
    /// # Errors
    /// When `input` has another length, or the engine fails.
    pub fn run(&self, input: &[f32]) -> Result<Vec<Value>, EngineError> {
        let failed = |reason: String| EngineError::Inference { model: self.model.clone(), reason };
        let tensor = tract_core::prelude::Tensor::from_shape(&self.input_shape, input)
            .map_err(|error| failed(error.to_string()))?;
        let outputs = guarded(|| self.plan.run(tvec!(tensor.into()))).map_err(failed)?;
        Ok(outputs.into_iter().map(Value).collect())
    }
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
    let plan = plan(&alone).ok()?;
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
fn plan(model: &Model) -> Result<Arc<TypedRunnableModel>, EngineError> {
    let onnx = tract_onnx::onnx();
    if let Some(node) = model.graph.nodes.iter().find(|node| {
        let known = onnx.op_register.0.contains_key(&node.op);
        !known || !matches!(node.domain.as_str(), "" | "com.microsoft")
    }) {
        return Err(EngineError::UnsupportedOperator {
            model: model.origin.clone(),
            place: format!("node {}", node.name),
            op: if node.domain.is_empty() { node.op.clone() } else { format!("{}.{}", node.domain, node.op) },
        });
    }
    let proto = model.to_proto();
    guarded(|| onnx.model_for_proto_model(&proto)?.into_optimized()?.into_runnable())
        .map_err(|reason| preparation(model, reason))
}
