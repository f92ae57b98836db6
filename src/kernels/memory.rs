//! Memory aligned to cache lines: packed weights and scratch.

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
        self.0.as_flattened_bytes()
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_flattened_bytes_mut()
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

/// `&[Line]` as bytes: `Line` is transparent for this purpose, 64 bytes without padding.
trait FlattenedBytes {
    fn as_flattened_bytes(&self) -> &[u8];
    fn as_flattened_bytes_mut(&mut self) -> &mut [u8];
}

#[allow(unsafe_code)]
impl FlattenedBytes for Vec<Line> {
    fn as_flattened_bytes(&self) -> &[u8] {
        // SAFETY: a `Line` is exactly 64 initialized bytes, and lines of a vector are contiguous.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), self.len() * Line::BYTES) }
    }

    fn as_flattened_bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; any bytes make a valid `Line`.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), self.len() * Line::BYTES) }
    }
}
