//! How many bytes a day may still be written.

use std::time::Duration;

/// A day of store time.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// Bytes that a journaling file system is taken to write beside the data when a file that has grown, or a folder that
/// has changed, is synced: on ext4 the journal's descriptor, the inode's block twice (journal and place) and the commit
/// block.
///
/// What the store counts as written is whole blocks of data, headers, footers and padding included, and this for each
/// sync, at a start too. It does not count what the file system writes for deletions (one segment at a time), nor what
/// the card's own controller moves around.
pub(super) const SYNC_BYTES: u64 = 4 * 4096;

/// Counts the bytes of a day of store time.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    limit: Option<u64>,
    day: u64,
    spent: u64,
    /// The day in which something did not fit.
    refused_in: Option<u64>,
}

impl Budget {
    /// A budget of which `spent` bytes are spent in the day that `now` is in.
    pub(super) fn new(limit: Option<u64>, now: Duration, spent: u64) -> Budget {
        Budget { limit, day: day(now), spent, refused_in: None }
    }

    /// Goes on with another limit; what was spent stays spent.
    pub(super) fn set_limit(&mut self, limit: Option<u64>) {
        if limit.is_none_or(|limit| self.limit.is_some_and(|old| limit > old)) {
            self.refused_in = None;
        }
        self.limit = limit;
    }

    /// Begins a new day if it is time to.
    pub(super) fn turn(&mut self, now: Duration) {
        if self.day != day(now) {
            self.day = day(now);
            self.spent = 0;
        }
    }

    pub(super) fn allows(&self, bytes: u64) -> bool {
        self.limit.is_none_or(|limit| self.spent.saturating_add(bytes) <= limit)
    }

    /// Notes that something did not fit.
    pub(super) fn refuse(&mut self) {
        self.refused_in = Some(self.day);
    }

    /// Whether nothing has been refused in this day.
    pub(super) fn is_renewed(&self) -> bool {
        self.refused_in != Some(self.day)
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.spent = self.spent.saturating_add(bytes);
    }

    pub(super) fn spent(&self) -> u64 {
        self.spent
    }

    /// Time until the next day.
    pub(super) fn renewed_in(now: Duration) -> Duration {
        DAY * (day(now) as u32 + 1) - now
    }
}

/// The start of the day that `now` is in.
pub(super) fn day_start(now: Duration) -> Duration {
    DAY * day(now) as u32
}

fn day(now: Duration) -> u64 {
    now.as_secs() / DAY.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_spent_and_renewed() {
        let mut budget = Budget::new(Some(100), DAY / 2, 60);
        assert!(budget.allows(40) && !budget.allows(41));
        budget.spend(40);
        budget.turn(DAY - Duration::from_secs(1));
        assert!(!budget.allows(1));
        assert_eq!(Budget::renewed_in(DAY - Duration::from_secs(1)), Duration::from_secs(1));
        budget.turn(DAY);
        assert!(budget.allows(100));
        assert!(Budget::new(None, DAY, u64::MAX).allows(u64::MAX));
    }
}
