//! Shape inference: the shape of every tensor of a graph whose inputs have fixed shapes.
//!
//! Each rule follows the operator's text in the [ONNX operator list](https://onnx.ai/onnx/operators/). A tensor made
//! by an operator without a rule here, or whose shape depends on data, is left out of the result rather than guessed.

mod layout;
mod spatial;

use std::collections::BTreeMap;

use super::{Attribute, Dim, Graph, Model, Node, OnnxError, Tensor};

/// Sizes of a tensor's dimensions.
pub type Shape = Vec<usize>;

/// Shapes by tensor name.
pub type Shapes = BTreeMap<String, Shape>;

/// Why a node's output shape is not given: `Contradiction` says that the node cannot run.
#[derive(Debug, PartialEq)]
pub(crate) enum NoShape {
    /// There is no rule, or an input's shape is unknown.
    Unknown,
    /// The inputs do not fit the operator.
    Contradiction(String),
}

type NodeShapes = Result<Vec<Shape>, NoShape>;

fn contradiction<T>(reason: impl Into<String>) -> Result<T, NoShape> {
    Err(NoShape::Contradiction(reason.into()))
}

/// A node with what is known of its inputs.
pub(crate) struct Known<'a> {
    node: &'a Node,
    opset: i64,
    shapes: &'a Shapes,
    constants: &'a BTreeMap<String, Tensor>,
}

impl<'a> Known<'a> {
    fn shape(&self, index: usize) -> Result<&'a [usize], NoShape> {
        let name = self.node.input(index).ok_or(NoShape::Unknown)?;
        self.shapes.get(name).map(Vec::as_slice).ok_or(NoShape::Unknown)
    }

    /// Input `index` as integers: `None` when left out, `Unknown` when computed at run time.
    fn constant_ints(&self, index: usize) -> Result<Option<&'a [i64]>, NoShape> {
        match self.node.input(index) {
            None => Ok(None),
            Some(name) => self.constants.get(name).and_then(Tensor::as_i64).map(Some).ok_or(NoShape::Unknown),
        }
    }

    fn constant_floats(&self, index: usize) -> Result<Option<&'a [f32]>, NoShape> {
        match self.node.input(index) {
            None => Ok(None),
            Some(name) => match self.constants.get(name).map(|tensor| (tensor.elements(), tensor.as_f32())) {
                Some((0, _)) => Ok(None),
                Some((_, Some(values))) => Ok(Some(values)),
                _ => Err(NoShape::Unknown),
            },
        }
    }

    /// Integers given as an attribute in older operator sets and as an input in newer ones.
    fn ints_by_version(&self, attribute: &str, index: usize) -> Result<Option<&'a [i64]>, NoShape> {
        match self.node.ints(attribute) {
            Some(values) => Ok(Some(values)),
            None => self.constant_ints(index),
        }
    }
}

/// The dimensions that a `Shape` node gives, of an input with `rank` of them (`start` and `end` since operator set 15).
pub(crate) fn shape_slice(node: &Node, rank: usize) -> std::ops::Range<usize> {
    let place = |value: i64| {
        let absolute = if value < 0 { value.saturating_add(rank as i64) } else { value };
        absolute.clamp(0, rank as i64) as usize
    };
    let (start, end) = (place(node.int("start", 0)), place(node.int("end", rank as i64)));
    start..end.max(start)
}

/// The product of sizes; a contradiction where it overflows.
fn product(sizes: &[usize]) -> Result<usize, NoShape> {
    match sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size)) {
        Some(product) => Ok(product),
        None => contradiction(format!("a tensor of shape {sizes:?} is too large")),
    }
}

/// The sum of sizes; a contradiction where it overflows.
fn sum(sizes: &[usize]) -> Result<usize, NoShape> {
    match sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size)) {
        Some(sum) => Ok(sum),
        None => contradiction(format!("sizes {sizes:?} are too large together")),
    }
}

/// A possibly negative axis as an index into `rank` dimensions.
fn axis(value: i64, rank: usize) -> Result<usize, NoShape> {
    let index = if value < 0 { value + rank as i64 } else { value };
    if (0..rank as i64).contains(&index) {
        Ok(index as usize)
    } else {
        contradiction(format!("axis {value} of a tensor with {rank} dimensions"))
    }
}

