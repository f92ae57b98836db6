//! One pass through the nodes: what is known of each tensor, and the operators of the program.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::program::{Bounds, Id};
use super::draft::{At, Draft};
use super::value::{Constant, Function, Grid, Pending, Refusal, Step, Value, contradiction, unsupported};
use super::{
    LowerError, conv, elementwise, layer_norm, matmul, norm, pool, qoperator, resize, shape_ops, tables,
};
use crate::onnx::shapes::{self, NoShape, Shapes};
use crate::onnx::{Attribute, Graph, Model, Node, Tensor, TensorData};

/// Most elements of a constant that may be a setting, such as a shape, instead of weights.
const SETTING_ELEMENTS_MAX: usize = 1024;

/// The state of the pass.
pub(super) struct Walk<'a> {
    pub model: &'a Model,
    values: BTreeMap<&'a str, Value<'a>>,
    shapes: Shapes,
    /// Small constants, from which shapes follow.
    settings: BTreeMap<String, Tensor>,
    /// The node that writes each tensor.
    producers: BTreeMap<&'a str, usize>,
    pub draft: Draft,
    /// Why nodes are not part of the program.
    pub reasons: BTreeMap<usize, String>,
    /// The node at fault, if it is not the one at hand.
    blamed: Option<usize>,
}

/// How the result of an operator is quantized.
pub(super) struct Target<'n> {
    pub at: At<'n>,
    pub grid: Grid,
    pub factor: &'n [f32],
    pub shift: &'n [f32],
    pub low: f32,
    pub high: f32,
}

