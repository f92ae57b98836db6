//! Cards that fail, fill up, turn read-only, are pulled out or changed; clocks that jump; a spent budget.

use std::collections::BTreeSet;
use std::ops::Range;

use super::*;
use crate::store::segments::simulated::{Disk, Failure};
use crate::store::segments::{StoreEvent, StoreState, Sync, TICK_MAX, WaitReason};

fn options() -> StoreOptions {
    StoreOptions {
        segment_bytes: 12 * 1024,
        max_bytes: Some(65536),
        sync: Sync::Every(Duration::from_secs(4)),
        mount: Some("/card".into()),
        ..StoreOptions::default()
    }
}

/// A camera that goes on whatever happens, one frame and one tick a second.
struct Camera {
    card: Simulated,
    clock: ManualClock,
    store: SegmentStore,
    seed: u64,
    /// Seeds of the frames that were taken.
    taken: Vec<u64>,
    refused: u64,
    events: Vec<StoreEvent>,
}

impl Camera {
    fn new(card: &Simulated, options: &StoreOptions) -> Camera {
        let clock = start();
        let (store, _) = open(card, &clock, options).unwrap();
        let (taken, events) = (Vec::new(), Vec::new());
        Camera { card: card.clone(), clock, store, seed: 0, taken, refused: 0, events }
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(TICK_MAX);
            self.events.extend(self.store.tick());
            let (meta, mask) = frame(self.seed);
            match self.store.put(&meta, &mask) {
                Ok(_) => self.taken.push(self.seed),
                Err(error) if error.waits() => self.refused += 1,
                Err(error) => panic!("{error}"),
            }
            self.seed += 1;
        }
    }

    /// Closes the store; then all frames that were taken must be there, but for the oldest, which the quota deletes.
    fn close(self) -> Result<(), String> {
        let status = self.store.status();
        if status.refused_waiting + status.refused_budget != self.refused {
            return Err(format!("{} refused, but {status:?}", self.refused));
        }
        let status = self.store.close().map_err(|error| error.to_string())?;
        if (status.listed, status.unsynced) != (self.taken.len() as u64, 0) {
            return Err(format!("{} taken, but {status:?}", self.taken.len()));
        }
        let masks = stored(&self.card).map_err(|error| error.to_string())?;
        if let Some(wrong) = masks.iter().find(|stored| !is_right(stored)) {
            return Err(format!("record {} is wrong", wrong.sequence));
        }
        let frames: Vec<u64> = masks.iter().map(|stored| stored.meta.frame).collect();
        let deleted = status.deleted_segments > 0;
        if !self.taken.ends_with(&frames) || !deleted && frames.len() < self.taken.len() {
            return Err(format!("{frames:?} of {:?}", self.taken));
        }
        let handles = self.card.lock().handles;
        if handles > 0 { Err(format!("{handles} handles are still open")) } else { Ok(()) }
    }

    fn waits(&self) -> Option<WaitReason> {
        match self.store.status().state {
            StoreState::Waiting(reason) => Some(reason),
            _ => None,
        }
    }
}

/// How many operations a camera does in so many seconds.
fn operations(seconds: u64) -> u64 {
    let card = Simulated::new(1 << 20);
    Camera::new(&card, &options()).run(seconds);
    let disk = card.lock();
    disk.operations
}

