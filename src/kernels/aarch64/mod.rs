//! Kernels for 64-bit ARM.

use super::Kernels;

/// The kernels that this processor can run, slowest first.
pub fn available() -> Vec<&'static dyn Kernels> {
    Vec::new()
}
