//! From a V4L2 camera to masks on a disk and a picture on a screen.

use std::fs;

use embedded_graphics::prelude::Size;
use sedge::mask::{Class, Mask};
use sedge::overlay::{Parts, Scene, Statistics, View};
use serde_json::Value;

use crate::board::{Board, Failure, Rig};
use crate::disk::Disk;
use crate::run::{self, Config, end, export, verify, wait_for_masks};
use crate::sound::CAMERA;

/// The camera by a path that stays the same when its number changes.
const SOURCE: &str = "\"v4l:/dev/v4l/by-id/rig-camera\"";
/// Where the kernel lets go of the camera and takes it back.
const DRIVER: &str = "/sys/bus/platform/drivers/vivid";

/// The eight bars of the camera's test picture, from the left: R, G, B.
const BARS: [[u8; 3]; 8] = [
    [255, 255, 255],
    [255, 255, 0],
    [0, 255, 255],
    [0, 255, 0],
    [255, 0, 255],
    [255, 0, 0],
    [0, 0, 255],
    [0, 0, 0],
];
/// How far a channel of a bar's middle may be off, for the camera's limited range and its rounding.
const BAR_ERROR_MAX: u8 = 8;

/// A board with its camera, screen and disk.
fn whole_board(rig: &Rig, processor: &str) -> Result<Board, Failure> {
    let mut board = rig.boot(processor, &Disk::ext4(64)?)?;
    board.sh("mount /dev/vda /disk; modprobe virtio_gpu")?;
    board.sh(CAMERA)?;
    Ok(board)
}

/// The camera at 320x180 with still bars of full colour and no text in the picture.
fn with_camera() -> Config {
    Config::new()
        .with("camera", "source", SOURCE)
        .with("camera", "width", "320")
        .with("camera", "height", "180")
        .with("camera.controls", "test_pattern", "1")
        .with("camera.controls", "osd_text_mode", "2")
}

pub fn gives_masks(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = whole_board(rig, processor)?;
    // The network that ships, as a camera runs it.
    run::start_with(&mut board, &with_camera().without("model"), "--frames 2")?;
    let code = board.wait_for_end()?;
    let masks = verify(&mut board)?;
    if (code, masks) != (0, 2) {
        return Err(board.failure(&format!("exit code {code} and {masks} masks, not 0 and 2")));
    }
    board.switch_off()
}

pub fn is_picked_up_again(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = whole_board(rig, processor)?;
    run::start(&mut board, &with_camera())?;
    for _ in 0..2 {
        wait_for_masks(&mut board, 5)?;
        board.sh(&format!("echo vivid.0 >{DRIVER}/unbind"))?;
        run::CAMERA.wait_for_trouble(&mut board)?;
        board.sh(&format!("echo vivid.0 >{DRIVER}/bind"))?;
        run::CAMERA.wait_for_recovery(&mut board)?;
    }
    wait_for_masks(&mut board, 5)?;
    end(&mut board)?;
    verify(&mut board)?;
    board.switch_off()
}

pub fn shows_every_format(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = whole_board(rig, processor)?;
    // Too long for the console.
    board.sh("/share/sedge cameras --json >/share/cameras.json")?;
    let text = fs::read_to_string(board.share().join("cameras.json")).map_err(|error| error.to_string())?;
    let formats = read_formats(&text)?;
    let mut failures = Vec::new();
    for format in &formats {
        let config = with_camera()
            .with("camera", "format", &format!("{format:?}"))
            .with("display", "device", "\"/dev/fb0\"")
            .with("display", "overlay", "false")
            .with("display", "legend", "false")
            .with("display", "statistics", "false");
        Screen::clear(&mut board)?;
        run::start(&mut board, &config)?;
        wait_for_masks(&mut board, 3)?;
        let shown = Screen::fetch_drawn(&mut board)?.middles_of_bars();
        end(&mut board)?;
        for (shown, bar) in shown.iter().zip(expected_bars(format)) {
            if shown.iter().zip(bar).any(|(&a, b)| a.abs_diff(b) > BAR_ERROR_MAX) {
                failures.push(format!("{format}: a bar of {bar:?} is shown as {shown:?}"));
            }
        }
    }
    println!("formats: {}", formats.join(" "));
    // All but MJPG, which this camera does not have.
    if formats.len() < 7 {
        failures.push(format!("only {formats:?} are offered"));
    }
    if !failures.is_empty() {
        return Err(board.failure(&failures.join("\n")));
    }
    verify(&mut board)?;
    board.switch_off()
}

