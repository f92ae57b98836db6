//! Which frames' masks are worth the card's wear: every one, every so often, on a change, on a class that appears.

use std::time::Duration;

/// When a mask is saved: where any of these says so. [`SavingOptions::default`] saves every frame.
#[derive(Clone, Debug, PartialEq)]
pub struct SavingOptions {
    /// Time between two saved masks; zero saves every frame, `None` leaves it to the other rules.
    pub every: Option<Duration>,
    /// A class's share of the pixels, 0..=1, that has to come or go since the last saved mask.
    pub change: Option<f64>,
    /// Ids of the classes that are saved when they appear.
    pub appearing: Vec<u8>,
    /// Share of the pixels, 0..=1, from which on a class is there. It is gone below half of that.
    pub appearing_share_min: f64,
    /// How long a class has to be gone before it can appear again: a class that flickers appears once.
    pub gone_min: Duration,
}

impl Default for SavingOptions {
    fn default() -> SavingOptions {
        SavingOptions {
            every: Some(Duration::ZERO),
            change: None,
            appearing: Vec::new(),
            appearing_share_min: 0.001,
            gone_min: Duration::from_secs(2),
        }
    }
}

/// Why a mask is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Every frame is, or the time between two has passed.
    Time,
    /// A class of the list was not there and now is.
    Appeared {
        /// Its id.
        class: u8,
    },
    /// There is nothing yet that a change could be told from, or a class's share has changed.
    Changed {
        /// The class whose share has changed most.
        class: u8,
    },
}

/// Decides frame by frame, from what it has seen before. Its memory does not grow.
#[derive(Clone, Debug)]
pub struct SavingRules {
    options: SavingOptions,
    /// When the next mask is due by time; `None` before the first frame.
    due: Option<Duration>,
    /// Shares of all classes in the last saved mask.
    saved: Option<[f64; 256]>,
    /// The state of each class of the list.
    presences: Vec<Presence>,
    /// The time of the frame before.
    before: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Presence {
    /// It can appear.
    Absent,
    /// It is there, or was last seen at this time.
    Present { seen: Duration },
}

impl SavingRules {
    /// Rules that have seen no frame.
    pub fn new(options: SavingOptions) -> SavingRules {
        let presences = vec![Presence::Absent; options.appearing.len()];
        SavingRules { options, due: None, saved: None, presences, before: Duration::ZERO }
    }

    /// Whether the mask of this frame is to be saved. `monotonic` is the time of its capture on a clock that does not
    /// jump; `histogram` holds the pixels of each class.
    ///
    /// `Some` counts as saved: the next change is told from this frame. Of several reasons the first is given: time,
    /// a class that appears, a change.
    pub fn decide(&mut self, monotonic: Duration, histogram: &[u64; 256]) -> Option<Reason> {
        if monotonic < self.before {
            // Another start of the board, or another source: its times have nothing to do with those before.
            self.due = None;
            self.presences.iter_mut().for_each(|presence| {
                if let Presence::Present { seen } = presence {
                    *seen = monotonic;
                }
            });
        }
        self.before = monotonic;
        let total: u64 = histogram.iter().sum();
        let shares = histogram.map(|count| count as f64 / total.max(1) as f64);
        // Each rule sees every frame, whatever the others say.
        let reasons =
            [self.by_time(monotonic), self.by_appearance(monotonic, &shares), self.by_change(&shares)];
        let reason = reasons.into_iter().flatten().next();
        if reason.is_some() {
            self.saved = Some(shares);
        }
        reason
    }

    fn by_time(&mut self, now: Duration) -> Option<Reason> {
        let every = self.options.every?;
        let due = self.due.unwrap_or(now);
        if now < due {
            return None;
        }
        // In step with the first, as frames come late by parts of their own interval; but what was missed is not made up
        // for.
        self.due = Some(if now - due < every { due + every } else { now + every });
        Some(Reason::Time)
    }

    fn by_appearance(&mut self, now: Duration, shares: &[f64; 256]) -> Option<Reason> {
        let (enter, gone) = (self.options.appearing_share_min, self.options.gone_min);
        let mut appeared = None;
        for (&class, presence) in self.options.appearing.iter().zip(&mut self.presences) {
            let share = shares[usize::from(class)];
            *presence = match *presence {
                Presence::Absent if share > 0.0 && share >= enter => {
                    appeared = appeared.or(Some(Reason::Appeared { class }));
                    Presence::Present { seen: now }
                }
                Presence::Present { .. } if share > 0.0 && share >= enter / 2.0 => {
                    Presence::Present { seen: now }
                }
                Presence::Present { seen } if now - seen >= gone => Presence::Absent,
                unchanged => unchanged,
            };
        }
        appeared
    }

