//! Functions of one variable by tables.

use crate::kernels::{Q, unsigned};

/// See [`crate::kernels::Operators::table`].
#[inline(always)]
pub fn table(tables: &[Q], input: &[Q], out: &mut [Q]) {
    assert_eq!(input.len(), out.len(), "a table keeps the number of values");
    assert_eq!(tables.len() % 256, 0, "a table has 256 entries");
    let (tables, _) = tables.as_chunks::<256>();
    if let [table] = tables {
        for (out, &x) in out.iter_mut().zip(input) {
            *out = table[usize::from(unsigned(x))];
        }
        return;
    }
    let channels = tables.len().max(1);
    for (out, input) in out.chunks_exact_mut(channels).zip(input.chunks_exact(channels)) {
        for ((out, &x), table) in out.iter_mut().zip(input).zip(tables) {
            *out = table[usize::from(unsigned(x))];
        }
    }
}

/// See [`crate::kernels::Operators::table_in_place`].
#[inline(always)]
pub fn table_in_place(tables: &[Q], values: &mut [Q]) {
    assert_eq!(tables.len() % 256, 0, "a table has 256 entries");
    let (tables, _) = tables.as_chunks::<256>();
    if let [table] = tables {
        for value in values {
            *value = table[usize::from(unsigned(*value))];
        }
        return;
    }
    for values in values.chunks_exact_mut(tables.len().max(1)) {
        for (value, table) in values.iter_mut().zip(tables) {
            *value = table[usize::from(unsigned(*value))];
        }
    }
}