impl Model {
    /// Gives every graph input a fixed shape: an unknown first dimension (the batch) becomes 1, unknown height and
    /// width become those of `size` (height, width).
    ///
    /// # Errors
    /// When another dimension is unknown, or height and width are and `size` is `None`.
    pub fn fix_input_shapes(&mut self, size: Option<(usize, usize)>) -> Result<(), OnnxError> {
        for input in &mut self.graph.inputs {
            let invalid = |reason: &str| OnnxError::Invalid {
                model: self.origin.clone(),
                place: format!("input {}", input.name),
                reason: reason.to_string(),
            };
            let Some(dims) = &mut input.shape else {
                return Err(invalid("has no shape; export the model with a fixed input shape"));
            };
            let rank = dims.len();
            if let ([_, _, Dim::Fixed(height), Dim::Fixed(width)], Some(size)) = (dims.as_slice(), size)
                && (*height, *width) != size
            {
                return Err(invalid(
                    "has a fixed size; leave --size out, or export the model at another size",
                ));
            }
            for (index, dim) in dims.iter_mut().enumerate() {
                if matches!(dim, Dim::Fixed(_)) {
                    continue;
                }
                *dim = match (index, size) {
                    (0, _) => Dim::Fixed(1),
                    (2, Some((height, _))) if rank == 4 => Dim::Fixed(height),
                    (3, Some((_, width))) if rank == 4 => Dim::Fixed(width),
                    (2 | 3, None) if rank == 4 => {
                        return Err(invalid(
                            "has no fixed height and width; give them with --size HEIGHTxWIDTH",
                        ));
                    }
                    _ => {
                        return Err(invalid(
                            "has unknown dimensions; export the model with a fixed input shape",
                        ));
                    }
                };
            }
        }
        Ok(())
    }

    /// The shape of every tensor that follows from the inputs' fixed shapes.
    ///
    /// # Errors
    /// When a node's inputs do not fit its operator.
    pub fn infer_shapes(&self) -> Result<Shapes, OnnxError> {
        let mut shapes = start(&self.graph);
        for node in &self.graph.nodes {
            match node_shapes(node, self.opset(), &shapes, &self.graph.initializers) {
                Ok(found) => {
                    let named = node.outputs.iter().zip(found).filter(|(name, _)| !name.is_empty());
                    shapes.extend(named.map(|(name, shape)| (name.clone(), shape)));
                }
                Err(NoShape::Unknown) => {}
                Err(NoShape::Contradiction(reason)) => {
                    return Err(OnnxError::Invalid {
                        model: self.origin.clone(),
                        place: node.place(),
                        reason,
                    });
                }
            }
        }
        Ok(shapes)
    }
}

/// Shapes of inputs and initializers.
pub(crate) fn start(graph: &Graph) -> Shapes {
    let inputs = graph.inputs.iter().filter_map(|input| Some((input.name.clone(), input.fixed_shape()?)));
    let constants = graph.initializers.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone()));
    inputs.chain(constants).collect()
}

/// Most elements of a tensor: 2 GiB as floats.
const ELEMENTS_MAX: usize = 1 << 29;

/// Shapes of a node's outputs.
pub(crate) fn node_shapes(
    node: &Node,
    opset: i64,
    shapes: &Shapes,
    constants: &BTreeMap<String, Tensor>,
) -> NodeShapes {
    let found = unbounded_shapes(&Known { node, opset, shapes, constants })?;
    for shape in &found {
        if product(shape)? > ELEMENTS_MAX {
            return contradiction(format!("a tensor of shape {shape:?} is too large"));
        }
    }
    Ok(found)
}

