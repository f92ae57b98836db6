//! The calls to a V4L2 driver, each bound to the structure that it takes.
//!
//! Numbers and structures are those of the crate `v4l`. Its own wrappers are not used: they panic on what drivers do say
//! (unknown control types, colors, text that is not UTF-8) and when a stream or a file does not close.
#![allow(unsafe_code)]

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, OwnedFd};

use v4l::v4l_sys::{
    v4l2_buffer, v4l2_capability, v4l2_control, v4l2_fmtdesc, v4l2_format, v4l2_frmivalenum,
    v4l2_frmsizeenum, v4l2_query_ext_ctrl, v4l2_querymenu, v4l2_requestbuffers, v4l2_streamparm,
};
use v4l::v4l2::vidioc;

/// A structure of plain numbers.
///
/// # Safety
/// All bytes zero are a value of it, and no call of [`request`] that takes it lets the kernel write through a pointer in
/// it. For [`v4l2_buffer`] this holds as it is used for mapped buffers of one plane alone.
unsafe trait Plain {}

macro_rules! plain {
    ($($structure:ty),* $(,)?) => {
        // SAFETY: they consist of integers, arrays and unions of them; pointers are in unions whose other fields are used.
        $(unsafe impl Plain for $structure {})*
    };
}

plain!(
    u32,
    v4l2_buffer,
    v4l2_capability,
    v4l2_control,
    v4l2_fmtdesc,
    v4l2_format,
    v4l2_frmivalenum,
    v4l2_frmsizeenum,
    v4l2_query_ext_ctrl,
    v4l2_querymenu,
    v4l2_requestbuffers,
    v4l2_streamparm,
);

/// A call's number, which fixes the structure that the kernel reads and writes.
pub(super) struct Request<T> {
    number: vidioc::_IOC_TYPE,
    argument: PhantomData<T>,
}

/// All calls there are here; nothing else makes a [`Request`].
pub(super) mod request {
    use super::*;

    const fn request<T>(number: vidioc::_IOC_TYPE) -> Request<T> {
        Request { number, argument: PhantomData }
    }

    pub(in super::super) const QUERYCAP: Request<v4l2_capability> = request(vidioc::VIDIOC_QUERYCAP);
    pub(in super::super) const ENUM_FMT: Request<v4l2_fmtdesc> = request(vidioc::VIDIOC_ENUM_FMT);
    pub(in super::super) const ENUM_FRAMESIZES: Request<v4l2_frmsizeenum> =
        request(vidioc::VIDIOC_ENUM_FRAMESIZES);
    pub(in super::super) const ENUM_FRAMEINTERVALS: Request<v4l2_frmivalenum> =
        request(vidioc::VIDIOC_ENUM_FRAMEINTERVALS);
    pub(in super::super) const G_FMT: Request<v4l2_format> = request(vidioc::VIDIOC_G_FMT);
    pub(in super::super) const S_FMT: Request<v4l2_format> = request(vidioc::VIDIOC_S_FMT);
    pub(in super::super) const S_PARM: Request<v4l2_streamparm> = request(vidioc::VIDIOC_S_PARM);
    pub(in super::super) const QUERY_EXT_CTRL: Request<v4l2_query_ext_ctrl> =
        request(vidioc::VIDIOC_QUERY_EXT_CTRL);
    pub(in super::super) const QUERYMENU: Request<v4l2_querymenu> = request(vidioc::VIDIOC_QUERYMENU);
    pub(in super::super) const G_CTRL: Request<v4l2_control> = request(vidioc::VIDIOC_G_CTRL);
    pub(in super::super) const S_CTRL: Request<v4l2_control> = request(vidioc::VIDIOC_S_CTRL);
    pub(in super::super) const REQBUFS: Request<v4l2_requestbuffers> = request(vidioc::VIDIOC_REQBUFS);
    pub(in super::super) const QUERYBUF: Request<v4l2_buffer> = request(vidioc::VIDIOC_QUERYBUF);
    pub(in super::super) const QBUF: Request<v4l2_buffer> = request(vidioc::VIDIOC_QBUF);
    pub(in super::super) const DQBUF: Request<v4l2_buffer> = request(vidioc::VIDIOC_DQBUF);
    pub(in super::super) const STREAMON: Request<u32> = request(vidioc::VIDIOC_STREAMON);
    pub(in super::super) const STREAMOFF: Request<u32> = request(vidioc::VIDIOC_STREAMOFF);
}

/// The structure with all bytes zero, which to V4L2 means "not said".
#[allow(private_bounds)]
pub(super) fn zeroed<T: Plain>() -> T {
    // SAFETY: `Plain` promises that zeros are a value.
    unsafe { std::mem::zeroed() }
}

/// Makes the call; again where a signal interrupts it.
#[allow(private_bounds)]
pub(super) fn ioctl<T: Plain>(file: &OwnedFd, request: &Request<T>, argument: &mut T) -> io::Result<()> {
    loop {
        // SAFETY: the file is open, `argument` is alive and alone ours during the call, and the request fixes that the
        // kernel reads and writes a `T` there and, by `Plain`, nothing elsewhere.
        let done = unsafe { v4l::v4l2::ioctl(file.as_raw_fd(), request.number, (&raw mut *argument).cast()) };
        match done {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
