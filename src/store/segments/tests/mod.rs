//! Tests of the store as a whole, on real folders and on the simulated card.

mod crash;
mod damage;
mod faults;
mod identity;
mod real;
mod soak;
mod startup;
mod wear;

use std::path::Path;
use std::time::Duration;

use super::simulated::{Random, Simulated};
use super::{Recovery, SegmentStore, StoreOptions, StoreReader, StoredMask, verify_segments};
use crate::clock::ManualClock;
use crate::mask::{Class, Mask, classes_from_names};
use crate::store::{RecordMeta, StoreError, Throttle, Verified};

/// Where stores are on simulated cards.
const FOLDER: &str = "/card/masks";

fn classes() -> Vec<Class> {
    classes_from_names(&["background", "cat"])
}

fn start() -> ManualClock {
    ManualClock::new(Duration::from_secs(30), 1_700_000_000_000_000)
}

/// A mask and its record that no other seed has.
fn frame(seed: u64) -> (RecordMeta, Mask) {
    let mut random = Random(seed);
    let data = (0..96).map(|_| u8::from(random.below(5) == 0)).collect();
    let meta = RecordMeta {
        frame: seed,
        time: Duration::from_millis(100 * seed),
        monotonic: Duration::from_millis(30_000 + 100 * seed),
        wall_us: 1_700_000_000_000_000 + 100_000 * seed as i64,
        model: random.next().to_le_bytes(),
        tune_generation: random.next() as u32,
        latency: Duration::from_micros(random.next() >> 40),
        throttle: Throttle(random.next() as u16),
        name: seed.is_multiple_of(3).then(|| format!("frame {seed}")),
    };
    (meta, Mask { width: 12, height: 8, data })
}

fn open(
    card: &Simulated,
    clock: &ManualClock,
    options: &StoreOptions,
) -> Result<(SegmentStore, Recovery), StoreError> {
    let (volume, clock) = (Box::new(card.clone()), Box::new(clock.clone()));
    SegmentStore::open_on(volume, Path::new(FOLDER), &classes(), options.clone(), clock)
}

/// All masks on the card; an empty card has none.
fn stored(card: &Simulated) -> Result<Vec<StoredMask>, StoreError> {
    match StoreReader::open_on(card, Path::new(FOLDER)) {
        Ok(reader) => reader.collect(),
        Err(StoreError::NoStore { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn verified(card: &Simulated) -> Verified {
    verify_segments(card, Path::new(FOLDER), &mut |_| ()).unwrap()
}

/// Whether this is what was stored for the seed that is its frame's number.
fn is_right(stored: &StoredMask) -> bool {
    frame(stored.meta.frame) == (stored.meta.clone(), stored.mask.clone())
}
