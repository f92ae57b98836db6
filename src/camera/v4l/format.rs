//! The pixel formats of V4L2 that are read, and their four-character codes.

use std::fmt;
use std::str::FromStr;

use crate::frame::PixelFormat;

/// A pixel format's four-character code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bit 31 of a code says big-endian; the rest of the character is kept.
        for byte in self.0 {
            let character = char::from(byte & 0x7F);
            write!(f, "{}", if character.is_ascii_graphic() { character } else { ' ' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a camera encodes its frames, where this is one that can be read. In the order of choice where all else is equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// NV12: Y, then interleaved U and V (4:2:0).
    Nv12,
    /// YU12: Y, U, V in planes (4:2:0).
    Yu12,
    /// YUYV: groups of two pixels (4:2:2).
    Yuyv,
    /// UYVY: groups of two pixels (4:2:2).
    Uyvy,
    /// BGR3: 24 bits a pixel, blue first.
    Bgr3,
    /// RGB3: 24 bits a pixel, red first.
    Rgb3,
    /// GREY: luminance alone.
    Grey,
    /// MJPG: each frame a JPEG; decoding costs more than all else.
    Mjpg,
}

impl Encoding {
    /// All of them, in the order of choice.
    pub const ALL: [Encoding; 8] = [
        Encoding::Nv12,
        Encoding::Yu12,
        Encoding::Yuyv,
        Encoding::Uyvy,
        Encoding::Bgr3,
        Encoding::Rgb3,
        Encoding::Grey,
        Encoding::Mjpg,
    ];

    /// Its code.
    pub fn four_cc(self) -> FourCc {
        FourCc(*match self {
            Encoding::Nv12 => b"NV12",
            Encoding::Yu12 => b"YU12",
            Encoding::Yuyv => b"YUYV",
            Encoding::Uyvy => b"UYVY",
            Encoding::Bgr3 => b"BGR3",
            Encoding::Rgb3 => b"RGB3",
            Encoding::Grey => b"GREY",
            Encoding::Mjpg => b"MJPG",
        })
    }

    /// The encoding of this code, where it is read. JPEG is the same as MJPG.
    pub fn of(code: FourCc) -> Option<Encoding> {
        if code == FourCc(*b"JPEG") {
            return Some(Encoding::Mjpg);
        }
        Encoding::ALL.into_iter().find(|encoding| encoding.four_cc() == code)
    }

    /// The layout of its bytes; `None` for what has to be decoded first.
    pub(super) fn pixel_format(self) -> Option<PixelFormat> {
        match self {
            Encoding::Nv12 => Some(PixelFormat::Nv12),
            Encoding::Yu12 => Some(PixelFormat::I420),
            Encoding::Yuyv => Some(PixelFormat::Yuyv),
            Encoding::Uyvy => Some(PixelFormat::Uyvy),
            Encoding::Bgr3 => Some(PixelFormat::Bgr8),
            Encoding::Rgb3 => Some(PixelFormat::Rgb8),
            Encoding::Grey => Some(PixelFormat::Gray8),
            Encoding::Mjpg => None,
        }
    }

    /// What it takes to bring a frame to the network, in bytes to be read; of a JPEG, in bytes whose reading takes as
    /// long as its decoding.
    pub(super) fn cost_bytes(self, width: u32, height: u32) -> u64 {
        match self.pixel_format() {
            Some(format) => format.frame_bytes(width, height) as u64,
            None => MJPG_BYTES_A_PIXEL * u64::from(width) * u64::from(height),
        }
    }
}

/// Decoding a pixel of JPEG takes about as long as copying and converting this many bytes of YUV.
const MJPG_BYTES_A_PIXEL: u64 = 20;

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.four_cc().fmt(f)
    }
}

impl FromStr for Encoding {
    type Err = String;

    /// From its code in upper or lower case.
    fn from_str(text: &str) -> Result<Encoding, String> {
        let code = <[u8; 4]>::try_from(text.to_ascii_uppercase().as_bytes()).ok();
        code.and_then(|code| Encoding::of(FourCc(code))).ok_or_else(|| {
            let known = Encoding::ALL.map(|encoding| encoding.to_string()).join(", ");
            format!("{text:?} is no format that is read: {known}, or auto")
        })
    }
}
