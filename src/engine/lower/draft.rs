//! The program while it is written: one list of tensors and operators for the whole graph, cut into regions at the end.

use std::collections::BTreeMap;

use super::super::program::{Element, Id, Kind, Op, Port, Tensor};
use super::value::Grid;

/// Tensors and operators, with the place where each tensor is written.
#[derive(Default)]
pub(super) struct Draft {
    pub tensors: Vec<Tensor>,
    pub ops: Vec<Op>,
    /// The operator that writes each tensor; `None` for constants and for what is fed.
    pub writers: Vec<Option<usize>>,
    /// What is fed.
    pub ports: BTreeMap<Id, Port>,
    /// Copies in another order that were made already.
    moved: BTreeMap<(Id, Vec<usize>), Id>,
}

impl Draft {
    /// Adds a tensor that something will write.
    fn tensor(&mut self, name: &str, layout: (Vec<usize>, Vec<usize>), grid: Grid) -> Id {
        let (dims, axes) = layout;
        let (name, scale, zero_point) = (name.to_string(), grid.scale, grid.zero);
        self.tensors.push(Tensor { name, dims, axes, scale, zero_point, constant: None });
        self.writers.push(None);
        self.tensors.len() - 1
    }

    /// Adds a tensor that is fed from outside, in the canonical order of memory.
    pub(super) fn fed(&mut self, name: &str, element: Element, shape: &[usize], grid: Grid) -> Id {
        let port = |tensor| Port { name: name.to_string(), tensor, element };
        let known = self.ports.iter().find(|&(&id, known)| *known == port(id) && self.grid(id) == grid);
        if let Some((&id, _)) = known {
            return id;
        }
        let axes = canonical(shape.len());
        let id = self.tensor(name, (axes.iter().map(|&axis| shape[axis]).collect(), axes), grid);
        self.ports.insert(id, port(id));
        id
    }

    /// Adds a constant tensor in the order of the ONNX axes.
    pub(super) fn constant(&mut self, name: &str, shape: &[usize], values: Vec<u8>, grid: Grid) -> Id {
        let id = self.tensor(name, (shape.to_vec(), (0..shape.len()).collect()), grid);
        self.tensors[id].constant = Some(values);
        id
    }

    /// Adds an operator with a new tensor of `dims` and `axes` that it writes.
    pub(super) fn push(
        &mut self,
        at: At,
        kind: Kind,
        inputs: Vec<Id>,
        layout: (Vec<usize>, Vec<usize>),
        grid: Grid,
    ) -> Id {
        let output = self.tensor(at.name, layout, grid);
        self.writers[output] = Some(self.ops.len());
        self.ops.push(Op { node: at.node.to_string(), kind, inputs, output });
        output
    }

    /// A function of each element, with one table of 256 entries or one for each index of the last dim.
    pub(super) fn table(&mut self, at: At, id: Id, tables: Vec<u8>, grid: Grid) -> Id {
        if tables.iter().enumerate().all(|(index, &entry)| index % 256 == usize::from(entry)) {
            return self.relabel(at, id, grid);
        }
        let layout = (self.dims(id).to_vec(), self.axes(id).to_vec());
        self.push(at, Kind::Table { tables }, vec![id], layout, grid)
    }

    /// The operator that writes a tensor.
    pub(super) fn writer(&self, id: Id) -> Option<&Op> {
        self.writers[id].map(|op| &self.ops[op])
    }

    /// Scale and zero point of a tensor.
    pub(super) fn grid(&self, id: Id) -> Grid {
        Grid { scale: self.tensors[id].scale, zero: self.tensors[id].zero_point }
    }

    /// Sizes of a tensor in the order of memory.
    pub(super) fn dims(&self, id: Id) -> &[usize] {
        &self.tensors[id].dims
    }

    /// The ONNX axis of each size of a tensor.
    pub(super) fn axes(&self, id: Id) -> &[usize] {
        &self.tensors[id].axes
    }

