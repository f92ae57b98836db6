//! The store on a real folder.

use std::path::Path;
use std::time::Duration;

use crate::clock::ManualClock;
use crate::mask::{Class, Mask, classes_from_names};
use crate::store::segments::{SegmentStore, StoreOptions, read_store, verify};
use crate::store::{RecordMeta, StoredMask};

fn classes() -> Vec<Class> {
    classes_from_names(&["background", "cat"])
}

fn open(folder: &Path, clock: &ManualClock, options: StoreOptions) -> SegmentStore {
    SegmentStore::open(folder, &classes(), options, Box::new(clock.clone())).unwrap().0
}

fn mask(seed: u64) -> Mask {
    let data = (0..48_u64).map(|i| u8::from((i * (seed + 3) / 7) % 3 == 0)).collect();
    Mask { width: 8, height: 6, data }
}

fn meta(frame: u64) -> RecordMeta {
    RecordMeta { frame, name: Some(format!("frame {frame}")), ..RecordMeta::default() }
}

#[test]
fn masks_come_back() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("deep/masks");
    let clock = ManualClock::default();
    for run in 0..3 {
        let mut store = open(&folder, &clock, StoreOptions::default());
        for frame in 10 * run..10 * run + 10 {
            assert_eq!(store.put(&meta(frame), &mask(frame)).unwrap().sequence, frame);
            clock.advance(Duration::from_millis(1500));
            assert_eq!(store.tick(), []);
        }
        store.close().unwrap();
    }
    let reader = read_store(&folder).unwrap();
    assert_eq!(reader.classes(), classes());
    let stored: Vec<StoredMask> = reader.map(Result::unwrap).collect();
    let expected: Vec<StoredMask> =
        (0..30).map(|frame| StoredMask { sequence: frame, meta: meta(frame), mask: mask(frame) }).collect();
    assert_eq!(stored, expected);
    let report = verify(&folder).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.records, report.missing, report.torn_bytes), (30, 0, 0));
}
