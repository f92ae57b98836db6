//! Functions of one variable by tables with AVX2.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::vector::{self, BLOCK};
use crate::kernels::Q;
use crate::kernels::generic;

/// See [`crate::kernels::Operators::table`].
#[target_feature(enable = "avx2")]
pub fn table(tables: &[Q], input: &[Q], out: &mut [Q]) {
    let (Ok(entries), true) = (tables.try_into(), input.len() >= BLOCK && input.len() == out.len()) else {
        return generic::table::table(tables, input, out);
    };
    // SAFETY: this function has AVX2.
    let table = unsafe { Table::new(entries) };
    for first in (0..input.len()).step_by(BLOCK) {
        // The last block overlaps the one before.
        let first = first.min(input.len() - BLOCK);
        let values = vector::first(&input[first..]);
        let out = out[first..].first_chunk_mut().expect("a whole block");
        // SAFETY: this function has AVX2.
        unsafe { vector::store(table.look_up(vector::load(&values)), out) };
    }
}

/// See [`crate::kernels::Operators::table_in_place`].
#[target_feature(enable = "avx2")]
pub fn table_in_place(tables: &[Q], values: &mut [Q]) {
    let Ok(entries) = tables.try_into() else {
        return generic::table::table_in_place(tables, values);
    };
    // SAFETY: this function has AVX2.
    let table = unsafe { Table::new(entries) };
    let (blocks, rest) = values.as_chunks_mut();
    for block in blocks {
        // SAFETY: this function has AVX2.
        unsafe { vector::store(table.look_up(vector::load(block)), block) };
    }
    generic::table::table_in_place(tables, rest);
}

/// 256 entries, in parts of 16, each twice: a vector is looked up in halves.
pub(super) struct Table {
    parts: [__m256i; 16],
}

impl Table {
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    pub(super) unsafe fn new(entries: &[Q; 256]) -> Table {
        // SAFETY: AVX2 by this function's contract; 16 bytes are read from 0, 16, ... 240 of 256.
        unsafe {
            let mut parts = [_mm256_setzero_si256(); 16];
            for (index, part) in parts.iter_mut().enumerate() {
                *part = _mm256_broadcastsi128_si256(_mm_loadu_si128(entries.as_ptr().add(16 * index).cast()));
            }
            Table { parts }
        }
    }

    /// The entry of each value: its four lower bits choose in every part, the four others between the parts.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline(always)]
    pub(super) unsafe fn look_up(&self, values: __m256i) -> __m256i {
        // SAFETY: AVX2 by this function's contract.
        unsafe {
            let low = _mm256_and_si256(values, _mm256_set1_epi8(0x0F));
            // A choice goes by the highest bit of each byte: bits 4, 5, 6 are moved there.
            let bits = [
                _mm256_slli_epi16::<3>(values),
                _mm256_slli_epi16::<2>(values),
                _mm256_slli_epi16::<1>(values),
                values,
            ];
            let mut found = self.parts;
            for part in &mut found {
                *part = _mm256_shuffle_epi8(*part, low);
            }
            let mut count = 16;
            for bit in bits {
                count /= 2;
                for index in 0..count {
                    found[index] = _mm256_blendv_epi8(found[2 * index], found[2 * index + 1], bit);
                }
            }
            found[0]
        }
    }
}