#[test]
fn a_failure_at_every_operation() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for failure in [Failure::Input, Failure::Full, Failure::ReadOnly] {
        for lasting in [1, 7, u64::MAX] {
            for number in 0..operations(100) {
                let card = Simulated::new(1 << 20);
                card.lock().failing = Some((number..number.saturating_add(lasting), failure));
                let mut camera = Camera::new(&card, &options());
                camera.run(100);
                let promised = camera.store.promised();
                // While it waits it does not know; the quota leaves at least the last segments.
                let kept = camera.store.status().sequences;
                let oldest = kept.map_or(promised.saturating_sub(15), |(oldest, _)| oldest);
                // What was promised survives a power cut in the middle of it too.
                let crashed = Simulated::from(card.lock().after_crash(&mut Random(number)));
                card.lock().failing = None;
                camera.run(70);
                let told = |event: &&StoreEvent| matches!(event, StoreEvent::Waiting(_));
                let waits = camera.events.iter().filter(told).count();
                let goes_on = camera.waits().is_none();
                let result = match () {
                    () if !goes_on => Err(format!("still {:?}", camera.store.status().state)),
                    () if lasting == u64::MAX && waits > 1 => Err(format!("told {waits} times")),
                    () => camera.close(),
                };
                let result = result.and_then(|()| survives(&crashed, oldest..promised));
                if let Err(why) = result {
                    wrong.push(format!("{failure:?} from {number}, {lasting} times: {why}"));
                }
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "{tried}");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
}

/// Whether a card after a power cut holds these promised records and nothing wrong.
fn survives(card: &Simulated, kept: Range<u64>) -> Result<(), String> {
    let (_, recovery) = open(card, &start(), &options()).map_err(|error| error.to_string())?;
    let masks = stored(card).map_err(|error| error.to_string())?;
    let numbers: BTreeSet<u64> = masks.iter().map(|stored| stored.sequence).collect();
    let missing = kept.clone().find(|number| !numbers.contains(number));
    match missing {
        Some(number) => Err(format!("after a power cut {number} of {kept:?} is lost: {recovery:?}")),
        None if !masks.iter().all(is_right) => Err("after a power cut a record is wrong".to_owned()),
        None => Ok(()),
    }
}

#[test]
fn waits_and_goes_on() {
    type Change = fn(&mut Disk);
    type Case = (&'static str, Change, Change, fn(&WaitReason) -> bool);
    // What happens to the card, what mends it, and the kind of wait.
    let cases: [Case; 4] = [
        (
            "a foreign file fills the card",
            |disk| disk.foreign_bytes = 1 << 20,
            |disk| disk.foreign_bytes = 0,
            |reason| matches!(reason, WaitReason::Full { .. }),
        ),
        (
            "the card is pulled out and put back",
            |disk| disk.pull_out(),
            |disk| disk.mounted = true,
            |reason| matches!(reason, WaitReason::NotMounted(_)),
        ),
        (
            "remounted read-only",
            |disk| disk.failing = Some((0..u64::MAX, Failure::ReadOnly)),
            |disk| disk.failing = None,
            |reason| matches!(reason, WaitReason::ReadOnly),
        ),
        (
            "input/output errors",
            |disk| disk.failing = Some((0..u64::MAX, Failure::Input)),
            |disk| disk.failing = None,
            |reason| matches!(reason, WaitReason::Failing(_)),
        ),
    ];
    let mut wrong = Vec::new();
    for (name, breaks, mends, expected) in cases {
        let card = Simulated::new(1 << 20);
        card.lock().put_file("holiday.jpg", b"somebody's own");
        let mut camera = Camera::new(&card, &options());
        camera.run(30);
        breaks(&mut card.lock());
        camera.run(3600);
        let reason = camera.waits();
        if !reason.as_ref().is_some_and(expected) {
            wrong.push(format!("{name}: {reason:?}"));
        }
        mends(&mut card.lock());
        camera.run(100);
        let kinds: Vec<_> = camera.events.iter().filter(|event| is_wait(event)).collect();
        // A pulled card is told as moved, then as not mounted.
        let most = if name.contains("pulled") { 2 } else { 1 };
        let resumed =
            camera.events.iter().filter(|event| matches!(event, StoreEvent::Resumed { .. })).count();
        if kinds.is_empty() || kinds.len() > most || resumed != 1 || camera.refused < 3500 {
            wrong.push(format!("{name}: {:?}, {} refused", camera.events, camera.refused));
        }
        let refused_end = camera.store.status().refused_waiting;
        if refused_end > 3600 + 62 {
            wrong.push(format!("{name}: {refused_end} refused: it took too long to go on"));
        }
        if card.lock().file("holiday.jpg") != Some(b"somebody's own") {
            wrong.push(format!("{name}: the foreign file is gone"));
        }
        if let Err(why) = camera.close() {
            wrong.push(format!("{name}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_wait(event: &StoreEvent) -> bool {
    matches!(event, StoreEvent::Waiting(_))
}

#[test]
fn a_card_that_is_not_there_at_the_start() {
    let card = Simulated::new(1 << 20);
    card.lock().pull_out();
    let mut camera = Camera::new(&card, &options());
    camera.run(100);
    assert_eq!((camera.taken.len(), card.lock().operations), (0, 0), "nothing touches the system's disk");
    card.lock().mounted = true;
    camera.run(100);
    camera.close().unwrap();
}

#[test]
fn another_card_keeps_its_own_masks() {
    let options = StoreOptions { max_bytes: None, ..options() };
    let first = Simulated::new(1 << 20);
    let mut camera = Camera::new(&first, &options);
    camera.run(200);
    let second = Simulated::new(1 << 20);
    let mut other = Camera::new(&second, &options);
    other.run(20);
    other.store.close().unwrap();
    // The second card goes where the first was.
    let next = camera.store.status().sequences.unwrap().1;
    first.lock().pull_out();
    *first.lock() = second.lock().clone();
    first.lock().pull_out();
    first.lock().mounted = true;
    camera.run(20);
    assert!(camera.events.contains(&StoreEvent::OtherStore), "{:?}", camera.events);
    camera.store.close().unwrap();
    let masks = stored(&first).unwrap();
    assert_eq!(
        masks.iter().map(|stored| stored.meta.frame).take(20).collect::<Vec<_>>(),
        (0..20).collect::<Vec<_>>()
    );
    // Numbers go on from the higher of both.
    assert!(masks[20].sequence >= next, "{} {next}", masks[20].sequence);
    assert!(masks.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
}

#[test]
fn a_full_card_is_a_ring_and_foreign_files_are_none_of_it() {
    let options = StoreOptions { max_bytes: None, min_free_bytes: 500_000, ..options() };
    let card = Simulated::new(700_000);
    card.lock().put_file("holiday.jpg", &[1; 50_000]);
    let mut camera = Camera::new(&card, &options);
    camera.run(3000);
    let status = camera.store.status();
    assert!(status.deleted_segments > 3, "{status:?}");
    assert_eq!((camera.refused, status.state), (0, StoreState::Writing));
    let free = card.lock().free_bytes();
    assert!((500_000..500_000 + 3 * 12 * 1024).contains(&free), "{free}");
    // A foreign file of ten segments: no mask goes for it.
    let deleted = status.deleted_segments;
    card.lock().foreign_bytes = 120_000;
    camera.run(1000);
    assert!(matches!(camera.waits(), Some(WaitReason::Full { .. })));
    assert!(camera.store.status().deleted_segments <= deleted + 1);
    card.lock().foreign_bytes = 0;
    camera.run(100);
    assert_eq!(card.lock().file("holiday.jpg"), Some(&[1; 50_000][..]));
    camera.close().unwrap();
}

#[test]
fn clocks_that_jump_neither_delete_all_nor_nothing() {
    const YEARS_5: i64 = 5 * 365 * 86_400_000_000;
    const HOUR: i64 = 3_600_000_000;
    let options = StoreOptions {
        max_age: Some(Duration::from_secs(600)),
        segment_age: Duration::from_secs(60),
        max_bytes: None,
        ..options()
    };
    // The jump of the wall's clock in microseconds, and whether the program starts anew with it.
    let cases = [
        ("none", 0, false),
        ("5 years forward", YEARS_5, false),
        ("1 hour back", -HOUR, false),
        ("5 years forward at a start", YEARS_5, true),
        ("1 hour back at a start", -HOUR, true),
        ("54 years back", -1_700_000_000_000_000, false),
    ];
    let mut wrong = Vec::new();
    for (name, jump, restart) in cases {
        let card = Simulated::new(1 << 20);
        let mut camera = Camera::new(&card, &options);
        camera.run(1000);
        use crate::clock::Clock;
        camera.clock.set_wall_us(camera.clock.wall_us() + jump);
        if restart {
            let clock = camera.clock.clone();
            camera.store.close().unwrap();
            camera.store = open(&card, &clock, &options).unwrap().0;
        }
        for minute in 0..20 {
            camera.run(60);
            let (oldest, next) = camera.store.status().sequences.unwrap();
            // A frame a second: 600 are young enough, and up to 60 and a segment's 60 stay longer.
            let kept = next - oldest;
            if !(590..=740).contains(&kept) {
                wrong.push(format!("{name}, minute {minute}: {kept} are kept"));
            }
        }
        let masks = stored(&card).unwrap();
        if !masks.windows(2).all(|pair| pair[0].meta.frame < pair[1].meta.frame) {
            wrong.push(format!("{name}: out of order"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_spent_budget_is_renewed_the_next_day() {
    let limit = 4 << 20;
    let options = StoreOptions { write_bytes_per_day: Some(limit), max_bytes: None, ..options() };
    let card = Simulated::new(1 << 30);
    let mut camera = Camera::new(&card, &options);
    camera.run(86_000);
    let status = camera.store.status();
    assert_eq!(status.state, StoreState::OverBudget);
    assert!((limit * 9 / 10..=limit).contains(&status.written_today_bytes), "{status:?}");
    assert!(status.bytes_per_mask.is_some_and(|bytes| bytes > 200.0), "{status:?}");
    assert_eq!(camera.events, [StoreEvent::BudgetSpent]);
    camera.run(86_400);
    let refused =
        |event: &StoreEvent| matches!(event, StoreEvent::BudgetRenewed { refused } if *refused > 1000);
    assert_eq!(camera.events.len(), 3, "{:?}", camera.events);
    assert!(refused(&camera.events[1]) && camera.events[2] == StoreEvent::BudgetSpent);
    assert!(camera.store.status().written_bytes <= 2 * limit);
    // A restart does not renew it.
    let (clock, spent) = (camera.clock.clone(), camera.store.status().written_today_bytes);
    camera.store.close().unwrap();
    let again = open(&card, &clock, &options).unwrap().0.status().written_today_bytes;
    assert!(again.abs_diff(spent) < 100_000, "{spent} bytes before the restart, {again} after");
}

/// What is set while a camera runs holds from the next tick on, without a restart.
#[test]
fn limits_change_while_it_runs() {
    type Set = fn(&mut StoreOptions);
    type Case = (&'static str, Set, Set, fn(&mut Camera) -> bool);
    let cases: [Case; 7] = [
        (
            "max_bytes",
            |_| (),
            |options| options.max_bytes = Some(65536),
            |camera| camera.store.status().bytes <= 65536,
        ),
        (
            "max_age",
            |_| (),
            |options| options.max_age = Some(Duration::from_secs(400)),
            |camera| {
                let (oldest, next) = camera.store.status().sequences.unwrap();
                next - oldest < 600
            },
        ),
        (
            "sync",
            |options| options.sync = Sync::Close,
            |options| options.sync = Sync::Record,
            |camera| camera.store.status().unsynced == 0,
        ),
        (
            "segment_bytes",
            |options| options.segment_bytes = 1 << 20,
            |options| options.segment_bytes = 4096,
            |camera| camera.store.status().segments > 3,
        ),
        (
            "segment_age",
            |options| {
                (options.segment_bytes, options.segment_age) = (1 << 20, Duration::from_secs(7 * 86_400))
            },
            |options| (options.segment_bytes, options.segment_age) = (1 << 20, Duration::from_secs(60)),
            |camera| camera.store.status().segments > 2,
        ),
        (
            "min_free_bytes",
            |options| options.min_free_bytes = 10 << 20,
            |options| options.min_free_bytes = 0,
            |camera| camera.store.status().state == StoreState::Writing,
        ),
        (
            "write_bytes_per_day",
            |options| options.write_bytes_per_day = Some(1 << 20),
            |options| options.write_bytes_per_day = Some(100 << 20),
            |camera| camera.store.status().state == StoreState::Writing,
        ),
    ];
    let mut wrong = Vec::new();
    for (name, before, after, holds) in cases {
        let plain = StoreOptions { max_bytes: None, ..options() };
        let (mut old, mut new) = (plain.clone(), plain);
        before(&mut old);
        after(&mut new);
        let card = Simulated::new(4 << 20);
        let mut camera = Camera::new(&card, &old);
        camera.run(1000);
        if holds(&mut camera) {
            wrong.push(format!("{name}: held before it was set"));
        }
        camera.store.set_limits(&new).unwrap();
        camera.run(70);
        if !holds(&mut camera) {
            wrong.push(format!("{name}: {:?}", camera.store.status()));
        }
        // Where masks lie and how is not changed.
        let elsewhere = StoreOptions { mount: Some("/elsewhere".into()), ..new.clone() };
        if camera.store.set_limits(&elsewhere).is_err()
            || camera.store.set_limits(&StoreOptions { max_bytes: Some(1), ..new }).is_ok()
        {
            wrong.push(format!("{name}: what cannot be set"));
        }
        if let Err(why) = camera.close() {
            wrong.push(format!("{name}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wrong_usage_is_told_apart() {
    type Case = (&'static str, fn(&mut StoreOptions));
    let wrong_options: [Case; 6] = [
        ("segment_bytes", |options| options.segment_bytes = 100),
        ("max_bytes", |options| options.max_bytes = Some(1000)),
        ("max_age", |options| options.max_age = Some(Duration::ZERO)),
        ("sync", |options| options.sync = Sync::Every(Duration::ZERO)),
        ("mount", |options| options.mount = Some("/elsewhere".into())),
        ("write_bytes_per_day", |options| options.write_bytes_per_day = Some(5)),
    ];
    let mut wrong = Vec::new();
    for (name, change) in wrong_options {
        let mut options = options();
        change(&mut options);
        match open(&Simulated::new(1 << 20), &start(), &options).map(|_| ()) {
            Err(StoreError::Setting { setting, .. }) if setting == name => {}
            other => wrong.push(format!("{name}: {other:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let card = Simulated::new(1 << 20);
    let (mut store, _) = open(&card, &start(), &options()).unwrap();
    assert!(matches!(open(&card, &start(), &options()), Err(StoreError::InUse { .. })));
    let bad = [(0, 0, 0), (3, 2, 5), (1 << 14, 1 << 14, 0)];
    for (width, height, found) in bad {
        let mask = Mask { width, height, data: vec![0; found] };
        let error = store.put(&RecordMeta::default(), &mask).unwrap_err();
        assert!(matches!(error, StoreError::MaskSize { .. }) && !error.waits());
    }
    let numbers: Range<u64> = 0..3;
    for seed in numbers {
        let (meta, mask) = frame(seed);
        assert_eq!(store.put(&meta, &mask).unwrap().sequence, seed);
    }
}
