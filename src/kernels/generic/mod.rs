//! The definition of every kernel, in plain Rust, for every processor.

pub mod depthwise;
pub mod matrix;
pub mod requantize;

use super::{Isa, Kernels};

/// The kernels of the definition.
pub struct Generic;

impl Kernels for Generic {
    fn isa(&self) -> Isa {
        Isa::Generic
    }
}
