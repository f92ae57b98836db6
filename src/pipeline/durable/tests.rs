//! The durable store at the end of a pipeline, on a simulated card.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::camera::{Source, SourceError, SourceInfo};
use crate::clock::ManualClock;
use crate::frame::{Frame, PixelFormat};
use crate::mask::{Mask, classes_from_names};
use crate::pipeline::{Parts, Pipeline, Segment, Settings, Summary, Times};
use crate::status::Heartbeats;
use crate::store::segments::simulated::{Disk, Failure, Simulated};
use crate::store::{RecordMeta, Sync};

const FOLDER: &str = "/card/masks";
const LIMIT: Duration = Duration::from_secs(60);

fn options() -> StoreOptions {
    StoreOptions { sync: Sync::Record, mount: Some("/card".into()), ..StoreOptions::default() }
}

fn open(card: &Simulated, clock: &ManualClock, options: StoreOptions) -> (DurableStore, Recovery) {
    let classes = classes_from_names(&["background", "cat"]);
    let (volume, clock) = (Box::new(card.clone()), Box::new(clock.clone()));
    let (store, recovery) =
        SegmentStore::open_on(volume, Path::new(FOLDER), &classes, options, clock).unwrap();
    (DurableStore::new(store, Path::new(FOLDER)), recovery)
}

/// So many small frames.
struct Frames(SourceInfo, u64, u64);

impl Source for Frames {
    fn info(&self) -> &SourceInfo {
        &self.0
    }

    fn next_frame(&mut self) -> Option<Result<Frame, SourceError>> {
        let number = self.1;
        self.1 += 1;
        let (time, format, data) = (Duration::from_secs(number), PixelFormat::Gray8, vec![0; 4]);
        (number < self.2).then_some(Ok(Frame { number, time, width: 2, height: 2, format, data, name: None }))
    }
}

struct Nothing;

impl Segment for Nothing {
    fn segment(&mut self, frame: &Frame, mask: &mut Mask) -> Result<Times, PipelineError> {
        (mask.width, mask.height, mask.data) = (frame.width, frame.height, frame.data.clone());
        Ok(Times::default())
    }
}

/// Sends so many frames to the sink and says what came of it.
fn run(sink: DurableStore, frames: u64, keeps: bool) -> (Summary, Result<(), PipelineError>) {
    let clock = ManualClock::default();
    let parts = Parts {
        source: Box::new(Frames(SourceInfo::default(), 0, frames)),
        segment: Box::new(Nothing),
        sink: Box::new(sink),
        rules: Box::new(move |_, _| keeps),
        heartbeats: Heartbeats::new(clock.clone()),
        clock: Arc::new(clock),
        viewer: None,
    };
    Pipeline::start(parts, Settings::default()).unwrap().finish(LIMIT)
}

