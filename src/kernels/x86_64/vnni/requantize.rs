//! From 32-bit sums to stored values, by the definition's formula.

#![allow(unsafe_code)]

use super::vector::{GROUP, Job, Vector, WIDEST_LANES, Wanted};
use crate::kernels::{Epilogue, Residual};

/// Where the output of some pixels goes.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// Where the output begins.
    pub data: *mut u8,
    /// For each pixel, where its channels begin.
    pub offsets: &'a [usize],
    /// Where the panel's first channel, wanted or not, lies in a pixel. May wrap.
    pub column: usize,
}

/// Where the tensor to be added is read.
#[derive(Clone, Copy)]
pub struct Added {
    /// The panel's first channel, wanted or not, of the first pixel.
    pub data: *const u8,
    /// Values from a pixel to the next.
    pub stride: usize,
}

/// What the formula needs, the same for every channel.
#[derive(Clone, Copy)]
pub struct Formula {
    /// Bounds of the product's result before its zero point is added.
    low: f32,
    high: f32,
    /// The tensor to be added.
    data_zero: i32,
    own: f32,
    other: f32,
    /// Highest result, before the zero point is added, of the last step: the addition, or the product if there is none.
    last_high: f32,
    /// Zero point and bounds, stored, of the last step.
    last_zero: i16,
    last_bounds: (u8, u8),
}

impl Formula {
    /// The formula of `epilogue`, if its zero points and bounds are 8-bit values, as those of a model are; what is computed
    /// by it is the definition's for these.
    pub fn new(epilogue: &Epilogue) -> Option<Formula> {
        let byte = |value: i32| (0..=255).contains(&value);
        let bytes = |zero: i32, low: i32, high: i32| byte(zero) && byte(low) && byte(high);
        if !bytes(epilogue.zero_point, epilogue.low, epilogue.high) {
            return None;
        }
        let Residual { data_zero, own, other, zero_point, low, high, .. } =
            epilogue.residual.unwrap_or(Residual {
                data: &[],
                stride: 0,
                data_zero: 0,
                own: 1.0,
                other: 0.0,
                zero_point: epilogue.zero_point,
                low: epilogue.low,
                high: epilogue.high,
            });
        bytes(zero_point, low, high).then_some(Formula {
            low: (epilogue.low - epilogue.zero_point) as f32,
            high: (epilogue.high - epilogue.zero_point) as f32,
            data_zero,
            own,
            other,
            last_high: (high - zero_point) as f32,
            last_zero: zero_point as i16,
            last_bounds: (low as u8, high as u8),
        })
    }
}

/// Multipliers of a panel in the order of the lanes, and whether all are less than one.
#[derive(Clone, Copy)]
pub struct Multipliers {
    values: [f32; GROUP * WIDEST_LANES],
    less_than_one: bool,
}

impl Multipliers {
    /// From values in the order of the lanes.
    pub fn new(values: [f32; GROUP * WIDEST_LANES]) -> Multipliers {
        Multipliers { values, less_than_one: values.iter().all(|value| value.abs() < 1.0) }
    }
}

/// For each quad of a group's pixels one after the other, the register (of the group) and the quad of the register where
/// it is computed: `quad * GROUP + register`. The inverse, if `inverse`.
const fn order(width: usize, quads: usize, inverse: bool) -> [u32; WIDEST_LANES] {
    let mut order = [0; WIDEST_LANES];
    let pixels = GROUP / width;
    let mut register = 0;
    while register < pixels * width {
        let mut quad = 0;
        while quad < quads {
            let (computed, sorted) =
                (quad * GROUP + register, (register / width * quads + quad) * width + register % width);
            if inverse {
                order[computed] = sorted as u32;
            } else {
                order[sorted] = computed as u32;
            }
            quad += 1;
        }
        register += 1;
    }
    order
}

/// Requantizes and stores the sums of some pixels and `V` registers of channels, `[pixels][registers]`.
///
/// To be run where there are sums of `to.offsets.len()` pixels and of three registers more, wanted channels of these pixels
/// can be written and, if `ADD`, be read from `added`. `BOUND` may be false if the multipliers are less than one: then
/// no result is too large for `i32`.
struct Finish<'a, const V: usize, const ADD: bool, const BOUND: bool> {
    sums: *const u8,
    multipliers: &'a Multipliers,
    formula: &'a Formula,
    to: Places<'a>,
    added: Added,
    wanted: Wanted,
}

impl<const V: usize, const ADD: bool, const BOUND: bool> Finish<'_, V, ADD, BOUND> {
    const PIXELS: usize = GROUP / V;
    const SORTED: [[u32; WIDEST_LANES]; 2] = [order(V, 2, false), order(V, 4, false)];
    const COMPUTED: [[u32; WIDEST_LANES]; 2] = [order(V, 2, true), order(V, 4, true)];

    /// Sums to whole numbers without zero point, at most `last_high` if they might not fit, of any size downwards.
    /// `others` are values of the tensor to be added (none if `ADD` is false).
    ///
    /// Bounding is left to the end, where it costs one instruction for all: numbers too low for `i32` and NaN become
    /// `i32::MIN`, which the saturating packs bring to 0, as the definition brings both to its lowest value.
    #[inline(always)]
    unsafe fn whole<T: Vector>(
        terms: &Terms<T>,
        sums: T::Ints,
        multipliers: T::Floats,
        others: T::Ints,
    ) -> T::Ints {
        // SAFETY: the job's promise.
        unsafe {
            // The second operand of min and max is the result where one is NaN.
            let mut real = T::mul(T::to_f32(sums), multipliers);
            if ADD {
                let bounded = T::min(T::max(real, terms.low), terms.high);
                let other = T::to_f32(T::sub_i32(others, terms.data_zero));
                real = T::add(T::mul(T::round(bounded), terms.own), T::mul(other, terms.other));
            }
            if ADD || BOUND {
                real = T::min(terms.last_high, real);
            }
            T::to_i32(real)
        }
    }
}

