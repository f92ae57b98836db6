//! The read end of a child's pipe, which is not waited for without end.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Longest wait in one go, so that a stop is seen soon.
const SLICE: Duration = Duration::from_millis(200);

/// Whether nobody wants to go on; asked five times a second while there is nothing to read.
pub(in crate::camera) type Stopped = Arc<dyn Fn() -> bool + Send + Sync>;

/// Reads that end with [`io::ErrorKind::TimedOut`] after a time without a byte, and with [`io::ErrorKind::Other`] when they
/// are stopped.
pub(super) struct Pipe<R> {
    input: R,
    /// The limit before the first byte and the one after it; none at `None`.
    limits: [Option<Duration>; 2],
    begun: bool,
    stopped: Stopped,
}

impl<R> Pipe<R> {
    /// `first` is the limit of the wait for the first byte, `between` that of every other.
    pub(super) fn new(
        input: R,
        first: Option<Duration>,
        between: Option<Duration>,
        stopped: Stopped,
    ) -> Pipe<R> {
        Pipe { input, limits: [first, between], begun: false, stopped }
    }
}

impl<R: Read + AsFd> Read for Pipe<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let since = Instant::now();
        let timeout = self.limits[usize::from(self.begun)];
        loop {
            if (self.stopped)() {
                return Err(io::Error::other("it was stopped"));
            }
            let slice = timeout.map_or(SLICE, |timeout| SLICE.min(timeout));
            let slice = Timespec { tv_sec: 0, tv_nsec: slice.subsec_nanos().into() };
            match poll(&mut [PollFd::new(&self.input, PollFlags::IN)], Some(&slice)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => {
                    self.begun = true;
                    return self.input.read(buffer);
                }
                Err(error) => return Err(error.into()),
            }
            if timeout.is_some_and(|timeout| since.elapsed() >= timeout) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_silent_pipe_is_given_up() {
        let (input, mut output) = io::pipe().expect("a pipe");
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        // Stopped when it is asked for the fifth time.
        let stopped: Stopped = Arc::new(move || count.fetch_add(1, Ordering::Relaxed) == 4);
        let mut pipe = Pipe::new(input, None, Some(Duration::from_millis(1)), stopped);
        let mut buffer = [0; 4];
        output.write_all(b"ab").expect("room");
        assert_eq!(pipe.read(&mut buffer).expect("bytes"), 2);
        assert_eq!(pipe.read(&mut buffer).expect_err("silence").kind(), io::ErrorKind::TimedOut);
        pipe.limits = [None; 2];
        assert_eq!(pipe.read(&mut buffer).expect_err("a stop").to_string(), "it was stopped");
        drop(output);
        assert_eq!(pipe.read(&mut buffer).expect("the end"), 0);
    }
}