fn unbounded_shapes(known: &Known) -> NodeShapes {
    let node = known.node;
    match node.standard_op() {
        "Abs"
        | "BatchNormalization"
        | "Cast"
        | "Ceil"
        | "Clip"
        | "DequantizeLinear"
        | "Dropout"
        | "Elu"
        | "Erf"
        | "Exp"
        | "Floor"
        | "Gelu"
        | "HardSigmoid"
        | "HardSwish"
        | "Identity"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "LeakyRelu"
        | "Log"
        | "LogSoftmax"
        | "LRN"
        | "Mish"
        | "Neg"
        | "Not"
        | "PRelu"
        | "QuantizeLinear"
        | "Reciprocal"
        | "Relu"
        | "Round"
        | "Selu"
        | "Sigmoid"
        | "Softmax"
        | "Softplus"
        | "Softsign"
        | "Sqrt"
        | "Tanh"
        | "ThresholdedRelu" => Ok(vec![known.shape(0)?.to_vec()]),
        "Add" | "And" | "Div" | "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Max"
        | "Mean" | "Min" | "Mul" | "Or" | "Pow" | "Sub" | "Sum" | "Where" => {
            let mut shape = Vec::new();
            for index in 0..node.inputs.len() {
                shape = broadcast(&shape, known.shape(index)?)?;
            }
            Ok(vec![shape])
        }
        "Constant" => match node.attributes.get("value") {
            Some(Attribute::Tensor(tensor)) => Ok(vec![tensor.shape.clone()]),
            _ => Err(NoShape::Unknown),
        },
        "RandomNormal" | "RandomUniform" => layout::random(known),
        "Conv" => spatial::conv(known),
        "ConvTranspose" => spatial::conv_transpose(known),
        "AveragePool" | "LpPool" | "MaxPool" => spatial::pool(known),
        "GlobalAveragePool" | "GlobalMaxPool" => spatial::global_pool(known),
        "Resize" => spatial::resize(known),
        "Upsample" => spatial::upsample(known),
        "DepthToSpace" => spatial::depth_to_space(known),
        "SpaceToDepth" => spatial::space_to_depth(known),
        "Gemm" => gemm(known),
        "MatMul" => matmul(known),
        "Concat" => layout::concat(known),
        "ConstantOfShape" => layout::constant_of_shape(known),
        "Expand" => layout::expand(known),
        "Flatten" => layout::flatten(known),
        "Gather" => layout::gather(known),
        "Pad" => layout::pad(known),
        "Reshape" => layout::reshape(known),
        "Shape" => Ok(vec![vec![shape_slice(node, known.shape(0)?.len()).len()]]),
        "Slice" => layout::slice(known),
        "Split" => layout::split(known),
        "Squeeze" => layout::squeeze(known),
        "Tile" => layout::tile(known),
        "Transpose" => layout::transpose(known),
        "Unsqueeze" => layout::unsqueeze(known),
        "ArgMax" | "ArgMin" => layout::arg_max(known),
        "ReduceL1" | "ReduceL2" | "ReduceMax" | "ReduceMean" | "ReduceMin" | "ReduceProd" | "ReduceSum" => {
            layout::reduce(known)
        }
        _ => Err(NoShape::Unknown),
    }
}

/// NumPy broadcasting of two shapes.
fn broadcast(a: &[usize], b: &[usize]) -> Result<Shape, NoShape> {
    let rank = a.len().max(b.len());
    let size = |shape: &[usize], index: usize| {
        let missing = rank - shape.len();
        if index < missing { 1 } else { shape[index - missing] }
    };
    (0..rank)
        .map(|index| match (size(a, index), size(b, index)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => contradiction(format!("shapes {a:?} and {b:?} do not broadcast")),
        })
        .collect()
}

fn gemm(known: &Known) -> NodeShapes {
    let (a, b) = (known.shape(0)?, known.shape(1)?);
    let (&[a0, a1], &[b0, b1]) = (a, b) else {
        return contradiction(format!("Gemm of shapes {a:?} and {b:?}"));
    };
    let (rows, inner_a) = if known.node.int("transA", 0) != 0 { (a1, a0) } else { (a0, a1) };
    let (inner_b, columns) = if known.node.int("transB", 0) != 0 { (b1, b0) } else { (b0, b1) };
    if inner_a != inner_b {
        return contradiction(format!("Gemm of {inner_a} columns and {inner_b} rows"));
    }
    Ok(vec![vec![rows, columns]])
}

fn matmul(known: &Known) -> NodeShapes {
    let (a, b) = (known.shape(0)?, known.shape(1)?);
    if a.len() < 2 || b.len() < 2 {
        return Err(NoShape::Unknown);
    }
    let (batch_a, matrix_a) = a.split_at(a.len() - 2);
    let (batch_b, matrix_b) = b.split_at(b.len() - 2);
    if matrix_a[1] != matrix_b[0] {
        return contradiction(format!("product of shapes {a:?} and {b:?}"));
    }
    let mut shape = broadcast(batch_a, batch_b)?;
    shape.extend([matrix_a[0], matrix_b[1]]);
    Ok(vec![shape])
}

#[cfg(test)]
mod tests;
