//! What a status line says.

use serde::Serialize;

use super::meter::Figures;
use crate::camera::Losses;
use crate::governor::Readings;
use crate::store::Throttle;

/// The state of a camera, as one line of JSON. Counts are since the start of the program; rates and latencies since the
/// line before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// Unix time in seconds, as the board's clock says.
    pub time_unix_s: f64,
    /// Time since the program began, in seconds.
    pub uptime_s: u64,
    /// Version of the program.
    pub version: &'static str,
    /// The model, as messages name it.
    pub model: String,
    /// The first 8 bytes of the SHA-256 of its file, in hexadecimal figures.
    pub model_hash: String,
    /// How often the model was tuned on this device.
    pub tune_generation: u32,
    /// Frames that became masks.
    pub frames: u64,
    /// Frames that became masks, per second.
    pub fps: f64,
    /// Median time from capture to mask.
    pub latency_p50_ms: Option<f64>,
    /// Time from capture to mask that one frame in a hundred takes longer than.
    pub latency_p99_ms: Option<f64>,
    /// The source.
    pub camera: CameraStatus,
    /// The queues between threads, in the order of a frame's way.
    pub queues: Vec<Queue>,
    /// The store.
    pub store: StoreStatus,
    /// The board and this process.
    pub board: BoardStatus,
}

/// The source of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CameraStatus {
    /// The source, as messages name it.
    pub name: String,
    /// `streaming`, or what is wrong.
    pub state: String,
    /// Frames that gave way to newer ones.
    pub dropped: u64,
    /// Frames that the camera skipped.
    pub missed: u64,
    /// How often the camera was opened again.
    pub reopened: u64,
    /// Frames that could not be decoded.
    pub broken: u64,
}

impl CameraStatus {
    /// The state with what the source has lost.
    pub fn new(name: &str, state: &str, losses: Losses, broken: u64) -> CameraStatus {
        let Losses { dropped, missed, reopened } = losses;
        CameraStatus { name: name.to_owned(), state: state.to_owned(), dropped, missed, reopened, broken }
    }
}

/// A queue between two threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Who takes from it.
    pub name: &'static str,
    /// What lies in it.
    pub length: usize,
    /// What fits in it.
    pub capacity: usize,
    /// What did not fit in it and is lost.
    pub dropped: u64,
}

/// The store of masks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StoreStatus {
    /// `writing`, or what it waits for.
    pub state: String,
    /// Masks that the store has taken.
    pub saved: u64,
    /// Those of them that are on the medium: no power cut takes them away.
    pub listed: u64,
    /// Masks that the store refused while it was full or away.
    pub refused: u64,
    /// How often the folder was found to hold another store than before, as when a card was exchanged.
    pub other_stores: u64,
    /// Bytes of torn records that were cut off since the start.
    pub torn_bytes: u64,
    /// Damaged bytes that were there when the folder was last opened.
    pub damaged_bytes: u64,
    /// Files there that are named as segments and are none of this store.
    pub foreign_segments: u64,
    /// What the store takes on disk, in bytes.
    pub bytes: u64,
    /// What is free on the disk.
    pub free_bytes: Option<u64>,
    /// Bytes written since the start.
    pub written_bytes: u64,
    /// Bytes written per mask.
    pub bytes_per_mask: Option<f64>,
}

/// The board and this process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BoardStatus {
    /// Temperature of the processor.
    pub temperature_c: Option<f64>,
    /// What slows the board down, by name; `None` where the board does not tell.
    pub throttle: Option<Vec<&'static str>>,
    /// Frequency of the processor in MHz.
    pub frequency_mhz: Option<f64>,
    /// The most frames per second that the governor allows; `None` without a limit.
    pub governor_fps: Option<f64>,
    /// The governor's rate as a part of the range that it has, 0 to 1.
    pub governor_share: f64,
    /// Memory that the process holds.
    pub resident_bytes: Option<u64>,
}

impl BoardStatus {
    /// What the board says, and what the governor makes of it: [`fps`](crate::governor::Governor::fps) and
    /// [`share`](crate::governor::Governor::share).
    pub fn new(readings: &Readings, fps: Option<f64>, share: f64) -> BoardStatus {
        BoardStatus {
            temperature_c: readings.temperature_c,
            throttle: readings.throttle.map(throttle_names),
            frequency_mhz: readings.frequency.map(|frequency| frequency.now_khz as f64 / 1000.0),
            governor_fps: fps,
            governor_share: share,
            resident_bytes: super::resident_bytes(),
        }
    }
}

