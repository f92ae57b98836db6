//! What a user says of a camera, in a text or in a configuration.

use std::path::PathBuf;
use std::time::Duration;

use super::format::Encoding;
use super::negotiate::Wish;
use crate::camera::{Crop, Geometry, Rotation, SourceError};

/// Which camera, and how it is to be run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct V4lOptions {
    /// The device; `None` is the first that captures frames in a format that is read.
    pub device: Option<PathBuf>,
    /// Exactly this width in pixels, before the geometry.
    pub width: Option<u32>,
    /// Exactly this height in pixels, before the geometry.
    pub height: Option<u32>,
    /// At least this many frames per second, 0.01 to 1000.
    pub fps: Option<f64>,
    /// Exactly this encoding; `None` is the cheapest.
    pub encoding: Option<Encoding>,
    /// Width and height of the network's input: the cheapest mode is sought that is not smaller.
    pub input: Option<(u32, u32)>,
    /// Whether the network takes grey pictures.
    pub gray: bool,
    /// Controls and their values, as `v4l2-ctl` names them; set at every opening.
    pub controls: Vec<(String, i64)>,
    /// Crop, mirror and rotation of every frame.
    pub geometry: Geometry,
    /// A camera that gives no frame for this long, and for three of its frame intervals, is closed and opened again;
    /// above 0; 5 s at `None`.
    pub timeout: Option<Duration>,
    /// Whether a camera that is not there at the start is waited for; else, as at `None`, that is an error.
    pub wait: Option<bool>,
}

/// Keys of a text; any other is a control's name.
const KEYS: &str =
    "width, height, fps, format, crop, mirror, rotate, timeout, wait, or a control of the camera";

impl V4lOptions {
    /// From the text `v4l:DEVICE?KEY=VALUE&KEY=VALUE`; the device may be left out or `auto`. The keys are `width`,
    /// `height`, `fps`, `format` (a code or `auto`), `crop` (`X,Y,WIDTH,HEIGHT`), `mirror` (`none`, `horizontal`,
    /// `vertical`, `both`), `rotate` (0, 90, 180, 270), `timeout` (seconds), `wait` (`true`, `false`); any other is the
    /// name of a control with a number, `true` or `false`.
    ///
    /// # Errors
    /// [`SourceError::BadCamera`], naming the part that is wrong.
    pub fn parse(text: &str) -> Result<V4lOptions, SourceError> {
        let bad = |reason: String| SourceError::BadCamera { text: text.into(), reason };
        let rest = text.strip_prefix("v4l:").unwrap_or(text);
        let (device, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut options = V4lOptions::default();
        if !matches!(device, "" | "auto") {
            options.device = Some(device.into());
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| bad(format!("{pair:?} is not KEY=VALUE; the keys are {KEYS}")))?;
            options.set(key, value).map_err(bad)?;
        }
        Ok(options)
    }

    /// Sets one key of a text; the error says what the key takes.
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = |takes: &str| format!("{key}={value}: {key} takes {takes}");
        let number = |max: u32| value.parse::<u32>().ok().filter(|number| (1..=max).contains(number));
        let decimal =
            |min: f64, max: f64| value.parse::<f64>().ok().filter(|number| (min..=max).contains(number));
        match key {
            "width" => self.width = Some(number(16384).ok_or_else(|| wrong("1 to 16384 pixels"))?),
            "height" => self.height = Some(number(16384).ok_or_else(|| wrong("1 to 16384 pixels"))?),
            "fps" => {
                self.fps = Some(decimal(0.01, 1000.0).ok_or_else(|| wrong("0.01 to 1000 frames a second"))?);
            }
            "format" if value == "auto" => self.encoding = None,
            "format" => self.encoding = Some(value.parse().map_err(|reason| format!("format: {reason}"))?),
            "crop" => {
                self.geometry.crop = Some(crop(value).ok_or_else(|| wrong("X,Y,WIDTH,HEIGHT in pixels"))?)
            }
            "mirror" => self.geometry.mirror = value.parse().map_err(|reason| format!("mirror: {reason}"))?,
            "rotate" => {
                let degrees = value.parse().map_err(|_| wrong("0, 90, 180 or 270 degrees"))?;
                self.geometry.rotation =
                    Rotation::from_degrees(degrees).map_err(|reason| format!("rotate: {reason}"))?;
            }
            "timeout" => {
                let seconds = decimal(0.1, 3600.0).ok_or_else(|| wrong("0.1 to 3600 seconds"))?;
                self.timeout = Some(Duration::from_secs_f64(seconds));
            }
            "wait" => self.wait = Some(value.parse().map_err(|_| wrong("true or false"))?),
            "" => return Err(format!("{value:?} has no key; the keys are {KEYS}")),
            control => {
                let value = match value {
                    "true" => 1,
                    "false" => 0,
                    number => number.parse().map_err(|_| {
                        format!(
                            "{control}={number}: a control takes a number, true or false; the keys are {KEYS}"
                        )
                    })?,
                };
                self.controls.push((control.into(), value));
            }
        }
        Ok(())
    }

    /// What to call the camera in messages.
    pub(super) fn name(&self) -> String {
        match &self.device {
            Some(device) => format!("v4l:{}", device.display()),
            None => "v4l:auto".into(),
        }
    }

    /// What the negotiation is to keep to.
    pub(super) fn wish(&self) -> Wish {
        let Geometry { crop, rotation, .. } = self.geometry;
        let turned = |(width, height)| if rotation.swaps_sides() { (height, width) } else { (width, height) };
        Wish {
            width: self.width,
            height: self.height,
            fps: self.fps,
            encoding: self.encoding,
            input: self.input.map(turned),
            crop,
            gray: self.gray,
        }
    }
}

