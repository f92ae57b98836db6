//! Power cuts at random instants while masks are written: what was promised is there afterwards, whole and the same.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::board::{Board, Failure, Rig};
use crate::disk::{Cache, Chance, Disk};
use crate::run::{self, Config, Listed, STORE, export, list, status, tailed, verify};

/// Cuts of the same disk, one after the other; then a new one is taken.
const CUTS_OF_A_DISK: u64 = 10;
/// The interval at which masks are forced to the disk in about half of the runs; in the others each mask is.
const SYNC: Duration = Duration::from_secs(3);
/// How long a busy machine may let the emulated program wait for a frame; less than the longest time of writing.
const FRAME_TAKES_MAX: Duration = Duration::from_secs(5);
/// The longest time of writing before a cut.
const WRITING_MS_MAX: u64 = 6000;

/// What the loop found out, of one disk or of all.
#[derive(Default)]
struct Tally {
    cuts: u64,
    /// Masks that were on the disk at the end.
    masks: u64,
    /// The most masks that a cut took, of those that a status line had counted.
    lost_max: u64,
    /// How long before the cut they were counted, in milliseconds.
    loss_ms_max: u64,
    /// Writes that were not flushed when the power was cut.
    late_writes: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.cuts += other.cuts;
        self.masks += other.masks;
        self.lost_max = self.lost_max.max(other.lost_max);
        self.late_writes += other.late_writes;
        self.loss_ms_max = self.loss_ms_max.max(other.loss_ms_max);
    }

    fn to_json(&self, disk: u64, program: u64) -> Value {
        json!({
            "program": program, "disk": disk, "cuts": self.cuts, "masks": self.masks, "lost_max": self.lost_max,
            "late_writes": self.late_writes, "loss_ms_max": self.loss_ms_max,
        })
    }

    fn from_json(line: &str, program: u64) -> Option<(u64, Tally)> {
        let value: Value = serde_json::from_str(line).ok()?;
        let field = |name: &str| value[name].as_u64();
        if field("program")? != program {
            return None;
        }
        let tally = Tally {
            cuts: field("cuts")?,
            masks: field("masks")?,
            lost_max: field("lost_max")?,
            late_writes: field("late_writes")?,
            loss_ms_max: field("loss_ms_max")?,
        };
        Some((field("disk")?, tally))
    }
}

/// `RIG_CUTS` cuts, 3 without it. With `RIG_CUTS_FILE`, disks that are done are noted there, and not done again
/// with the same program.
pub fn keeps_what_was_promised(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let cuts = match std::env::var("RIG_CUTS") {
        Ok(text) => text.parse().map_err(|_| format!("RIG_CUTS={text}: a number of power cuts is wanted"))?,
        Err(_) => 3,
    };
    let program = rig.program_hash()?;
    let notes = std::env::var_os("RIG_CUTS_FILE").map(PathBuf::from);
    let done: BTreeMap<u64, Tally> = match &notes {
        Some(file) => fs::read_to_string(file)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| Tally::from_json(line, program))
            .collect(),
        None => BTreeMap::new(),
    };
    let mut total = Tally::default();
    for disk in 0..u64::div_ceil(cuts, CUTS_OF_A_DISK) {
        let wanted = CUTS_OF_A_DISK.min(cuts - disk * CUTS_OF_A_DISK);
        if let Some(tally) = done.get(&disk).filter(|tally| tally.cuts >= wanted) {
            total.add(tally);
            continue;
        }
        let tally = cut_one_disk(rig, processor, disk, wanted)
            .map_err(|failure| format!("disk {disk}, {failure}"))?;
        println!("{}", tally.to_json(disk, program));
        if let Some(file) = &notes {
            let mut file =
                OpenOptions::new().create(true).append(true).open(file).map_err(|e| e.to_string())?;
            writeln!(file, "{}", tally.to_json(disk, program)).map_err(|error| error.to_string())?;
        }
        total.add(&tally);
    }
    println!(
        "{} power cuts: {} masks on the disks at the end, 0 of them damaged or different; a cut took at most {} masks, \
         which were counted up to {} ms before it, with an interval of {} ms; {} writes were in the disks' caches",
        total.cuts,
        total.masks,
        total.lost_max,
        total.loss_ms_max,
        SYNC.as_millis(),
        total.late_writes
    );
    Ok(())
}

/// What was known when the power was cut.
#[derive(Default)]
struct Known {
    /// What a power cut may take.
    sync: Duration,
    /// Masks that the store listed, by sequence number.
    tailed: BTreeMap<u64, Listed>,
    /// When a status line came, masks that the run had taken by then, and those of them that were promised.
    told: Vec<(Instant, u64, u64)>,
    /// When the power was cut; the board's own time a moment before.
    cut: Option<Instant>,
    uptime_us: u64,
}

