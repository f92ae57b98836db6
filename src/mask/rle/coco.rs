//! COCO's run-lengths: one class of a picture, column by column.

use crate::mask::Mask;

/// The pixels of one class, as `pycocotools` reads and writes them (COCO's `maskApi`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CocoRle {
    /// Width of the picture in pixels.
    pub width: u32,
    /// Height of the picture in pixels.
    pub height: u32,
    /// Pixels outside, inside, outside, ... down each column, the left one first; their sum is `width * height`.
    pub counts: Vec<u32>,
}

/// Why run-lengths do not describe a picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RleError {
    /// A character that the format does not have.
    #[error("{found:?} at {at} is no part of a COCO run-length string: its characters are '0' to 'o'")]
    Character {
        /// Its place, from 0.
        at: usize,
        /// The character.
        found: char,
    },
    /// The string ends inside of a count, or a count is not a number of pixels.
    #[error("count {count} of the COCO run-length string is cut short, negative or too large")]
    Count {
        /// Which count, from 0.
        count: usize,
    },
    /// The counts cover more or fewer pixels than the picture has.
    #[error("the run-lengths cover {found} pixels, but a picture of {width}x{height} has {expected}")]
    Size {
        /// Width of the picture.
        width: u32,
        /// Height of the picture.
        height: u32,
        /// Its pixels.
        expected: u64,
        /// Pixels that the counts cover.
        found: u64,
    },
}

impl CocoRle {
    /// The pixels of `mask` that are of `class`; a class that does not occur has one count.
    pub fn of_class(mask: &Mask, class: u8) -> CocoRle {
        let mut runs = Runs::default();
        for_each_run(mask, |id, start, length| {
            if id == class {
                runs.add(start, length);
            }
        });
        runs.finish(mask)
    }

    /// Every class that occurs in `mask`, by its id, in one pass over the pixels.
    pub fn of_classes(mask: &Mask) -> Vec<(u8, CocoRle)> {
        let mut classes: Vec<Runs> = (0..256).map(|_| Runs::default()).collect();
        for_each_run(mask, |id, start, length| classes[usize::from(id)].add(start, length));
        let occur = (0..=255_u8).zip(classes).filter(|(_, runs)| !runs.counts.is_empty());
        occur.map(|(id, runs)| (id, runs.finish(mask))).collect()
    }

