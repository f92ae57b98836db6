//! Power cuts at random instants while masks are written: what was promised is there afterwards, whole and the same.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::board::{Board, Failure, PATIENCE, Rig};
use crate::disk::{Cache, Chance, Disk};
use crate::program::{self, Config, Listed, STORE, list, listed, status, verify};

/// Cuts of the same disk, one after the other; then a new one is taken.
const CUTS_OF_A_DISK: u64 = 10;
/// The interval at which masks are forced to the disk.
const SYNC: Duration = Duration::from_secs(1);
/// What the forcing itself may take, in emulation.
const SYNC_TAKES_MAX: Duration = Duration::from_millis(700);
/// The longest time of writing before a cut.
const WRITING_MS_MAX: u64 = 4000;

/// What the loop found out, of one disk or of all.
#[derive(Default)]
struct Tally {
    cuts: u64,
    /// Masks that were on the disk at the end, and all that was ever seen of its store.
    masks: u64,
    lost: u64,
    /// Writes that were not flushed when the power was cut.
    late_writes: u64,
    /// The most that a cut took, in milliseconds of writing.
    loss_ms_max: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.cuts += other.cuts;
        self.masks += other.masks;
        self.lost += other.lost;
        self.late_writes += other.late_writes;
        self.loss_ms_max = self.loss_ms_max.max(other.loss_ms_max);
    }

    fn to_json(&self, disk: u64, program: u64) -> Value {
        json!({
            "program": program, "disk": disk, "cuts": self.cuts, "masks": self.masks, "lost": self.lost,
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
            lost: field("lost")?,
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
        "{} power cuts: {} masks on the disks at the end, 0 of them damaged or different, {} lost that were not yet \
         promised; at most {} ms of writing lost (interval {} ms); {} writes were on their way",
        total.cuts,
        total.masks,
        total.lost,
        total.loss_ms_max,
        SYNC.as_millis(),
        total.late_writes
    );
    Ok(())
}

/// What was known of the store when the power was cut.
#[derive(Default)]
struct Known {
    /// All masks that it listed, by sequence number.
    listed: BTreeMap<u64, Listed>,
    /// The promise: all up to here are safe.
    durable: Option<u64>,
}

fn cut_one_disk(rig: &Rig, processor: &str, number: u64, cuts: u64) -> Result<Tally, Failure> {
    let mut chance = Chance(number);
    let disk = Disk::with_write_cache(64)?;
    let mut tally = Tally { cuts, ..Tally::default() };
    // What the store held for sure before the run at hand: it must never change again.
    let mut held: Vec<Listed> = Vec::new();
    let mut known = Known::default();
    for cut in 0..=cuts {
        let mut board = rig.boot(processor, &disk).map_err(|failure| format!("cut {cut}: {failure}"))?;
        board.sh("mount /dev/vda /disk")?;
        if cut > 0 {
            let left = check(&mut board, &held, &known, &mut tally)
                .map_err(|failure| format!("cut {cut}: {}", board.failure(&failure)))?;
            held = left;
        }
        if cut == cuts {
            same_frame_same_mask(&mut board)?;
            board.switch_off()?;
            break;
        }
        known = write_for_a_while(&mut board, &mut chance)?;
        board.cut_power();
        let cache = Cache::ALL[chance.below(4) as usize];
        tally.late_writes += disk.lose(cache, &mut chance)?.0 as u64;
    }
    tally.masks = held.len() as u64;
    Ok(tally)
}

/// Lets the program write for a random time, and notes what it says.
fn write_for_a_while(board: &mut Board, chance: &mut Chance) -> Result<Known, Failure> {
    let config = Config::new().with("store", "sync", &format!("\"{}s\"", SYNC.as_secs()));
    program::start(board, &config)?;
    board.sh(&format!("/share/sedge masks tail {STORE} --json --wait >/dev/hvc1 2>&1 &"))?;
    let mut known = Known::default();
    let note = |known: &mut Known, line: &str| {
        if let Some(mask) = listed(line) {
            known.listed.insert(mask.sequence, mask);
        }
        if let Some(durable) = status(line).and_then(|status| status.durable) {
            known.durable = Some(durable);
        }
    };
    let first = board.wait_for("the first mask", |line| listed(line).is_some())?;
    note(&mut known, &first);
    let end = Instant::now() + Duration::from_millis(chance.below(WRITING_MS_MAX));
    while let Some(line) = board.line(end.saturating_duration_since(Instant::now()).min(PATIENCE)) {
        if line.starts_with("rig: ended with ") {
            return Err(board.failure("the program ended before the cut"));
        }
        note(&mut known, &line);
    }
    Ok(known)
}

/// After a cut: what the store lists is whole, what it held is the same, and what is missing was not yet promised.
fn check(
    board: &mut Board,
    held: &[Listed],
    known: &Known,
    tally: &mut Tally,
) -> Result<Vec<Listed>, Failure> {
    verify(board)?;
    let left = list(board)?;
    if left.len() < held.len() || left[..held.len()] != *held {
        return Err("masks of an earlier run are lost or different".into());
    }
    let by_sequence: BTreeMap<u64, &Listed> = left.iter().map(|mask| (mask.sequence, mask)).collect();
    let newest = known.listed.values().map(|mask| mask.monotonic).max().unwrap_or_default();
    for (sequence, mask) in &known.listed {
        let age = newest.saturating_sub(mask.monotonic);
        match by_sequence.get(sequence) {
            Some(now) if *now == mask => {}
            Some(now) => return Err(format!("mask {sequence} was\n{}\nand is\n{}", mask.line, now.line)),
            None if known.durable.is_some_and(|durable| *sequence <= durable) => {
                return Err(format!(
                    "mask {sequence} is lost, though all up to {:?} were promised",
                    known.durable
                ));
            }
            None if age > SYNC + SYNC_TAKES_MAX => {
                return Err(format!("mask {sequence} is lost, though it was written {age:?} before the cut"));
            }
            None => {
                tally.lost += 1;
                tally.loss_ms_max = tally.loss_ms_max.max(age.as_millis() as u64);
            }
        }
    }
    Ok(left)
}

/// The source is the same in each run, and so is the network: masks of the same frame number must be the same.
fn same_frame_same_mask(board: &mut Board) -> Result<(), Failure> {
    board.sh(&format!("/share/sedge masks export {STORE} --format png --out /tmp/export"))?;
    let index = board.sh("cat /tmp/export/index.jsonl")?;
    let sums = board.sh("cd /tmp/export && sha256sum *.png")?;
    let sums: BTreeMap<&str, &str> =
        sums.lines().filter_map(|line| line.split_once("  ")).map(|(sum, file)| (file, sum)).collect();
    let mut masks: BTreeMap<u64, &str> = BTreeMap::new();
    for line in index.lines() {
        let entry: Value = serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        let file = entry["file"].as_str().unwrap_or_default();
        let (Some(frame), Some(sum)) = (entry["frame"].as_u64(), sums.get(file)) else {
            return Err(format!("{line} names no frame or no file that is there"));
        };
        if masks.insert(frame, sum).is_some_and(|other| other != *sum) {
            return Err(format!("two masks of frame {frame} differ; one is {file}"));
        }
    }
    Ok(())
}
