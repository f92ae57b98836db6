//! MNIST's files (IDX): a file of grey pictures and one of labels, plain or packed by gzip.
//!
//! Numbers are big-endian: a magic number (0x803 for pictures, 0x801 for labels), the count, for pictures rows and
//! columns, then bytes.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use sedge::onnx::Task;

use super::super::error::{broken, disk};
use super::super::split::Part;
use super::super::{DataError, Example, Examples, Split, Target};

const IMAGES_MAGIC: u32 = 0x803;
const LABELS_MAGIC: u32 = 0x801;
/// Most pixels of one picture.
const PICTURE_MAX_PX: u64 = 1 << 24;

/// The file names' beginning for a stored split.
fn prefix(split: Split) -> &'static str {
    if split == Split::Test { "t10k" } else { "train" }
}

/// The file of that name, or with `.gz` behind it.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.is_file())
}

fn images_name(split: Split) -> String {
    format!("{}-images-idx3-ubyte", prefix(split))
}

fn labels_name(split: Split) -> String {
    format!("{}-labels-idx1-ubyte", prefix(split))
}

/// Whether the folder holds such files.
pub(super) fn recognizes(folder: &Path) -> bool {
    [Split::Train, Split::Test].into_iter().any(|split| find(folder, &images_name(split)).is_some())
}

/// A split in memory.
pub(super) struct Idx {
    classes: Vec<String>,
    prefix: &'static str,
    width: usize,
    height: usize,
    /// Pictures one behind the other.
    pixels: Vec<u8>,
    labels: Vec<u8>,
    /// The number in the file of each.
    numbers: Vec<usize>,
}

impl Idx {
    pub(super) fn open(folder: &Path, split: Split) -> Result<Idx, DataError> {
        let part = Part::new(split, false);
        let file = |name: String| {
            let reason = format!("{name} (or {name}.gz) is missing");
            find(folder, &name).ok_or(DataError::Empty { path: folder.to_owned(), split, reason })
        };
        let (images, labels) = (file(images_name(part.stored))?, file(labels_name(part.stored))?);
        let labels = read_labels(&labels)?;
        // Classes are those of both files, so that ids mean the same in every split.
        let mut last = labels.iter().copied().max().unwrap_or(0);
        for other in [Split::Train, Split::Test] {
            if other != part.stored
                && let Some(path) = find(folder, &labels_name(other))
            {
                last = last.max(read_labels(&path)?.into_iter().max().unwrap_or(0));
            }
        }
        let mut stream = Stream::open(&images)?;
        let [count, height, width] = stream.header(IMAGES_MAGIC)?;
        if count as usize != labels.len() {
            let reason = format!("it holds {count} pictures, but there are {} labels", labels.len());
            return Err(broken(&images, reason));
        }
        let area = u64::from(width) * u64::from(height);
        if !(1..=PICTURE_MAX_PX).contains(&area) {
            return Err(broken(&images, format!("its pictures have {width}x{height} pixels")));
        }
        let classes = (0..=last).map(|class| class.to_string()).collect();
        let (width, height) = (width as usize, height as usize);
        let (pixels, numbers, prefix) = (Vec::new(), Vec::new(), prefix(part.stored));
        let mut idx = Idx { classes, prefix, width, height, pixels, labels: Vec::new(), numbers };
        let mut picture = vec![0; area as usize];
        for (number, label) in labels.into_iter().enumerate() {
            stream.fill(&mut picture)?;
            if part.takes(&name(prefix, number)) {
                idx.pixels.extend(&picture);
                idx.labels.push(label);
                idx.numbers.push(number);
            }
        }
        stream.end()?;
        if idx.numbers.is_empty() {
            let reason = format!("{} holds too few pictures", images.display());
            return Err(DataError::Empty { path: folder.to_owned(), split, reason });
        }
        Ok(idx)
    }
}

fn name(prefix: &str, number: usize) -> String {
    format!("{prefix}-images[{number}]")
}

fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut stream = Stream::open(path)?;
    let [count] = stream.header(LABELS_MAGIC)?;
    // Grown as the bytes come: a broken header cannot ask for memory.
    let mut labels = Vec::new();
    (&mut stream.bytes).take(count.into()).read_to_end(&mut labels).map_err(disk(path))?;
    if labels.len() != count as usize {
        return Err(broken(path, "it ends in the middle"));
    }
    stream.end()?;
    Ok(labels)
}

/// A file, unpacked where it is packed.
struct Stream<'a> {
    path: &'a Path,
    bytes: Box<dyn Read>,
}

impl<'a> Stream<'a> {
    fn open(path: &'a Path) -> Result<Stream<'a>, DataError> {
        let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(disk(path))?);
        let packed = path.extension().is_some_and(|ending| ending == "gz");
        let bytes: Box<dyn Read> =
            if packed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
        Ok(Stream { path, bytes })
    }

    /// The lengths behind the magic number.
    fn header<const N: usize>(&mut self, magic: u32) -> Result<[u32; N], DataError> {
        let mut number = || -> Result<u32, DataError> {
            let mut bytes = [0; 4];
            self.fill(&mut bytes)?;
            Ok(u32::from_be_bytes(bytes))
        };
        let found = number()?;
        let mut lengths = [0; N];
        for length in &mut lengths {
            *length = number()?;
        }
        if found != magic {
            return Err(broken(self.path, format!("it begins with {found:#x} where IDX has {magic:#x}")));
        }
        Ok(lengths)
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), DataError> {
        self.bytes.read_exact(out).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => broken(self.path, "it ends in the middle"),
            _ => broken(self.path, error.to_string()),
        })
    }

    /// Checks that nothing follows.
    fn end(&mut self) -> Result<(), DataError> {
        match self.bytes.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(broken(self.path, "it holds more than its header says")),
            Err(error) => Err(broken(self.path, error.to_string())),
        }
    }
}

impl Examples for Idx {
    fn len(&self) -> usize {
        self.numbers.len()
    }

    fn name(&self, index: usize) -> String {
        name(self.prefix, self.numbers[index])
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        let area = self.width * self.height;
        let pixels = self.pixels[index * area..][..area].to_vec();
        let target = Target::Class(self.labels[index].into());
        Ok(Example { width: self.width, height: self.height, channels: 1, pixels, target })
    }

    fn target(&self, index: usize) -> Result<Target, DataError> {
        Ok(Target::Class(self.labels[index].into()))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn task(&self) -> Task {
        Task::Classification
    }
}
