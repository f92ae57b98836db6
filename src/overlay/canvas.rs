//! An embedded-graphics display over the bytes of an RGB picture, and one that draws each of its pixels as a square.

use std::convert::Infallible;

use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Interleaved R, G, B as a display.
pub struct Canvas<'a> {
    rgb: &'a mut [u8],
    width: u32,
    height: u32,
}

impl<'a> Canvas<'a> {
    /// A display over `3 * width * height` bytes.
    ///
    /// # Panics
    /// When `rgb` has another number of bytes.
    pub fn new(rgb: &'a mut [u8], width: u32, height: u32) -> Canvas<'a> {
        assert_eq!(rgb.len(), 3 * width as usize * height as usize, "bytes of a canvas of {width}x{height}");
        Canvas { rgb, width, height }
    }

    /// Darkens an area to a quarter of its brightness, so that light text on it can be read.
    pub(super) fn shade(&mut self, area: &Rectangle) {
        self.for_each_row(area, |row| row.iter_mut().for_each(|value| *value /= 4));
    }

    /// The bytes of every row of `area`, as far as it lies on the display.
    fn for_each_row(&mut self, area: &Rectangle, mut change: impl FnMut(&mut [u8])) {
        let area = area.intersection(&self.bounding_box());
        if area.is_zero_sized() {
            return;
        }
        let (x, y) = (area.top_left.x as usize, area.top_left.y as usize);
        let rows = self.rgb.chunks_exact_mut(3 * self.width as usize);
        for row in rows.skip(y).take(area.size.height as usize) {
            change(&mut row[3 * x..][..3 * area.size.width as usize]);
        }
    }
}

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

fn bytes(color: Rgb888) -> [u8; 3] {
    [color.r(), color.g(), color.b()]
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = Pixel<Rgb888>>,
    {
        let area = self.bounding_box();
        for Pixel(point, color) in pixels {
            if area.contains(point) {
                let at = point.y as usize * self.width as usize + point.x as usize;
                self.rgb[3 * at..][..3].copy_from_slice(&bytes(color));
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
        let mut colors = colors.into_iter();
        self.for_each_row(area, |row| {
            for (pixel, color) in row.chunks_exact_mut(3).zip(&mut colors) {
                pixel.copy_from_slice(&bytes(color));
            }
        });
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: Rgb888) -> Result<(), Infallible> {
        let color = bytes(color);
        self.for_each_row(area, |row| {
            row.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&color))
        });
        Ok(())
    }
}

/// Draws on another display with every pixel `scale` times as wide and high.
pub(super) struct Scaled<'a, D> {
    display: &'a mut D,
    scale: u32,
}

impl<'a, D: DrawTarget> Scaled<'a, D> {
    /// `scale` is at least 1.
    pub(super) fn new(display: &'a mut D, scale: u32) -> Scaled<'a, D> {
        Scaled { display, scale }
    }

    /// What an area of this display is on the display below.
    pub(super) fn below(&self, area: &Rectangle) -> Rectangle {
        Rectangle::new(area.top_left * self.scale as i32, area.size * self.scale)
    }

    /// The display below.
    pub(super) fn display(&mut self) -> &mut D {
        self.display
    }
}

impl<D: DrawTarget + OriginDimensions> OriginDimensions for Scaled<'_, D> {
    fn size(&self) -> Size {
        self.display.size() / self.scale
    }
}

