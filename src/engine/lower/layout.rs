//! Orders of memory: a transposed tensor is the same memory under other names, a reshaped one is where its dimensions lie next to
//! each other in the right order; only else is memory copied.

use super::super::program::Id;
use super::draft::{At, Draft, canonical};
use super::value::{Step, unsupported};

impl Draft {
    /// Whether memory holds the axes in the order `axes`, sizes of 1 left out.
    pub(super) fn is_view(&self, id: Id, axes: &[usize]) -> bool {
        let shape = self.tensors[id].onnx_shape();
        let large = |axis: &usize| shape[*axis] > 1;
        self.axes(id).iter().copied().filter(large).eq(axes.iter().copied().filter(large))
    }

    /// The tensor with its axes in the order `axes`; a view where only sizes of 1 move.
    pub(super) fn arrange(&mut self, at: At, id: Id, axes: &[usize]) -> Id {
        if self.is_view(id, axes) {
            let shape = self.tensors[id].onnx_shape();
            self.view(at, id, axes.iter().map(|&axis| shape[axis]).collect(), axes.to_vec())
        } else {
            self.permute(at, id, axes)
        }
    }

    /// The tensor with `axis` last in memory.
    pub(super) fn with_last(&mut self, at: At, id: Id, axis: usize) -> Id {
        let mut order: Vec<usize> = self.axes(id).iter().copied().filter(|&known| known != axis).collect();
        order.push(axis);
        self.arrange(at, id, &order)
    }

    /// An image of rank 4 (or 3, without height) as `[n, h, w, c]`.
    pub(super) fn image(&mut self, at: At, id: Id) -> Step<Id> {
        let shape = self.tensors[id].onnx_shape();
        let id = match *shape {
            [_, _, _, _] => id,
            [n, c, w] => self.reshape(at, id, &[n, c, 1, w]),
            _ => return unsupported(format!("works on images of two dimensions, not on shape {shape:?}")),
        };
        Ok(self.arrange(at, id, &canonical(4)))
    }

    /// The tensor whose axis `d` is axis `order[d]` of `id`.
    pub(super) fn transpose(&mut self, at: At, id: Id, order: &[usize]) -> Id {
        let tensor = &self.tensors[id];
        let place = |axis: &usize| order.iter().position(|from| from == axis).unwrap_or(*axis);
        let (dims, axes) = (tensor.dims.clone(), tensor.axes.iter().map(place).collect());
        self.view(at, id, dims, axes)
    }

    /// The tensor with another shape of as many elements, row-major in the ONNX sense.
    pub(super) fn reshape(&mut self, at: At, id: Id, shape: &[usize]) -> Id {
        let old = self.tensors[id].onnx_shape();
        if old == shape {
            return id;
        }
        let groups = groups(&old, shape);
        let group_of = |axis: usize| groups.iter().position(|(from, _)| from.contains(&axis));
        // Groups stay in the order of memory in which they start; inside a group only the order of ONNX is right.
        let mut order: Vec<usize> = Vec::new();
        for &axis in self.axes(id) {
            if let Some(group) = group_of(axis)
                && !order.contains(&group)
            {
                order.push(group);
            }
        }
        let mut wanted: Vec<usize> = (0..old.len()).filter(|&axis| group_of(axis).is_none()).collect();
        wanted.extend(order.iter().flat_map(|&group| groups[group].0.iter().copied()));
        let arranged = self.arrange(at, id, &wanted);
        let large: Vec<usize> = order.iter().flat_map(|&group| groups[group].1.iter().copied()).collect();
        let axes = with_units(&large, shape);
        self.view(at, arranged, axes.iter().map(|&axis| shape[axis]).collect(), axes)
    }
}

/// The smallest runs of axes of two shapes with equal products, sizes of 1 left out.
fn groups(old: &[usize], new: &[usize]) -> Vec<(Vec<usize>, Vec<usize>)> {
    let large = |shape: &[usize]| (0..shape.len()).filter(|&axis| shape[axis] > 1).collect::<Vec<_>>();
    let (old_axes, new_axes) = (large(old), large(new));
    let mut groups = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old_axes.len() || j < new_axes.len() {
        let (mut from, mut to) = (Vec::new(), Vec::new());
        let (mut a, mut b) = (1, 1);
        loop {
            if a <= b && i < old_axes.len() {
                a *= old[old_axes[i]];
                from.push(old_axes[i]);
                i += 1;
            } else if j < new_axes.len() {
                b *= new[new_axes[j]];
                to.push(new_axes[j]);
                j += 1;
            } else if i < old_axes.len() {
                a *= old[old_axes[i]];
                from.push(old_axes[i]);
                i += 1;
            }
            if a == b || (i == old_axes.len() && j == new_axes.len()) {
                break;
            }
        }
        groups.push((from, to));
    }
    groups
}

/// An order of all axes of `shape` in which those larger than 1 come as in `large`: the canonical one if it is such.
fn with_units(large: &[usize], shape: &[usize]) -> Vec<usize> {
    let usual = canonical(shape.len());
    if usual.iter().copied().filter(|&axis| shape[axis] > 1).eq(large.iter().copied()) {
        return usual;
    }
    (0..shape.len()).filter(|axis| shape[*axis] == 1).chain(large.iter().copied()).collect()
}
