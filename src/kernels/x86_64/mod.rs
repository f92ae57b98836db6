//! Kernels for x86-64.

pub mod avx2;
pub mod avx512;
pub mod avx_vnni;
pub mod vnni;

use super::Kernels;

/// The kernels that this processor can run, slowest first.
pub fn available() -> Vec<&'static dyn Kernels> {
    let mut kernels: Vec<&'static dyn Kernels> = Vec::new();
    if let Some(avx2) = avx2::Avx2::new() {
        kernels.push(avx2);
    }
    if let Some(avx_vnni) = vnni::AvxVnni::new() {
        kernels.push(avx_vnni);
    }
    if let Some(avx512_vnni) = vnni::Avx512Vnni::new() {
        kernels.push(avx512_vnni);
    }
    kernels
}
