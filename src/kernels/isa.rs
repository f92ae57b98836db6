//! Which instruction sets there are, which this processor has, and which one is used.

use super::{Kernels, generic};

/// An instruction set that has kernels of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain Rust, the definition.
    Generic,
    /// x86-64 with AVX2: 16-bit products, exact (no saturating pairs).
    Avx2,
    /// x86-64 with AVX-VNNI: 8-bit dot products of 256 bits.
    AvxVnni,
    /// x86-64 with AVX512-VNNI: 8-bit dot products of 512 bits.
    Avx512Vnni,
    /// ARMv8.0: Raspberry Pi 3 and 4, Jetson Nano.
    Neon,
    /// ARMv8.2 dot products: Raspberry Pi 5, Jetson Orin.
    NeonDot,
    /// ARMv8.6 8-bit matrix products.
    NeonI8mm,
}

impl Isa {
    /// All of them.
    pub const ALL: [Isa; 7] =
        [Isa::Generic, Isa::Avx2, Isa::AvxVnni, Isa::Avx512Vnni, Isa::Neon, Isa::NeonDot, Isa::NeonI8mm];

    /// Name as in `SEDGE_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Generic => "generic",
            Isa::Avx2 => "avx2",
            Isa::AvxVnni => "avx-vnni",
            Isa::Avx512Vnni => "avx512-vnni",
            Isa::Neon => "neon",
            Isa::NeonDot => "neon-dot",
            Isa::NeonI8mm => "neon-i8mm",
        }
    }
}

impl std::fmt::Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// `SEDGE_ISA` asks for what this processor does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SEDGE_ISA={wanted}: this processor has {}; name one of them or unset SEDGE_ISA", .available.join(", "))]
pub struct IsaError {
    /// What was asked for.
    pub wanted: String,
    /// Names of what there is.
    pub available: Vec<&'static str>,
}

/// The kernels that this processor can run, slowest first.
pub fn available() -> Vec<&'static dyn Kernels> {
    #[allow(unused_mut)]
    let mut kernels: Vec<&'static dyn Kernels> = vec![&generic::Generic];
    #[cfg(target_arch = "x86_64")]
    kernels.extend(super::x86_64::available());
    #[cfg(target_arch = "aarch64")]
    kernels.extend(super::aarch64::available());
    kernels
}

/// The fastest kernels that this processor can run, or those that the environment variable `SEDGE_ISA` names.
///
/// # Errors
/// When `SEDGE_ISA` names what is unknown or what this processor lacks.
pub fn best() -> Result<&'static dyn Kernels, IsaError> {
    let mut kernels = available();
    let Some(wanted) = std::env::var_os("SEDGE_ISA").filter(|wanted| !wanted.is_empty()) else {
        return Ok(kernels.pop().unwrap_or(&generic::Generic));
    };
    let wanted = wanted.to_string_lossy().into_owned();
    let found = kernels.iter().find(|kernels| kernels.isa().name() == wanted);
    found.copied().ok_or_else(|| IsaError {
        wanted,
        available: kernels.iter().map(|kernels| kernels.isa().name()).collect(),
    })
}