    /// The same elements with other dims or axes.
    pub(super) fn view(&mut self, at: At, id: Id, dims: Vec<usize>, axes: Vec<usize>) -> Id {
        let tensor = &self.tensors[id];
        if tensor.dims == dims && tensor.axes == axes {
            return id;
        }
        let grid = self.grid(id);
        if let Some(constant) = tensor.constant.clone() {
            let viewed = self.tensor(at.name, (dims, axes), grid);
            self.tensors[viewed].constant = Some(constant);
            return viewed;
        }
        self.push(at, Kind::View, vec![id], (dims, axes), grid)
    }

    /// The same integers with another scale and zero point.
    pub(super) fn relabel(&mut self, at: At, id: Id, grid: Grid) -> Id {
        if self.grid(id) == grid {
            return id;
        }
        let layout = (self.dims(id).to_vec(), self.axes(id).to_vec());
        if let Some(constant) = self.tensors[id].constant.clone() {
            let relabeled = self.tensor(at.name, layout, grid);
            self.tensors[relabeled].constant = Some(constant);
            return relabeled;
        }
        self.push(at, Kind::View, vec![id], layout, grid)
    }

    /// The same tensor with its axes in another order of memory.
    pub(super) fn permute(&mut self, at: At, id: Id, axes: &[usize]) -> Id {
        if self.axes(id) == axes {
            return id;
        }
        let key = (id, axes.to_vec());
        if let Some(&known) = self.moved.get(&key) {
            return known;
        }
        let tensor = &self.tensors[id];
        let order: Vec<usize> =
            axes.iter().filter_map(|axis| tensor.axes.iter().position(|known| known == axis)).collect();
        let dims: Vec<usize> = order.iter().map(|&dim| tensor.dims[dim]).collect();
        let grid = self.grid(id);
        let moved = match &tensor.constant {
            Some(constant) => {
                let values = permuted(constant, &tensor.dims, &order);
                let moved = self.tensor(at.name, (dims, axes.to_vec()), grid);
                self.tensors[moved].constant = Some(values);
                moved
            }
            None => self.push(at, Kind::Permute { order }, vec![id], (dims, axes.to_vec()), grid),
        };
        self.moved.insert(key, moved);
        moved
    }
}

/// The ONNX node that an operator comes from, and the ONNX tensor nearest to what it writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'n> {
    pub node: &'n str,
    pub name: &'n str,
}

/// The order of memory that tensors have where nothing else asks for another: channels of an image last.
pub(super) fn canonical(rank: usize) -> Vec<usize> {
    if rank == 4 { vec![0, 2, 3, 1] } else { (0..rank).collect() }
}

/// Elements of a tensor of `dims`, with dim `order[d]` as dim `d`.
pub(super) fn permuted<T: Copy>(values: &[T], dims: &[usize], order: &[usize]) -> Vec<T> {
    let mut strides = vec![1; dims.len()];
    for dim in (1..dims.len()).rev() {
        strides[dim - 1] = strides[dim] * dims[dim];
    }
    // Sizes of 1 move nothing, and what stays in order stays memory to copy at once.
    let large: Vec<usize> = order.iter().copied().filter(|&dim| dims[dim] > 1).collect();
    if large.is_sorted() {
        return values.to_vec();
    }
    let (&inner, outer) = match large.split_last() {
        Some(split) => split,
        None => return values.to_vec(),
    };
    let mut moved = Vec::with_capacity(values.len());
    let mut index = vec![0; outer.len()];
    let mut start = 0;
    while moved.len() < values.len() {
        moved.extend((0..dims[inner]).map(|at| values[start + at * strides[inner]]));
        for d in (0..outer.len()).rev() {
            let dim = outer[d];
            index[d] += 1;
            start += strides[dim];
            if index[d] < dims[dim] {
                break;
            }
            start -= strides[dim] * dims[dim];
            index[d] = 0;
        }
    }
    moved
}
