//! Operators without weights: the definition, inlined where the compiler may use AVX2. The bits are the same, since each
//! operation on f32 is rounded on its own (nothing is contracted to fused operations, and "fma" is not enabled).

#![allow(unsafe_code)]

use std::ops::Range;

use super::{argmax, edges, elementwise, product, resize, table};
use crate::kernels::generic::{edges as generic_edges, resize as generic_resize};
use crate::kernels::generic::{normalize, pool};
use crate::kernels::{
    AddParams, Between, LayerNormParams, LinearParams, MulParams, Operand, Operators, Output, Patches,
    ProductParams, Q, Quantization, Resize, SumParams,
};

/// Kernels whose operators without weights use AVX2.
///
/// # Safety
/// Values of the type exist only where the processor has AVX2.
pub unsafe trait HasAvx2 {}

/// Methods that call the functions of a module of the definition, by the same names and with the same arguments, with AVX2.
macro_rules! with_avx2 {
    ($(fn $module:ident::$name:ident($($argument:ident: $type:ty),* $(,)?);)*) => {
        $(
            fn $name(&self, $($argument: $type),*) {
                #[target_feature(enable = "avx2")]
                fn with_avx2($($argument: $type),*) {
                    $module::$name($($argument),*);
                }
                // SAFETY: values of this type exist only where the processor has AVX2.
                unsafe { with_avx2($($argument),*) }
            }
        )*
    };
}

impl<T: HasAvx2> Operators for T {
    with_avx2! {
        fn table::table(tables: &[Q], input: &[Q], out: &mut [Q]);
        fn table::table_in_place(tables: &[Q], values: &mut [Q]);
        fn elementwise::add(a: &[Q], b: Operand, params: &AddParams, out: &mut [Q]);
        fn elementwise::mul(a: &[Q], b: Operand, params: &MulParams, out: &mut [Q]);
        fn product::product(a: &[Q], b: &[Q], params: &ProductParams, out: &mut [Q]);
        fn pool::max_pool(patches: &Patches, out: &mut Output);
        fn pool::average_pool(patches: &Patches, factors: &[f32], params: &SumParams, out: &mut Output);
        fn pool::reduce(input: &[Q], sizes: [usize; 2], range: Range<usize>, factor: f32, params: &SumParams, out: &mut [Q]);
        fn generic_resize::nearest(input: &[Q], resize: &Resize<usize>, out: &mut [Q]);
        fn resize::linear(input: &[Q], first_row: usize, resize: &Resize<Between>, params: &LinearParams, out: &mut Output);
        fn argmax::argmax(input: &[Q], channels: usize, out: &mut [Q]);
        fn argmax::resize_argmax(input: &[Q], resize: &Resize<Between>, quantization: &Quantization, out: &mut [Q]);
        fn normalize::softmax(input: &[Q], length: usize, exponentials: &[f32], output: &Quantization, out: &mut [Q]);
        fn normalize::layer_norm(input: &[Q], params: &LayerNormParams, out: &mut [Q]);
        fn edges::quantize(input: &[f32], quantization: &Quantization, out: &mut [Q]);
        fn edges::quantize_image(input: &[f32], plane: usize, pixels: Range<usize>, quantization: &Quantization, out: &mut Output);
        fn generic_edges::dequantize(input: &[Q], quantization: &Quantization, out: &mut [f32]);
        fn edges::dequantize_image(input: &[Q], channels: usize, range: Range<usize>, quantization: &Quantization, out: &mut [f32]);
    }
}