/// Names of the bits that are set.
pub fn throttle_names(throttle: Throttle) -> Vec<&'static str> {
    let names = [
        (Throttle::UNDER_VOLTAGE, "under-voltage"),
        (Throttle::FREQUENCY_CAPPED, "frequency capped"),
        (Throttle::THROTTLED, "throttled"),
        (Throttle::SOFT_TEMPERATURE_LIMIT, "soft temperature limit"),
        (Throttle::GOVERNED, "governed"),
    ];
    names.into_iter().filter(|(bit, _)| throttle.has(*bit)).map(|(_, name)| name).collect()
}

impl Status {
    /// Takes over what a meter counted.
    pub fn set_figures(&mut self, figures: &Figures) {
        self.fps = figures.fps;
        self.latency_p50_ms = figures.latency_p50_ms;
        self.latency_p99_ms = figures.latency_p99_ms;
        self.store.bytes_per_mask = figures.bytes_per_mask.or(self.store.bytes_per_mask);
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        // Texts, numbers and lists of them always become JSON.
        serde_json::to_string(self).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
    }

    /// The state in a few words, for `systemctl status`.
    pub fn brief(&self) -> String {
        let mut words = vec![format!("{:.1} fps", self.fps)];
        words.extend(self.latency_p50_ms.map(|millis| format!("{millis:.0} ms")));
        words.extend(self.board.temperature_c.map(|celsius| format!("{celsius:.0} C")));
        words.push(format!("{} masks", self.store.saved));
        words.push(format!("camera {}", self.camera.state));
        words.push(format!("store {}", self.store.state));
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::governor::Frequency;
    use crate::status::Meter;

    fn status() -> Status {
        let readings = Readings {
            temperature_c: Some(61.5),
            throttle: Some(Throttle::UNDER_VOLTAGE.with(Throttle::THROTTLED)),
            frequency: Some(Frequency { now_khz: 1_500_000, max_khz: 1_800_000 }),
        };
        let losses = Losses { dropped: 3, missed: 2, reopened: 1 };
        let mut status = Status {
            time_unix_s: 1.5,
            version: "1.2.3",
            model: "a \"model\"".to_owned(),
            frames: 120,
            camera: CameraStatus::new("v4l:/dev/video0", "streaming", losses, 4),
            queues: vec![Queue { name: "write", length: 1, capacity: 8, dropped: 0 }],
            store: StoreStatus { state: "writing".to_owned(), saved: 7, ..StoreStatus::default() },
            board: BoardStatus { resident_bytes: Some(100), ..BoardStatus::new(&readings, Some(2.5), 0.75) },
            ..Status::default()
        };
        let mut meter = Meter::new(Duration::ZERO);
        meter.frame(Duration::from_millis(40));
        meter.stored(2, 100);
        status.set_figures(&meter.take(Duration::from_secs(2)));
        status
    }

    #[test]
    fn a_line_is_json() {
        let line = status().line();
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let cases = [
            ("/model", "\"a \\\"model\\\"\""),
            ("/fps", "0.5"),
            ("/latency_p99_ms", "40.0"),
            ("/camera/dropped", "3"),
            ("/camera/reopened", "1"),
            ("/queues/0/capacity", "8"),
            ("/store/state", "\"writing\""),
            ("/store/bytes_per_mask", "50.0"),
            ("/store/free_bytes", "null"),
            ("/board/throttle", "[\"under-voltage\",\"throttled\"]"),
            ("/board/frequency_mhz", "1500.0"),
            ("/board/governor_share", "0.75"),
        ];
        let failures: Vec<_> = cases
            .iter()
            .map(|(at, wanted)| (at, value.pointer(at).map(ToString::to_string), wanted))
            .filter(|(_, found, wanted)| found.as_deref() != Some(**wanted))
            .collect();
        assert!(failures.is_empty(), "{failures:?}");
        let odd = Status { fps: f64::NAN, ..Status::default() };
        assert!(
            serde_json::from_str::<serde_json::Value>(&odd.line()).is_ok_and(|value| value["fps"].is_null())
        );
    }

    #[test]
    fn a_few_words() {
        assert_eq!(status().brief(), "0.5 fps, 40 ms, 62 C, 7 masks, camera streaming, store writing");
    }
}