pub fn shows_the_masks(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = whole_board(rig, processor)?;
    let mut show = |overlay: bool| -> Result<Screen, Failure> {
        let config = with_camera()
            .with("display", "device", "\"/dev/fb0\"")
            .with("display", "overlay", &overlay.to_string())
            .with("display", "legend", &overlay.to_string())
            .with("display", "statistics", "false");
        Screen::clear(&mut board)?;
        run::start(&mut board, &config)?;
        wait_for_masks(&mut board, 3)?;
        let screen = Screen::fetch_drawn(&mut board)?;
        end(&mut board)?;
        Ok(screen)
    };
    let (bare, shown) = (show(false)?, show(true)?);
    // The bars stand still, so all masks are alike.
    let stored = export(&mut board)?.pop().ok_or("no mask is stored")?;
    let classes = fs::read(board.share().join("png/classes.json")).map_err(|error| error.to_string())?;
    let classes: Vec<Class> = serde_json::from_slice(&classes).map_err(|error| error.to_string())?;
    let mask = Mask { width: stored.width, height: stored.height, data: stored.ids };
    let mut scene = Scene::new(Parts { overlay: true, legend: true, statistics: false });
    let frame = bare.frame();
    let view = View {
        rgb: &frame,
        width: 320,
        height: 180,
        mask: &mask,
        classes: &classes,
        statistics: Statistics::default(),
    };
    scene.compose(&view, Size::new(640, 480)).map_err(|error| error.to_string())?;
    let pixels = scene.rgb().chunks_exact(3).enumerate();
    let wrong = pixels.filter(|(at, wanted)| shown.pixel(at % 640, at / 640) != **wanted).count();
    if wrong > 0 || bare.0 == shown.0 {
        return Err(
            board.failure(&format!("{wrong} pixels of the screen are not those of the expected picture"))
        );
    }
    board.switch_off()
}

/// The formats of the first camera that the program reads, by their four-character codes.
fn read_formats(text: &str) -> Result<Vec<String>, Failure> {
    let cameras: Value = serde_json::from_str(text).map_err(|error| format!("cameras: {error}"))?;
    let modes = cameras[0]["formats"].as_array().ok_or("no camera with formats")?;
    let read = modes.iter().filter(|mode| mode["read"] == true).filter_map(|mode| mode["format"].as_str());
    let mut formats: Vec<String> = read.map(str::to_string).collect();
    formats.dedup();
    Ok(formats)
}

/// The bars as a format can tell them: one without colour shows their luma, which this camera takes by Rec. 709.
fn expected_bars(format: &str) -> [[u8; 3]; 8] {
    if format != "GREY" {
        return BARS;
    }
    BARS.map(|[r, g, b]| {
        let luma = (2126 * u32::from(r) + 7152 * u32::from(g) + 722 * u32::from(b)) / 10_000;
        [luma as u8; 3]
    })
}

/// What the screen shows: 640x480, four bytes a pixel.
struct Screen(Vec<u8>);

impl Screen {
    /// Makes the screen black, so that what is seen later was drawn later.
    fn clear(board: &mut Board) -> Result<(), Failure> {
        board.sh("dd if=/dev/zero of=/dev/fb0 bs=640 count=1920 2>/dev/null").map(drop)
    }

    /// The screen as soon as a whole picture is on it: pictures are drawn beside the masks, not before them.
    fn fetch_drawn(board: &mut Board) -> Result<Screen, Failure> {
        let mut before = Vec::new();
        for _ in 0..100 {
            let screen = Screen::fetch(board)?;
            if screen.0 == before && before.iter().any(|&byte| byte != 0) {
                return Ok(screen);
            }
            before = screen.0;
            board.sh("sleep 0.2")?;
        }
        Err(board.failure("no still picture appears on the screen"))
    }

    fn fetch(board: &mut Board) -> Result<Screen, Failure> {
        board.sh("cat /dev/fb0 >/share/screen")?;
        let bytes = fs::read(board.share().join("screen")).map_err(|error| error.to_string())?;
        if bytes.len() == 640 * 480 * 4 {
            Ok(Screen(bytes))
        } else {
            Err(format!("{} bytes on the screen", bytes.len()))
        }
    }

    /// The colour in the middle of each bar; 320x180 on 640x480 is shown at 640x360 in the middle.
    fn middles_of_bars(&self) -> Vec<[u8; 3]> {
        (0..8).map(|bar| self.pixel(40 + 80 * bar, 240)).collect()
    }

    /// The frame of 320x180 that is shown at twice its size in the middle, as R, G, B.
    fn frame(&self) -> Vec<u8> {
        (0..320 * 180).flat_map(|at| self.pixel(at % 320 * 2, 60 + at / 320 * 2)).collect()
    }

    /// R, G, B; the kernel keeps them as B, G, R, X.
    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 4 * (640 * y + x);
        [self.0[at + 2], self.0[at + 1], self.0[at]]
    }
}
