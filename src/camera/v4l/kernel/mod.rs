//! The cameras of this machine's kernel.

mod ask;
mod ioctl;
mod mapping;

use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use v4l::v4l_sys as sys;

use self::ask::{CAPTURE, map_offset, pixels, time_per_frame};
use self::ioctl::{ioctl, request, zeroed};
use self::mapping::Mapping;
use super::control::Control;
use super::device::{Buffer, Cameras, Device, Identity, Layout};
use super::format::FourCc;
use super::mode::{Interval, Mode};
use super::negotiate::Choice;

/// Buffers asked for: one being filled, one waiting for it, and two for a thread that is late.
const BUFFERS: u32 = 4;

const MMAP: u32 = sys::v4l2_memory_V4L2_MEMORY_MMAP;

/// The device nodes of this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct System;

impl Cameras for System {
    type Device = Camera;

    fn nodes(&self) -> Vec<PathBuf> {
        let mut nodes: Vec<(u32, PathBuf)> = std::fs::read_dir("/dev")
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let number = entry.file_name().to_str()?.strip_prefix("video")?.parse().ok()?;
                entry.file_type().ok()?.is_char_device().then(|| (number, entry.path()))
            })
            .collect();
        nodes.sort();
        nodes.into_iter().map(|(_, path)| path).collect()
    }

    fn stable_path(&self, path: &Path) -> Option<PathBuf> {
        if path.starts_with("/dev/v4l") {
            return Some(path.into());
        }
        let node = path.canonicalize().ok()?;
        ["/dev/v4l/by-id", "/dev/v4l/by-path"].into_iter().find_map(|folder| {
            let mut links: Vec<PathBuf> =
                std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
            links.sort();
            links.into_iter().find(|link| link.canonicalize().is_ok_and(|target| target == node))
        })
    }

    fn open(&self, path: &Path) -> io::Result<Camera> {
        // Without waiting, so that no call to the driver waits for a frame.
        let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
        Ok(Camera { file: file.into(), buffers: Vec::new(), streaming: false, held: None })
    }
}

/// An open device node.
pub(super) struct Camera {
    // Unmapped before the file is closed.
    buffers: Vec<Mapping>,
    file: OwnedFd,
    streaming: bool,
    /// The buffer that is dequeued.
    held: Option<u32>,
}

impl Camera {
    fn buffer(&self, index: u32) -> sys::v4l2_buffer {
        sys::v4l2_buffer { index, type_: CAPTURE, memory: MMAP, ..zeroed() }
    }

    fn request_buffers(&self, count: u32) -> io::Result<u32> {
        let mut asked = sys::v4l2_requestbuffers { count, type_: CAPTURE, memory: MMAP, ..zeroed() };
        ioctl(&self.file, &request::REQBUFS, &mut asked)?;
        Ok(asked.count)
    }

    /// Waits until a buffer may be dequeued; says whether only an error waits there.
    fn wait(&self, patience: Duration) -> io::Result<Option<bool>> {
        let mut files = [PollFd::new(&self.file, PollFlags::IN)];
        let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
        let timeout = Timespec { tv_sec: seconds, tv_nsec: patience.subsec_nanos().into() };
        match poll(&mut files, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => Ok(None),
            Ok(_) => Ok(Some(!files[0].revents().contains(PollFlags::IN))),
            Err(error) => Err(error.into()),
        }
    }
}

impl Device for Camera {
    fn identity(&self) -> io::Result<Identity> {
        ask::identity(&self.file)
    }

    fn modes(&self) -> io::Result<Vec<Mode>> {
        ask::modes(&self.file)
    }

    fn controls(&self) -> io::Result<Vec<Control>> {
        ask::controls(&self.file)
    }

    fn set_control(&mut self, id: u32, value: i64) -> io::Result<()> {
        // A bitmask goes up to its 32nd bit.
        let bits = |_| u32::try_from(value).map(|bits| bits as i32);
        let value = i32::try_from(value).or_else(bits).map_err(|_| io::Error::from(Errno::RANGE))?;
        ioctl(&self.file, &request::S_CTRL, &mut sys::v4l2_control { id, value })
    }

