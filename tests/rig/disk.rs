//! The board's disk, an image with an ext4; where asked, one with a write cache that a power cut empties.
//!
//! Ending the emulator loses what the board's kernel has not yet written, but all that it has written stays: this
//! machine's own cache survives. A memory card loses more. For that, qemu notes every write and every flush in the
//! order of their arrival (`blklogwrites`, in the format of the kernel's dm-log-writes); after the cut the image is
//! made again from what it was at the start, all writes up to the last flush, and some of those after it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::board::Failure;

/// Bytes of a sector, the unit of the log.
const SECTOR: usize = 512;
/// Bytes that the disk writes as a whole: a block of the file system, and at most a page of any flash. Torn within a
/// block, ext4 may lose its own superblock, of which only e2fsck knows a copy.
const PAGE: usize = 4096;

/// What a power cut does to the writes that came after the last flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// All are on the disk.
    Kept,
    /// None is on the disk.
    Lost,
    /// Each write is on the disk or not, by chance, as if the disk had reordered them.
    Reordered,
    /// As `Reordered`, but for each page of a write by itself.
    Torn,
}

impl Cache {
    /// Every kind.
    pub const ALL: [Cache; 4] = [Cache::Kept, Cache::Lost, Cache::Reordered, Cache::Torn];
}

/// A disk image with an ext4.
pub struct Disk {
    folder: TempDir,
    logged: bool,
}

impl Disk {
    /// An empty ext4 of this size.
    pub fn ext4(mebibytes: u64) -> Result<Disk, Failure> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let disk = Disk { folder, logged: false };
        let file = File::create(disk.image()).map_err(|error| error.to_string())?;
        file.set_len(mebibytes << 20).map_err(|error| error.to_string())?;
        // The journal and tables are made now, so that the board does not write them in the background.
        let output = Command::new("mkfs.ext4")
            .args(["-q", "-F", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0"])
            .arg(disk.image())
            .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
            .output()
            .map_err(|error| format!("mkfs.ext4: {error}"))?;
        if output.status.success() {
            Ok(disk)
        } else {
            Err(format!("mkfs.ext4: {}", String::from_utf8_lossy(&output.stderr)))
        }
    }

    /// The same, noting all writes from the next boot on, for [`Disk::lose`].
    pub fn with_write_cache(mebibytes: u64) -> Result<Disk, Failure> {
        Ok(Disk { logged: true, ..Disk::ext4(mebibytes)? })
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn start(&self) -> PathBuf {
        self.folder.path().join("start")
    }

    /// Gets ready for a boot: what the disk holds now is what a cut begins from.
    pub fn prepare(&self) -> Result<(), Failure> {
        if self.logged {
            fs::copy(self.image(), self.start()).map_err(|error| error.to_string())?;
            File::create(self.log()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The options by which qemu has this disk as `/dev/vda`. The board is told of a write cache, so it flushes; this
    /// machine need not, for only the emulator dies.
    pub fn qemu_arguments(&self) -> Vec<String> {
        let file = |name: &str, path: PathBuf| {
            let path = path.display();
            format!(
                r#"{{"driver":"file","node-name":"{name}","filename":"{path}","cache":{{"no-flush":true}}}}"#
            )
        };
        let mut arguments = vec!["-blockdev".into(), file("image", self.image())];
        let mut drive = "image";
        if self.logged {
            let logged = r#"{"driver":"blklogwrites","node-name":"logged","file":"image","log":"log"}"#;
            arguments.extend([
                "-blockdev".into(),
                file("log", self.log()),
                "-blockdev".into(),
                logged.into(),
            ]);
            drive = "logged";
        }
        arguments.extend(["-device".into(), format!("virtio-blk-device,drive={drive},write-cache=on")]);
        arguments
    }

    /// After a power cut: makes the image what the disk holds if its write cache came to this end. The number of
    /// writes that came after the last flush, and how many of those are on the disk at least in part.
    pub fn lose(&self, cache: Cache, chance: &mut Chance) -> Result<(usize, usize), Failure> {
        assert!(self.logged, "only a disk with a write cache loses something");
        let log = File::open(self.log()).map_err(|error| error.to_string())?;
        let writes = read_log(BufReader::new(log))?;
        let flushed = writes.iter().rposition(|write| write.flush).map_or(0, |last| last + 1);
        let image = OpenOptions::new().write(true).open(self.start()).map_err(|error| error.to_string())?;
        let (mut late, mut kept) = (0, 0);
        for (at, write) in writes.iter().enumerate() {
            let pages = write.data.chunks(PAGE).enumerate();
            let is_late = at >= flushed && !write.data.is_empty();
            let whole = cache == Cache::Kept || (cache != Cache::Lost && chance.flip());
            let mut any = false;
            for (page, data) in pages {
                let stays = !is_late || if cache == Cache::Torn { chance.flip() } else { whole };
                if stays {
                    let offset = write.sector * SECTOR as u64 + (page * PAGE) as u64;
                    image.write_all_at(data, offset).map_err(|error| error.to_string())?;
                }
                any |= stays;
            }
            late += usize::from(is_late);
            kept += usize::from(is_late && any);
        }
        fs::rename(self.start(), self.image()).map_err(|error| error.to_string())?;
        Ok((late, kept))
    }
}

/// An entry of the log.
struct Write {
    sector: u64,
    /// All that came before is on the disk.
    flush: bool,
    data: Vec<u8>,
}

/// Reads the entries up to where the emulator died.
fn read_log(mut log: impl Read) -> Result<Vec<Write>, Failure> {
    const FLUSH: u64 = 1;
    const DISCARD: u64 = 4;
    let mut sector = [0; SECTOR];
    let mut writes = Vec::new();
    // The first sector describes the log; its number of entries is out of date, as the emulator was ended.
    if log.read_exact(&mut sector).is_err() {
        return Ok(writes);
    }
    while log.read_exact(&mut sector).is_ok() {
        let field = |at: usize| u64::from_le_bytes(sector[at * 8..at * 8 + 8].try_into().expect("8 bytes"));
        let (start, count, flags) = (field(0), field(1), field(2));
        if (start, count, flags) == (0, 0, 0) {
            break;
        }
        // What a discarded sector holds is anybody's guess; here, what it held.
        let bytes = if flags & DISCARD == 0 { count as usize * SECTOR } else { 0 };
        let mut data = vec![0; bytes];
        if log.read_exact(&mut data).is_err() {
            break;
        }
        writes.push(Write { sector: start, flush: flags & FLUSH != 0, data });
    }
    Ok(writes)
}

/// A repeatable source of chance (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Heads or tails.
    pub fn flip(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
