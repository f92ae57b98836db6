//! The rig itself: its devices are there, and its power cuts and broken disks lose what real ones lose.

use crate::board::{Failure, Rig};
use crate::disk::{Cache, Chance, Disk};

/// A disk that the board can break: `/dev/mapper/card` is `/dev/vda` through the kernel's device mapper.
pub const BREAKABLE: &str = "modprobe dm_mod && \
    dmsetup create card --table \"0 $(blockdev --getsz /dev/vda) linear /dev/vda 0\" && mount /dev/mapper/card /disk";
/// From now on every read and write of it fails.
pub const BREAK: &str = "dmsetup suspend --nolockfs --noflush card && \
    dmsetup load card --table \"0 $(blockdev --getsz /dev/vda) error\" && dmsetup resume card";
/// From now on all is well with it.
pub const MEND: &str = "dmsetup suspend --nolockfs --noflush card && \
    dmsetup load card --table \"0 $(blockdev --getsz /dev/vda) linear /dev/vda 0\" && dmsetup resume card";

/// Loads the camera as one with a single picture plane, as USB cameras are, under `/dev/v4l/by-id/rig-camera`.
pub const CAMERA: &str = "modprobe vivid n_devs=1 node_types=1 num_inputs=1 input_types=0 multiplanar=1";

pub fn has_its_devices(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = rig.boot(processor, &Disk::ext4(16)?)?;
    board.sh("modprobe virtio_gpu && mount /dev/vda /disk")?;
    board.sh(CAMERA)?;
    for device in ["/dev/video0", "/dev/fb0", "/disk/lost+found"] {
        board.sh(&format!("test -e {device}"))?;
    }
    let screen =
        board.sh("cat /sys/class/graphics/fb0/virtual_size /sys/class/graphics/fb0/bits_per_pixel")?;
    if screen != "640,480\n32" {
        return Err(format!("the screen is {screen:?}"));
    }
    // A camera that leaves while it is held open comes back under another number.
    let camera = "/sys/bus/platform/drivers/vivid";
    board.sh(&format!("exec 5</dev/video0; echo vivid.0 >{camera}/unbind && echo vivid.0 >{camera}/bind"))?;
    board.sh("test -c /dev/video1 && ! test -e /dev/video0")?;
    board.switch_off()
}

pub fn loses_what_was_not_flushed(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let disk = Disk::with_write_cache(16)?;
    // `promised` is flushed; `sent` reaches the disk past the board's own memory, but without a flush; `kept` stays
    // in that memory.
    let steps = [
        "mount /dev/vda /disk && cd /disk && rm -f promised sent kept",
        "yes no | dd of=sent bs=4096 count=1 && sync",
        "echo yes >promised && sync",
        "yes yes | dd of=/tmp/yes bs=4096 count=1 && dd if=/tmp/yes of=sent bs=4096 oflag=direct conv=notrunc",
        "echo yes >kept",
    ];
    for (cache, wanted) in [(Cache::Kept, "yes yes -"), (Cache::Lost, "yes no -")] {
        let mut board = rig.boot(processor, &disk)?;
        for step in steps {
            board.sh(step)?;
        }
        board.cut_power();
        let (late, _) = disk.lose(cache, &mut Chance(1))?;
        let mut board = rig.boot(processor, &disk)?;
        board.sh("mount /dev/vda /disk && cd /disk")?;
        let mut left = Vec::new();
        for file in ["promised", "sent", "kept"] {
            left.push(board.sh(&format!("head -n 1 {file} 2>/dev/null || echo -"))?);
        }
        board.switch_off()?;
        if left.join(" ") != wanted || late == 0 {
            return Err(format!(
                "{cache:?}, {late} writes after the last flush: {left:?} is left, not {wanted:?}"
            ));
        }
    }
    Ok(())
}

pub fn fails_and_recovers_as_a_disk(rig: &Rig, processor: &str) -> Result<(), Failure> {
    let mut board = rig.boot(processor, &Disk::ext4(16)?)?;
    board.sh(BREAKABLE)?;
    board.sh("echo kept >/disk/kept && sync")?;
    board.sh(BREAK)?;
    let (code, _) = board.run("dd if=/dev/zero of=/disk/lost bs=512 count=1 conv=fsync")?;
    if code == 0 {
        return Err("a broken disk takes a write".into());
    }
    board.sh("umount /disk")?;
    board.sh(MEND)?;
    board.sh("mount /dev/mapper/card /disk && grep kept /disk/kept")?;
    board.switch_off()
}