    /// The compressed string, in which COCO's files hold counts.
    ///
    /// A count from the fourth on is written as its difference to the count two before it, five bits a character from
    /// the lowest, with a sixth bit where more follow; the highest bit of the last character is the sign.
    pub fn compressed(&self) -> String {
        let mut text = String::new();
        for (index, &count) in self.counts.iter().enumerate() {
            let before = if index > 2 { self.counts[index - 2] } else { 0 };
            let mut rest = i64::from(count) - i64::from(before);
            loop {
                let bits = (rest & 0x1F) as u8;
                rest >>= 5;
                let more = if bits & 0x10 == 0 { rest != 0 } else { rest != -1 };
                text.push(char::from(FIRST + bits + if more { MORE } else { 0 }));
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// Reads the compressed string of a picture of `width` x `height` pixels.
    ///
    /// # Errors
    /// [`RleError`], where the string is damaged or belongs to a picture of another size.
    pub fn parse(width: u32, height: u32, text: &str) -> Result<CocoRle, RleError> {
        let mut counts: Vec<u32> = Vec::new();
        let (mut value, mut shift) = (0_i64, 0);
        for (at, found) in text.chars().enumerate() {
            let bits = match u8::try_from(found) {
                Ok(byte @ FIRST..=LAST) => byte - FIRST,
                _ => return Err(RleError::Character { at, found }),
            };
            let damaged = RleError::Count { count: counts.len() };
            // Seven characters hold every difference of two 32-bit counts.
            if shift > 30 {
                return Err(damaged);
            }
            value |= i64::from(bits & 0x1F) << shift;
            shift += 5;
            if bits & MORE != 0 {
                continue;
            }
            if bits & 0x10 != 0 {
                value |= -1 << shift;
            }
            let before = if counts.len() > 2 { counts[counts.len() - 2] } else { 0 };
            counts.push(u32::try_from(value + i64::from(before)).map_err(|_| damaged)?);
            (value, shift) = (0, 0);
        }
        if shift != 0 {
            return Err(RleError::Count { count: counts.len() });
        }
        let rle = CocoRle { width, height, counts };
        rle.check()?;
        Ok(rle)
    }

    /// Gives the pixels of the class `id` in `mask`, and leaves all others as they are.
    ///
    /// # Errors
    /// [`RleError::Size`] where counts, picture and mask are not of one size.
    pub fn paint(&self, mask: &mut Mask, id: u8) -> Result<(), RleError> {
        self.check()?;
        let (width, height) = (mask.width as usize, mask.height as usize);
        if (mask.width, mask.height, mask.data.len()) != (self.width, self.height, width * height) {
            let (width, height, found) = (self.width, self.height, mask.data.len() as u64);
            return Err(RleError::Size { width, height, expected: self.pixels(), found });
        }
        let mut at = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            let end = at + count as usize;
            if index % 2 == 1 {
                (at..end).for_each(|pixel| mask.data[pixel % height * width + pixel / height] = id);
            }
            at = end;
        }
        Ok(())
    }

    /// Pixels of the class.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&count| u64::from(count)).sum()
    }

    /// The smallest box around the class: left edge, upper edge, width, height; zeros where it does not occur.
    pub fn bounding_box(&self) -> [u32; 4] {
        let height = u64::from(self.height);
        let mut edges: Option<[u64; 4]> = None;
        let mut at = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            let (start, end) = (at, at + u64::from(count));
            at = end;
            if index % 2 == 0 || count == 0 || height == 0 {
                continue;
            }
            let (first, last) = (start / height, (end - 1) / height);
            // A run over a column's end reaches the lowest row and goes on in the upper one.
            let (top, bottom) =
                if first == last { (start % height, (end - 1) % height) } else { (0, height - 1) };
            let run = [first, top, last, bottom];
            edges = Some(match edges {
                None => run,
                Some([x0, y0, x1, y1]) => [x0.min(run[0]), y0.min(run[1]), x1.max(run[2]), y1.max(run[3])],
            });
        }
        edges.map_or([0; 4], |[x0, y0, x1, y1]| [x0, y0, x1 - x0 + 1, y1 - y0 + 1].map(|edge| edge as u32))
    }

    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    fn check(&self) -> Result<(), RleError> {
        let (width, height, expected) = (self.width, self.height, self.pixels());
        let found = self.counts.iter().map(|&count| u64::from(count)).sum();
        if found == expected { Ok(()) } else { Err(RleError::Size { width, height, expected, found }) }
    }
}

/// The first and the last character of the compressed string, and the bit that says that more follow.
const FIRST: u8 = b'0';
const LAST: u8 = b'o';
const MORE: u8 = 0x20;

/// Counts of one class, as far as its runs are known.
#[derive(Default)]
struct Runs {
    counts: Vec<u32>,
    /// Pixels that the counts cover.
    covered: usize,
}

impl Runs {
    fn add(&mut self, start: usize, length: usize) {
        self.counts.extend([(start - self.covered) as u32, length as u32]);
        self.covered = start + length;
    }

    fn finish(mut self, mask: &Mask) -> CocoRle {
        if self.covered < mask.data.len() || self.counts.is_empty() {
            self.counts.push((mask.data.len() - self.covered) as u32);
        }
        CocoRle { width: mask.width, height: mask.height, counts: self.counts }
    }
}

/// Calls `each` with class, start and length of every run of one class, down the columns.
fn for_each_run(mask: &Mask, mut each: impl FnMut(u8, usize, usize)) {
    let (width, height) = (mask.width as usize, mask.height as usize);
    let mut run: Option<(u8, usize)> = None;
    for x in 0..width {
        for y in 0..height {
            let (id, at) = (mask.data[y * width + x], x * height + y);
            match run {
                Some((of, _)) if of == id => {}
                Some((of, start)) => {
                    each(of, start, at - start);
                    run = Some((id, at));
                }
                None => run = Some((id, at)),
            }
        }
    }
    if let Some((of, start)) = run {
        each(of, start, width * height - start);
    }
}
