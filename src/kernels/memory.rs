//! Memory aligned to cache lines: packed weights, activations and scratch.
#![allow(unsafe_code)]

use super::Q;

/// One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Line(pub [u8; Line::BYTES]);

impl Line {
    /// Bytes of a line.
    pub const BYTES: usize = 64;
}

/// Bytes in whole, aligned cache lines.
#[derive(Clone, Debug, Default)]
pub struct Lines(Vec<Line>);

impl Lines {
    /// At least `bytes` zeros.
    pub fn zeros(bytes: usize) -> Lines {
        Lines(vec![Line([0; Line::BYTES]); bytes.div_ceil(Line::BYTES)])
    }

    /// Bytes that [`Lines::zeros`] holds when asked for `bytes`.
    pub fn zeros_len(bytes: usize) -> usize {
        bytes.next_multiple_of(Line::BYTES)
    }

    /// Bytes held.
    pub fn len(&self) -> usize {
        self.0.len() * Line::BYTES
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines.
    pub fn lines(&self) -> &[Line] {
        &self.0
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: a `Line` is exactly 64 initialized bytes, and lines of a vector are contiguous.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.len()) }
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; any bytes make a valid `Line`.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.len()) }
    }

    /// The bytes as stored activations.
    pub fn values(&self) -> &[Q] {
        // SAFETY: as in `bytes`; `Q` is `u8` or `i8`, for which all bytes are valid.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.len()) }
    }

    /// The bytes as stored activations.
    pub fn values_mut(&mut self) -> &mut [Q] {
        // SAFETY: as in `values`; any bytes make a valid `Line`.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.len()) }
    }
}

/// Working memory of one thread, made once and as large as the largest need.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The memory.
    pub lines: Lines,
}

impl Scratch {
    /// `bytes` of it.
    pub fn with_bytes(bytes: usize) -> Scratch {
        Scratch { lines: Lines::zeros(bytes) }
    }
}
