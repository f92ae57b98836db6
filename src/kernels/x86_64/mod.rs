//! Kernels for x86-64.

pub mod avx2;

use super::Kernels;

/// The kernels that this processor can run, slowest first.
pub fn available() -> Vec<&'static dyn Kernels> {
    let mut kernels: Vec<&'static dyn Kernels> = Vec::new();
    if let Some(avx2) = avx2::Avx2::new() {
        kernels.push(avx2);
    }
    kernels
}
