//! Decoded and resized examples that are kept from epoch to epoch, within a bound of bytes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// What is to be learnt of a resized example.
#[derive(Debug)]
pub(super) enum Goal {
    /// Its class.
    Class(i64),
    /// Classes of its pixels, `[height, width]` of the input.
    Mask(Box<[u8]>),
}

/// An example at the size of the input.
#[derive(Debug)]
pub(super) struct Resized {
    /// `[height, width, channels]` of the input, in the order of the network's channels.
    pub(super) pixels: Box<[u8]>,
    pub(super) goal: Goal,
}

impl Resized {
    fn bytes(&self) -> usize {
        let mask = match &self.goal {
            Goal::Class(_) => 0,
            Goal::Mask(mask) => mask.len(),
        };
        size_of::<Resized>() + self.pixels.len() + mask
    }
}

/// Keeps what comes first until it is full, and then nothing else: every epoch goes through all examples once, so that
/// throwing the oldest out would throw out what is needed soonest.
#[derive(Debug)]
pub(super) struct Cache {
    slots: Vec<OnceLock<Arc<Resized>>>,
    used: AtomicUsize,
    limit: usize,
}

impl Cache {
    pub(super) fn new(examples: usize, limit: usize) -> Cache {
        // A cache that keeps nothing needs no slots either.
        let slots = if limit == 0 { 0 } else { examples };
        Cache { slots: (0..slots).map(|_| OnceLock::new()).collect(), used: AtomicUsize::new(0), limit }
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn get(&self, index: usize) -> Option<Arc<Resized>> {
        self.slots.get(index)?.get().cloned()
    }

    /// Keeps the example if there is room.
    pub(super) fn put(&self, index: usize, example: &Arc<Resized>) {
        let Some(slot) = self.slots.get(index) else { return };
        let bytes = example.bytes();
        let reserve = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve).is_ok()
            && slot.set(Arc::clone(example)).is_err()
        {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_within_its_bound() {
        let example = |bytes: usize| {
            Arc::new(Resized { pixels: vec![0; bytes].into(), goal: Goal::Mask(vec![0; 10].into()) })
        };
        let one = example(100).bytes();
        for (limit, kept) in [(0, 0), (one - 1, 0), (one, 1), (3 * one + 5, 3), (usize::MAX, 10)] {
            let cache = Cache::new(10, limit);
            // Twice: what is there is not counted again.
            for index in (0..10).chain(0..10) {
                cache.put(index, &example(100));
            }
            assert_eq!((0..10).filter(|&index| cache.get(index).is_some()).count(), kept, "limit {limit}");
            assert_eq!(cache.used_bytes(), kept * one, "limit {limit}");
        }
    }
}
