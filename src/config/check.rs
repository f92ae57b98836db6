//! Values that do not go together, each right by itself.

use super::read::Lines;
use super::sections::{Config, StoreFormat};
use super::units::say_bytes;

/// What is wrong, each under the key whose line is named.
pub fn check(config: &Config, lines: &Lines) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    camera(config, &mut wrong);
    store(config, lines, &mut wrong);
    let governor = &config.governor;
    if governor.fps_max.is_some_and(|fps_max| governor.fps_min > fps_max) {
        let key =
            if lines.contains_key("governor.fps_min") { "governor.fps_min" } else { "governor.fps_max" };
        wrong.push((key, format!("does not fit: fps_min ({}) is above fps_max", governor.fps_min)));
    }
    wrong
}

fn camera(config: &Config, wrong: &mut Vec<(&'static str, String)>) {
    let camera = &config.camera;
    match (camera.width, camera.height, camera.crop) {
        (Some(_), None, _) => wrong.push(("camera.width", "needs camera.height beside it".to_owned())),
        (None, Some(_), _) => wrong.push(("camera.height", "needs camera.width beside it".to_owned())),
        (Some(width), Some(height), Some(crop))
            if u64::from(crop.x) + u64::from(crop.width) > u64::from(width)
                || u64::from(crop.y) + u64::from(crop.height) > u64::from(height) =>
        {
            let reason = format!(
                "leaves the frame: {}x{} from ({}, {}) in {width}x{height}",
                crop.width, crop.height, crop.x, crop.y
            );
            wrong.push(("camera.crop", reason));
        }
        _ => {}
    }
}

fn store(config: &Config, lines: &Lines, wrong: &mut Vec<(&'static str, String)>) {
    let store = &config.store;
    if store.format == StoreFormat::Png {
        // These would be read and then not kept to.
        let of_segments = [
            "store.encoding",
            "store.segment_bytes",
            "store.segment_age",
            "store.max_bytes",
            "store.max_age",
            "store.min_free_bytes",
            "store.mount",
            "store.mount_uuid",
            "store.sync",
            "store.write_bytes_per_day",
        ];
        for key in of_segments.into_iter().filter(|key| lines.contains_key(key)) {
            wrong.push((
                key,
                "holds for store.format = \"segments\" only; remove it or the format".to_owned(),
            ));
        }
    } else if store.max_bytes.is_some_and(|max_bytes| max_bytes < 2 * store.segment_bytes) {
        let segment = say_bytes(store.segment_bytes);
        let reason = format!("has to hold at least two segments of {segment} (store.segment_bytes)");
        wrong.push(("store.max_bytes", reason));
    }
    match &store.mount {
        Some(mount) if !mount.is_absolute() => {
            wrong.push(("store.mount", "has to begin with /, as mount points do".to_owned()));
        }
        Some(mount) if !store.path.starts_with(mount) => {
            let reason = format!(
                "is {}, but store.path ({}) does not lie in it",
                mount.display(),
                store.path.display()
            );
            wrong.push(("store.mount", reason));
        }
        None if store.mount_uuid.is_some() => {
            wrong.push(("store.mount_uuid", "needs store.mount beside it".to_owned()));
        }
        _ => {}
    }
}
