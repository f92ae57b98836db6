//! A tensor in a run, with the axis that counts the pictures of the batch.

use tch::Tensor;

use super::error::{Fault, failed};

/// A tensor and its batch axis.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) tensor: Tensor,
    /// The axis whose size the batch multiplies: its outermost factor is the picture's number. `None` for what does not
    /// depend on the pictures.
    pub(super) batch: Option<usize>,
}

impl Clone for Value {
    fn clone(&self) -> Value {
        Value { tensor: self.tensor.shallow_clone(), batch: self.batch }
    }
}

impl Value {
    /// What is the same for all pictures.
    pub(super) fn fixed(tensor: Tensor) -> Value {
        Value { tensor, batch: None }
    }

    /// What the pictures change, counted by the first axis.
    pub(super) fn batched(tensor: Tensor) -> Value {
        Value { tensor, batch: Some(0) }
    }

    /// Another tensor of the same batch axis.
    pub(super) fn like(&self, tensor: Tensor) -> Value {
        Value { tensor, batch: self.batch }
    }

    /// Number of dimensions.
    pub(super) fn rank(&self) -> usize {
        self.tensor.dim()
    }

    /// The shape that a single picture would have.
    pub(super) fn shape_of_one(&self, pictures: i64) -> Vec<i64> {
        let mut shape = self.tensor.size();
        if let Some(axis) = self.batch {
            shape[axis] /= pictures;
        }
        shape
    }

    /// Fails if an operator that acts along `axis` would mix pictures.
    pub(super) fn keep_apart(&self, axis: usize) -> Result<(), Fault> {
        if self.batch == Some(axis) {
            return failed(format!("works along axis {axis}, which would mix the pictures of a batch"));
        }
        Ok(())
    }

    /// Fails unless pictures are counted by the first axis, or not at all.
    pub(super) fn batch_first(&self) -> Result<(), Fault> {
        match self.batch {
            None | Some(0) => Ok(()),
            Some(axis) => {
                failed(format!("its pictures are counted by axis {axis}; it needs them by the first"))
            }
        }
    }
}

/// `values` made ready for broadcasting: on one device, and those without a batch axis repeated where the others hold
/// several rows a picture. Gives the batch axis of the result, too.
pub(super) fn broadcast(values: &[&Value], pictures: i64) -> Result<(Vec<Tensor>, Option<usize>), Fault> {
    let rank = values.iter().map(|value| value.rank()).max().unwrap_or(0);
    let mut axis = None;
    let mut rows = 1;
    for value in values {
        if let Some(own) = value.batch {
            let place = rank - value.rank() + own;
            if axis.is_some_and(|axis| axis != place) {
                return failed("its inputs count the pictures of a batch by different axes");
            }
            axis = Some(place);
            rows = value.shape_of_one(pictures)[own];
        }
    }
    let mut tensors = Vec::with_capacity(values.len());
    for value in values {
        let mut tensor = value.tensor.shallow_clone();
        if let (Some(axis), None) = (axis, value.batch) {
            let missing = rank - value.rank();
            if axis >= missing && tensor.size()[axis - missing] != 1 {
                if tensor.size()[axis - missing] != rows {
                    return failed("a constant has several rows where the graph has one picture");
                }
                if pictures != 1 {
                    let mut repeats = vec![1; value.rank()];
                    repeats[axis - missing] = pictures;
                    tensor = tensor.f_repeat(&repeats)?;
                }
            }
        }
        tensors.push(tensor);
    }
    on_one_device(&mut tensors)?;
    Ok((tensors, axis))
}

/// Moves all to the device of the first that is not in main memory.
pub(super) fn on_one_device(tensors: &mut [Tensor]) -> Result<(), Fault> {
    let Some(device) = tensors.iter().map(Tensor::device).find(|device| *device != tch::Device::Cpu) else {
        return Ok(());
    };
    for tensor in tensors.iter_mut().filter(|tensor| tensor.device() != device && tensor.dim() > 0) {
        *tensor = tensor.f_to_device(device)?;
    }
    Ok(())
}

/// `axis` counted from the front; `rank` is the number of dimensions.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize, Fault> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(counted) {
        Ok(axis) if axis < rank => Ok(axis),
        _ => failed(format!("axis {axis} of a tensor with {rank} dimensions")),
    }
}
