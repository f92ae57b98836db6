//! What a driver says of a device: who it is, its modes, its controls.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use v4l::v4l_sys as sys;

use super::super::control::{Control, ControlKind, control_name};
use super::super::device::{Captures, Identity};
use super::super::format::FourCc;
use super::super::mode::{Interval, Intervals, Mode, Steps};
use super::ioctl::{ioctl, request, zeroed};

/// `V4L2_BUF_TYPE_VIDEO_CAPTURE`.
pub(super) const CAPTURE: u32 = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

/// Most entries that are read of a list: a driver that never ends one would keep us for ever.
const FORMATS_MAX: u32 = 128;
const SIZES_MAX: u32 = 256;
const INTERVALS_MAX: u32 = 64;
const CONTROLS_MAX: usize = 512;
const ITEMS_MAX: i64 = 256;

/// A driver's text, up to its first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_string()
}

pub(super) fn identity(file: &OwnedFd) -> io::Result<Identity> {
    let mut found: sys::v4l2_capability = zeroed();
    ioctl(file, &request::QUERYCAP, &mut found)?;
    let own = found.capabilities & sys::V4L2_CAP_DEVICE_CAPS != 0;
    let can = if own { found.device_caps } else { found.capabilities };
    let has = |flag: u32| can & flag != 0;
    let captures = if has(sys::V4L2_CAP_VIDEO_CAPTURE) && has(sys::V4L2_CAP_STREAMING) {
        Captures::Frames
    } else if has(sys::V4L2_CAP_VIDEO_CAPTURE) || has(sys::V4L2_CAP_VIDEO_CAPTURE_MPLANE) {
        Captures::Otherwise
    } else {
        Captures::Nothing
    };
    Ok(Identity {
        driver: text(&found.driver),
        card: text(&found.card),
        bus: text(&found.bus_info),
        captures,
    })
}

