//! Filters of three by three that slide along a row: neighboring outputs share columns.

#![allow(unsafe_code)]

use core::arch::aarch64::int8x16_t;
use core::arch::asm;

use super::depthwise::{Filters, Rows, start};
use super::rounding::{Constants, Mode};
use crate::kernels::Q;

/// All outputs of `rows` for a filter whose tap `3 * r + c` is at `first[r] + c * column`, `column` being the step
/// (`STRIDE` 1) or half of it (`STRIDE` 2).
///
/// # Safety
/// The instruction set of `F` is there; sixteen channels of each tap of each output are readable; outputs may be written.
pub unsafe fn slide<F: Filters, const STRIDE: usize>(rows: &Rows) {
    // SAFETY: the caller's promise.
    unsafe {
        match rows.target.mode {
            Mode::Even => slide_as::<F, STRIDE, { Mode::Even as usize }>(rows),
            Mode::Odd => slide_as::<F, STRIDE, { Mode::Odd as usize }>(rows),
            Mode::Bounded => slide_as::<F, STRIDE, { Mode::Bounded as usize }>(rows),
            Mode::Added => slide_as::<F, STRIDE, { Mode::Added as usize }>(rows),
            Mode::Part | Mode::Any => slide_as::<F, STRIDE, { Mode::Any as usize }>(rows),
        }
    }
}

/// [`slide`] where `MODE` is the target's mode.
///
/// # Safety
/// As there.
unsafe fn slide_as<F: Filters, const STRIDE: usize, const MODE: usize>(rows: &Rows) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut paired = 0;
        let rows_are_shared = rows.taps[3].wrapping_sub(rows.taps[0]) == rows.step[1];
        if STRIDE == 1 && F::PAIRS && rows_are_shared {
            while rows.height - paired >= 2 {
                slide_pair::<F, MODE>(rows, paired);
                paired += 2;
            }
        }
        let weights = F::weights(rows.weights);
        for row in paired..rows.height {
            slide_row::<F, STRIDE, MODE>(rows, row, &weights);
        }
    }
}

/// One row of [`slide`].
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn slide_row<F: Filters, const STRIDE: usize, const MODE: usize>(
    rows: &Rows,
    row: usize,
    weights: &F::Weights,
) {
    // SAFETY: columns up to the third of the last output are read, outputs written one by one.
    unsafe {
        let mut columns = Columns::new(rows, row);
        let mut outputs = Outputs::new(rows, row);
        let mut a = columns.next::<F>();
        if STRIDE == 2 {
            loop {
                let (b, c) = (columns.next::<F>(), columns.next::<F>());
                if outputs.emit::<F, MODE>(weights, [&a, &b, &c]) {
                    return;
                }
                let b = columns.next::<F>();
                a = columns.next::<F>();
                if outputs.emit::<F, MODE>(weights, [&c, &b, &a]) {
                    return;
                }
            }
        }
        let mut b = columns.next::<F>();
        loop {
            let c = columns.next::<F>();
            if outputs.emit::<F, MODE>(weights, [&a, &b, &c]) {
                return;
            }
            a = columns.next::<F>();
            if outputs.emit::<F, MODE>(weights, [&b, &c, &a]) {
                return;
            }
            b = columns.next::<F>();
            if outputs.emit::<F, MODE>(weights, [&c, &a, &b]) {
                return;
            }
        }
    }
}

/// Rows `row` and the next one of [`slide`], of stride 1.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn slide_pair<F: Filters, const MODE: usize>(rows: &Rows, row: usize) {
    // SAFETY: columns up to the third of the last outputs are read, outputs written one by one.
    unsafe {
        let mut columns = Columns::new(rows, row);
        let mut outputs = Outputs::new(rows, row);
        let mut below = columns.rows[2].wrapping_add(rows.step[1]);
        let (mut a, mut b) = (columns.next_of_pair::<F>(&mut below), columns.next_of_pair::<F>(&mut below));
        loop {
            let c = columns.next_of_pair::<F>(&mut below);
            if outputs.emit_pair::<F, MODE>([&a, &b, &c]) {
                return;
            }
            a = columns.next_of_pair::<F>(&mut below);
            if outputs.emit_pair::<F, MODE>([&b, &c, &a]) {
                return;
            }
            b = columns.next_of_pair::<F>(&mut below);
            if outputs.emit_pair::<F, MODE>([&c, &a, &b]) {
                return;
            }
        }
    }
}

