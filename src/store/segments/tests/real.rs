//! The store on a real folder.

use std::path::Path;
use std::time::Duration;

use crate::clock::ManualClock;
use crate::mask::{Class, Mask, classes_from_names};
use crate::store::segments::{
    SegmentStore, StoreEvent, StoreOptions, StoreState, Sync, WaitReason, read_store,
};
use crate::store::{Existing, MaskFolder, Record, RecordMeta, StoreError, StoredMask, verify};

fn classes() -> Vec<Class> {
    classes_from_names(&["background", "cat"])
}

fn open(folder: &Path, clock: &ManualClock, options: StoreOptions) -> SegmentStore {
    SegmentStore::open(folder, &classes(), options, Box::new(clock.clone())).unwrap().0
}

fn mask(seed: u64) -> Mask {
    let data = (0..48_u64).map(|i| u8::from((i * (seed + 3) / 7).is_multiple_of(3))).collect();
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
    let report = verify(&folder, &mut |_| ()).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.whole, report.skipped, report.torn_bytes), (30, 0, 0));
}

#[test]
fn a_reader_follows_a_writer() {
    let root = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let options = StoreOptions { sync: Sync::Record, segment_bytes: 12 * 1024, ..StoreOptions::default() };
    let mut store = open(root.path(), &clock, options);
    store.put(&meta(0), &mask(0)).unwrap();
    let mut reader = read_store(root.path()).unwrap();
    for frame in 1..20 {
        let numbers: Vec<u64> = reader.by_ref().map(|stored| stored.unwrap().sequence).collect();
        assert_eq!(numbers, [frame - 1]);
        assert!(store.put(&meta(frame), &mask(frame)).unwrap().listed);
        reader.refresh().unwrap();
    }
    // From the middle on, over sealed segments and the open one.
    for from in [0, 7, 18, 19, 20, 99] {
        let mut reader = read_store(root.path()).unwrap();
        reader.skip_to(from).unwrap();
        let numbers: Vec<u64> = reader.map(|stored| stored.unwrap().sequence).collect();
        assert_eq!(numbers, (from..20).collect::<Vec<u64>>());
    }
}

