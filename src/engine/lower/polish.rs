//! Smaller programs with the same result: a table after a table is one table, one that only clamps becomes the bounds of the
//! operator before it, views in a row are one.

use super::super::program::{Bounds, Id, Kind};
use super::draft::Draft;

/// Merges what can be, where no one else reads what lies between. `outside` says how often each tensor leaves the program; the
/// result is the tensor that stands for each tensor now.
pub(super) fn polish(draft: &mut Draft, live: &[bool], outside: &[usize]) -> Vec<Id> {
    let mut stands_for: Vec<Id> = (0..draft.tensors.len()).collect();
    let mut reads = outside.to_vec();
    for (op, _) in draft.ops.iter().zip(live).filter(|(_, live)| **live) {
        for &input in &op.inputs {
            reads[input] += 1;
        }
    }
    for index in 0..draft.ops.len() {
        if !live[index] {
            continue;
        }
        for at in 0..draft.ops[index].inputs.len() {
            let input = draft.ops[index].inputs[at];
            draft.ops[index].inputs[at] = stands_for[input];
        }
        let (input, output) = (draft.ops[index].inputs[0], draft.ops[index].output);
        match &draft.ops[index].kind {
            Kind::View => {
                if let Some(before) = draft.writer(input)
                    && before.kind == Kind::View
                {
                    let first = before.inputs[0];
                    draft.ops[index].inputs[0] = first;
                    reads[first] += 1;
                    reads[input] -= 1;
                    if reads[input] == 0 {
                        reads[first] -= 1;
                    }
                }
            }
            Kind::Table { tables } if tables.len() == 256 => {
                let tables = tables.clone();
                if let Some(bounds) = clamp_of(&tables)
                    && draft.grid(input) == draft.grid(output)
                    && clamp_writer(draft, &reads, input, bounds)
                {
                    stands_for[output] = input;
                    reads[input] = reads[output];
                    continue;
                }
                let Some(before) = draft.writer(input) else { continue };
                let Kind::Table { tables: first } = &before.kind else { continue };
                let (source, first) = (before.inputs[0], first.clone());
                if reads[input] == 1 {
                    let joined = first.iter().map(|&entry| tables[usize::from(entry)]).collect();
                    draft.ops[index].kind = Kind::Table { tables: joined };
                    draft.ops[index].inputs[0] = source;
                    reads[input] = 0;
                }
            }
            _ => {}
        }
    }
    for id in 0..stands_for.len() {
        stands_for[id] = stands_for[stands_for[id]];
    }
    stands_for
}

/// The bounds of a table that only clamps.
fn clamp_of(tables: &[u8]) -> Option<Bounds> {
    let (&low, &high) = (tables.first()?, tables.last()?);
    let clamps =
        low <= high && (0..=255u8).zip(tables).all(|(value, &entry)| entry == value.clamp(low, high));
    clamps.then_some(Bounds { low, high })
}

/// Bounds the operator that writes `id`, behind views, if nobody else reads its result.
fn clamp_writer(draft: &mut Draft, reads: &[usize], id: Id, clamp: Bounds) -> bool {
    let mut id = id;
    loop {
        if reads[id] != 1 {
            return false;
        }
        let Some(index) = draft.writers[id] else {
            return false;
        };
        let op = &mut draft.ops[index];
        match &mut op.kind {
            Kind::View if draft.tensors[op.inputs[0]].zero_point == draft.tensors[id].zero_point => {
                id = op.inputs[0];
            }
            Kind::Conv { bounds, .. }
            | Kind::ConvTranspose { bounds, .. }
            | Kind::MatMul { bounds, .. }
            | Kind::Add { bounds, .. }
            | Kind::Mul { bounds, .. }
            | Kind::AveragePool { bounds, .. }
            | Kind::Reduce { bounds, .. } => {
                bounds.low = bounds.low.clamp(clamp.low, clamp.high);
                bounds.high = bounds.high.clamp(clamp.low, clamp.high);
                return true;
            }
            _ => return false,
        }
    }
}
