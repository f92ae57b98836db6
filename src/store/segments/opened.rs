//! The folder of a store while it can be written to: its closed segments with their totals, and the one that is open.

use std::collections::{VecDeque, vec_deque};
use std::time::Duration;

use super::format::StoreId;
use super::recover::{Segment, Tail};
use super::volume::Folder;

/// An open folder.
pub(super) struct Opened {
    pub folder: Box<dyn Folder>,
    pub id: StoreId,
    pub segments: Closed,
    pub tail: Option<OpenTail>,
}

pub(super) struct OpenTail {
    pub tail: Tail,
    /// Store time of its first record, or at which it was taken up.
    pub since: Duration,
}

/// Closed segments in order, with their bytes added up: there may be thousands, and the status is asked for with every
/// mask.
#[derive(Default)]
pub(super) struct Closed {
    segments: VecDeque<Segment>,
    bytes: u64,
}

impl Closed {
    pub(super) fn push_back(&mut self, segment: Segment) {
        self.bytes += segment.size.bytes;
        self.segments.push_back(segment);
    }

    pub(super) fn pop_front(&mut self) {
        if let Some(segment) = self.segments.pop_front() {
            self.bytes -= segment.size.bytes;
        }
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.segments.len()
    }

    pub(super) fn back(&self) -> Option<&Segment> {
        self.segments.back()
    }

    pub(super) fn iter(&self) -> vec_deque::Iter<'_, Segment> {
        self.segments.iter()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.segments.capacity()
    }
}

impl Opened {
    /// Bytes of all segments and their number.
    pub(super) fn totals(&self) -> (u64, u64) {
        let open = self.tail.as_ref().map_or(0, |open| open.tail.bytes);
        (self.segments.bytes() + open, self.segments.len() as u64 + u64::from(self.tail.is_some()))
    }

    /// The oldest and the newest segment that hold records.
    pub(super) fn ends(&self) -> Option<(Segment, Segment)> {
        let open = self.tail.as_ref().map(|open| {
            let Tail { first, summary, bytes, .. } = &open.tail;
            Segment::new(*first, summary, *bytes)
        });
        let filled = || self.segments.iter().copied().chain(open).filter(|segment| segment.records > 0);
        filled().next().zip(filled().next_back())
    }

    /// Makes the open segment a closed one.
    pub(super) fn close_tail(&mut self) {
        if let Some(OpenTail { tail, .. }) = self.tail.take() {
            self.segments.push_back(Segment::new(tail.first, &tail.summary, tail.bytes));
        }
    }
}
