//! An int8 program as one node of tract's graph.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::ops::expandable::{Expansion, expand};

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;

use super::program::{Element, Port, Tensor as ProgramTensor};
use super::run::Runner;
use crate::onnx::Graph;

/// Domain and operator of the nodes that `lower` leaves in place of programs, and the attribute with the program's index.
pub(super) const DOMAIN: &str = "ai.sedge";
pub(super) const OPERATOR: &str = "Int8Program";
pub(super) const INDEX: &str = "program";

/// What tract's parser puts where a program will be: a builder of operators is a plain function and knows no program.
pub(super) fn vacant(
    _context: &ParsingContext,
    node: &NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    Ok((expand(Vacant { outputs: node.output.len() }), Vec::new()))
}

#[derive(Clone, Debug)]
struct Vacant {
    outputs: usize,
}

impl Expansion for Vacant {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.outputs)
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        _solver: &mut Solver<'r>,
        _inputs: &'p [TensorProxy],
        _outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        Ok(())
    }

    fn wire(
        &self,
        _prefix: &str,
        _model: &mut TypedModel,
        _inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        bail!("no program is in this place")
    }
}

/// Puts `regions` where `graph` names them.
pub(super) fn put_in_place(graph: &Graph, regions: &[Region], model: &mut InferenceModel) {
    for node in graph.nodes.iter().filter(|node| node.domain == DOMAIN) {
        let region = regions.get(node.int(INDEX, -1) as usize);
        let place = model.nodes.iter_mut().find(|place| place.name == node.name);
        if let (Some(region), Some(place)) = (region, place) {
            place.op = region.operator();
        }
    }
}

/// One program, ready to run.
#[derive(Clone)]
pub(super) struct Region(Arc<Mutex<Runner>>);

impl Region {
    pub(super) fn new(runner: Runner) -> Region {
        Region(Arc::new(Mutex::new(runner)))
    }

    /// The runner, for as long as the guard lives.
    pub(super) fn runner(&self) -> MutexGuard<'_, Runner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What tract takes for the node.
    pub(super) fn operator(&self) -> Box<dyn InferenceOp> {
        expand(self.clone())
    }

    fn output_facts(&self) -> TVec<(DatumType, TVec<usize>)> {
        let runner = self.runner();
        (0..runner.outputs().len())
            .map(|index| fact(&runner.outputs()[index], runner.output_tensor(index)))
            .collect()
    }
}

fn fact(port: &Port, tensor: &ProgramTensor) -> (DatumType, TVec<usize>) {
    let datum_type = match port.element {
        Element::F32 => f32::datum_type(),
        Element::U8 => u8::datum_type(),
        Element::I8 => i8::datum_type(),
        Element::I64 => i64::datum_type(),
    };
    (datum_type, tensor.onnx_shape().into())
}

impl std::fmt::Debug for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(OPERATOR)
    }
}

impl PartialEq for Region {
    fn eq(&self, other: &Region) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Region {}

impl Expansion for Region {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.runner().outputs().len())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, self.runner().plan().program.inputs.len())?;
        let facts = self.output_facts();
        check_output_arity(outputs, facts.len())?;
        for (output, (datum_type, shape)) in outputs.iter().zip(facts) {
            solver.equals(&output.datum_type, datum_type)?;
            solver.equals(&output.shape, ShapeFactoid::from(shape))?;
        }
        Ok(())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, self.clone(), inputs)
    }
}

impl Op for Region {
    fn name(&self) -> StaticName {
        OPERATOR.into()
    }

    op_as_typed_op!();
}

impl EvalOp for Region {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut runner = self.runner();
        for (index, input) in inputs.iter().enumerate() {
            match runner.input_element(index) {
                Element::F32 => runner.set_input_f32(index, input.try_as_plain_ram()?.as_slice::<f32>()?),
                Element::U8 | Element::I64 => {
                    runner.set_input_u8(index, input.try_as_plain_ram()?.as_slice::<u8>()?);
                }
                Element::I8 => {
                    let values = input.try_as_plain_ram()?;
                    let unsigned: Vec<u8> = values
                        .as_slice::<i8>()?
                        .iter()
                        .map(|&value| (i16::from(value) + 128) as u8)
                        .collect();
                    runner.set_input_u8(index, &unsigned);
                }
            }
        }
        runner.run();
        (0..runner.outputs().len())
            .map(|index| {
                let shape = runner.output_tensor(index).onnx_shape();
                let tensor = match runner.outputs()[index].element {
                    Element::F32 => {
                        let mut values = vec![0.0; shape.iter().product()];
                        runner.output_f32(index, &mut values);
                        Tensor::from_shape(&shape, &values)?
                    }
                    Element::U8 => Tensor::from_shape(&shape, &runner.output_u8(index))?,
                    Element::I8 => {
                        let signed = |value: u8| (i16::from(value) - 128) as i8;
                        let values: Vec<i8> = runner.output_u8(index).into_iter().map(signed).collect();
                        Tensor::from_shape(&shape, &values)?
                    }
                    Element::I64 => {
                        let values: Vec<i64> =
                            runner.output_classes(index).into_iter().map(i64::from).collect();
                        Tensor::from_shape(&shape, &values)?
                    }
                };
                Ok(tensor.into_tvalue())
            })
            .collect()
    }
}

impl TypedOp for Region {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.output_facts().into_iter().map(|(datum_type, shape)| datum_type.fact(shape)).collect())
    }

    as_op!();
}
