//! Size and pixel layout of a framebuffer, from what the kernel says in `/sys/class/graphics`.

use embedded_graphics::prelude::Size;

use super::Port;
use crate::display::DisplayError;

/// How a pixel lies in memory, lowest byte first. 32 and 24 bits are what Linux calls XRGB8888 and RGB888.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelLayout {
    /// 16 bits: 5 of red in the highest, 6 of green, 5 of blue.
    Rgb565,
    /// 24 bits: blue, green, red.
    Rgb888,
    /// 32 bits: blue, green, red, and a byte without meaning, here 255.
    Xrgb8888,
}

impl PixelLayout {
    /// Bytes of a pixel.
    pub fn bytes(self) -> usize {
        match self {
            PixelLayout::Rgb565 => 2,
            PixelLayout::Rgb888 => 3,
            PixelLayout::Xrgb8888 => 4,
        }
    }
}

/// Where the pixels of a framebuffer lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Width and height of what is seen, in pixels.
    pub size: Size,
    /// Bytes from the beginning of a row to the next.
    pub stride: usize,
    /// How a pixel lies in memory.
    pub layout: PixelLayout,
}

/// The most bytes that a picture may take: 16384 x 8192 pixels of four bytes.
const BYTES_MAX: u64 = 1 << 29;

impl Geometry {
    /// Reads `virtual_size`, `bits_per_pixel`, `stride` and, where the screen sees only a part of the memory, `modes`.
    ///
    /// # Errors
    /// [`DisplayError::Attribute`], [`DisplayError::Geometry`] and [`DisplayError::Bits`].
    pub fn read(port: &dyn Port) -> Result<Geometry, DisplayError> {
        let device = port.name();
        let read = |attribute: &'static str| {
            port.attribute(attribute)
                .map(|value| value.trim().to_owned())
                .map_err(|source| DisplayError::Attribute { device: device.clone(), attribute, source })
        };
        let wrong = |attribute: &'static str, value: &str| DisplayError::Geometry {
            device: device.clone(),
            attribute,
            value: value.to_owned(),
        };
        let number = |attribute: &'static str| {
            let value = read(attribute)?;
            value.parse::<u32>().map_err(|_| wrong(attribute, &value))
        };

        let value = read("virtual_size")?;
        let memory = pair(&value, ',').ok_or_else(|| wrong("virtual_size", &value))?;
        let layout = match number("bits_per_pixel")? {
            16 => PixelLayout::Rgb565,
            24 => PixelLayout::Rgb888,
            32 => PixelLayout::Xrgb8888,
            bits => return Err(DisplayError::Bits { device: device.clone(), bits }),
        };
        let stride = number("stride")?;
        let row = u64::from(memory.width) * layout.bytes() as u64;
        if u64::from(stride) < row || u64::from(stride) * u64::from(memory.height) > BYTES_MAX {
            return Err(wrong("stride", &format!("{stride} for {value} pixels of {} bytes", layout.bytes())));
        }
        // Memory for several pictures is higher than the screen.
        let seen = port.attribute("modes").ok().and_then(|modes| mode(&modes));
        let is_inside = |seen: &Size| seen.width <= memory.width && seen.height <= memory.height;
        let size = seen.filter(is_inside).unwrap_or(memory);
        Ok(Geometry { size, stride: stride as usize, layout })
    }
}

/// `1024,768` or `1024x768`, neither of them 0.
fn pair(text: &str, between: char) -> Option<Size> {
    let (width, height) = text.split_once(between)?;
    let size = Size::new(width.parse().ok()?, height.parse().ok()?);
    (size.width > 0 && size.height > 0).then_some(size)
}

/// The size in the only mode that is listed, such as `U:1024x768p-60`.
fn mode(modes: &str) -> Option<Size> {
    let mut lines = modes.lines();
    let (mode, None) = (lines.next()?, lines.next()) else { return None };
    let (_, size) = mode.split_once(':')?;
    let end = size.find(|part: char| !part.is_ascii_digit() && part != 'x')?;
    pair(&size[..end], 'x')
}