impl<D: DrawTarget + OriginDimensions> DrawTarget for Scaled<'_, D> {
    type Color = D::Color;
    type Error = D::Error;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), D::Error>
    where
        I: IntoIterator<Item = Pixel<D::Color>>,
    {
        for Pixel(point, color) in pixels {
            self.fill_solid(&Rectangle::new(point, Size::new(1, 1)), color)?;
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, color: D::Color) -> Result<(), D::Error> {
        let area = self.below(area);
        self.display.fill_solid(&area, color)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::mock_display::MockDisplay;
    use embedded_graphics::mono_font::{MonoTextStyle, ascii::FONT_4X6};
    use embedded_graphics::primitives::{Circle, PrimitiveStyle};
    use embedded_graphics::text::Text;

    fn area(x: i32, y: i32, width: u32, height: u32) -> Rectangle {
        Rectangle::new(Point::new(x, y), Size::new(width, height))
    }

    /// What a drawing leaves on a canvas of 8x5 pixels.
    fn canvas(draw: impl Fn(&mut Canvas)) -> MockDisplay<Rgb888> {
        let mut rgb = [9; 3 * 8 * 5];
        draw(&mut Canvas::new(&mut rgb, 8, 5));
        let mut display = MockDisplay::new();
        for (at, pixel) in rgb.chunks_exact(3).enumerate().filter(|(_, pixel)| *pixel != [9; 3]) {
            let color = Rgb888::new(pixel[0], pixel[1], pixel[2]);
            display.set_pixel(Point::new(at as i32 % 8, at as i32 / 8), Some(color));
        }
        display
    }

    #[test]
    fn drawings_reach_the_bytes() {
        let red = Rgb888::RED;
        type Draw = fn(&mut Canvas);
        let cases: [(&str, Draw, &[&str]); 5] = [
            ("solid", |c| c.fill_solid(&area(1, 1, 3, 2), Rgb888::RED).unwrap(), &["    ", " RRR", " RRR"]),
            (
                "solid, over the corner",
                |c| c.fill_solid(&area(6, 3, 9, 9), Rgb888::RED).unwrap(),
                &["", "", "", "      RR", "      RR"],
            ),
            ("solid, outside", |c| c.fill_solid(&area(-9, 0, 3, 2), Rgb888::RED).unwrap(), &[]),
            (
                "contiguous",
                |c| c.fill_contiguous(&area(0, 1, 2, 2), [Rgb888::RED, Rgb888::GREEN].repeat(2)).unwrap(),
                &["", "RG", "RG"],
            ),
            (
                "contiguous, over the left edge",
                |c| c.fill_contiguous(&area(-1, 0, 2, 2), [Rgb888::RED, Rgb888::GREEN].repeat(2)).unwrap(),
                &["G", "G"],
            ),
        ];
        for (name, draw, expected) in cases {
            let expected: Vec<String> = expected.iter().map(|row| format!("{row:<8}")).collect();
            let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            assert!(canvas(draw).eq(&MockDisplay::from_pattern(&expected)), "{name}: {:?}", canvas(draw));
        }
        let dot = canvas(|c| {
            Circle::new(Point::zero(), 3).into_styled(PrimitiveStyle::with_fill(red)).draw(c).unwrap()
        });
        dot.assert_pattern(&[" R      ", "RRR     ", " R      "]);
    }

    #[test]
    fn shading_darkens_its_area() {
        let mut rgb = [100; 12];
        Canvas::new(&mut rgb, 2, 2).shade(&area(1, 0, 5, 1));
        assert_eq!(rgb, [100, 100, 100, 25, 25, 25, 100, 100, 100, 100, 100, 100]);
    }

    #[test]
    fn scaled_text_is_the_text_in_squares() {
        let write = |display: &mut Canvas, scale| {
            let style = MonoTextStyle::new(&FONT_4X6, Rgb888::RED);
            let mut scaled = Scaled::new(display, scale);
            Text::new("L", Point::new(0, 4), style).draw(&mut scaled).unwrap();
        };
        let (mut small, mut large) = ([0; 3 * 4 * 6], [0; 3 * 12 * 18]);
        write(&mut Canvas::new(&mut small, 4, 6), 1);
        write(&mut Canvas::new(&mut large, 12, 18), 3);
        assert!(small.contains(&255));
        for (at, pixel) in large.chunks_exact(3).enumerate() {
            let (x, y) = (at % 12 / 3, at / 12 / 3);
            assert_eq!(pixel, &small[3 * (4 * y + x)..][..3], "{at}");
        }
    }
}