fn cut_one_disk(rig: &Rig, processor: &str, number: u64, cuts: u64) -> Result<Tally, Failure> {
    let mut chance = Chance(number);
    let disk = Disk::with_write_cache(64)?;
    let mut tally = Tally { cuts, ..Tally::default() };
    // What the store held before the run at hand: it must never change again.
    let mut held = Vec::new();
    let mut known = Known::default();
    for cut in 0..=cuts {
        let during = |failure: Failure| format!("after {cut} cuts: {failure}");
        let mut board = rig.boot(processor, &disk).map_err(during)?;
        board.sh("mount /dev/vda /disk").map_err(during)?;
        if cut > 0 {
            held = check(&mut board, &held, &known, &mut tally)
                .map_err(|failure| during(board.failure(&failure)))?;
        }
        if cut == cuts {
            same_frame_same_mask(&mut board)?;
            board.switch_off()?;
            break;
        }
        known = write_for_a_while(&mut board, &mut chance).map_err(during)?;
        board.cut_power();
        known.cut = Some(Instant::now());
        let cache = Cache::ALL[chance.below(4) as usize];
        tally.late_writes += disk.lose(cache, &mut chance)?.0 as u64;
    }
    tally.masks = held.len() as u64;
    Ok(tally)
}

/// Lets the program write for a random time, and notes what it says.
fn write_for_a_while(board: &mut Board, chance: &mut Chance) -> Result<Known, Failure> {
    let sync = if chance.flip() { SYNC } else { Duration::ZERO };
    let words = if sync.is_zero() { "record".to_string() } else { format!("{}s", sync.as_secs()) };
    run::start(board, &Config::new().with("store", "sync", &format!("{words:?}")))?;
    board.wait_for("the first promise", |line| status(line).is_some_and(|status| status.listed > 0))?;
    board.sh(&format!("/share/sedge masks tail {STORE} --json >/dev/hvc1 2>&1 &"))?;
    // The board's own time, so that a loss is measured by the clock that the masks are dated by.
    board.sh("while read -r up _ </proc/uptime; do echo \"up $up\"; sleep 0.05; done >/dev/hvc1 &")?;
    let mut known = Known { sync, ..Known::default() };
    let end = Instant::now() + Duration::from_millis(chance.below(WRITING_MS_MAX));
    while let Some(line) = board.line(end.saturating_duration_since(Instant::now())) {
        if line.starts_with("rig: ended with ") {
            return Err(board.failure("the program ended before the cut"));
        }
        if let Some(mask) = tailed(&line) {
            known.tailed.insert(mask.sequence, mask);
        } else if let Some(status) = status(&line) {
            known.told.push((Instant::now(), status.saved, status.listed));
        } else if let Some(seconds) = line.strip_prefix("up ").and_then(|text| text.parse::<f64>().ok()) {
            known.uptime_us = (seconds * 1e6) as u64;
        }
    }
    Ok(known)
}

/// After a cut: what the store lists is whole, what it held is the same, and what is missing was not yet promised.
fn check(
    board: &mut Board,
    held: &[(Listed, String)],
    known: &Known,
    tally: &mut Tally,
) -> Result<Vec<(Listed, String)>, Failure> {
    verify(board)?;
    let left = list(board)?;
    if left.len() < held.len() || left[..held.len()] != *held {
        return Err("masks of an earlier run are lost or different".into());
    }
    let new: BTreeMap<u64, &Listed> =
        left[held.len()..].iter().map(|(mask, _)| (mask.sequence, mask)).collect();
    for (sequence, mask) in &known.tailed {
        let held = held.last().is_some_and(|(last, _)| *sequence <= last.sequence);
        if let Some(now) = new.get(sequence).filter(|now| !held && **now != mask) {
            return Err(format!("mask {sequence} was {mask:?} and is {now:?}"));
        }
    }
    let kept = new.len() as u64;
    for (when, saved, listed) in &known.told {
        let age = known.cut.map(|cut| cut.duration_since(*when)).unwrap_or_default();
        let promised = if age >= known.sync { saved } else { listed };
        if kept < *promised {
            return Err(format!("{promised} masks were promised {age:?} before the cut, {kept} are left"));
        }
        if kept < *saved {
            tally.lost_max = tally.lost_max.max(saved - kept);
            tally.loss_ms_max = tally.loss_ms_max.max(age.as_millis() as u64);
        }
    }
    // The lines come once a second; this catches what was lost without being counted in one.
    if let Some((_, newest)) = new.last_key_value() {
        let loss = Duration::from_micros(known.uptime_us.saturating_sub(newest.monotonic_us));
        if loss > known.sync + FRAME_TAKES_MAX {
            let interval = known.sync;
            return Err(format!(
                "the newest mask is {loss:?} older than the cut, the interval is {interval:?}"
            ));
        }
    }
    Ok(left)
}

/// The source is the same in each run, and so is the network: masks of the same frame number must be the same.
fn same_frame_same_mask(board: &mut Board) -> Result<(), Failure> {
    let mut masks: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for mask in export(board)? {
        let frame = mask.entry["frame"].as_u64().ok_or_else(|| format!("{} names no frame", mask.entry))?;
        if masks.entry(frame).or_insert_with(|| mask.ids.clone()) != &mask.ids {
            return Err(format!("two masks of frame {frame} differ; one is {}", mask.entry));
        }
    }
    Ok(())
}
