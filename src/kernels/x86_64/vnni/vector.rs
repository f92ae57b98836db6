//! What the VNNI kernels need of a vector register, so that one text serves registers of 512 and of 256 bits.

#![allow(unsafe_code)]

use crate::kernels::Isa;

/// Registers that are brought together to bytes: a register of bytes has as many values as four of 32-bit numbers.
pub const GROUP: usize = 4;
/// Bytes of the widest register.
pub const WIDEST_BYTES: usize = 64;
/// 32-bit numbers of the widest register.
pub const WIDEST_LANES: usize = WIDEST_BYTES / 4;

/// Work that is compiled for the instructions of a [`Vector`].
pub trait Job {
    /// Does the work. Implementations are `#[inline(always)]`, so that they become part of [`Vector::enter`].
    ///
    /// # Safety
    /// The processor has the instructions of `T`; and what the job's own documentation asks for.
    unsafe fn run<T: Vector>(self);
}

/// The channels of a panel that are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Channels of the panel before the first wanted one.
    pub skip: usize,
    /// Wanted channels.
    pub count: usize,
}

/// A vector register with its instructions. Bytes and numbers share the type `Ints`.
///
/// # Safety
/// [`Vector::found`] is true only where the processor has the instructions, and AVX2. Every other method asks for a processor that has the instructions; those that take pointers also for memory that can be
/// read or written there. Pointers need no alignment.
pub unsafe trait Vector: Send + Sync + 'static {
    /// Integers.
    type Ints: Copy;
    /// 32-bit floating-point numbers.
    type Floats: Copy;
    /// The wanted channels in the form that loads and stores take.
    type Mask: Copy;
    /// The instruction set.
    const ISA: Isa;
    /// 32-bit numbers of a register.
    const LANES: usize;
    /// Groups of four 32-bit numbers, within which most instructions that pack or unpack work.
    const QUADS: usize = Self::LANES / 4;
    /// Registers for the sums of a tile of a matrix product.
    const SUMS: usize;
    /// Most registers of output channels of such a tile, so that sums, weights and values fit.
    const PANEL: usize;
    /// Outputs of a tile of a depthwise convolution with four registers of channels each.
    const OUTPUTS: usize;

    /// Whether this processor has the instructions, and AVX2.
    fn found() -> bool;

    /// Runs `job` as part of a function that is compiled for this processor.
    unsafe fn enter(job: impl Job);

    /// A register of integers.
    unsafe fn load(from: *const u8) -> Self::Ints;
    /// Writes a register of integers.
    unsafe fn store(value: Self::Ints, to: *mut u8);
    /// Four bytes, repeated.
    unsafe fn repeat_4(from: *const u8) -> Self::Ints;
    /// The number, repeated.
    unsafe fn repeat_i32(value: i32) -> Self::Ints;
    /// The number, repeated.
    unsafe fn repeat_i16(value: i16) -> Self::Ints;
    /// The byte, repeated.
    unsafe fn repeat_u8(value: u8) -> Self::Ints;
    /// In each lane, `sum` and the four products of unsigned `values` and signed `weights`. Wraps.
    unsafe fn dot(sum: Self::Ints, values: Self::Ints, weights: Self::Ints) -> Self::Ints;
    /// Differences of 32-bit numbers.
    unsafe fn sub_i32(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Saturating sums of signed 16-bit numbers.
    unsafe fn add_i16_saturating(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// The larger of unsigned bytes.
    unsafe fn max_u8(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// The smaller of unsigned bytes.
    unsafe fn min_u8(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// 32-bit numbers to saturated 16-bit numbers; in each quad first those of `a`, then those of `b`.
    unsafe fn pack_i32(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// 16-bit numbers to saturated unsigned bytes; in each quad first those of `a`, then those of `b`.
    unsafe fn pack_u16(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// 32-bit numbers in another order: `value[order[lane]]`.
    unsafe fn permute(value: Self::Ints, order: &[u32; WIDEST_LANES]) -> Self::Ints;
    /// Bytes `4 * index..4 * index + 4` of each quad as 32-bit numbers.
    unsafe fn widen_u8(bytes: Self::Ints, index: usize) -> Self::Ints;

    /// Floating-point numbers.
    unsafe fn load_f32(from: *const f32) -> Self::Floats;
    /// The number, repeated.
    unsafe fn repeat_f32(value: f32) -> Self::Floats;
    /// To the nearest floating-point number, ties to even.
    unsafe fn to_f32(value: Self::Ints) -> Self::Floats;
    /// To the nearest integer, ties to even; `i32::MIN` for what does not fit and for NaN.
    unsafe fn to_i32(value: Self::Floats) -> Self::Ints;
    /// To the nearest whole number, ties to even.
    unsafe fn round(value: Self::Floats) -> Self::Floats;
    /// Products.
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// Sums.
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The larger; `b` where one is NaN.
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The smaller; `b` where one is NaN.
    unsafe fn min(a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// The bytes of `GROUP` registers from four rows, interleaved: register `v` has the bytes of values
    /// `16 * q + 4 * v..` in quad `q`, the four rows' bytes of each value side by side.
    unsafe fn interleave_group(rows: [*const u8; 4]) -> [Self::Ints; GROUP];
    /// The first `LANES` bytes of four rows, interleaved: lane `n` has the bytes of value `n`. Only `count` values are
    /// read.
    unsafe fn interleave_one(rows: [*const u8; 4], count: usize) -> Self::Ints;

    /// The form of the wanted channels of a panel of `width` registers.
    fn mask(wanted: Wanted, width: usize) -> Self::Mask;
    /// The wanted bytes of the pixels of a group: of `GROUP / V` pixels one after the other, if `V` divides `GROUP`, else
    /// of one. Pointers are to the panel's first channel, wanted or not. Other bytes are arbitrary.
    unsafe fn load_pixels<const V: usize>(from: [*const u8; GROUP], mask: Self::Mask) -> Self::Ints;
    /// Writes the wanted bytes of the first `count` pixels of a group, in the same order.
    unsafe fn store_pixels<const V: usize>(
        bytes: Self::Ints,
        to: [*mut u8; GROUP],
        count: usize,
        mask: Self::Mask,
    );
}
