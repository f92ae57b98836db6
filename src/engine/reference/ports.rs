//! Between real numbers in the order of ONNX axes and values in the order of memory.

use super::round;
use super::tensor::places;
use crate::engine::program::{Bounds, Tensor};

/// Values of `tensor` for these real numbers, which are in the order of its ONNX axes:
/// `saturate(round_half_even(x / scale) + zero_point)`; NaN becomes the zero point.
///
/// # Panics
/// Where there are not as many numbers as the tensor has elements.
pub fn quantize(tensor: &Tensor, reals: &[f32]) -> Vec<u8> {
    let value = |x: f32| match x / tensor.scale {
        steps if steps.is_nan() => tensor.zero_point,
        steps => round(steps, tensor.zero_point, Bounds::ALL),
    };
    memory_order(tensor, reals).into_iter().map(value).collect()
}

/// Real numbers, in the order of the ONNX axes, for the values of `tensor`: `(q - zero_point) * scale`.
///
/// # Panics
/// As [`quantize`].
pub fn dequantize(tensor: &Tensor, values: &[u8]) -> Vec<f32> {
    let real = |q: u8| (i32::from(q) - i32::from(tensor.zero_point)) as f32 * tensor.scale;
    onnx_order(tensor, values).into_iter().map(real).collect()
}

/// Elements from the order of the ONNX axes to that of memory.
///
/// # Panics
/// Where there are not as many as the tensor has elements.
pub fn memory_order<T: Copy>(tensor: &Tensor, elements: &[T]) -> Vec<T> {
    places_in_onnx(tensor, elements.len()).into_iter().map(|index| elements[index]).collect()
}

/// Elements from the order of memory to that of the ONNX axes.
///
/// # Panics
/// Where there are not as many as the tensor has elements.
pub fn onnx_order<T: Copy>(tensor: &Tensor, elements: &[T]) -> Vec<T> {
    let mut ordered = elements.to_vec();
    for (&element, index) in elements.iter().zip(places_in_onnx(tensor, elements.len())) {
        ordered[index] = element;
    }
    ordered
}

/// For each element in the order of memory, its index in the order of the ONNX axes.
fn places_in_onnx(tensor: &Tensor, elements: usize) -> Vec<usize> {
    assert_eq!(elements, tensor.elements(), "{}: as many elements as the shape says", tensor.name);
    let shape = tensor.onnx_shape();
    let index = |place: Vec<usize>| {
        let mut onnx = vec![0; place.len()];
        for (&axis, &i) in tensor.axes.iter().zip(&place) {
            onnx[axis] = i;
        }
        onnx.iter().zip(&shape).fold(0, |index, (i, size)| index * size + i)
    };
    places(&tensor.dims).into_iter().map(index).collect()
}
