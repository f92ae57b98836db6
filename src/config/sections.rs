//! The values of a configuration, a struct for each section of the file, with their defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// All that a configuration file can say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[model]`
    pub model: ModelConfig,
    /// `[camera]`
    pub camera: CameraConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[save]`
    pub save: SaveConfig,
    /// `[governor]`
    pub governor: GovernorConfig,
    /// `[display]`
    pub display: DisplayConfig,
    /// `[status]`
    pub status: StatusConfig,
}

/// Which network, and how it is run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelConfig {
    /// The ONNX file; the model inside the program if absent.
    pub path: Option<PathBuf>,
    /// Threads, 1 to 64; as many as there are processors if absent.
    pub threads: Option<usize>,
}

/// Where frames come from, and what is done to them before the network.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraConfig {
    /// The source, as `--source` names it. Without one there is nothing to do.
    pub source: Option<String>,
    /// Width to ask the camera for, in pixels, 1 to 16384; only together with `height`.
    pub width: Option<u32>,
    /// Height to ask the camera for, in pixels, 1 to 16384.
    pub height: Option<u32>,
    /// Frames per second to ask the camera for, 0.01 to 1000.
    pub fps: Option<f64>,
    /// The camera's pixel format as a four-character code (`YUYV`, `MJPG`, ...); absent for `auto`.
    pub format: Option<String>,
    /// Turn of the picture, after `mirror`.
    pub rotate: Rotate,
    /// Mirroring of the picture.
    pub mirror: Mirror,
    /// The part of the camera's frame that is used, in its pixels before it is mirrored and turned.
    pub crop: Option<Crop>,
    /// How long a frame may take to come before a live source counts as lost, 0.1 s to 10 min; 5 s if absent.
    pub timeout: Option<Duration>,
    /// The camera's controls, by the names that `v4l2-ctl` prints.
    pub controls: BTreeMap<String, Control>,
}

impl Default for CameraConfig {
    fn default() -> Self {
        CameraConfig {
            source: None,
            width: None,
            height: None,
            fps: None,
            format: None,
            rotate: Rotate::None,
            mirror: Mirror::None,
            crop: None,
            timeout: None,
            controls: BTreeMap::new(),
        }
    }
}

/// A quarter turn of the picture, clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rotate {
    /// As the camera gives it.
    #[default]
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

/// Mirroring of the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mirror {
    /// As the camera gives it.
    #[default]
    None,
    /// Left and right change places.
    Horizontal,
    /// Top and bottom change places.
    Vertical,
    /// Both.
    Both,
}

/// A rectangle in pixels, from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Pixels left of it.
    pub x: u32,
    /// Pixels above it.
    pub y: u32,
    /// Its width, 1 or more.
    pub width: u32,
    /// Its height, 1 or more.
    pub height: u32,
}

/// The value of a camera's control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// A number, or an entry of a menu.
    Number(i64),
    /// On or off.
    Switch(bool),
}

/// Where masks are kept, how safely, and how many.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// The folder: `masks` if absent.
    pub path: PathBuf,
    /// How masks lie on disk.
    pub format: StoreFormat,
    /// How a mask is compressed inside a segment.
    pub encoding: Encoding,
    /// When masks are forced to the disk.
    pub sync: Sync,
    /// Size at which a segment is closed and the next begun, 64 KiB to 1 GiB.
    pub segment_bytes: u64,
    /// Age at which a segment is closed and the next begun, 1 min to 30 d.
    pub segment_age: Duration,
    /// The most that the store may take, at least two segments.
    pub max_bytes: Option<u64>,
    /// Age at which masks are deleted, 1 min or more.
    pub max_age: Option<Duration>,
    /// What has to stay free on the disk.
    pub min_free_bytes: u64,
    /// A mount point that has to be there, so that a missing card does not fill the system's disk; `path` lies in it.
    pub mount: Option<PathBuf>,
    /// The file system that has to be mounted there.
    pub mount_uuid: Option<String>,
    /// The most that may be written in 24 hours, 1 MiB or more.
    pub write_bytes_per_day: Option<u64>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            path: PathBuf::from("masks"),
            format: StoreFormat::Segments,
            encoding: Encoding::Rle,
            sync: Sync::Interval(Duration::from_secs(10)),
            segment_bytes: 16 << 20,
            segment_age: Duration::from_secs(3600),
            max_bytes: None,
            max_age: None,
            min_free_bytes: 200_000_000,
            mount: None,
            mount_uuid: None,
            write_bytes_per_day: None,
        }
    }
}

/// How masks lie on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreFormat {
    /// Many masks a file, with checksums.
    #[default]
    Segments,
    /// A PNG file a mask.
    Png,
}

/// How a mask is compressed inside a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Run lengths.
    #[default]
    Rle,
    /// Indexed PNG.
    Png,
}

/// When masks are forced to the disk: what a power cut may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// After every mask.
    Record,
    /// When a segment is closed.
    Close,
    /// At this interval, 1 s to 1 d.
    Interval(Duration),
}

/// Which masks are kept. A mask is kept when its time has come, or when `change` or `classes` asks for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SaveConfig {
    /// The regular masks.
    pub every: SaveEvery,
    /// Change of a class's share of the pixels, 0 to 1, for which a mask is kept.
    pub change: Option<f64>,
    /// Classes by name; a mask is kept when one of them appears.
    pub classes: Vec<String>,
}

/// How often a mask is kept without a reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveEvery {
    /// Every frame's.
    #[default]
    Frame,
    /// One at this interval, 10 ms to 30 d.
    Interval(Duration),
}

/// How fast frames are taken, and how warm the board may get.
#[derive(Clone, Debug, PartialEq)]
pub struct GovernorConfig {
    /// The most frames per second, 0.01 to 1000; as many as camera and network give if absent.
    pub fps_max: Option<f64>,
    /// What the governor does not go below, 0.001 to 1000 frames per second.
    pub fps_min: f64,
    /// The temperature that the governor holds the board below, in degrees Celsius, 30 to 120.
    pub temperature_max_c: f64,
    /// The `type` of the kernel's thermal zone; absent for `auto`, the processor's.
    pub thermal_zone: Option<String>,
}

impl Default for GovernorConfig {
    fn default() -> Self {
        GovernorConfig { fps_max: None, fps_min: 0.2, temperature_max_c: 75.0, thermal_zone: None }
    }
}

/// What is shown on a screen at the board.
#[derive(Clone, Debug, PartialEq)]
pub struct DisplayConfig {
    /// The framebuffer, as in `/dev/fb0`; no display if absent.
    pub device: Option<PathBuf>,
    /// The most pictures per second that are shown, 0.01 to 60.
    pub fps: f64,
    /// Whether the mask is drawn over the frame.
    pub overlay: bool,
    /// Whether the classes are named.
    pub legend: bool,
    /// Whether rate, storage and temperature are shown.
    pub statistics: bool,
}

impl Default for DisplayConfig {
    fn default() -> Self {
        DisplayConfig { device: None, fps: 10.0, overlay: true, legend: true, statistics: true }
    }
}

/// How the program says what it does.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusConfig {
    /// A file that always holds the newest status; none if absent.
    pub file: Option<PathBuf>,
    /// Time between status lines, 1 s to 1 d.
    pub interval: Duration,
}

impl Default for StatusConfig {
    fn default() -> Self {
        StatusConfig { file: None, interval: Duration::from_secs(60) }
    }
}