#[test]
fn a_run_that_stored_nothing_is_told_from_one_that_had_nothing_to_store() {
    fn fails(failure: Failure) -> impl Fn(&mut Disk) {
        move |disk| disk.failing = Some((0..u64::MAX, failure))
    }
    fn fails_later(failure: Failure) -> impl Fn(&mut Disk) {
        // So many operations: the store is open and some masks are on the card.
        move |disk| disk.failing = Some((60..u64::MAX, failure))
    }
    type Change = Box<dyn Fn(&mut Disk)>;
    type Case = (&'static str, Change, u64, bool, (bool, bool));
    // Name, what is wrong with the card, frames, whether the rules keep them, whether some and all are lost.
    let cases: [Case; 9] = [
        ("all is well", Box::new(|_| ()), 30, true, (false, false)),
        ("the rules keep none", Box::new(|_| ()), 30, false, (false, false)),
        ("the rules keep none, and there is no card", Box::new(Disk::pull_out), 30, false, (false, false)),
        ("no frames, and there is no card", Box::new(Disk::pull_out), 0, true, (false, false)),
        ("no card", Box::new(Disk::pull_out), 30, true, (true, true)),
        ("read-only", Box::new(fails(Failure::ReadOnly)), 30, true, (true, true)),
        ("errors", Box::new(fails(Failure::Input)), 1, true, (true, true)),
        ("full of other files", Box::new(|disk| disk.foreign_bytes = 1 << 30), 30, true, (true, true)),
        ("read-only after a while", Box::new(fails_later(Failure::ReadOnly)), 30, true, (true, false)),
    ];
    let mut wrong = Vec::new();
    for (name, change, frames, keeps, expected) in cases {
        let card = Simulated::new(1 << 20);
        change(&mut card.lock());
        let (summary, outcome) = run(open(&card, &ManualClock::default(), options()).0, frames, keeps);
        let kept = if keeps { frames } else { 0 };
        let found = (summary.lost() > 0, summary.is_total_loss());
        if found != expected || summary.stored + summary.lost() != kept || summary.frames != frames {
            wrong.push(format!("{name}: {summary:?}"));
        }
        // Masks that were taken and could not be saved at the end are an error in any case.
        if outcome.is_err() != (summary.taken > summary.stored) {
            wrong
                .push(format!("{name}: {outcome:?} with {} taken, {} stored", summary.taken, summary.stored));
        }
        card.lock().failing = None;
        card.lock().mounted = true;
        let folder = Path::new(FOLDER);
        let listed = crate::store::segments::verify_segments(&card, folder, &mut |_| ());
        if listed.map_or(0, |verified| verified.whole) < summary.stored {
            wrong.push(format!("{name}: {} said to be stored", summary.stored));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn saved(frame: u64) -> Saved {
    let mask = Mask { width: 2, height: 2, data: vec![0, 1, 0, 1] };
    Saved { meta: RecordMeta { frame, ..RecordMeta::default() }, mask, frame: None }
}

#[test]
fn limits_are_taken_over_while_it_works() {
    let card = Simulated::new(1 << 20);
    let clock = ManualClock::default();
    let (mut sink, _) = open(&card, &clock, StoreOptions { sync: Sync::Close, ..options() });
    let limits = sink.limits();
    sink.put(&saved(0)).unwrap();
    sink.tick().unwrap();
    assert_eq!(sink.status().listed, 0);
    assert!(limits.set(StoreOptions { max_bytes: Some(5), ..options() }).is_err(), "less than a segment");
    limits.set(options()).unwrap();
    assert_eq!(sink.status().listed, 0, "not before the tick");
    sink.tick().unwrap();
    assert_eq!(sink.status().listed, 1);
}

#[test]
fn what_is_found_is_told_once() {
    let clock = ManualClock::default();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&lines);
    let told =
        Arc::new(Told::new(clock.clone(), move |line: &str| written.lock().unwrap().push(line.to_owned())));
    let take = || std::mem::take(&mut *lines.lock().unwrap());

    let card = Simulated::new(1 << 20);
    let (sink, recovery) = open(&card, &clock, options());
    let mut sink = sink.telling(Arc::clone(&told), &recovery);
    assert_eq!(take(), [""; 0], "nothing is wrong");
    sink.put(&saved(0)).unwrap();

    // Another card with a store of its own, a torn end and a foreign segment goes where the first was.
    let other = Simulated::new(1 << 20);
    let mut first = open(&other, &clock, options()).0;
    first.put(&saved(0)).unwrap();
    Box::new(first).close().unwrap();
    let name = "0000000000000000.seg";
    let mut torn = other.lock().file(name).unwrap().to_vec();
    let foreign = card.lock().file(name).unwrap().to_vec();
    other.lock().put_file("0000000000000900.seg", &foreign);
    torn.extend([7; 100]);
    other.lock().put_file(name, &torn);
    card.lock().pull_out();
    let mut changed = other.lock().clone();
    changed.pull_out();
    changed.pull_out();
    changed.mounted = true;
    *card.lock() = changed;
    for _ in 0..300 {
        clock.advance(Duration::from_secs(1));
        sink.tick().unwrap();
    }
    let expected = [
        "/card/masks holds another store than before; the numbers of masks go on",
        "/card/masks: 100 bytes that a power cut tore are cut off; 1 files are no segments of this store and are left \
         alone",
    ];
    assert_eq!(take(), expected);
    let status = sink.status();
    let counts = (status.other_stores, status.torn_bytes, status.foreign_segments, status.damaged_bytes);
    assert_eq!(counts, (1, 100, 1, 0));
    assert_eq!(status.state, "writing");

    // At the next start.
    Box::new(sink).close().unwrap();
    card.lock().put_file("store.id", b"?");
    let (sink, recovery) = open(&card, &clock, options());
    Box::new(sink.telling(told, &recovery)).close().unwrap();
    let said = take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("store.id was damaged and is written again; 1 files are no segments"),
        "{said:?}"
    );
}
