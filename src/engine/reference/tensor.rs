//! A tensor together with its values.

use crate::engine::program::Tensor;

/// A tensor and its values, in the order of memory.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Shape and quantization.
    pub tensor: &'a Tensor,
    /// The values.
    pub values: &'a [u8],
}

impl View<'_> {
    /// Value minus zero point at a place; along a dim of 1 every place is the first.
    pub fn centered(&self, place: &[usize]) -> i32 {
        i32::from(self.at(place)) - i32::from(self.tensor.zero_point)
    }

    /// Value at a place; along a dim of 1 every place is the first.
    pub fn at(&self, place: &[usize]) -> u8 {
        let dims = &self.tensor.dims;
        assert_eq!(place.len(), dims.len(), "{}: a place has as many dims as the tensor", self.tensor.name);
        let mut index = 0;
        for (&i, &dim) in place.iter().zip(dims) {
            let i = if dim == 1 { 0 } else { i };
            assert!(i < dim, "{}: {place:?} lies outside of {dims:?}", self.tensor.name);
            index = index * dim + i;
        }
        self.values[index]
    }

    /// The four sizes of an image, `[n, h, w, c]`.
    pub fn image(&self) -> [usize; 4] {
        image(self.tensor)
    }
}

/// The four sizes of an image, `[n, h, w, c]`.
pub fn image(tensor: &Tensor) -> [usize; 4] {
    match tensor.dims[..] {
        [n, h, w, c] => [n, h, w, c],
        _ => panic!("{}: an image has four dims, this has {:?}", tensor.name, tensor.dims),
    }
}

/// Every place of a tensor, in the order of memory.
pub fn places(dims: &[usize]) -> Vec<Vec<usize>> {
    let mut places = vec![vec![]];
    for &dim in dims {
        places = (places.into_iter())
            .flat_map(|place| (0..dim).map(move |i| [&place[..], &[i]].concat()))
            .collect();
    }
    places
}
