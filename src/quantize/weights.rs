//! Where output channels lie in the constant weights of `Conv`, `ConvTranspose`, `Gemm` and `MatMul`.

use crate::onnx::{Graph, Node};

/// Whether `node` multiplies with weights.
pub(super) fn is_weighted(node: &Node) -> bool {
    matches!(node.standard_op(), "Conv" | "ConvTranspose" | "Gemm" | "MatMul")
}

/// Output channels of a weight tensor.
pub(super) struct WeightLayout {
    /// Number of output channels.
    pub channels: usize,
    /// The axis along which ONNX can give each channel a scale; `None` where it cannot.
    pub axis: Option<i64>,
    /// Channels of one group.
    per_group: usize,
    /// Elements of one group.
    group_elements: usize,
    /// Elements between two channels of a group.
    stride: usize,
}

impl WeightLayout {
    /// The layout of weights of `shape` in `node`; `None` for shapes that the operator does not take.
    pub(super) fn of(node: &Node, shape: &[usize]) -> Option<WeightLayout> {
        let elements: usize = shape.iter().product();
        let kernel: usize = shape.iter().skip(2).product();
        let groups = node.int("group", 1).max(1) as usize;
        let (per_group, groups, stride, axis) = match (node.standard_op(), shape) {
            ("Conv", &[filters, ..]) if shape.len() > 2 => (filters, 1, elements / filters.max(1), Some(0)),
            // With groups one index along the axis stands for a channel of each group.
            ("ConvTranspose", &[_, filters, _, ..]) => (filters, groups, kernel, (groups == 1).then_some(1)),
            ("Gemm", &[rows, columns]) if node.int("transB", 0) != 0 => (rows, 1, columns, Some(0)),
            ("Gemm" | "MatMul", &[_, columns]) => (columns, 1, 1, Some(1)),
            _ => return None,
        };
        if elements == 0 || !elements.is_multiple_of(groups) {
            return None;
        }
        let (channels, group_elements) = (per_group * groups, elements / groups);
        Some(WeightLayout { channels, axis, per_group, group_elements, stride })
    }

    /// The output channel that the weight at `index` of the flattened tensor belongs to.
    pub(super) fn channel(&self, index: usize) -> usize {
        index / self.group_elements * self.per_group + index / self.stride % self.per_group
    }

    /// Number of scales that the weights can have.
    pub(super) fn scales(&self) -> usize {
        if self.axis.is_some() { self.channels } else { 1 }
    }

    /// The scale that the weight at `index` of the flattened tensor has.
    pub(super) fn scale(&self, index: usize) -> usize {
        if self.axis.is_some() { self.channel(index) } else { 0 }
    }
}

/// The layout of a node whose weights and bias are float constants, the bias with one number for each channel or for
/// all of them.
pub(super) fn constant_weights(graph: &Graph, node: &Node) -> Option<WeightLayout> {
    let weights = graph.initializers.get(node.input(1)?)?;
    weights.as_f32()?;
    let layout = WeightLayout::of(node, &weights.shape)?;
    let Some(bias) = node.input(2) else {
        return Some(layout);
    };
    let bias = graph.initializers.get(bias)?;
    bias.as_f32()?;
    let per_channel = match bias.shape.as_slice() {
        [] => true,
        [rows @ .., last] => rows.iter().all(|&size| size == 1) && [1, layout.channels].contains(last),
    };
    per_channel.then_some(layout)
}

#[cfg(test)]
mod tests {
    use super::WeightLayout;
    use crate::onnx::{Attribute, Node};

    /// Operator, attribute, weight shape; then the channel of each weight and the axis of the scales.
    type Case = (&'static str, (&'static str, i64), &'static [usize], &'static [usize], Option<i64>);

    #[test]
    fn weights_know_their_channel() {
        let cases: [Case; 6] = [
            ("Conv", ("group", 1), &[2, 3, 1, 1], &[0, 0, 0, 1, 1, 1], Some(0)),
            ("Conv", ("group", 2), &[4, 1, 1, 2], &[0, 0, 1, 1, 2, 2, 3, 3], Some(0)),
            ("ConvTranspose", ("group", 1), &[2, 3, 1, 1], &[0, 1, 2, 0, 1, 2], Some(1)),
            ("ConvTranspose", ("group", 2), &[4, 2, 1, 1], &[0, 1, 0, 1, 2, 3, 2, 3], None),
            ("Gemm", ("transB", 1), &[2, 3], &[0, 0, 0, 1, 1, 1], Some(0)),
            ("MatMul", ("transB", 0), &[2, 3], &[0, 1, 2, 0, 1, 2], Some(1)),
        ];
        let mut failures = Vec::new();
        for (op, (attribute, value), shape, channels, axis) in cases {
            let node = Node::new("n", op, &["x", "w"], &["y"]).with(attribute, Attribute::Int(value));
            let layout = WeightLayout::of(&node, shape).expect("a shape that the operator takes");
            let found: Vec<usize> = (0..channels.len()).map(|index| layout.channel(index)).collect();
            if (found.as_slice(), layout.axis) != (channels, axis) {
                failures.push(format!("{op} {shape:?}: {found:?}, axis {:?}", layout.axis));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
