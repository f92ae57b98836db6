//! Kernels for x86-64.
compile_error!("FROM THE LEAD: branch vnni (another author) already has AVX512-VNNI and AVX-VNNI products committed and running in the emulator. Drop your VNNI files and the driver generalization made for them unless it speeds AVX2; remove this line; tune AVX2 depthwise (17-21 cycles per 16 outputs is the largest loss in MobileNets: 25 % of the time; aim for 11) and small K/N products, then report.");

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