/// Walks over the columns that a row's outputs read.
struct Columns {
    rows: [*const Q; 3],
    step: usize,
}

impl Columns {
    #[inline(always)]
    fn new(rows: &Rows, row: usize) -> Columns {
        let &[first, second, _, below, _, _, last, ..] = rows.taps else { unreachable!("nine taps") };
        let source = rows.source.wrapping_add(row * rows.step[1]);
        Columns { rows: [first, below, last].map(|tap| source.wrapping_add(tap)), step: second - first }
    }

    /// # Safety
    /// The column may be read.
    #[inline(always)]
    unsafe fn next<F: Filters>(&mut self) -> F::Column {
        let [a, b, c] = &mut self.rows;
        // SAFETY: the caller's promise.
        unsafe { F::column([take(a, self.step), take(b, self.step), take(c, self.step)]) }
    }

    /// The column with the row below.
    ///
    /// # Safety
    /// It may be read.
    #[inline(always)]
    unsafe fn next_of_pair<F: Filters>(&mut self, below: &mut *const Q) -> F::Column {
        let [a, b, c] = &mut self.rows;
        let rows = [a, b, c, below];
        // SAFETY: the caller's promise.
        F::column_of_pair(rows.map(|row| unsafe { take(row, self.step) }))
    }
}

/// Reads sixteen values and moves on by `step`, in one instruction: the compiler would keep a pointer for each column of
/// an unrolled loop.
///
/// # Safety
/// They may be read.
#[inline(always)]
unsafe fn take(from: &mut *const Q, step: usize) -> int8x16_t {
    let values: int8x16_t;
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "ld1 {{{values:v}.16b}}, [{from}], {step}",
            values = out(vreg) values, from = inout(reg) *from, step = in(reg) step,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    values
}

/// Walks over a row's outputs.
struct Outputs<'a> {
    rows: &'a Rows<'a>,
    out: *mut Q,
    pixel: usize,
    left: usize,
    constants: Constants,
}

impl<'a> Outputs<'a> {
    #[inline(always)]
    fn new(rows: &'a Rows<'a>, row: usize) -> Outputs<'a> {
        Outputs {
            rows,
            out: rows.out.wrapping_add(row * rows.out_step[1]),
            pixel: rows.pixel + row * rows.pixel_step[1],
            left: rows.width,
            constants: rows.target.requantize.constants(),
        }
    }

    /// Stores the next output; whether it is the last.
    ///
    /// # Safety
    /// There is one, and it may be written; `MODE` is the target's.
    #[inline(always)]
    unsafe fn emit<F: Filters, const MODE: usize>(
        &mut self,
        weights: &F::Weights,
        columns: [&F::Column; 3],
    ) -> bool {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = start(self.rows.bias);
            F::add(&mut sums, weights, columns);
            self.rows.target.store_as::<4, 1, MODE>(&self.constants, &[sums], [self.out], self.pixel);
        }
        self.advance()
    }

    /// Stores the next output and the one below it; whether they are the last.
    ///
    /// # Safety
    /// As [`Outputs::emit`].
    #[inline(always)]
    unsafe fn emit_pair<F: Filters, const MODE: usize>(&mut self, columns: [&F::Column; 3]) -> bool {
        let outs = [self.out, self.out.wrapping_add(self.rows.out_step[1])];
        // SAFETY: the caller's promise.
        unsafe {
            let sums = F::sums_of_pair(self.rows.bias, self.rows.weights, columns);
            let target = &self.rows.target;
            if MODE == Mode::Added as usize || MODE == Mode::Any as usize {
                let below = self.pixel + self.rows.pixel_step[1];
                target.store_as::<4, 1, MODE>(&self.constants, &[sums[0]], [outs[0]], self.pixel);
                target.store_as::<4, 1, MODE>(&self.constants, &[sums[1]], [outs[1]], below);
            } else {
                target.store_as::<4, 2, MODE>(&self.constants, &sums, outs, self.pixel);
            }
        }
        self.advance()
    }

    /// Moves on to the next output; whether there is none.
    #[inline(always)]
    fn advance(&mut self) -> bool {
        self.out = self.out.wrapping_add(self.rows.out_step[0]);
        self.pixel += self.rows.pixel_step[0];
        self.left -= 1;
        self.left == 0
    }
}
