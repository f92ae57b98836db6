//! Files that were changed by something else: readers tell the damage and give what is whole.

use proptest::prelude::*;

use super::*;
use crate::store::segments::Sync;
use crate::store::segments::format::first_of;

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
        let report = verified(&card);
        assert!(report.is_whole(), "{report}");
        assert_eq!((report.whole, report.sequences), (20, Some((0, 19))));
        let (_, recovery) = open(&card, &start(), &StoreOptions::default()).unwrap();
        assert_eq!((recovery.records, recovery.scanned), (20, u64::from(!sealed)));
    }
}

/// What is done to the segments of a store, given their names, and how many masks are then listed, unreadable and
/// missing.
#[test]
fn losses_are_counted_to_the_mask() {
    const MASKS: u64 = 90;
    fn damage(card: &Simulated, name: &str, change: fn(&mut Vec<u8>)) {
        let mut bytes = card.lock().file(name).unwrap().to_vec();
        change(&mut bytes);
        card.lock().put_file(name, &bytes);
    }
    type Case = (&'static str, fn(&Simulated, &[String], &[u64]) -> (u64, u64, u64));
    let cases: [Case; 8] = [
        ("nothing", |_, _, _| (MASKS, 0, 0)),
        ("a segment in the middle is gone", |card, names, records| {
            card.lock().remove_file(&names[1]);
            (MASKS, 0, records[1])
        }),
        ("two are gone", |card, names, records| {
            card.lock().remove_file(&names[1]);
            card.lock().remove_file(&names[2]);
            (MASKS, 0, records[1] + records[2])
        }),
        ("the oldest is gone, as the quota takes it", |card, names, records| {
            card.lock().remove_file(&names[0]);
            (MASKS - records[0], 0, 0)
        }),
        ("zeros over most of a segment", |card, names, records| {
            damage(card, &names[1], |bytes| {
                let end = bytes.len() - 4096;
                bytes[100..end].fill(0);
            });
            (MASKS, records[1], 0)
        }),
        ("a footer and the record before it", |card, names, _| {
            damage(card, &names[1], |bytes| {
                let last = bytes.windows(4).rposition(|mark| mark == b"SDGR").unwrap();
                bytes[last..].fill(0xa5);
            });
            (MASKS, 1, 0)
        }),
        ("a record of the open segment", |card, names, _| {
            damage(card, &names[names.len() - 1], |bytes| {
                let second =
                    bytes.windows(4).enumerate().filter(|(_, mark)| mark == b"SDGR").nth(1).unwrap().0;
                bytes[second + 50] ^= 1;
            });
            (MASKS, 1, 0)
        }),
        ("a header", |card, names, _| {
            damage(card, &names[1], |bytes| bytes[30] ^= 1);
            (MASKS, 0, 0)
        }),
    ];
    let mut wrong = Vec::new();
    for (name, change) in cases {
        let card = Simulated::new(1 << 20);
        let options = StoreOptions {
            segment_bytes: 4096,
            sync: Sync::Every(Duration::from_secs(20)),
            ..StoreOptions::default()
        };
        let clock = start();
        let (mut store, _) = open(&card, &clock, &options).unwrap();
        for seed in 0..MASKS {
            let (meta, mask) = frame(seed);
            store.put(&meta, &mask).unwrap();
            clock.advance(Duration::from_millis(300));
            store.tick();
        }
        store.close().unwrap();
        let names: Vec<String> = card.lock().names().filter(|name| name.ends_with(".seg")).collect();
        assert!(names.len() > 4, "{names:?}");
        let firsts: Vec<u64> = names.iter().map(|name| first_of(name).unwrap()).collect();
        let records: Vec<u64> = firsts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (listed, unreadable, missing) = change(&card, &names, &records);
        let report = verified(&card);
        let found = (report.listed, report.unreadable, report.missing, report.whole);
        if found != (listed, unreadable, missing, listed - unreadable - missing) || report.skipped > 0 {
            wrong.push(format!("{name}: {report:?}"));
        }
        if report.is_whole() != (found.3 == listed && report.damaged == 0) {
            wrong.push(format!("{name}: {report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
