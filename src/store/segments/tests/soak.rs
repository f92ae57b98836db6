//! A million frames: the quota holds and nothing grows.

use super::*;
use crate::store::segments::{StoreState, Sync};

const FRAMES: u64 = 1_000_000;

#[test]
fn a_million_frames_in_bounded_memory() {
    let options = StoreOptions {
        sync: Sync::Every(Duration::from_secs(10)),
        segment_bytes: 256 * 1024,
        max_bytes: Some(4 << 20),
        ..StoreOptions::default()
    };
    let card = Simulated::new(1 << 30);
    let clock = start();
    let (mut store, _) = open(&card, &clock, &options).unwrap();
    let frames: Vec<(RecordMeta, Mask)> = (0..50).map(frame).collect();
    let mut settled = [0; 5];
    let mut most_bytes = 0;
    for number in 0..FRAMES {
        let (meta, mask) = &frames[number as usize % frames.len()];
        let meta = RecordMeta { frame: number, monotonic: clock_time(&clock), ..meta.clone() };
        store.put(&meta, mask).unwrap();
        clock.advance(Duration::from_millis(86));
        if number % 11 == 0 {
            assert_eq!(store.tick(), []);
        }
        if number % 1000 == 0 {
            let disk = card.lock();
            most_bytes = most_bytes.max(disk.used_bytes());
            assert_eq!((store.status().state, disk.handles <= 2), (StoreState::Writing, true));
            let segments = disk.names().filter(|name| name.ends_with(".seg"));
            let sizes: Vec<u64> =
                segments.map(|name| disk.file(&name).map_or(0, |bytes| bytes.len() as u64)).collect();
            drop(disk);
            let status = store.status();
            assert_eq!(
                (status.bytes, status.segments),
                (sizes.iter().sum(), sizes.len() as u64),
                "after {number}"
            );
            let sizes = store.sizes();
            if number <= FRAMES / 10 {
                settled = std::array::from_fn(|i| settled[i].max(sizes[i]));
            } else {
                let grown = sizes.iter().zip(&settled).any(|(size, settled)| size > settled);
                assert!(!grown, "after {number} frames {sizes:?}, after a tenth {settled:?}");
            }
        }
    }
    // Both the quota and the id's file.
    assert!(most_bytes <= (4 << 20) + 64, "{most_bytes} bytes");
    assert!(most_bytes >= (4 << 20) - 2 * 256 * 1024, "{most_bytes} bytes: more than a segment too few");
    let status = store.close().unwrap();
    assert_eq!((status.records, status.listed), (FRAMES, FRAMES));
    assert!(settled[0] + settled[1] < 1 << 20, "{settled:?}");
    assert_eq!(card.lock().handles, 0);
    let masks = stored(&card).unwrap();
    assert_eq!(masks.last().map(|stored| stored.sequence), Some(FRAMES - 1));
    let whole = |stored: &StoredMask| {
        stored.meta.frame == stored.sequence
            && stored.mask == frames[stored.sequence as usize % frames.len()].1
    };
    assert!(masks.iter().all(whole));
}

fn clock_time(clock: &ManualClock) -> Duration {
    use crate::clock::Clock;
    clock.monotonic()
}
