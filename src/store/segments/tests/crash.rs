//! Power cuts at every operation of the simulated card, also while the store is being recovered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::store::segments::simulated::Disk;
use crate::store::segments::{Encoding, Sync};

/// How a store is used before the power fails.
struct Workload {
    name: &'static str,
    options: StoreOptions,
    frame_every: Duration,
    /// What a power cut may take; `None` for as much as was not synced.
    interval: Option<Duration>,
}

fn workloads() -> Vec<Workload> {
    let small = StoreOptions {
        segment_bytes: 12 * 1024,
        max_bytes: Some(65536),
        segment_age: Duration::from_secs(40),
        ..StoreOptions::default()
    };
    let millis = Duration::from_millis;
    let every = |seconds| Sync::Every(Duration::from_secs(seconds));
    vec![
        Workload {
            name: "every 4 s",
            options: StoreOptions { sync: every(4), ..small.clone() },
            frame_every: millis(300),
            interval: Some(millis(4000)),
        },
        Workload {
            name: "every record",
            options: StoreOptions { sync: Sync::Record, ..small.clone() },
            frame_every: millis(1700),
            interval: Some(Duration::ZERO),
        },
        Workload {
            name: "on close, as PNG",
            options: StoreOptions { sync: Sync::Close, encoding: Encoding::Png, ..small.clone() },
            frame_every: millis(250),
            interval: None,
        },
        Workload {
            name: "every 10 s, sealed by age, deleted by age, card nearly full",
            options: StoreOptions {
                sync: every(10),
                segment_age: Duration::from_secs(15),
                max_age: Some(Duration::from_secs(100)),
                min_free_bytes: 960 * 1024,
                max_bytes: None,
                ..small
            },
            frame_every: millis(900),
            interval: Some(Duration::from_secs(10)),
        },
    ]
}

/// What was said and done when so many operations had been recorded.
#[derive(Clone, Copy)]
struct Mark {
    operations: usize,
    /// All numbers below were promised.
    promised: u64,
    /// The oldest number that the quota had left.
    oldest: u64,
    now: Duration,
}

/// What was given to the store.
#[derive(Clone, Default)]
struct Given {
    /// By sequence number: the seed of the frame, and when it was taken.
    frames: BTreeMap<u64, (u64, Duration)>,
    seeds: u64,
}

/// Runs the workload for a while on a recording card.
fn work(
    card: &Simulated,
    clock: &ManualClock,
    workload: &Workload,
    seconds: u64,
    given: &mut Given,
) -> Vec<Mark> {
    use crate::clock::Clock;
    let (mut store, recovery) = open(card, clock, &workload.options).unwrap();
    given.frames.split_off(&recovery.next_sequence);
    let left: Vec<u64> = stored(card).unwrap().iter().map(|stored| stored.sequence).collect();
    given.frames.retain(|sequence, _| left.binary_search(sequence).is_ok());
    card.lock().recording = true;
    let mut marks = Vec::new();
    let mut mark = |store: &SegmentStore| {
        let operations = card.history.lock().unwrap().len();
        let oldest = store.status().sequences.map_or(store.promised(), |(oldest, _)| oldest);
        marks.push(Mark { operations, promised: store.promised(), oldest, now: clock.monotonic() });
    };
    mark(&store);
    let end = clock.monotonic() + Duration::from_secs(seconds);
    let (mut next_frame, mut next_tick) = (clock.monotonic(), clock.monotonic());
    while clock.monotonic() < end {
        let next = next_frame.min(next_tick);
        clock.advance(next - clock.monotonic());
        if next == next_tick {
            assert_eq!(store.tick(), [], "{}", workload.name);
            next_tick += Duration::from_secs(1);
        } else {
            let (meta, mask) = frame(given.seeds);
            let taken = store.put(&meta, &mask).unwrap();
            given.frames.insert(taken.sequence, (given.seeds, next));
            given.seeds += 1;
            next_frame += workload.frame_every;
        }
        mark(&store);
    }
    card.lock().recording = false;
    marks
}

/// What is wrong with a card that was taken up after a power cut behind operation `at`.
fn wrong_with(
    card: &Simulated,
    workload: &Workload,
    marks: &[Mark],
    given: &Given,
    at: usize,
) -> Result<u64, String> {
    let clock = ManualClock::new(Duration::from_secs(5), 0);
    let (store, recovery) = open(card, &clock, &workload.options).map_err(|error| error.to_string())?;
    if !matches!(store.status().state, crate::store::segments::StoreState::Writing) {
        return Err(format!("{:?}", store.status()));
    }
    drop(store);
    let masks = stored(card).map_err(|error| error.to_string())?;
    let said = marks.iter().take_while(|mark| mark.operations <= at + 1).last().unwrap_or(&marks[0]);
    // The state lasts until the next operation, and what that deletes may be gone already.
    let until = marks.iter().find(|mark| mark.operations > at + 1).unwrap_or(&marks[marks.len() - 1]);
    let mut found = BTreeMap::new();
    for stored in &masks {
        let expected = given.frames.get(&stored.sequence).map(|&(seed, _)| seed);
        if expected != Some(stored.meta.frame) || !is_right(stored) {
            return Err(format!("record {} is of frame {}", stored.sequence, stored.meta.frame));
        }
        found.insert(stored.sequence, ());
    }
    if masks.last().is_some_and(|last| last.sequence >= recovery.next_sequence) {
        return Err(format!("the next number is {}, which is taken", recovery.next_sequence));
    }
    for (&sequence, &(_, taken)) in given.frames.range(until.oldest..) {
        if found.contains_key(&sequence) {
            continue;
        }
        if sequence < said.promised {
            return Err(format!("record {sequence} was promised and is lost"));
        }
        let age = until.now.saturating_sub(taken);
        // A frame that was being taken as the power failed was never stored.
        let taking = sequence >= said.promised && taken == until.now;
        if workload.interval.is_some_and(|interval| age > interval && !taking) {
            return Err(format!("record {sequence} is lost {age:?} after it was taken"));
        }
    }
    Ok(recovery.torn_bytes)
}