/// The terms of a [`Formula`] in registers.
struct Terms<T: Vector> {
    low: T::Floats,
    high: T::Floats,
    data_zero: T::Ints,
    own: T::Floats,
    other: T::Floats,
    last_high: T::Floats,
    last_zero: T::Ints,
    last_bounds: (T::Ints, T::Ints),
}

impl<T: Vector> Terms<T> {
    #[inline(always)]
    unsafe fn new(formula: &Formula) -> Terms<T> {
        // SAFETY: the job's promise.
        unsafe {
            Terms {
                low: T::repeat_f32(formula.low),
                high: T::repeat_f32(formula.high),
                data_zero: T::repeat_i32(formula.data_zero),
                own: T::repeat_f32(formula.own),
                other: T::repeat_f32(formula.other),
                last_high: T::repeat_f32(formula.last_high),
                last_zero: T::repeat_i16(formula.last_zero),
                last_bounds: (T::repeat_u8(formula.last_bounds.0), T::repeat_u8(formula.last_bounds.1)),
            }
        }
    }
}

impl<const V: usize, const ADD: bool, const BOUND: bool> Job for Finish<'_, V, ADD, BOUND> {
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        let wide = usize::from(T::QUADS == 4);
        let mask = T::mask(self.wanted, V);
        let count = self.to.offsets.len();
        let bytes = T::LANES * 4;
        // SAFETY: the job's promise.
        unsafe {
            let terms = Terms::<T>::new(self.formula);
            let mut multipliers = [T::repeat_f32(0.0); V];
            for (v, multiplier) in multipliers.iter_mut().enumerate() {
                *multiplier = T::load_f32(self.multipliers.values.as_ptr().add(v * T::LANES));
            }
            let mut first = 0;
            while first < count {
                // Where there are fewer pixels, the last is read again (and not written).
                let mut pixels = [first; GROUP];
                for (index, pixel) in pixels[..Self::PIXELS].iter_mut().enumerate() {
                    *pixel = (first + index).min(count - 1);
                }
                let mut others = T::repeat_i32(0);
                if ADD {
                    let from = pixels.map(|pixel| self.added.data.wrapping_add(pixel * self.added.stride));
                    others = T::load_pixels::<V>(from, mask);
                    if V != GROUP {
                        others = T::permute(others, &Self::COMPUTED[wide]);
                    }
                }
                let mut words = [T::repeat_i32(0); GROUP];
                for (register, word) in words[..Self::PIXELS * V].iter_mut().enumerate() {
                    let sums = T::load(self.sums.add((first * V + register) * bytes));
                    let others = if ADD { T::widen_u8(others, register) } else { others };
                    *word = Self::whole::<T>(&terms, sums, multipliers[register % V], others);
                }
                let front = T::add_i16_saturating(T::pack_i32(words[0], words[1]), terms.last_zero);
                let back = T::add_i16_saturating(T::pack_i32(words[2], words[3]), terms.last_zero);
                // From below first, as the definition does: they may be given crossed.
                let (low, high) = terms.last_bounds;
                let mut bytes = T::min_u8(T::max_u8(T::pack_u16(front, back), low), high);
                if V != GROUP {
                    bytes = T::permute(bytes, &Self::SORTED[wide]);
                }
                let to = pixels.map(|pixel| {
                    let offset = *self.to.offsets.get_unchecked(pixel);
                    self.to.data.wrapping_add(offset.wrapping_add(self.to.column))
                });
                T::store_pixels::<V>(bytes, to, count - first, mask);
                first += Self::PIXELS;
            }
        }
    }
}

/// Requantizes and stores the sums of some pixels and `width` registers of channels, `[pixels][registers]`.
///
/// # Safety
/// The processor has the instructions of `T`; `sums` has the registers of `to.offsets.len()` pixels and three more; the
/// wanted channels of these pixels can be written and, if something is to be added, be read there.
pub unsafe fn finish<T: Vector>(
    width: usize,
    sums: *const u8,
    multipliers: &Multipliers,
    formula: &Formula,
    to: Places,
    added: Option<Added>,
    wanted: Wanted,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match width {
            1 => finish_panel::<T, 1>(sums, multipliers, formula, to, added, wanted),
            2 => finish_panel::<T, 2>(sums, multipliers, formula, to, added, wanted),
            3 => finish_panel::<T, 3>(sums, multipliers, formula, to, added, wanted),
            _ => finish_panel::<T, GROUP>(sums, multipliers, formula, to, added, wanted),
        }
    }
}

/// # Safety
/// As for [`finish`].
unsafe fn finish_panel<T: Vector, const V: usize>(
    sums: *const u8,
    multipliers: &Multipliers,
    formula: &Formula,
    to: Places,
    added: Option<Added>,
    wanted: Wanted,
) {
    let none = Added { data: std::ptr::null(), stride: 0 };
    // SAFETY: the caller's promise.
    unsafe {
        match (added, multipliers.less_than_one) {
            (Some(added), _) => {
                T::enter(Finish::<V, true, true> { sums, multipliers, formula, to, added, wanted });
            }
            (None, true) => {
                T::enter(Finish::<V, false, false> { sums, multipliers, formula, to, added: none, wanted });
            }
            (None, false) => {
                T::enter(Finish::<V, false, true> { sums, multipliers, formula, to, added: none, wanted });
            }
        }
    }
}
