//! From the section `[camera]` of a configuration to a source. What the text of the source says counts more.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sedge::camera::{
    self, Geometry, Mirror, OpenOptions, Rotation, Source, SourceError, Turned, V4l, V4lOptions,
};
use sedge::config::{self, CameraConfig};

/// Opens the source, and waits for one that comes later. `input` is the width and height of the network's input, `gray`
/// whether that has no color, `stop` ends a wait for a child process.
pub fn open(
    config: &CameraConfig,
    input: (u32, u32),
    gray: bool,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Box<dyn Source>> {
    let input = Some(input);
    if config.source.starts_with("v4l:") {
        let options = v4l_options(config)?;
        return Ok(Box::new(V4l::open(V4lOptions { input, gray, ..options })?));
    }
    let options = OpenOptions { input, timeout: config.timeout, wait: true, stop: Arc::clone(stop) };
    Ok(Box::new(Turned::new(camera::open_with(&config.source, &options)?, geometry(config))))
}

fn v4l_options(config: &CameraConfig) -> Result<V4lOptions, SourceError> {
    let mut options = V4lOptions::parse(&config.source)?;
    options.width = options.width.or(config.width);
    options.height = options.height.or(config.height);
    options.fps = options.fps.or(config.fps);
    if let (None, Some(format)) = (options.encoding, &config.format) {
        let bad = |reason| SourceError::BadCamera { text: config.source.clone(), reason };
        let encoding = format.parse().map_err(|reason: String| bad(format!("camera.format: {reason}")))?;
        options.encoding = Some(encoding);
    }
    for (name, value) in &config.controls {
        let value = match *value {
            config::Control::Number(number) => number,
            config::Control::Switch(on) => i64::from(on),
        };
        if !options.controls.iter().any(|(said, _)| said == name) {
            options.controls.push((name.clone(), value));
        }
    }
    let (said, other) = (options.geometry, geometry(config));
    options.geometry = Geometry {
        crop: said.crop.or(other.crop),
        mirror: if said.mirror == Mirror::None { other.mirror } else { said.mirror },
        rotation: if said.rotation == Rotation::None { other.rotation } else { said.rotation },
    };
    options.timeout = options.timeout.or(config.timeout);
    // A camera on a pole may be plugged in later.
    options.wait = options.wait.or(Some(true));
    Ok(options)
}

fn geometry(config: &CameraConfig) -> Geometry {
    Geometry {
        crop: config.crop.map(|crop| camera::Crop {
            x: crop.x,
            y: crop.y,
            width: crop.width,
            height: crop.height,
        }),
        mirror: match config.mirror {
            config::Mirror::None => Mirror::None,
            config::Mirror::Horizontal => Mirror::Horizontal,
            config::Mirror::Vertical => Mirror::Vertical,
            config::Mirror::Both => Mirror::Both,
        },
        rotation: match config.rotate {
            config::Rotate::None => Rotation::None,
            config::Rotate::Quarter => Rotation::Quarter,
            config::Rotate::Half => Rotation::Half,
            config::Rotate::ThreeQuarters => Rotation::ThreeQuarters,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sedge::config::Config;

    use super::*;

    fn camera(text: &str) -> CameraConfig {
        Config::parse(&format!("[camera]\n{text}"), "sedge.toml").expect("a configuration").camera
    }

    #[test]
    fn the_text_of_a_source_counts_more_than_the_section() {
        let section =
            "timeout_s = 9\nrotate = 90\nmirror = \"both\"\nfps = 5\ncontrols = { gain = 1, focus = 2 }";
        let options = |query: &str| {
            let camera = camera(&format!("source = \"v4l:/dev/video0{query}\"\n{section}"));
            v4l_options(&camera).expect("a camera")
        };
        let seconds = |seconds: u64| Some(Duration::from_secs(seconds));
        let turned = |rotation| Geometry { rotation, mirror: Mirror::Both, crop: None };
        let plain = options("");
        assert_eq!((plain.timeout, plain.wait, plain.fps), (seconds(9), Some(true), Some(5.0)));
        assert_eq!(plain.geometry, turned(Rotation::Quarter));
        assert_eq!(plain.controls, [("focus".into(), 2), ("gain".into(), 1)]);
        let said = options("?timeout=3&wait=false&fps=7&rotate=180&gain=4");
        assert_eq!((said.timeout, said.wait, said.fps), (seconds(3), Some(false), Some(7.0)));
        assert_eq!(said.geometry, turned(Rotation::Half));
        assert_eq!(said.controls, [("gain".into(), 4), ("focus".into(), 2)]);
        assert_eq!(v4l_options(&camera("source = \"v4l:\"")).expect("a camera").timeout, None);
    }
}
