//! Kernels for x86-64.

pub mod avx2;
pub mod avx512;
pub mod avx_vnni;

use super::Kernels;

/// The kernels that this processor can run, slowest first.
pub fn available() -> Vec<&'static dyn Kernels> {
    let avx2 = avx2::Avx2::new().map(|kernels| kernels as &dyn Kernels);
    let avx_vnni = avx_vnni::AvxVnni::new().map(|kernels| kernels as &dyn Kernels);
    let avx512_vnni = avx512::Avx512Vnni::new().map(|kernels| kernels as &dyn Kernels);
    [avx2, avx_vnni, avx512_vnni].into_iter().flatten().collect()
}
