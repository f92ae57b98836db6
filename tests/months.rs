//! Months in a minute: a million frames through the pipeline and the durable store, with a clock that is turned by hand.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sedge::camera::{Source, SourceError, SourceInfo};
use sedge::clock::{Clock, ManualClock, SystemClock};
use sedge::frame::{Frame, PixelFormat};
use sedge::mask::{Mask, classes_from_names};
use sedge::pipeline::{DurableStore, Parts, Pipeline, PipelineError, Segment, Settings, Times};
use sedge::status::{Heartbeats, resident_bytes};
use sedge::store::{SegmentStore, StoreOptions, Sync, verify};

const FRAMES: u64 = 1_000_000;
/// One frame a second: more than eleven days.
const INTERVAL: Duration = Duration::from_secs(1);
const QUOTA_BYTES: u64 = 4 << 20;
const SEGMENT_BYTES: u64 = 256 << 10;
/// After this many frames everything has its size.
const SETTLED: u64 = 200_000;
/// What an allocator may do with freed memory.
const GROWTH_BYTES_MAX: u64 = 8 << 20;

/// Small frames as fast as they are taken, each a second after the last.
struct Clocked {
    info: SourceInfo,
    clock: ManualClock,
    next: u64,
    /// Resident memory and open files after [`SETTLED`] frames, and at the end.
    seen: Arc<std::sync::Mutex<Vec<(u64, usize)>>>,
}

impl Source for Clocked {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        if self.next == SETTLED || self.next == FRAMES {
            let files = fs::read_dir("/proc/self/fd").expect("there is a /proc").count();
            self.seen.lock().unwrap().push((resident_bytes().expect("there is a /proc"), files));
        }
        if self.next == FRAMES {
            return None;
        }
        self.clock.advance(INTERVAL);
        let number = self.next;
        self.next += 1;
        let time = INTERVAL * u32::try_from(number).expect("a million");
        let data = vec![(number % 251) as u8; 16 * 12];
        Some(Ok(Frame { number, time, width: 16, height: 12, format: PixelFormat::Gray8, data, name: None }))
    }
}

/// A square that moves with the frame's value.
struct Square;

impl Segment for Square {
    fn segment(&mut self, frame: &Frame, mask: &mut Mask) -> Result<Times, PipelineError> {
        (mask.width, mask.height) = (frame.width, frame.height);
        mask.data.clear();
        let place = usize::from(frame.data[0]);
        mask.data.extend((0..frame.data.len()).map(|pixel| u8::from(pixel.abs_diff(place) < 20)));
        Ok(Times::default())
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("the store is there");
    // A segment may be deleted just now.
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}

#[test]
fn nothing_grows() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("masks");
    let clock = ManualClock::new(Duration::ZERO, SystemClock.wall_us());
    let classes = classes_from_names(&["background", "square"]);
    let options = StoreOptions {
        // The disk's own time is real, so it is not asked too often.
        sync: Sync::Every(Duration::from_secs(3600)),
        segment_bytes: SEGMENT_BYTES,
        max_bytes: Some(QUOTA_BYTES),
        ..StoreOptions::default()
    };
    let (store, _) =
        SegmentStore::open(&path, &classes, options, Box::new(clock.clone())).expect("a new store");
    let seen = Arc::default();
    let info = SourceInfo { name: "clocked".into(), ..SourceInfo::default() };
    let parts = Parts {
        source: Box::new(Clocked { info, clock: clock.clone(), next: 0, seen: Arc::clone(&seen) }),
        segment: Box::new(Square),
        sink: Box::new(DurableStore::new(store, &path)),
        rules: Box::new(|_, _| true),
        heartbeats: Heartbeats::new(clock.clone()),
        clock: Arc::new(clock),
        viewer: None,
    };
    let pipeline = Pipeline::start(parts, Settings::default()).expect("threads");
    let mut largest = 0;
    while !pipeline.is_done() {
        assert!(pipeline.next_event(Duration::from_millis(50)).is_none(), "nothing goes wrong");
        largest = largest.max(folder_bytes(&path));
    }
    let (summary, outcome) = pipeline.finish(Duration::from_secs(60));
    outcome.expect("the disk does not fail");
    assert_eq!((summary.frames, summary.stored, summary.refused), (FRAMES, FRAMES, 0));

    let seen = seen.lock().unwrap().clone();
    let [(settled, files), (end, files_end)] = seen[..] else { panic!("two looks: {seen:?}") };
    println!(
        "{FRAMES} frames: resident {settled} then {end} bytes, files {files} then {files_end}, at most {largest} bytes stored"
    );
    assert!(end <= settled + GROWTH_BYTES_MAX, "memory grows from {settled} to {end} bytes");
    // A segment may just be changed for the next.
    assert!(files_end <= files + 2, "{files} files are open, then {files_end}");
    assert!(largest <= QUOTA_BYTES + SEGMENT_BYTES, "{largest} bytes are stored");
    let report = verify(&path, &mut |_| ()).expect("the store is read");
    assert!(report.is_whole() && report.whole > 0, "{report:?}");
}
