//! What each step of a plan is called, computes and costs, for people.

use super::{Plan, Step};
use crate::engine::program::{Kind, Op};

/// One step for people.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// The ONNX node that its result comes from.
    pub node: String,
    /// Its operators in order, e.g. `Conv 1x1 + Depthwise 3x3/2 + Conv 1x1 + Add`.
    pub operators: String,
    /// Shape of its result, as in memory.
    pub dims: Vec<usize>,
    /// Multiplications with weights (and between computed matrices).
    pub macs: u64,
}

impl Plan {
    /// All steps that cost anything, with their indices.
    pub fn report(&self) -> Vec<(usize, StepReport)> {
        let reports = self.steps.iter().enumerate().map(|(index, step)| (index, self.step_report(step)));
        reports.filter(|(_, report)| !report.operators.is_empty()).collect()
    }

    fn step_report(&self, step: &Step) -> StepReport {
        let (ops, output) = match step {
            Step::Whole(op) => (vec![*op], self.program.ops[*op].output),
            Step::Chain(chain) => (chain.ops.clone(), chain.output),
        };
        let names: Vec<String> = ops.iter().filter_map(|&op| self.name(&self.program.ops[op])).collect();
        StepReport {
            node: ops.last().map(|&op| self.program.ops[op].node.clone()).unwrap_or_default(),
            operators: names.join(" + "),
            dims: self.program.tensors[output].dims.clone(),
            macs: ops.iter().map(|&op| self.macs(&self.program.ops[op])).sum(),
        }
    }

    /// Multiply-accumulates of one operator.
    fn macs(&self, op: &Op) -> u64 {
        let dims = |id: usize| &self.program.tensors[id].dims;
        let product = |sizes: &[usize]| sizes.iter().map(|&size| size as u64).product::<u64>();
        match &op.kind {
            Kind::Conv { window, weights, .. } => {
                let depth = window.kernel[0] * window.kernel[1] * dims(op.inputs[0])[3] / weights.groups;
                product(dims(op.output)) * depth as u64
            }
            Kind::ConvTranspose { window, weights, .. } => {
                let taps = window.kernel[0] * window.kernel[1] * dims(op.output)[3] / weights.groups;
                product(dims(op.inputs[0])) * taps as u64
            }
            Kind::MatMul { .. } => {
                product(dims(op.output)) * dims(op.inputs[0]).last().copied().unwrap_or(0) as u64
            }
            _ => 0,
        }
    }

    /// Nothing for what is not computed.
    fn name(&self, op: &Op) -> Option<String> {
        let dims = |id: usize| &self.program.tensors[id].dims;
        Some(match &op.kind {
            Kind::View => return None,
            Kind::Conv { window, weights, .. } => {
                let [height, width] = window.kernel;
                let kind = match weights.groups {
                    1 => "Conv",
                    groups if groups == dims(op.output)[3] && groups == dims(op.inputs[0])[3] => "Depthwise",
                    _ => "GroupedConv",
                };
                let stride =
                    if window.strides == [1, 1] { String::new() } else { format!("/{}", window.strides[0]) };
                format!("{kind} {height}x{width}{stride}")
            }
            Kind::ConvTranspose { window, .. } => {
                format!("ConvTranspose {}x{}/{}", window.kernel[0], window.kernel[1], window.strides[0])
            }
            Kind::MatMul { .. } => "MatMul".to_string(),
            Kind::Add { .. } => "Add".to_string(),
            Kind::Mul { .. } => "Mul".to_string(),
            Kind::Table { .. } => "Table".to_string(),
            Kind::Concat { .. } => {
                let copies = op.inputs.iter().filter(|&&input| {
                    self.places[input].map(|place| place.start)
                        != self.places[op.output].map(|place| place.start)
                });
                match copies.count() {
                    0 => return None,
                    _ => "Concat".to_string(),
                }
            }
            Kind::Slice { .. } => "Slice".to_string(),
            Kind::Pad { .. } => "Pad".to_string(),
            Kind::Permute { .. } => "Permute".to_string(),
            Kind::Nearest { .. } => "Nearest".to_string(),
            Kind::Linear { .. } => "Linear".to_string(),
            Kind::MaxPool { window } => format!("MaxPool {}x{}", window.kernel[0], window.kernel[1]),
            Kind::AveragePool { window, .. } => {
                format!("AveragePool {}x{}", window.kernel[0], window.kernel[1])
            }
            Kind::Reduce { .. } => "Reduce".to_string(),
            Kind::Softmax { .. } => "Softmax".to_string(),
            Kind::LayerNorm { .. } => "LayerNorm".to_string(),
            Kind::ArgMax => "ArgMax".to_string(),
            Kind::ResizeArgMax { .. } => "Linear + ArgMax".to_string(),
        })
    }
}
