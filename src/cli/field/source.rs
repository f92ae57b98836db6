//! From the section `[camera]` of a configuration to a source. What the text of the source says counts more.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sedge::camera::{
    self, Geometry, Mirror, OpenOptions, Rotation, Source, SourceError, Turned, V4l, V4lOptions,
};
use sedge::config::{self, CameraConfig};

/// The source's text; empty without one, which the caller has refused.
fn text(config: &CameraConfig) -> &str {
    config.source.as_deref().unwrap_or_default()
}

/// The keys that are said of a source that does not know them: all but `timeout_s` are for `v4l:` alone, that one for
/// every source that comes at its own time.
fn foreign_keys(config: &CameraConfig) -> Vec<&'static str> {
    let is_v4l = text(config).starts_with("v4l:");
    let of_v4l = [
        ("camera.width", config.width.is_some()),
        ("camera.height", config.height.is_some()),
        ("camera.fps", config.fps.is_some()),
        ("camera.format", config.format.is_some()),
        ("camera.controls", !config.controls.is_empty()),
    ];
    let of_v4l = of_v4l.into_iter().filter(|_| !is_v4l);
    let waits = ("camera.timeout_s", config.timeout.is_some() && !camera::is_live_source(text(config)));
    of_v4l.chain([waits]).filter(|(_, is_said)| *is_said).map(|(key, _)| key).collect()
}

/// Takes out what is said of another source than this one, and names it.
pub fn set_aside(config: &mut CameraConfig) -> Vec<&'static str> {
    let keys = foreign_keys(config);
    if keys.contains(&"camera.timeout_s") {
        config.timeout = None;
    }
    if keys.iter().any(|key| *key != "camera.timeout_s") {
        (config.width, config.height, config.fps, config.format) = (None, None, None, None);
        config.controls.clear();
    }
    keys
}

/// Whether the source knows all that is said of it; the error names the keys and the source.
pub fn check(config: &CameraConfig) -> Result<(), String> {
    let keys = foreign_keys(config);
    if keys.is_empty() {
        return Ok(());
    }
    let source = camera::without_password(text(config));
    let known = match keys[..] {
        ["camera.timeout_s"] => "a source that comes at its own time (v4l:, rtsp://, ...)",
        _ => "a source v4l:DEVICE",
    };
    let (keys, verb) = (keys.join(", "), if keys.len() == 1 { "is" } else { "are" });
    Err(format!("{keys} {verb} for {known}, and camera.source is {source:?}; remove what it does not know"))
}

/// Opens the source, and waits for one that comes later. `input` is the width and height of the network's input, `gray`
/// whether that has no color, `stop` ends a wait for a child process.
pub fn open(
    config: &CameraConfig,
    input: (u32, u32),
    gray: bool,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<Box<dyn Source>> {
    let input = Some(input);
    if text(config).starts_with("v4l:") {
        let options = v4l_options(config)?;
        return Ok(Box::new(V4l::open(V4lOptions { input, gray, ..options })?));
    }
    let options = OpenOptions { input, timeout: config.timeout, wait: true, stop: Arc::clone(stop) };
    Ok(Box::new(Turned::new(camera::open_with(text(config), &options)?, geometry(config))))
}

fn v4l_options(config: &CameraConfig) -> Result<V4lOptions, SourceError> {
    let mut options = V4lOptions::parse(text(config))?;
    options.width = options.width.or(config.width);
    options.height = options.height.or(config.height);
    options.fps = options.fps.or(config.fps);
    if let (None, Some(format)) = (options.encoding, &config.format) {
        let bad = |reason| SourceError::BadCamera { text: text(config).to_owned(), reason };
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

    use sedge::config::{Config, Control};

    use super::*;

    fn camera(lines: &str) -> CameraConfig {
        Config::parse(&format!("[camera]\n{lines}"), "sedge.toml").expect("a configuration").camera
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

    #[test]
    fn keys_that_a_source_does_not_know_are_named() {
        let cases = [
            ("source = \"v4l:\"\nwidth = 8\nheight = 8\nfps = 5\ntimeout_s = 3\ncontrols = { gain = 1 }", ""),
            ("source = \"rtsp://camera/1\"\ntimeout_s = 3\nrotate = 90", ""),
            ("source = \"clip.mp4\"\ncrop = [0, 0, 8, 8]\nmirror = \"both\"", ""),
            (
                "source = \"rtsp://me:secret@camera\"\nfps = 5",
                "camera.fps is for a source v4l:DEVICE, and camera.source is \"rtsp://me:***@camera\"",
            ),
            (
                "source = \"clip.mp4\"\ntimeout_s = 5",
                "camera.timeout_s is for a source that comes at its own time (v4l:, rtsp://, ...), and camera.source is \"clip.mp4\"",
            ),
            (
                "source = \"-\"\nwidth = 8\nheight = 8\nformat = \"YUYV\"\ntimeout_s = 1\ncontrols = { gain = 1 }",
                "camera.width, camera.height, camera.format, camera.controls, camera.timeout_s are for",
            ),
        ];
        let mut failures = Vec::new();
        for (text, want) in cases {
            let mut camera = camera(text);
            let got = check(&camera).err().unwrap_or_default();
            if got.is_empty() != want.is_empty() || !got.contains(want) {
                failures.push(format!("{text}: {got}"));
            }
            // Of another source than the file's they are set aside, and nothing else is.
            let before = camera.clone();
            let keys = set_aside(&mut camera);
            if keys.is_empty() != want.is_empty()
                || check(&camera).is_err()
                || (keys.is_empty() && camera != before)
            {
                failures.push(format!("{text}: {keys:?} are set aside"));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        let switched = camera("source = \"v4l:\"\ncontrols = { auto = true }");
        assert_eq!(switched.controls["auto"], Control::Switch(true));
    }
}
