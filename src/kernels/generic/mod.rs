//! The definition of every kernel, in plain Rust, for every processor.
//!
//! The operators without weights are written so that the compiler turns them into vector code wherever it may use
//! vectors: instruction sets inline them into functions of their own.

pub mod argmax;
pub mod depthwise;
pub mod edges;
pub mod elementwise;
pub mod matrix;
pub mod moves;
pub mod normalize;
pub mod pixels;
pub mod pool;
pub mod product;
pub mod requantize;
pub mod resize;
mod rounding;
pub mod table;

use super::{Isa, Kernels, Operators, Pixels};

/// The kernels of the definition.
pub struct Generic;

impl Operators for Generic {}

impl Pixels for Generic {}

impl Kernels for Generic {
    fn isa(&self) -> Isa {
        Isa::Generic
    }
}