#[test]
fn the_mount_rule_on_a_real_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("masks");
    // The rule, and what it says where it does not hold. The root folder is always a mount point.
    let cases = [
        (Some(root.path().to_owned()), None, Some("nothing is mounted at")),
        (Some(root.path().join("card")), None, Some("there is no folder")),
        (None, Some("no-such-uuid".to_owned()), Some("no disk with UUID no-such-uuid is plugged in")),
        (None, None, None),
    ];
    let mut wrong = Vec::new();
    for (mount, mount_uuid, expected) in cases {
        let under = mount.as_ref().map_or(folder.clone(), |mount| mount.join("masks"));
        let options = StoreOptions { mount, mount_uuid, ..StoreOptions::default() };
        let store = open(&under, &ManualClock::default(), options);
        match (store.status().state, expected) {
            (StoreState::Writing, None) => {}
            (StoreState::Waiting(WaitReason::NotMounted(reason)), Some(expected))
                if reason.contains(expected) && !under.exists() => {}
            (state, _) => wrong.push(format!("{expected:?}: {state:?}, exists: {}", under.exists())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_folder_that_is_moved_away_is_begun_anew() {
    let root = tempfile::tempdir().unwrap();
    let (folder, moved) = (root.path().join("masks"), root.path().join("moved"));
    let clock = ManualClock::default();
    let mut store = open(&folder, &clock, StoreOptions::default());
    store.put(&meta(0), &mask(0)).unwrap();
    std::fs::rename(&folder, &moved).unwrap();
    assert_eq!(store.tick(), [StoreEvent::Waiting(WaitReason::Moved)]);
    assert!(store.put(&meta(1), &mask(1)).is_err_and(|error| error.waits()));
    clock.advance(Duration::from_secs(2));
    let events = store.tick();
    assert!(
        matches!(&events[..], [StoreEvent::OtherStore, StoreEvent::Resumed { refused: 1, .. }]),
        "{events:?}"
    );
    store.close().unwrap();
    let frames: Vec<u64> = read_store(&folder).unwrap().map(|stored| stored.unwrap().meta.frame).collect();
    assert_eq!(frames, [0]);
}

/// Masks of two kinds are not mixed in a folder: readers take it for one of them.
#[test]
fn pictures_and_segments_are_kept_apart() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let segments = |name: &str| {
        SegmentStore::open(&at(name), &classes(), StoreOptions::default(), Box::new(ManualClock::default()))
            .map(|(store, _)| drop(store.close().unwrap()))
    };
    let pictures = |name: &str, existing| {
        MaskFolder::create(&at(name), &classes(), existing).map(|folder| folder.listed())
    };
    segments("segments").unwrap();
    assert!(matches!(pictures("segments", Existing::Continue), Err(StoreError::OtherFiles { .. })));
    assert_eq!(pictures("pictures", Existing::Continue).unwrap(), 0);
    assert!(matches!(segments("pictures"), Err(StoreError::Pictures { .. })));
    assert!(!at("pictures").join("store.id").exists());

    let mut folder = MaskFolder::create(&at("pictures"), &classes(), Existing::Continue).unwrap();
    folder.put(Record { frame: 0, time: Duration::ZERO, name: None, overlay: None }, &mask(0)).unwrap();
    drop(folder);
    assert_eq!(pictures("pictures", Existing::Continue).unwrap(), 1, "it goes on after its own");

    for (name, file, is_other) in [
        ("photos", "holiday.jpg", true),
        ("numbers", "000000.png", true),
        ("card", "lost+found", false),
        ("hidden", ".nomedia", false),
    ] {
        std::fs::create_dir_all(at(name)).unwrap();
        std::fs::write(at(name).join(file), "mine").unwrap();
        let opened = pictures(name, Existing::Continue).map_err(|error| error.to_string());
        let told =
            opened.as_ref().is_err_and(|said| said.contains(file) && said.contains(&format!("{name}/masks")));
        assert_eq!((opened.is_err(), told), (is_other, is_other), "{opened:?}");
    }
}

#[test]
fn what_somebody_must_change_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let try_open = |folder: &Path| {
        let (options, clock) = (StoreOptions::default(), Box::new(clock.clone()));
        SegmentStore::open(folder, &classes(), options, clock).map(|_| ())
    };
    let file = root.path().join("file");
    std::fs::write(&file, "text").unwrap();
    assert!(matches!(try_open(&file.join("masks")), Err(StoreError::Disk { .. })));
    assert!(matches!(try_open(&file), Err(StoreError::Disk { .. })));
    let store = open(root.path(), &clock, StoreOptions::default());
    assert!(matches!(try_open(root.path()), Err(StoreError::InUse { .. })));
    drop(store);
    assert!(try_open(root.path()).is_ok());
    assert!(matches!(read_store(&root.path().join("none")), Err(StoreError::NoStore { .. })));
}

#[test]
fn other_classes_begin_another_segment() {
    let root = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let mut store = open(root.path(), &clock, StoreOptions::default());
    store.put(&meta(0), &mask(0)).unwrap();
    store.close().unwrap();
    let tuned = classes_from_names(&["background", "cat", "dog"]);
    let options = StoreOptions::default();
    let (mut store, _) = SegmentStore::open(root.path(), &tuned, options, Box::new(clock.clone())).unwrap();
    store.put(&meta(1), &mask(1)).unwrap();
    store.close().unwrap();
    let mut reader = read_store(root.path()).unwrap();
    for classes in [classes(), tuned] {
        reader.next().unwrap().unwrap();
        assert_eq!(reader.classes(), classes);
    }
}