/// Calls `next` with 0, 1, 2, ... until it fails, at most `max` times.
fn list<T>(max: u32, mut next: impl FnMut(u32) -> io::Result<T>) -> io::Result<Vec<T>> {
    let mut found = Vec::new();
    for index in 0..max {
        match next(index) {
            Ok(entry) => found.push(entry),
            // The end of a list, or a driver without this list.
            Err(error) if is_end(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn is_end(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOTTY | Errno::NODATA))
}

pub(super) fn modes(file: &OwnedFd) -> io::Result<Vec<Mode>> {
    let codes = list(FORMATS_MAX, |index| {
        let mut format = sys::v4l2_fmtdesc { index, type_: CAPTURE, ..zeroed() };
        ioctl(file, &request::ENUM_FMT, &mut format)?;
        Ok(format.pixelformat)
    })?;
    let mut modes = Vec::new();
    for code in codes {
        let mut sizes = list(SIZES_MAX, |index| size(file, code, index))?;
        if sizes.is_empty() {
            // A driver that lists no sizes is taken at the one that it has set.
            let format = current_format(file)?;
            sizes.push((Steps::one(format.width), Steps::one(format.height)));
        }
        for (width, height) in sizes {
            let intervals = intervals(file, code, width.max, height.max)?;
            modes.push(Mode { format: FourCc(code.to_le_bytes()), width, height, intervals });
        }
    }
    modes.dedup();
    Ok(modes)
}

fn size(file: &OwnedFd, code: u32, index: u32) -> io::Result<(Steps, Steps)> {
    let mut found = sys::v4l2_frmsizeenum { index, pixel_format: code, ..zeroed() };
    ioctl(file, &request::ENUM_FRAMESIZES, &mut found)?;
    // SAFETY: both fields of the union are numbers, and the whole structure was zeroed before the kernel filled it.
    let (discrete, range) = unsafe { (found.__bindgen_anon_1.discrete, found.__bindgen_anon_1.stepwise) };
    if found.type_ == sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
        return Ok((Steps::one(discrete.width), Steps::one(discrete.height)));
    }
    if index > 0 {
        // A range is the only entry.
        return Err(rustix::io::Errno::INVAL.into());
    }
    Ok((
        Steps { min: range.min_width, max: range.max_width, step: range.step_width },
        Steps { min: range.min_height, max: range.max_height, step: range.step_height },
    ))
}

fn intervals(file: &OwnedFd, code: u32, width: u32, height: u32) -> io::Result<Intervals> {
    let interval = |fraction: sys::v4l2_fract| Interval {
        numerator: fraction.numerator,
        denominator: fraction.denominator,
    };
    let found = list(INTERVALS_MAX, |index| {
        let mut found = sys::v4l2_frmivalenum { index, pixel_format: code, width, height, ..zeroed() };
        ioctl(file, &request::ENUM_FRAMEINTERVALS, &mut found)?;
        let discrete = found.type_ == sys::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE;
        if !discrete && index > 0 {
            return Err(rustix::io::Errno::INVAL.into());
        }
        // SAFETY: both fields of the union are numbers, and the whole structure was zeroed before the kernel filled it.
        let (one, range) = unsafe { (found.__bindgen_anon_1.discrete, found.__bindgen_anon_1.stepwise) };
        Ok(if discrete { (interval(one), None) } else { (interval(range.min), Some(interval(range.max))) })
    })?;
    Ok(match found[..] {
        [] => Intervals::Unknown,
        [(shortest, Some(longest)), ..] => Intervals::Between { shortest, longest },
        _ => Intervals::Listed(found.into_iter().map(|(interval, _)| interval).collect()),
    })
}

pub(super) fn current_format(file: &OwnedFd) -> io::Result<sys::v4l2_pix_format> {
    let mut format = sys::v4l2_format { type_: CAPTURE, ..zeroed() };
    ioctl(file, &request::G_FMT, &mut format)?;
    Ok(pixels(&format))
}

/// The single-plane part of a format.
pub(super) fn pixels(format: &sys::v4l2_format) -> sys::v4l2_pix_format {
    // SAFETY: the field is numbers, and the whole structure was zeroed before anybody filled it.
    unsafe { format.fmt.pix }
}

/// The frame interval of parameters for capturing.
pub(super) fn time_per_frame(parameters: &sys::v4l2_streamparm) -> Interval {
    // SAFETY: the field is numbers, and the whole structure was zeroed before anybody filled it.
    let sys::v4l2_fract { numerator, denominator } = unsafe { parameters.parm.capture.timeperframe };
    Interval { numerator, denominator }
}

/// The offset under which a queried buffer is to be mapped.
pub(super) fn map_offset(buffer: &sys::v4l2_buffer) -> u32 {
    // SAFETY: the field is a number, and the whole structure was zeroed before anybody filled it.
    unsafe { buffer.m.offset }
}

pub(super) fn controls(file: &OwnedFd) -> io::Result<Vec<Control>> {
    let mut found = Vec::new();
    let mut id = 0;
    while found.len() < CONTROLS_MAX {
        let mut asked: sys::v4l2_query_ext_ctrl = zeroed();
        asked.id = id | sys::V4L2_CTRL_FLAG_NEXT_CTRL;
        match ioctl(file, &request::QUERY_EXT_CTRL, &mut asked) {
            Ok(()) => {}
            Err(error) if is_end(&error) => break,
            Err(error) => return Err(error),
        }
        if asked.id <= id {
            break;
        }
        id = asked.id;
        let class = asked.type_ == sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_CTRL_CLASS;
        if !class && asked.flags & sys::V4L2_CTRL_FLAG_DISABLED == 0 {
            found.push(control(file, &asked));
        }
    }
    Ok(found)
}

fn control(file: &OwnedFd, asked: &sys::v4l2_query_ext_ctrl) -> Control {
    let number_menu = asked.type_ == sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU;
    let kind = match asked.type_ {
        sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER => ControlKind::Integer,
        sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN => ControlKind::Boolean,
        sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU => ControlKind::Menu,
        sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU => ControlKind::Menu,
        sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BUTTON => ControlKind::Button,
        sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BITMASK => ControlKind::Bitmask,
        _ => ControlKind::Other,
    };
    let readable = asked.flags & sys::V4L2_CTRL_FLAG_WRITE_ONLY == 0
        && !matches!(kind, ControlKind::Other | ControlKind::Button);
    let value = readable.then(|| {
        let mut value = sys::v4l2_control { id: asked.id, ..zeroed() };
        ioctl(file, &request::G_CTRL, &mut value).ok()?;
        // The highest bit of a bitmask is no sign.
        Some(if kind == ControlKind::Bitmask {
            i64::from(value.value as u32)
        } else {
            i64::from(value.value)
        })
    });
    let items = if kind == ControlKind::Menu { items(file, asked, number_menu) } else { Vec::new() };
    // The C type of a character has a sign on some processors.
    let label: Vec<u8> = asked.name.iter().map(|&byte| byte as u8).collect();
    Control {
        id: asked.id,
        name: control_name(&text(&label)),
        kind,
        min: asked.minimum,
        max: asked.maximum,
        step: asked.step,
        default: asked.default_value,
        value: value.flatten(),
        items,
        read_only: asked.flags & sys::V4L2_CTRL_FLAG_READ_ONLY != 0,
        inactive: asked.flags & sys::V4L2_CTRL_FLAG_INACTIVE != 0,
    }
}

/// A menu's items; numbers in between may have none.
fn items(file: &OwnedFd, asked: &sys::v4l2_query_ext_ctrl, numbers: bool) -> Vec<(i64, String)> {
    let last = asked.maximum.min(asked.minimum.saturating_add(ITEMS_MAX));
    (asked.minimum..=last)
        .filter_map(|number| {
            let mut item =
                sys::v4l2_querymenu { id: asked.id, index: u32::try_from(number).ok()?, ..zeroed() };
            ioctl(file, &request::QUERYMENU, &mut item).ok()?;
            let said = item.__bindgen_anon_1;
            // SAFETY: both fields of the union are numbers, and it was zeroed before the kernel filled it.
            let (name, value) = unsafe { (said.name, said.value) };
            Some((number, if numbers { value.to_string() } else { text(&name) }))
        })
        .collect()
}
