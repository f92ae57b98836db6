//! Which of its own oldest segments the store deletes, and when it rather waits for space.

use std::time::Duration;

use super::StoreOptions;

/// What the quota needs to know of a sealed segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub bytes: u64,
    /// Store time of its last record.
    pub store_time: Duration,
}

/// The situation before a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// Bytes of all sealed segments.
    pub closed_bytes: u64,
    /// Bytes of the open segment.
    pub open_bytes: u64,
    /// Bytes about to be written.
    pub needed: u64,
    /// Bytes that are free on the file system.
    pub free: u64,
    /// Store time.
    pub now: Duration,
}

/// What to do before the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// How many of the oldest sealed segments to delete.
    pub delete: usize,
    /// Whether there is room for the write after that.
    pub room: bool,
}

/// Deletes what is too old, and what is above `max_bytes` with the write. Lack of free space is made up for only as
/// far as the store itself causes it: by about as many bytes as it is about to write, so that a full card goes on as a
/// ring, while another program's file never costs masks: if that is not enough, there is no room.
pub(super) fn plan(
    segments: impl ExactSizeIterator<Item = Size> + Clone,
    situation: Situation,
    options: &StoreOptions,
) -> Plan {
    let Situation { closed_bytes, open_bytes, needed, free, now } = situation;
    // The newest segment tells the next sequence number, so it stays until there is an open one.
    let deletable = segments.len().saturating_sub(usize::from(open_bytes == 0));
    let age = |segment: &Size| now.saturating_sub(segment.store_time);
    let too_old = |segment: &Size| options.max_age.is_some_and(|most| age(segment) > most);
    let mut total = open_bytes + needed + closed_bytes;
    let mut freed = 0;
    let mut delete = 0;
    for segment in segments.clone().take(deletable) {
        if !too_old(&segment) && options.max_bytes.is_none_or(|most| total <= most) {
            break;
        }
        total -= segment.bytes;
        freed += segment.bytes;
        delete += 1;
    }
    if needed == 0 {
        return Plan { delete, room: true };
    }
    let wanted = options.min_free_bytes.saturating_add(needed);
    let mut more = 0;
    let mut victims = segments.take(deletable).skip(delete);
    let mut count = delete;
    // A segment is sealed after the record that fills it, and may have been made under another limit.
    let first = victims.clone().next().map_or(0, |segment| segment.bytes);
    let allowed = needed + options.seal_bytes().max(first);
    while free + freed + more < wanted {
        let Some(segment) = victims.next().filter(|segment| more + segment.bytes <= allowed) else {
            return Plan { delete, room: false };
        };
        more += segment.bytes;
        count += 1;
    }
    Plan { delete: count, room: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted() {
        const MB: u64 = 1 << 20;
        // Six sealed segments of 16 MB each, one stored every 100 s; it is 600 s; 8 MB are in the open one.
        let segments =
            (0..6_u8).map(|i| Size { bytes: 16 * MB, store_time: Duration::from_secs(100 * u64::from(i)) });
        // Name, max_bytes, max_age, min_free, needed, free (MB), expected.
        type Case = (&'static str, Option<u64>, Option<u64>, u64, u64, u64, (usize, bool));
        let cases: [Case; 13] = [
            ("no quota", None, None, 0, 1, 100, (0, true)),
            ("under max_bytes", Some(105), None, 0, 1, 100, (0, true)),
            ("over max_bytes", Some(104), None, 0, 1, 100, (1, true)),
            ("far over max_bytes", Some(30), None, 0, 1, 100, (5, true)),
            ("the open segment stays", Some(1), None, 0, 1, 100, (6, true)),
            ("too old", None, Some(450), 0, 1, 100, (2, true)),
            ("too old, nothing to write", None, Some(450), 50, 0, 0, (2, true)),
            ("all too old", None, Some(50), 0, 1, 100, (6, true)),
            ("ring on a full card", None, None, 20, 1, 20, (1, true)),
            ("ring without a reserve", None, None, 0, 1, 0, (1, true)),
            ("a foreign file", None, None, 20, 1, 2, (0, false)),
            ("a foreign file, but old ones go", None, Some(450), 20, 1, 0, (2, true)),
            ("a foreign file on top of max_bytes", Some(104), None, 50, 1, 5, (1, false)),
        ];
        let mut wrong = Vec::new();
        for (name, max_bytes, max_age, min_free, needed, free, (delete, room)) in cases {
            let options = StoreOptions {
                max_bytes: max_bytes.map(|bytes| bytes * MB),
                max_age: max_age.map(Duration::from_secs),
                min_free_bytes: min_free * MB,
                ..StoreOptions::default()
            };
            let situation = Situation {
                closed_bytes: 6 * 16 * MB,
                open_bytes: 8 * MB,
                needed: needed * MB,
                free: free * MB,
                now: Duration::from_secs(600),
            };
            let plan = plan(segments.clone(), situation, &options);
            if plan != (Plan { delete, room }) {
                wrong.push(format!("{name}: {plan:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn nothing_left_to_delete() {
        let situation =
            Situation { closed_bytes: 0, open_bytes: 0, needed: 10, free: 5, now: Duration::ZERO };
        let plan = plan(std::iter::empty(), situation, &StoreOptions::default());
        assert_eq!(plan, Plan { delete: 0, room: false });
    }
}
