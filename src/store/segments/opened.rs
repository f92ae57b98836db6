//! The folder of a store while it can be written to: its segments, and the one that is open.

use std::collections::VecDeque;
use std::time::Duration;

use super::format::StoreId;
use super::recover::{Segment, Tail};
use super::volume::Folder;

/// An open folder.
pub(super) struct Opened {
    pub folder: Box<dyn Folder>,
    pub id: StoreId,
    /// Closed segments, in order.
    pub segments: VecDeque<Segment>,
    pub tail: Option<OpenTail>,
}

pub(super) struct OpenTail {
    pub tail: Tail,
    /// Store time of its first record, or at which it was taken up.
    pub since: Duration,
}

impl Opened {
    /// All segments, the open one last.
    pub(super) fn all(&self) -> impl Iterator<Item = Segment> {
        let open = self.tail.as_ref().map(|open| {
            let Tail { first, summary, bytes, .. } = &open.tail;
            Segment::new(*first, summary, *bytes)
        });
        self.segments.iter().copied().chain(open)
    }

    /// Makes the open segment a closed one.
    pub(super) fn close_tail(&mut self) {
        if let Some(OpenTail { tail, .. }) = self.tail.take() {
            self.segments.push_back(Segment::new(tail.first, &tail.summary, tail.bytes));
        }
    }
}