/// Crashes behind every operation and while recovering from that; returns the number of crashes and of torn tails.
fn crash_everywhere(workload: &Workload, rounds: u64, seeds: u64, wrong: &mut Vec<String>) -> (u64, u64) {
    let card = Simulated::new(1 << 20);
    let clock = start();
    let mut random = Random(rounds ^ 0xabcd);
    let mut given = Given::default();
    let (mut crashes, mut torn) = (0, 0);
    let mut card = card;
    for round in 0..rounds {
        let marks = work(&card, &clock, workload, 60, &mut given);
        let history = card.take_history();
        let mut check = |disk: &Disk, at: usize, how: &str| {
            crashes += 1;
            match wrong_with(&Simulated::from(disk.clone()), workload, &marks, &given, at) {
                Ok(torn_bytes) => torn += u64::from(torn_bytes > 0),
                Err(why) => wrong.push(format!("{}, round {round}, {how} {at}: {why}", workload.name)),
            }
        };
        for (at, disk) in history.iter().enumerate() {
            for seed in 0..seeds {
                let crashed = disk.after_crash(&mut random);
                check(&crashed, at, "crash behind operation");
                if seed % 4 > 0 {
                    continue;
                }
                // The power fails again while the store is being taken up.
                let again = Simulated::from(crashed);
                again.lock().recording = true;
                let (store, _) = open(&again, &start(), &workload.options).unwrap();
                drop(store);
                let states = again.take_history();
                let state = &states[random.below(states.len())];
                check(&state.after_crash(&mut random), at, "second crash behind operation");
            }
        }
        // The camera goes on with one of the outcomes.
        let at = random.below(history.len());
        card = Simulated::from(history[at].after_crash(&mut random));
    }
    (crashes, torn)
}

#[test]
fn no_power_cut_takes_what_was_promised() {
    let mut wrong = Vec::new();
    let (mut crashes, mut torn) = (0, 0);
    for workload in workloads() {
        let (more, more_torn) = crash_everywhere(&workload, 10, 36, &mut wrong);
        println!("{}: {more} crashes, {more_torn} torn", workload.name);
        crashes += more;
        torn += more_torn;
    }
    assert!(wrong.is_empty(), "{} of {crashes}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(crashes >= 100_000, "only {crashes} power cuts");
    assert!(torn >= 10_000, "only {torn} left a torn end: the card is too kind");
}

#[test]
fn recovery_changes_nothing_twice() {
    let workload = &workloads()[0];
    let card = Simulated::new(1 << 20);
    let mut given = Given::default();
    work(&card, &start(), workload, 60, &mut given);
    let mut random = Random(5);
    let mut wrong = Vec::new();
    for (at, disk) in card.take_history().iter().enumerate() {
        let card = Simulated::from(disk.after_crash(&mut random));
        let (_, first) = open(&card, &start(), &workload.options).unwrap();
        let masks = stored(&card).unwrap();
        let (_, second) = open(&card, &start(), &workload.options).unwrap();
        // What was long enough has been sealed.
        let expected = Recovery { torn_bytes: 0, scanned: second.scanned, ..first };
        if second != expected || stored(&card).unwrap() != masks || first.records != masks.len() as u64 {
            wrong.push(format!("{at}: {first:?}, then {second:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn whole_records_behind_a_torn_one_stay() {
    let options = StoreOptions::default();
    let card = Simulated::new(1 << 20);
    let (mut store, _) = open(&card, &start(), &options).unwrap();
    for seed in 0..30 {
        let (meta, mask) = frame(seed);
        store.put(&meta, &mask).unwrap();
    }
    store.close().unwrap();
    let name = "0000000000000000.seg";
    let mut bytes = card.lock().file(name).unwrap().to_vec();
    let second = bytes.windows(4).enumerate().filter(|(_, mark)| mark == b"SDGR").nth(1).unwrap().0;
    bytes[second + 60] ^= 1;
    card.lock().put_file(name, &bytes);
    let all = || {
        let reader = StoreReader::open_on(&card, Path::new(FOLDER)).unwrap();
        let (masks, errors): (Vec<_>, Vec<_>) = reader.partition(Result::is_ok);
        let numbers: Vec<u64> = masks.into_iter().map(|stored| stored.unwrap().sequence).collect();
        let errors: Vec<StoreError> = errors.into_iter().filter_map(Result::err).collect();
        (numbers, errors)
    };
    let expected = |end: u64| (0..end).filter(|&number| number != 1).collect::<Vec<u64>>();
    // A reader steps over the place,
    let (numbers, errors) = all();
    assert_eq!(numbers, expected(30));
    assert!(matches!(&errors[..], [StoreError::Damaged { offset, .. }] if *offset == second as u64));
    let report = verified(&card);
    assert_eq!((report.listed, report.whole, report.unreadable, report.damaged), (30, 29, 1, 1));
    // and the next start removes it.
    let (mut store, recovery) = open(&card, &start(), &options).unwrap();
    assert_eq!((recovery.records, recovery.next_sequence, recovery.damaged_bytes), (29, 30, 0));
    assert!(recovery.torn_bytes > 0);
    let (meta, mask) = frame(30);
    assert_eq!(store.put(&meta, &mask).unwrap().sequence, 30);
    store.close().unwrap();
    let (numbers, errors) = all();
    assert_eq!((numbers, errors.len()), (expected(31), 0));
}
