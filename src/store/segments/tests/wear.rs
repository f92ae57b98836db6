//! What the store counts as written is what goes to the card.

use super::*;
use crate::store::segments::Sync;
use crate::store::segments::budget::SYNC_BYTES;

#[test]
fn the_count_of_written_bytes_is_right() {
    let every = |seconds| Sync::Every(Duration::from_secs(seconds));
    let small = StoreOptions { segment_bytes: 64 * 1024, ..StoreOptions::default() };
    // Name, settings, seconds between two starts.
    let cases = [
        ("each mask", StoreOptions { sync: Sync::Record, ..small.clone() }, 4000),
        ("every 10 s", StoreOptions { sync: every(10), ..small.clone() }, 4000),
        (
            "every 60 s, closed by age",
            StoreOptions { sync: every(60), segment_age: Duration::from_secs(300), ..small.clone() },
            4000,
        ),
        ("when memory is full", StoreOptions { sync: Sync::Close, ..small.clone() }, 4000),
        ("as a ring", StoreOptions { sync: every(10), max_bytes: Some(1 << 18), ..small.clone() }, 4000),
        ("many starts", StoreOptions { sync: every(10), ..small.clone() }, 30),
        ("many starts after power cuts", StoreOptions { sync: Sync::Record, ..small }, 31),
    ];
    let mut wrong = Vec::new();
    for (name, options, seconds) in cases {
        let mut card = Simulated::new(1 << 26);
        let clock = start();
        let (mut counted, mut random) = (0, Random(1));
        for run in 0..(8000 / seconds) {
            let (mut store, _) = open(&card, &clock, &options).unwrap();
            for number in 0..seconds {
                let (meta, mask) = frame(run * seconds + number);
                store.put(&meta, &mask).unwrap();
                clock.advance(Duration::from_secs(1));
                store.tick();
            }
            // Everything that is counted is on the card.
            if name.contains("power") {
                counted += store.status().written_bytes;
                drop(store);
                let crashed = card.lock().after_crash(&mut random);
                card = Simulated::from(crashed);
            } else {
                counted += store.close().unwrap().written_bytes;
            }
        }
        let disk = card.lock();
        let written = disk.written_bytes + SYNC_BYTES * disk.syncs;
        if counted.abs_diff(written) * 10 > written || written < 1 << 20 {
            wrong.push(format!("{name}: {counted} bytes are counted, {written} are written"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
