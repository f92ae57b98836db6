//! A driver's buffer in this process's memory.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::{NonNull, null_mut};

/// `PROT_READ` and `MAP_SHARED` of Linux, the same on all processors that are supported.
const PROT_READ: i32 = 1;
const MAP_SHARED: i32 = 1;

/// A mapped buffer, unmapped when it is dropped.
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory belongs to the process, not to a thread, and is only read.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the buffer that the driver keeps under this offset, for reading.
    pub(super) fn new(file: &OwnedFd, offset: u32, length: usize) -> io::Result<Mapping> {
        // The type of an offset is the processor's; a buffer's number in it is small.
        let offset = offset as _;
        // SAFETY: the kernel chooses a free address, so no memory in use is replaced.
        let start =
            unsafe { v4l::v4l2::mmap(null_mut(), length, PROT_READ, MAP_SHARED, file.as_raw_fd(), offset)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Mapping { start, length })
    }

    /// The first `used` bytes, or all if there are fewer.
    ///
    /// To be called only while the buffer is dequeued: then the driver does not write into it.
    pub(super) fn bytes(&self, used: usize) -> &[u8] {
        // SAFETY: `length` bytes from `start` are mapped as long as `self` lives, and stay so when the device is
        // unplugged. The caller holds the buffer dequeued, so that nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), used.min(self.length)) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped is unmapped, once, and no slice of it outlives `self`. It cannot fail for a
        // mapping that exists.
        let _ = unsafe { v4l::v4l2::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