impl Target<'_> {
    /// Bounds in integers: quantization is monotone, so clamping before it and after it is the same.
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { low: self.grid.quantize(self.low), high: self.grid.quantize(self.high) }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(model: &'a Model) -> Walk<'a> {
        let small = |tensor: &Tensor| tensor.elements() <= SETTING_ELEMENTS_MAX;
        let initializers = model.graph.initializers.iter();
        let nodes = model.graph.nodes.iter().enumerate();
        Walk {
            model,
            values: BTreeMap::new(),
            shapes: shapes::start(&model.graph),
            settings: initializers
                .filter(|(_, tensor)| small(tensor))
                .map(|(name, tensor)| (name.clone(), tensor.clone()))
                .collect(),
            producers: nodes
                .flat_map(|(index, node)| node.outputs.iter().map(move |name| (name.as_str(), index)))
                .filter(|(name, _)| !name.is_empty())
                .collect(),
            draft: Draft::default(),
            reasons: BTreeMap::new(),
            blamed: None,
        }
    }

    /// Goes through all nodes.
    pub(super) fn run(&mut self) -> Result<(), LowerError> {
        let graph = self.graph();
        if let Some((name, _)) = graph.initializers.iter().find(|(_, tensor)| !is_whole(tensor)) {
            return Err(LowerError::Graph {
                model: self.model.origin.clone(),
                place: format!("tensor {name}"),
                reason: "does not hold the elements of its shape".to_string(),
            });
        }
        let mut written: BTreeSet<&str> = graph.initializers.keys().map(String::as_str).collect();
        written.extend(graph.inputs.iter().map(|input| input.name.as_str()));
        for (index, node) in graph.nodes.iter().enumerate() {
            for name in node.inputs.iter().filter(|name| !name.is_empty()) {
                if !written.contains(name.as_str()) {
                    let reason = format!("reads tensor {name}, which nothing before it writes");
                    return Err(self.error(index, Refusal::Graph(reason)));
                }
            }
            for name in node.outputs.iter().filter(|name| !name.is_empty()) {
                if !written.insert(name) {
                    let reason = format!("writes tensor {name}, which is written already");
                    return Err(self.error(index, Refusal::Graph(reason)));
                }
            }
            if let Err(reason) = self.infer(node) {
                return Err(self.error(index, Refusal::Graph(reason)));
            }
            let visited = self.visit(index, node).and_then(|values| self.checked(node, values));
            let found = match visited {
                Ok(values) => values,
                Err(Refusal::Unsupported(reason)) => {
                    self.reasons.entry(index).or_insert(reason);
                    Vec::new()
                }
                Err(refusal) => return Err(self.error(self.blamed.unwrap_or(index), refusal)),
            };
            for (name, value) in node.outputs.iter().zip(found) {
                self.values.insert(name, value);
            }
        }
        match graph.outputs.iter().find(|output| !written.contains(output.name.as_str())) {
            Some(output) => Err(LowerError::Graph {
                model: self.model.origin.clone(),
                place: format!("output {}", output.name),
                reason: "nothing writes it".to_string(),
            }),
            None => Ok(()),
        }
    }

    /// Values whose shapes are those of the node's outputs.
    fn checked(&self, node: &Node, values: Vec<Value<'a>>) -> Step<Vec<Value<'a>>> {
        for (name, value) in node.outputs.iter().zip(&values) {
            if let Value::Function(Function { id, .. }) | Value::Integers { id, .. } | Value::Classes(id) =
                value
            {
                self.check_shape(name, *id)?;
            }
        }
        Ok(values)
    }

    /// Refuses to take `id` for the tensor `name` of another shape.
    fn check_shape(&self, name: &str, id: Id) -> Step<()> {
        let found = self.draft.tensors[id].onnx_shape();
        match self.shapes.get(name) {
            Some(shape) if !name.is_empty() && *shape != found => {
                unsupported(format!("gives {name} the shape {found:?}, not {shape:?}"))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, index: usize, refusal: Refusal) -> LowerError {
        let (model, place) = (self.model.origin.clone(), self.graph().nodes[index].place());
        match refusal {
            Refusal::Quantization(reason) => LowerError::Quantization { model, place, reason },
            Refusal::Graph(reason) | Refusal::Unsupported(reason) => {
                LowerError::Graph { model, place, reason }
            }
        }
    }

    /// Notes the shapes of a node's outputs.
    fn infer(&mut self, node: &Node) -> Result<(), String> {
        let standard = qoperator::standard_form(node);
        let node = standard.as_ref().map_or(node, |standard| standard);
        match shapes::node_shapes(node, self.model.opset(), &self.shapes, &self.settings) {
            Ok(found) => {
                let named = node.outputs.iter().zip(found).filter(|(name, _)| !name.is_empty());
                self.shapes.extend(named.map(|(name, shape)| (name.clone(), shape)));
                Ok(())
            }
            Err(NoShape::Unknown) => Ok(()),
            Err(NoShape::Contradiction(reason)) => Err(reason),
        }
    }

    /// What is known of a node's outputs; nothing of those that the result leaves out.
    fn visit(&mut self, index: usize, node: &'a Node) -> Step<Vec<Value<'a>>> {
        match (node.domain.as_str(), node.op.as_str()) {
            ("" | "com.microsoft", "QuantizeLinear") => return Ok(vec![self.quantize(index, node)?]),
            ("" | "com.microsoft", "DequantizeLinear") => return Ok(vec![self.dequantize(node)?]),
            _ => {}
        }
        if let Some(values) = qoperator::visit(self, index, node)? {
            return Ok(values);
        }
        if let Some(value) = tables::visit(self, node)? {
            return Ok(vec![value]);
        }
        match node.standard_op() {
            "Constant" => Ok(vec![self.constant_node(node)?]),
            "Div" if layer_norm::parts(self, node).is_some() => Ok(vec![Value::Pending(Pending::new(index))]),
            "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" | "PRelu" => {
                Ok(vec![elementwise::visit(self, index, node)?])
            }
            op if shape_ops::is_move(op) => shape_ops::visit(self, index, node),
            "Resize" | "Upsample" if resize::is_nearest(node) => shape_ops::visit(self, index, node),
            "MaxPool" | "GlobalMaxPool" => pool::visit_max(self, node).map(|value| vec![value]),
            "ArgMax" => Ok(vec![norm::visit_arg_max(self, node)?]),
            "Concat" => shape_ops::visit_concat(self, index, node),
            "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "AveragePool" | "GlobalAveragePool"
            | "ReduceMean" | "ReduceSum" | "Resize" | "Upsample" | "Softmax" | "LayerNormalization" => {
                self.require_quantized(node, 0)?;
                Ok(vec![Value::Pending(Pending::new(index))])
            }
            _ => unsupported("the operator has no int8 form"),
        }
    }

    /// Writes the operator that `pending` waits for, quantized to `grid` by the node `quantize`.
    pub(super) fn emit(&mut self, pending: &Pending, quantize: &'a Node, grid: Grid) -> Step<Id> {
        let nodes = &self.graph().nodes;
        let node = &nodes[pending.node];
        let target = Target {
            at: At { node: &node.name, name: quantize.output() },
            grid,
            factor: &pending.factor,
            shift: &pending.shift,
            low: pending.low,
            high: pending.high,
        };
        let op = node.standard_op();
        if pending.has_affine() && !conv::is_weighted(op) && op != "Div" {
            return unsupported("its result is scaled or shifted before it is quantized");
        }
        let mut id = match op {
            "Conv" => conv::emit(self, node, &target)?,
            "ConvTranspose" => conv::emit_transposed(self, node, &target)?,
            "Gemm" | "MatMul" => matmul::emit(self, node, &target)?,
            "ConvInteger" | "MatMulInteger" => qoperator::emit_integer(self, node, &target)?,
            "Add" | "Sum" | "Sub" | "Mul" => elementwise::emit(self, node, &target)?,
            "AveragePool" | "GlobalAveragePool" => pool::emit_average(self, node, &target)?,
            "ReduceMean" | "ReduceSum" => pool::emit_reduce(self, node, &target)?,
            "Resize" | "Upsample" => resize::emit_linear(self, node, &target)?,
            "Softmax" => norm::emit_softmax(self, node, &target)?,
            "LayerNormalization" => layer_norm::emit(self, node, &target)?,
            "Div" => layer_norm::emit_parts(self, node, &target)?,
            "Pad" => shape_ops::emit_pad(self, node, &target)?,
            "Concat" => shape_ops::emit_concat(self, node, &target)?,
            _ => return unsupported("the operator has no int8 form"),
        };
        // Kinds without bounds of their own get a table; the others hold it already.
        if matches!(op, "Resize" | "Upsample" | "Softmax" | "LayerNormalization" | "Div" | "Concat" | "Pad") {
            let Bounds { low, high } = target.bounds();
            let tables = (0..=255u8).map(|value| value.clamp(low, high)).collect();
            id = self.draft.table(target.at, id, tables, grid);
        }
        for &index in &pending.moves {
            id = shape_ops::move_one(self, &nodes[index], id)?;
        }
        if let Some(name) = quantize.input(0) {
            self.check_shape(name, id)?;
        }
        Ok(id)
    }

    /// Notes that a node stays outside, or fails if its quantization means nothing.
    pub(super) fn refuse(&mut self, index: usize, refusal: Refusal) -> Step<()> {
        match refusal {
            Refusal::Unsupported(reason) => {
                self.reasons.insert(index, reason);
                Ok(())
            }
            refusal => {
                self.blamed = Some(index);
                Err(refusal)
            }
        }
    }

    fn constant_node(&mut self, node: &'a Node) -> Step<Value<'a>> {
        let tensor = match node.attributes.iter().next() {
            Some((_, Attribute::Tensor(tensor))) => Cow::Borrowed(tensor),
            Some((_, Attribute::Float(value))) => Cow::Owned(Tensor::f32(&[], vec![*value])),
            Some((_, Attribute::Int(value))) => Cow::Owned(Tensor::i64(&[], vec![*value])),
            Some((_, Attribute::Floats(values))) => Cow::Owned(Tensor::f32(&[values.len()], values.clone())),
            Some((_, Attribute::Ints(values))) => Cow::Owned(Tensor::i64(&[values.len()], values.clone())),
            _ => return unsupported("holds no numbers"),
        };
        if !is_whole(&tensor) {
            return contradiction("does not hold the elements of its shape");
        }
        self.shapes.insert(node.output().to_string(), tensor.shape.clone());
        if tensor.elements() <= SETTING_ELEMENTS_MAX {
            self.settings.insert(node.output().to_string(), tensor.clone().into_owned());
        }
        Ok(Value::Constant(Rc::new(Constant { tensor, scaling: None })))
    }

    pub(super) fn graph(&self) -> &'a Graph {
        &self.model.graph
    }

    /// What is known of the tensor `name`.
    pub(super) fn value(&self, name: &str) -> Value<'a> {
        if let Some(value) = self.values.get(name) {
            return value.clone();
        }
        match self.graph().initializers.get(name) {
            Some(tensor) => {
                Value::Constant(Rc::new(Constant { tensor: Cow::Borrowed(tensor), scaling: None }))
            }
            None => Value::Outside,
        }
    }

    /// The constant `name`, if it is one.
    pub(super) fn constant(&self, name: &str) -> Option<Rc<Constant<'a>>> {
        match self.value(name) {
            Value::Constant(constant) => Some(constant),
            _ => None,
        }
    }

    /// A small constant of integers in input `index`.
    pub(super) fn setting_ints(&self, node: &Node, index: usize) -> Option<&[i64]> {
        self.settings.get(node.input(index)?)?.as_i64()
    }

    /// A small constant of floats in input `index`.
    pub(super) fn setting_floats(&self, node: &Node, index: usize) -> Option<&[f32]> {
        self.settings.get(node.input(index)?)?.as_f32()
    }

    /// The node that writes the tensor `name`.
    pub(super) fn producer(&self, name: &str) -> Option<usize> {
        self.producers.get(name).copied()
    }

    /// The name as the graph holds it, if something writes or feeds it.
    pub(super) fn known_name(&self, name: &str) -> Option<&'a str> {
        self.producers.get_key_value(name).map(|(name, _)| *name)
    }

    /// The shape of the tensor `name`, no size 0.
    pub(super) fn shape(&self, name: &str) -> Step<&[usize]> {
        match self.shapes.get(name) {
            Some(shape) if shape.contains(&0) => unsupported(format!("tensor {name} is empty")),
            Some(shape) => match shape.iter().try_fold(1u32, |n, &size| n.checked_mul(size.try_into().ok()?))
            {
                Some(elements) if elements < 1 << 31 => Ok(shape),
                _ => contradiction(format!("tensor {name} of shape {shape:?} is too large")),
            },
            None => unsupported(format!("the shape of tensor {name} is not known")),
        }
    }

    /// The name of input `index`.
    pub(super) fn required<'n>(&self, node: &'n Node, index: usize) -> Step<&'n str> {
        match node.input(index) {
            Some(name) => Ok(name),
            None => contradiction(format!("has no input {index}")),
        }
    }

    /// Where operators that come from `node` and write its output belong.
    pub(super) fn at<'n>(&self, node: &'n Node) -> At<'n> {
        At { node: &node.name, name: node.output() }
    }

    /// Input `index` as a function of integers.
    pub(super) fn function(&self, node: &Node, index: usize) -> Step<Function> {
        let name = self.required(node, index)?;
        match self.value(name) {
            Value::Function(function) => Ok(function),
            Value::Constant(_) => unsupported(format!("its input {name} is constant")),
            _ => unsupported(format!("its input {name} is not quantized")),
        }
    }

    /// Refuses a node whose input `index` is not quantized.
    pub(super) fn require_quantized(&self, node: &Node, index: usize) -> Step<()> {
        self.function(node, index).map(drop)
    }

    /// Input `index` as integers on a scale.
    pub(super) fn linear(&mut self, node: &Node, index: usize) -> Step<Id> {
        let function = self.function(node, index)?;
        let name = self.required(node, index)?;
        self.to_linear(At { node: &node.name, name }, &function)
    }

    /// A function as integers on a scale: a dequantization is one, and so is what stays on the same steps.
    pub(super) fn to_linear(&mut self, at: At, function: &Function) -> Step<Id> {
        if let Some(grid) = function.grid {
            return Ok(self.draft.relabel(at, function.id, grid));
        }
        let grid = self.draft.grid(function.id);
        if function.values.iter().all(|&value| grid.real(grid.quantize(value)) == value) {
            return self.write_table(at, function, grid);
        }
        unsupported(format!("tensor {} is not quantized", at.name))
    }

    /// The constant in input `index` as 8-bit integers on a scale, or any other quantized input.
    pub(super) fn linear_or_constant(&mut self, node: &'a Node, index: usize) -> Step<Id> {
        let name = self.required(node, index)?;
        match self.value(name) {
            Value::Constant(constant) => match constant.quantized() {
                Some((values, grid)) => Ok(self.draft.constant(name, &constant.tensor.shape, values, grid)),
                None => unsupported(format!("constant {name} is not quantized to 8 bits with one scale")),
            },
            _ => self.linear(node, index),
        }
    }
}

/// Whether a tensor holds as many elements as its shape says.
fn is_whole(tensor: &Tensor) -> bool {
    let elements = tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let held = match &tensor.data {
        TensorData::F32(values) => values.len(),
        TensorData::F64(values) => values.len(),
        TensorData::U8(values) | TensorData::Bool(values) => values.len(),
        TensorData::I8(values) => values.len(),
        TensorData::I32(values) => values.len(),
        TensorData::I64(values) => values.len(),
        TensorData::Other(..) => return elements.is_some(),
    };
    elements == Some(held)
}