fn crop(text: &str) -> Option<Crop> {
    let numbers: Vec<u32> =
        text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<_>>()?;
    let [x, y, width, height] = numbers[..] else { return None };
    (width > 0 && height > 0).then_some(Crop { x, y, width, height })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Mirror;
    use crate::camera::testing::report;

    #[test]
    fn texts_name_cameras() {
        let device = |path: &str| V4lOptions { device: Some(path.into()), ..V4lOptions::default() };
        let good = [
            ("v4l:", V4lOptions::default()),
            ("v4l:auto", V4lOptions::default()),
            ("v4l:auto?", V4lOptions::default()),
            ("v4l:/dev/video2", device("/dev/video2")),
            ("v4l:/dev/v4l/by-id/usb-a_b:c-video-index0", device("/dev/v4l/by-id/usb-a_b:c-video-index0")),
            (
                "v4l:/dev/video0?width=640&height=480&fps=7.5&format=yuyv",
                V4lOptions {
                    width: Some(640),
                    height: Some(480),
                    fps: Some(7.5),
                    encoding: Some(Encoding::Yuyv),
                    ..device("/dev/video0")
                },
            ),
            (
                "v4l:?crop=8,0,64,32&mirror=both&rotate=270&timeout=0.5&wait=true&format=auto",
                V4lOptions {
                    geometry: Geometry {
                        crop: Some(Crop { x: 8, y: 0, width: 64, height: 32 }),
                        mirror: Mirror::Both,
                        rotation: Rotation::ThreeQuarters,
                    },
                    timeout: Some(Duration::from_millis(500)),
                    wait: Some(true),
                    ..V4lOptions::default()
                },
            ),
            (
                "v4l:?auto_exposure=1&white_balance_automatic=false&brightness=-3",
                V4lOptions {
                    controls: vec![
                        ("auto_exposure".into(), 1),
                        ("white_balance_automatic".into(), 0),
                        ("brightness".into(), -3),
                    ],
                    ..V4lOptions::default()
                },
            ),
        ];
        report(good.into_iter().filter_map(|(text, want)| {
            let got = V4lOptions::parse(text);
            (!matches!(&got, Ok(options) if *options == want)).then(|| format!("{text}: {got:?}"))
        }));
        let bad = [
            ("v4l:?width=0", "width=0: width takes 1 to 16384 pixels"),
            ("v4l:?height=-1", "height=-1: height takes"),
            ("v4l:?fps=0", "fps=0: fps takes 0.01 to 1000"),
            ("v4l:?fps=NaN", "fps=NaN: fps takes"),
            ("v4l:?format=H264", "format: \"H264\" is no format that is read: NV12, YU12"),
            ("v4l:?rotate=45", "rotate: 45 is none of the angles"),
            ("v4l:?rotate=left", "rotate=left: rotate takes 0, 90, 180 or 270"),
            ("v4l:?mirror=x", "mirror: \"x\" is none of none, horizontal"),
            ("v4l:?crop=1,2,3", "crop=1,2,3: crop takes X,Y,WIDTH,HEIGHT"),
            ("v4l:?crop=0,0,0,9", "crop takes"),
            ("v4l:?timeout=0", "timeout=0: timeout takes 0.1 to 3600 seconds"),
            ("v4l:?wait=maybe", "wait takes true or false"),
            ("v4l:?gain", "\"gain\" is not KEY=VALUE; the keys are width, height"),
            ("v4l:?gain=much", "gain=much: a control takes a number"),
            ("v4l:?=1", "\"1\" has no key"),
        ];
        report(bad.into_iter().filter_map(|(text, want)| {
            let got = V4lOptions::parse(text).map_err(|error| error.to_string());
            (!matches!(&got, Err(message) if message.contains(want))).then(|| format!("{text}: {got:?}"))
        }));
    }
}
