//! Framebuffers in memory: what reaches the device, what a description means, what becomes of a lost one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::*;
use crate::mask::Mask;
use crate::overlay::{Parts, Statistics, View};

/// A framebuffer that can be taken away; clones share it.
#[derive(Clone, Default)]
struct MemoryPort {
    attributes: BTreeMap<&'static str, String>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    memory: Vec<u8>,
    is_gone: bool,
    opened: usize,
}

impl MemoryPort {
    fn new(attributes: &[(&'static str, &str)]) -> MemoryPort {
        let attributes = attributes.iter().map(|&(name, value)| (name, format!("{value}\n"))).collect();
        MemoryPort { attributes, state: Arc::default() }
    }

    fn set_gone(&self, is_gone: bool) {
        self.state.lock().unwrap().is_gone = is_gone;
    }

    fn memory(&self) -> Vec<u8> {
        self.state.lock().unwrap().memory.clone()
    }
}

impl Port for MemoryPort {
    fn name(&self) -> String {
        "/dev/fb0".into()
    }

    fn attribute(&self, name: &str) -> io::Result<String> {
        self.attributes.get(name).cloned().ok_or(io::ErrorKind::NotFound.into())
    }

    fn open(&self) -> io::Result<Box<dyn Device>> {
        let mut state = self.state.lock().unwrap();
        state.opened += 1;
        if state.is_gone {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Box::new(self.clone()))
    }
}

impl Device for MemoryPort {
    fn write_all_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        if state.is_gone {
            // ENODEV
            return Err(io::Error::from_raw_os_error(19));
        }
        let offset = offset as usize;
        let end = state.memory.len().max(offset + bytes.len());
        state.memory.resize(end, 0);
        state.memory[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

#[test]
fn descriptions_become_geometries() {
    let geometry =
        |width, height, stride, layout| Ok(Geometry { size: Size::new(width, height), stride, layout });
    let wrong = |message: &str| Err(message.to_owned());
    let described = |size, bits, stride, modes| {
        MemoryPort::new(&[
            ("virtual_size", size),
            ("bits_per_pixel", bits),
            ("stride", stride),
            ("modes", modes),
        ])
    };
    let (rgb565, rgb888, xrgb) = (PixelLayout::Rgb565, PixelLayout::Rgb888, PixelLayout::Xrgb8888);
    let cases = [
        (described("1024,768", "32", "4096", "U:1024x768p-0"), geometry(1024, 768, 4096, xrgb)),
        (described("480,320", "16", "960", ""), geometry(480, 320, 960, rgb565)),
        (described("100,50", "24", "320", ""), geometry(100, 50, 320, rgb888)),
        // Memory for two pictures, one above the other.
        (described("800,960", "16", "1600", "U:800x480p-60"), geometry(800, 480, 1600, rgb565)),
        // A list of what the screen could show says nothing of what it shows.
        (
            described("800,480", "16", "1600", "U:640x480p-60\nU:800x480p-60"),
            geometry(800, 480, 1600, rgb565),
        ),
        (described("800,480", "16", "1600", "U:1920x1080p-60"), geometry(800, 480, 1600, rgb565)),
        (
            described("800x480", "16", "1600", ""),
            wrong(
                "/dev/fb0: its virtual_size is `800x480`, which describes no picture: report this with the board's name",
            ),
        ),
        (
            described("0,480", "16", "1600", ""),
            wrong(
                "/dev/fb0: its virtual_size is `0,480`, which describes no picture: report this with the board's name",
            ),
        ),
        (
            described("800,480", "8", "800", ""),
            wrong("/dev/fb0: has 8 bits a pixel; set the screen to 16, 24 or 32"),
        ),
        (
            described("800,480", "32", "1600", ""),
            wrong(
                "/dev/fb0: its stride is `1600 for 800,480 pixels of 4 bytes`, which describes no picture: report \
                 this with the board's name",
            ),
        ),
        (
            described("4,4294967295", "32", "4294967295", ""),
            wrong(
                "/dev/fb0: its stride is `4294967295 for 4,4294967295 pixels of 4 bytes`, which describes no picture: \
                 report this with the board's name",
            ),
        ),
        (
            MemoryPort::new(&[("virtual_size", "8,8")]),
            wrong(
                "/dev/fb0: its bits_per_pixel cannot be read (entity not found): check that there is a framebuffer of \
                 this name",
            ),
        ),
    ];
    for (port, expected) in cases {
        let got = Geometry::read(&port).map_err(|error| error.to_string());
        assert_eq!(got, expected, "{:?}", port.attributes);
    }
}

/// Draws on a framebuffer of 4x2 pixels with a padding of one pixel and returns its device's bytes after a flush.
fn drawn(layout: PixelLayout, draw: &dyn Fn(&mut Framebuffer)) -> Vec<u8> {
    let port = MemoryPort::default();
    let geometry = Geometry { size: Size::new(4, 2), stride: 5 * layout.bytes(), layout };
    let mut framebuffer = Framebuffer::new(port.open().unwrap(), geometry);
    draw(&mut framebuffer);
    assert!(port.memory().is_empty(), "drawing alone must not reach the device");
    framebuffer.flush().unwrap();
    port.memory()
}

#[test]
fn drawings_reach_the_device_in_its_layout() {
    let area = |x, y, width, height| Rectangle::new(Point::new(x, y), Size::new(width, height));
    let colors = [Rgb888::RED, Rgb888::GREEN, Rgb888::BLUE, Rgb888::WHITE];
    let layouts = [
        (PixelLayout::Rgb565, vec![&[0x00, 0xf8][..], &[0xe0, 0x07], &[0x1f, 0x00], &[0xff, 0xff]]),
        (PixelLayout::Rgb888, vec![&[0, 0, 255], &[0, 255, 0], &[255, 0, 0], &[255, 255, 255]]),
        (PixelLayout::Xrgb8888, vec![&[0, 0, 255, 255], &[0, 255, 0, 255], &[255, 0, 0, 255], &[255; 4]]),
    ];
    type Draw = Box<dyn Fn(&mut Framebuffer)>;
    // Digits are the colors above, dots what is not drawn; the fifth column is the padding.
    let cases: [(&str, Draw, &str); 6] = [
        (
            "contiguous",
            Box::new(move |f| f.fill_contiguous(&area(1, 0, 2, 2), colors).unwrap()),
            ".01...23..",
        ),
        (
            "contiguous, over the corner",
            Box::new(move |f| f.fill_contiguous(&area(-1, -1, 2, 2), colors).unwrap()),
            "3.........",
        ),
        ("solid", Box::new(move |f| f.fill_solid(&area(2, 0, 9, 1), Rgb888::BLUE).unwrap()), "..22......"),
        (
            "solid, outside",
            Box::new(move |f| f.fill_solid(&area(4, 0, 9, 9), Rgb888::BLUE).unwrap()),
            "..........",
        ),
        (
            "pixels",
            Box::new(move |f| {
                let points = [(0, 0), (3, 1), (4, 1), (-1, 0), (0, 2)];
                let pixels = points.map(|(x, y)| Pixel(Point::new(x, y), Rgb888::GREEN));
                f.draw_iter(pixels).unwrap()
            }),
            "1.......1.",
        ),
        ("all", Box::new(|f| f.clear(Rgb888::WHITE).unwrap()), "3333.3333."),
    ];
    for (layout, pixels) in layouts {
        for (name, draw, picture) in &cases {
            let expected: Vec<u8> = picture
                .chars()
                .flat_map(|sign| match sign.to_digit(10) {
                    Some(color) => pixels[color as usize].to_vec(),
                    None => vec![0; layout.bytes()],
                })
                .collect();
            assert_eq!(drawn(layout, draw), expected, "{name}, {layout:?}");
        }
    }
}

#[test]
fn a_lost_screen_is_opened_again() {
    let port = MemoryPort::new(&[("virtual_size", "2,1"), ("bits_per_pixel", "32"), ("stride", "8")]);
    let mut screen = Screen::new(port.clone());
    let mask = Mask { width: 1, height: 1, data: vec![0] };
    let mut scene = Scene::new(Parts { overlay: false, legend: false, statistics: false });
    let mut show = |level: u8| {
        let frame = Size::new(2, 1);
        let size = screen.size(frame)?;
        let (classes, statistics) = (&[][..], Statistics::default());
        scene.compose(
            &View { rgb: &[level; 6], width: 2, height: 1, mask: &mask, classes, statistics },
            size,
        )?;
        screen.show(&scene)
    };
    // Whether it is there, level of gray, error, level that the device has then, how often it was opened by then.
    let lost = "/dev/fb0: the picture cannot be written (No such device (os error 19))";
    let missing = "/dev/fb0: cannot be drawn on (entity not found): check that it exists and that the user is in \
                   group video";
    let steps = [
        (true, 1, None, 1, 1),
        (true, 2, None, 2, 1),
        (false, 3, Some(lost), 2, 1),
        (false, 4, Some(missing), 2, 2),
        (true, 5, None, 5, 3),
    ];
    for (is_there, level, error, shown, opened) in steps {
        port.set_gone(!is_there);
        assert_eq!(show(level).err().map(|error| error.to_string()).as_deref(), error, "level {level}");
        assert_eq!(port.memory()[..3], [shown; 3], "level {level}");
        assert_eq!(port.state.lock().unwrap().opened, opened, "level {level}");
    }
}

#[test]
fn a_missing_device_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fb0");
    assert!(SystemPort::new(&path).open().is_err());
    assert!(!path.exists());
    fs::write(&path, [0; 4]).unwrap();
    SystemPort::new(&path).open().unwrap().write_all_at(&[7, 8], 1).unwrap();
    assert_eq!(fs::read(&path).unwrap(), [0, 7, 8, 0]);
}
