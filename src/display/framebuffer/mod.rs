//! The Linux framebuffer, `/dev/fb0`: drawn in memory, written to the device in one go.

mod geometry;

pub use geometry::{Geometry, PixelLayout};

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use embedded_graphics::pixelcolor::{Rgb565, Rgb888};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

use super::{DisplayError, Output};
use crate::overlay::Scene;

/// A framebuffer that may or may not be there. Tests put one behind it that comes and goes.
pub trait Port: Send {
    /// Its name for messages.
    fn name(&self) -> String;
    /// What the kernel says of it (`virtual_size`, `stride`, ...).
    fn attribute(&self, name: &str) -> io::Result<String>;
    /// Opens its memory.
    fn open(&self) -> io::Result<Box<dyn Device>>;
}

/// The memory of an open framebuffer.
pub trait Device: Send {
    /// Writes all of `bytes` from `offset` on.
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
}

impl Device for File {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }
}

/// A framebuffer of this machine.
#[derive(Clone, Debug)]
pub struct SystemPort {
    device: PathBuf,
}

impl SystemPort {
    /// The framebuffer with this device file, such as `/dev/fb0`.
    pub fn new(device: &Path) -> SystemPort {
        SystemPort { device: device.to_owned() }
    }
}

impl Port for SystemPort {
    fn name(&self) -> String {
        self.device.display().to_string()
    }

    fn attribute(&self, name: &str) -> io::Result<String> {
        let number = self.device.file_name().unwrap_or_default();
        fs::read_to_string(Path::new("/sys/class/graphics").join(number).join(name))
    }

    fn open(&self) -> io::Result<Box<dyn Device>> {
        // Opened without `create`, so that a missing device does not become a file that fills /dev.
        Ok(Box::new(OpenOptions::new().write(true).open(&self.device)?))
    }
}

/// A framebuffer's picture in memory, and the device it goes to.
pub struct Framebuffer {
    device: Box<dyn Device>,
    geometry: Geometry,
    memory: Vec<u8>,
}

impl Framebuffer {
    /// A black picture for a device.
    pub fn new(device: Box<dyn Device>, geometry: Geometry) -> Framebuffer {
        let memory = vec![0; geometry.stride * geometry.size.height as usize];
        Framebuffer { device, geometry, memory }
    }

    /// Writes the picture, all rows at once, to the device.
    ///
    /// # Errors
    /// Those of the device, which is then best opened again.
    pub fn flush(&mut self) -> io::Result<()> {
        self.device.write_all_at(&self.memory, 0)
    }

    /// Puts colors, as many as `area` has pixels, into the rows of `area`, which lies on the picture.
    fn put<const N: usize>(
        &mut self,
        area: &Rectangle,
        colors: impl Iterator<Item = Rgb888>,
        pixel: impl Fn(Rgb888) -> [u8; N],
    ) {
        let mut colors = colors;
        let (x, y) = (area.top_left.x as usize, area.top_left.y as usize);
        let rows = self.memory.chunks_exact_mut(self.geometry.stride);
        for row in rows.skip(y).take(area.size.height as usize) {
            let row = &mut row[N * x..][..N * area.size.width as usize];
            for (bytes, color) in row.chunks_exact_mut(N).zip(&mut colors) {
                bytes.copy_from_slice(&pixel(color));
            }
        }
    }
}

fn rgb565(color: Rgb888) -> [u8; 2] {
    Rgb565::from(color).into_storage().to_le_bytes()
}

fn rgb888(color: Rgb888) -> [u8; 3] {
    [color.b(), color.g(), color.r()]
}

fn xrgb8888(color: Rgb888) -> [u8; 4] {
    [color.b(), color.g(), color.r(), 255]
}

impl OriginDimensions for Framebuffer {
    fn size(&self) -> Size {
        self.geometry.size
    }
}

impl DrawTarget for Framebuffer {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        let (whole, layout) = (self.bounding_box(), self.geometry.layout);
        for Pixel(point, color) in pixels {
            if whole.contains(point) {
                let at = point.y as usize * self.geometry.stride + point.x as usize * layout.bytes();
                let bytes = &mut self.memory[at..][..layout.bytes()];
                match layout {
                    PixelLayout::Rgb565 => bytes.copy_from_slice(&rgb565(color)),
                    PixelLayout::Rgb888 => bytes.copy_from_slice(&rgb888(color)),
                    PixelLayout::Xrgb8888 => bytes.copy_from_slice(&xrgb8888(color)),
                }
            }
        }
        Ok(())
    }

    fn fill_contiguous<I>(&mut self, area: &Rectangle, colors: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Rgb888>,
    {
        if area.intersection(&self.bounding_box()) != *area {
            return self.draw_iter(area.points().zip(colors).map(|(point, color)| Pixel(point, color)));
        }
        let colors = colors.into_iter();
        match self.geometry.layout {
            PixelLayout::Rgb565 => self.put(area, colors, rgb565),
            PixelLayout::Rgb888 => self.put(area, colors, rgb888),
            PixelLayout::Xrgb8888 => self.put(area, colors, xrgb8888),
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        let area = area.intersection(&self.bounding_box());
        self.fill_contiguous(&area, std::iter::repeat(color))
    }
}

/// A framebuffer as an output: opened when it is needed, and again after it was lost.
pub struct Screen<P> {
    port: P,
    open: Option<Framebuffer>,
}

impl<P: Port> Screen<P> {
    /// An output that opens nothing yet.
    pub fn new(port: P) -> Screen<P> {
        Screen { port, open: None }
    }

    fn opened(&mut self) -> Result<&mut Framebuffer, DisplayError> {
        match self.open {
            Some(ref mut framebuffer) => Ok(framebuffer),
            None => {
                let geometry = Geometry::read(&self.port)?;
                let device = self.port.open().map_err(|source| {
                    let device = self.port.name();
                    DisplayError::Open { device, source }
                })?;
                Ok(self.open.insert(Framebuffer::new(device, geometry)))
            }
        }
    }
}

impl<P: Port> Output for Screen<P> {
    fn size(&mut self, _: Size) -> Result<Size, DisplayError> {
        Ok(self.opened()?.size())
    }

    fn show(&mut self, scene: &Scene) -> Result<(), DisplayError> {
        let framebuffer = self.opened()?;
        let Ok(()) = scene.send(framebuffer);
        framebuffer.flush().map_err(|source| {
            self.open = None;
            let device = self.port.name();
            DisplayError::Write { device, source }
        })
    }
}

#[cfg(test)]
mod tests;