    fn set_format(&mut self, choice: &Choice) -> io::Result<Layout> {
        let mut format = sys::v4l2_format { type_: CAPTURE, ..zeroed() };
        format.fmt.pix = sys::v4l2_pix_format {
            width: choice.width,
            height: choice.height,
            pixelformat: u32::from_le_bytes(choice.encoding.four_cc().0),
            field: sys::v4l2_field_V4L2_FIELD_NONE,
            ..pixels(&format)
        };
        ioctl(&self.file, &request::S_FMT, &mut format)?;
        let set = pixels(&format);
        Ok(Layout {
            format: FourCc(set.pixelformat.to_le_bytes()),
            width: set.width,
            height: set.height,
            bytes_per_line: set.bytesperline,
        })
    }

    fn set_interval(&mut self, interval: Interval) -> io::Result<Option<Interval>> {
        let mut parameters = sys::v4l2_streamparm { type_: CAPTURE, ..zeroed() };
        let Interval { numerator, denominator } = interval;
        parameters.parm.capture.timeperframe = sys::v4l2_fract { numerator, denominator };
        match ioctl(&self.file, &request::S_PARM, &mut parameters) {
            Ok(()) => Ok(Some(time_per_frame(&parameters)).filter(|set| set.fps() > 0.0)),
            // A driver whose rate cannot be set runs at its own.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOTTY | Errno::INVAL)) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn start(&mut self) -> io::Result<()> {
        let count = self.request_buffers(BUFFERS)?;
        for index in 0..count {
            let mut buffer = self.buffer(index);
            ioctl(&self.file, &request::QUERYBUF, &mut buffer)?;
            self.buffers.push(Mapping::new(&self.file, map_offset(&buffer), buffer.length as usize)?);
        }
        for index in 0..count {
            ioctl(&self.file, &request::QBUF, &mut self.buffer(index))?;
        }
        ioctl(&self.file, &request::STREAMON, &mut { CAPTURE })?;
        self.streaming = true;
        Ok(())
    }

    fn dequeue(&mut self, patience: Duration) -> io::Result<Option<Buffer<'_>>> {
        if let Some(index) = self.held {
            self.requeue(index)?;
        }
        let Some(error_waits) = self.wait(patience)? else { return Ok(None) };
        let mut buffer = self.buffer(0);
        match ioctl(&self.file, &request::DQBUF, &mut buffer) {
            Ok(()) => {}
            // An error that the next call would meet at once again, without end.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && error_waits => {
                return Err(Errno::IO.into());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let mapping = self.buffers.get(buffer.index as usize).ok_or(Errno::IO)?;
        self.held = Some(buffer.index);
        let stamp = &buffer.timestamp;
        let monotonic =
            buffer.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK == sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        let time = match (u64::try_from(stamp.tv_sec), u32::try_from(stamp.tv_usec)) {
            (Ok(seconds), Ok(microseconds @ 0..1_000_000)) if monotonic => {
                Some(Duration::new(seconds, 1000 * microseconds)).filter(|time| !time.is_zero())
            }
            _ => None,
        };
        Ok(Some(Buffer {
            index: buffer.index,
            bytes: mapping.bytes(buffer.bytesused as usize),
            sequence: buffer.sequence,
            time,
            damaged: buffer.flags & sys::V4L2_BUF_FLAG_ERROR != 0,
        }))
    }

    fn requeue(&mut self, index: u32) -> io::Result<()> {
        self.held = None;
        ioctl(&self.file, &request::QBUF, &mut self.buffer(index))
    }

    fn stop(&mut self) -> io::Result<()> {
        let stopped = if self.streaming {
            self.streaming = false;
            ioctl(&self.file, &request::STREAMOFF, &mut { CAPTURE })
        } else {
            Ok(())
        };
        if self.buffers.is_empty() {
            return stopped;
        }
        self.held = None;
        self.buffers.clear();
        stopped.and(self.request_buffers(0).map(|_| ()))
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // What fails here is freed by closing the file.
        let _ = self.stop();
    }
}
