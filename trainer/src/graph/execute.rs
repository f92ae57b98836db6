//! Runs a plan's nodes in order and drops every tensor after its last use.

use tch::Tensor;

use super::Mode;
use super::error::{GraphError, failed};
use super::network::Network;
use super::operators::Call;
use super::plan::{Schedule, Source, at};
use super::value::Value;

/// The tensors that `schedule` is for, of `images` `[N,C,H,W]`.
pub(super) fn run(
    network: &Network,
    schedule: &Schedule,
    images: &Tensor,
    mode: Mode,
) -> Result<Vec<Value>, GraphError> {
    let plan = &network.plan;
    let pictures = images.size()[0];
    let mut left = schedule.reads.clone();
    let mut values: Vec<Option<Value>> = Vec::new();
    values.resize_with(plan.sources.len(), || None);
    for &index in &schedule.steps {
        let step = &plan.steps[index];
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for input in &step.inputs {
            let Some(place) = *input else {
                inputs.push(None);
                continue;
            };
            left[place] -= 1;
            inputs.push(match &plan.sources[place] {
                Source::Images => Some(Value::batched(images.shallow_clone())),
                Source::Variable(variable) => {
                    Some(Value::fixed(network.variables[*variable].tensor.shallow_clone()))
                }
                Source::Constant(constant) => Some(Value::fixed(constant.shallow_clone())),
                Source::Step(_) if left[place] == 0 => values[place].take(),
                Source::Step(_) => values[place].clone(),
            });
        }
        let is_wanted =
            step.outputs.iter().map(|output| output.is_some_and(|place| schedule.reads[place] > 0)).collect();
        let call = Call {
            node: &step.node,
            inputs,
            is_wanted,
            mode,
            pictures,
            opset: network.model.opset(),
            device: network.device,
            kind: network.kind,
            is_frozen: step.variables.iter().any(|&variable| network.frozen[variable]),
            grid: step.grid.as_ref(),
            initializers: &network.model.graph.initializers,
        };
        let outputs =
            (step.function)(&call).map_err(|fault| at(&network.model, &step.node.place(), fault))?;
        drop(call);
        for (place, value) in step.outputs.iter().zip(outputs) {
            if let Some(place) = *place
                && left[place] > 0
            {
                values[place] = Some(value);
            }
        }
    }
    let value_of = |&target: &usize| -> Result<Value, GraphError> {
        Ok(match &plan.sources[target] {
            Source::Images => Value::batched(images.shallow_clone()),
            Source::Variable(variable) => Value::fixed(network.variables[*variable].tensor.shallow_clone()),
            Source::Constant(constant) => Value::fixed(constant.shallow_clone()),
            Source::Step(index) => match &values[target] {
                Some(value) => value.clone(),
                None => {
                    let place = plan.steps[*index].node.place();
                    let fault = failed::<()>("does not give an output that the graph reads").unwrap_err();
                    return Err(at(&network.model, &place, fault));
                }
            },
        })
    };
    schedule.targets.iter().map(value_of).collect()
}
