//! Files that were changed by something else: readers tell the damage and give what is whole.

use proptest::prelude::*;

use super::*;
use crate::store::segments::verify_on;

const SEGMENT: &str = "0000000000000000.seg";

/// The bytes of a segment with 20 records, sealed or not.
fn segment(sealed: bool) -> (Simulated, Vec<u8>) {
    let card = Simulated::new(1 << 20);
    let clock = start();
    let options = StoreOptions { segment_age: Duration::from_secs(5), ..StoreOptions::default() };
    let (mut store, _) = open(&card, &clock, &options).unwrap();
    for seed in 0..20 {
        let (meta, mask) = frame(seed);
        store.put(&meta, &mask).unwrap();
    }
    if sealed {
        clock.advance(Duration::from_secs(10));
        store.tick();
        store.tick();
    }
    store.close().unwrap();
    let bytes = card.lock().file(SEGMENT).unwrap().to_vec();
    (card, bytes)
}

/// All whole masks, each of which must be right, and the number of damaged places.
fn read(card: &Simulated) -> Result<(usize, usize), TestCaseError> {
    let reader = match StoreReader::open_on(card, Path::new(FOLDER)) {
        Ok(reader) => reader,
        Err(StoreError::Version { .. }) => return Ok((0, 1)),
        Err(error) => return Err(TestCaseError::fail(error.to_string())),
    };
    let (mut masks, mut damaged) = (0, 0);
    for stored in reader {
        match stored {
            Ok(stored) => {
                prop_assert!(is_right(&stored), "{stored:?}");
                masks += 1;
            }
            Err(StoreError::Damaged { .. } | StoreError::Version { .. }) => damaged += 1,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }
    Ok((masks, damaged))
}

#[test]
fn a_sealed_segment_is_whole_and_need_not_be_scanned() {
    for sealed in [false, true] {
        let (card, _) = segment(sealed);
        let report = verify_on(&card, Path::new(FOLDER)).unwrap();
        assert_eq!((report.records, report.damaged, report.sequences), (20, 0, Some((0, 19))));
        let (_, recovery) = open(&card, &start(), &StoreOptions::default()).unwrap();
        assert_eq!((recovery.records, recovery.scanned), (20, u64::from(!sealed)));
    }
}

proptest! {
    #[test]
    fn changed_bytes_cost_only_their_own_records(
        sealed in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (card, mut bytes) = segment(sealed);
        for (at, value) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        card.lock().put_file(SEGMENT, &bytes);
        let (masks, _) = read(&card)?;
        // A changed header may name another store or a later version; else each change costs a record at most.
        let header_changed = changes.iter().any(|(at, _)| at.index(bytes.len()) < 80);
        prop_assert!(header_changed || masks + changes.len() >= 20, "{masks} are left");
        // A writer takes it up as well, or says what it is.
        let _ = open(&card, &start(), &StoreOptions::default());
    }

    #[test]
    fn a_segment_cut_anywhere_gives_what_is_before(
        sealed in any::<bool>(),
        at in any::<prop::sample::Index>(),
    ) {
        let (card, bytes) = segment(sealed);
        card.lock().put_file(SEGMENT, &bytes[..at.index(bytes.len())]);
        let (masks, damaged) = read(&card)?;
        prop_assert_eq!(damaged, 0);
        let (store, recovery) = open(&card, &start(), &StoreOptions::default()).unwrap();
        drop(store);
        prop_assert!(recovery.records as usize == masks || recovery.foreign == 1);
    }

    #[test]
    fn any_bytes_are_told_as_damage(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
        let (card, _) = segment(true);
        card.lock().put_file("0000000000000005.seg", &bytes);
        let (masks, _) = read(&card)?;
        prop_assert_eq!(masks, 20);
        let (_, recovery) = open(&card, &start(), &StoreOptions::default()).unwrap();
        prop_assert_eq!((recovery.records, recovery.foreign), (20, 1));
        prop_assert_eq!(card.lock().file("0000000000000005.seg").map(<[u8]>::to_vec), Some(bytes));
    }
}
