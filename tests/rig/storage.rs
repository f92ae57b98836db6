//! Masks on a disk that fills up, turns read-only, fails or is missing, and on a board whose clock jumps.

use crate::board::{Board, Failure, Rig};
use crate::disk::Disk;
use crate::run::{self, Config, Listed, STORAGE, STORE, end, list, verify, wait_for_masks};
use crate::sound::{BREAK, BREAKABLE, MEND};

/// A board with an empty disk on `/disk`.
fn board_with_disk(rig: &Rig, processor: &str) -> Result<Board, Failure> {
    let mut board = rig.boot(processor, &Disk::ext4(64)?)?;
    board.sh("mount /dev/vda /disk")?;
    Ok(board)
}

/// Starts the program, and after some masks gives the disk a trouble, which it must tell; then mends the disk, which it
/// must tell, too, and go on; at the end all is whole.
fn falls_and_rises(board: &mut Board, config: &Config, harm: &str, mend: &str) -> Result<(), Failure> {
    run::start(board, config)?;
    wait_for_masks(board, 20)?;
    let before = list(board)?;
    board.sh(harm)?;
    STORAGE.wait_for_trouble(board)?;
    board.sh(mend)?;
    STORAGE.wait_for_recovery(board)?;
    wait_for_masks(board, 20)?;
    end(board)?;
    verify(board)?;
    let after = list(board)?;
    if after.len() < before.len() + 20 || after[..before.len()] != before[..] {
        return Err(board.failure(&format!(
            "{} masks were listed before the trouble, {} are at the end; the first lines are not the same",
            before.len(),
            after.len()
        )));
    }
    Ok(())
}

pub fn a_foreign_file_fills_the_disk(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = board_with_disk(rig, processor)?;
    let fill = "dd if=/dev/zero of=/disk/foreign bs=65536; dd if=/dev/zero of=/disk/foreign2 bs=512; sync; \
        stat -c %s /disk/foreign >/tmp/size";
    let mend =
        "test \"$(stat -c %s /disk/foreign)\" = \"$(cat /tmp/size)\" && rm /disk/foreign /disk/foreign2";
    falls_and_rises(&mut board, &Config::new().with("store", "sync", "\"record\""), fill, mend)?;
    board.switch_off()
}

pub fn the_disk_turns_read_only(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = board_with_disk(rig, processor)?;
    // The kernel's emergency remount: what an administrator's `mount -o remount,ro` refuses while files are open.
    let harm = "echo u >/proc/sysrq-trigger; while grep -q ' /disk ext4 rw' /proc/mounts; do :; done";
    let config = Config::new().with("store", "sync", "\"record\"");
    falls_and_rises(&mut board, &config, harm, "mount -o remount,rw /disk")?;
    board.switch_off()
}

pub fn the_disk_fails(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = rig.boot(processor, &Disk::ext4(64)?)?;
    board.sh(BREAKABLE)?;
    // Whoever mends a disk unmounts it first: the program must have let go of it.
    let mend = format!("umount /disk && {MEND} && mount /dev/mapper/card /disk");
    let config = Config::new().with("store", "sync", "\"record\"").with("store", "mount", "\"/disk\"");
    falls_and_rises(&mut board, &config, BREAK, &mend)?;
    board.switch_off()
}

pub fn the_mount_is_missing(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = rig.boot(processor, &Disk::ext4(64)?)?;
    run::start(&mut board, &Config::new().with("store", "mount", "\"/disk\""))?;
    STORAGE.wait_for_trouble(&mut board)?;
    if !board.sh("ls -A /disk")?.is_empty() {
        return Err(board.failure("it writes to the system's disk while the card is missing"));
    }
    board.sh("mount /dev/vda /disk")?;
    STORAGE.wait_for_recovery(&mut board)?;
    wait_for_masks(&mut board, 20)?;
    end(&mut board)?;
    verify(&mut board)?;
    board.switch_off()
}

pub fn it_ends_while_it_waits(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = rig.boot(processor, &Disk::ext4(64)?)?;
    let config = Config::new().with("store", "mount", "\"/disk\"").with(
        "camera",
        "source",
        "\"v4l:/dev/v4l/by-id/no-camera\"",
    );
    run::start(&mut board, &config)?;
    board.wait_for("a status line", |line| run::status(line).is_some())?;
    end(&mut board)?;
    board.switch_off()
}

pub fn the_clock_jumps(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = board_with_disk(rig, processor)?;
    // Small segments, so that an age in wall time would have something to delete.
    let config = Config::new().with("store", "max_age", "\"30d\"").with("store", "segment_bytes", "65536");
    run::start(&mut board, &config)?;
    for seconds in [0, -3600, 5 * 365 * 86_400_i64] {
        board.sh(&format!("date -s \"@$(( $(date +%s) + {seconds} ))\""))?;
        wait_for_masks(&mut board, 40)?;
    }
    end(&mut board)?;
    let whole = verify(&mut board)?;
    let masks = list(&mut board)?;
    let in_order = |(a, b): (&Listed, &Listed)| {
        b.sequence == a.sequence + 1 && b.frame > a.frame && b.monotonic_us > a.monotonic_us
    };
    let pairs = masks.iter().zip(&masks[1..]).map(|((a, _), (b, _))| (a, b));
    if whole < 120 || masks[0].0.sequence > 1 || !pairs.clone().all(in_order) {
        let lines: Vec<&str> = masks.iter().map(|(_, line)| line.as_str()).collect();
        return Err(board.failure(&format!("{whole} masks, not in order:\n{}", lines.join("\n"))));
    }
    board.switch_off()
}

pub fn a_second_run_goes_on(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = board_with_disk(rig, processor)?;
    let mut last = 0;
    for _ in 0..2 {
        run::start(&mut board, &Config::new())?;
        wait_for_masks(&mut board, 10)?;
        end(&mut board)?;
        let whole = verify(&mut board)?;
        if whole < last + 10 {
            return Err(board.failure(&format!("{STORE} holds {whole} masks, after {last} in the first run")));
        }
        last = whole;
    }
    board.switch_off()
}