    fn by_change(&self, shares: &[f64; 256]) -> Option<Reason> {
        let threshold = self.options.change?;
        let before = self.saved.unwrap_or([0.0; 256]);
        // Rounded, so that what one class loses is as much as what the other gains, and 1 pixel of 10 is 0.1.
        let change =
            |&id: &u8| ((shares[usize::from(id)] - before[usize::from(id)]).abs() * 1e9).round() / 1e9;
        let class = (0..=255).max_by(|a, b| change(a).total_cmp(&change(b)).then(b.cmp(a)))?;
        let is_met = self.saved.is_none() || (change(&class) > 0.0 && change(&class) >= threshold);
        is_met.then_some(Reason::Changed { class })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> SavingOptions {
        SavingOptions { every: None, appearing_share_min: 0.1, ..SavingOptions::default() }
    }

    /// A frame: its time in seconds, and pixels of classes 0, 1, 2 of a hundred.
    type Frame = (f64, [u64; 3]);

    /// What is decided, a character a frame: `.` nothing, `t` time, `0`, `1`, `2` a change of that class, `a`, `b`,
    /// `c` its appearance.
    fn decisions(options: &SavingOptions, frames: &[Frame]) -> String {
        let mut rules = SavingRules::new(options.clone());
        let decide = |&(time_s, counts): &Frame| {
            let mut histogram = [0; 256];
            histogram[..3].copy_from_slice(&counts);
            match rules.decide(Duration::from_secs_f64(time_s), &histogram) {
                None => '.',
                Some(Reason::Time) => 't',
                Some(Reason::Changed { class }) => char::from(b'0' + class),
                Some(Reason::Appeared { class }) => char::from(b'a' + class),
            }
        };
        frames.iter().map(decide).collect()
    }

    /// Frames half a second apart with these pixels of class 1.
    fn ones(counts: &[u64]) -> Vec<Frame> {
        counts.iter().enumerate().map(|(n, &one)| (n as f64 / 2.0, [100 - one, one, 0])).collect()
    }

    #[test]
    fn rules_decide() {
        let every = |s| SavingOptions { every: Some(Duration::from_secs_f64(s)), ..none() };
        let change = |share| SavingOptions { change: Some(share), ..none() };
        let appear = |classes: &[u8]| SavingOptions { appearing: classes.to_vec(), ..none() };
        let still = |times: &[f64]| -> Vec<Frame> { times.iter().map(|&t| (t, [100, 0, 0])).collect() };
        let cases: Vec<(&str, SavingOptions, Vec<Frame>, &str)> = vec![
            ("every frame", SavingOptions::default(), ones(&[0, 0, 0]), "ttt"),
            ("no rule", none(), ones(&[0, 50, 0]), "..."),
            ("every second", every(1.0), ones(&[0; 7]), "t.t.t.t"),
            ("in step although late", every(1.0), still(&[0.0, 0.9, 1.4, 1.9, 2.1, 2.9, 3.0]), "t.t.t.t"),
            ("what was missed is not made up for", every(1.0), still(&[0.0, 5.2, 5.7, 6.1, 6.2]), "tt..t"),
            ("the clock begins anew", every(10.0), still(&[1000.0, 1001.0, 3.0, 4.0, 13.0]), "t.t.t"),
            ("the first frame, then changes", change(0.1), ones(&[0, 9, 10, 10, 1, 0]), "0.0..0"),
            (
                "against the last saved, not the last",
                change(0.1),
                ones(&[0, 4, 8, 12, 16, 20, 24]),
                "0..0..0",
            ),
            ("a change of nothing", change(0.0), ones(&[5, 5, 6]), "0.0"),
            ("the class that changes most", change(0.1), vec![(0.0, [60, 20, 20]), (1.0, [60, 0, 40])], "01"),
            ("nothing appears", appear(&[1]), ones(&[0, 9, 0]), "..."),
            ("there from the start", appear(&[1]), ones(&[50, 50]), "b."),
            ("appears once", appear(&[1]), ones(&[0, 10, 30, 10, 5]), ".b..."),
            ("around the threshold", appear(&[1]), ones(&[10, 6, 10, 5, 10, 7, 12]), "b......"),
            ("gone for a frame", appear(&[1]), ones(&[10, 0, 10, 0, 10]), "b...."),
            ("gone for two seconds", appear(&[1]), ones(&[10, 0, 0, 0, 0, 10]), "b....b"),
            ("of another class", appear(&[2]), ones(&[0, 50]), ".."),
            (
                "two classes",
                appear(&[1, 2]),
                vec![(0.0, [50, 0, 50]), (1.0, [0, 50, 50]), (2.0, [0, 50, 50])],
                "cb.",
            ),
            (
                "any of the rules, the first of the reasons",
                SavingOptions { change: Some(0.2), appearing: vec![1], ..every(2.0) },
                ones(&[0, 10, 29, 30, 40, 40]),
                "tb.0t.",
            ),
            ("no pixels", change(0.1), vec![(0.0, [0; 3]), (1.0, [0; 3])], "0."),
        ];
        let wrong: Vec<String> = cases
            .iter()
            .map(|(name, options, frames, want)| (name, decisions(options, frames), want))
            .filter(|(_, got, want)| got != *want)
            .map(|(name, got, want)| format!("{name}: {got} instead of {want}"))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
