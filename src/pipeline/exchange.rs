//! A bounded queue between two threads, which either waits for room or lets its oldest item go.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What happens to a new item where the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// It waits until there is room.
    Wait,
    /// The oldest item goes and is counted.
    DropOldest,
}

/// What a taker gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<T> {
    /// The oldest item.
    Item(T),
    /// Nothing came in time.
    TimedOut,
    /// Nothing will come any more.
    Closed,
}

/// A bounded queue; closing it lets takers have what is in it, and nobody add to it.
pub(super) struct Exchange<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    capacity: usize,
    overflow: Overflow,
}

struct State<T> {
    items: VecDeque<T>,
    takers: usize,
    closed: bool,
    dropped: u64,
}

impl<T> Exchange<T> {
    /// An empty queue for `capacity` items, at least one.
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Exchange<T> {
        let items = VecDeque::with_capacity(capacity);
        let state = Mutex::new(State { items, takers: 0, closed: false, dropped: 0 });
        Exchange { state, changed: Condvar::new(), capacity, overflow }
    }

    /// Adds an item; gives it back where the queue is closed.
    pub(super) fn put(&self, item: T) -> Result<(), T> {
        let mut state = self.lock();
        while self.overflow == Overflow::Wait && state.items.len() >= self.capacity && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(item);
        }
        if state.items.len() >= self.capacity {
            state.items.pop_front();
            state.dropped += 1;
        }
        state.items.push_back(item);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes the oldest item, waiting for one at most `time`.
    pub(super) fn take(&self, time: Duration) -> Taken<T> {
        let mut state = self.lock();
        state.takers += 1;
        self.changed.notify_all();
        state = self.wait(state, time, |state| state.items.is_empty() && !state.closed);
        state.takers -= 1;
        match state.items.pop_front() {
            Some(item) => {
                self.changed.notify_all();
                Taken::Item(item)
            }
            None if state.closed => Taken::Closed,
            None => Taken::TimedOut,
        }
    }

    /// Waits at most `time` until somebody waits for an item that is not there; says whether somebody does, or the queue
    /// was closed.
    pub(super) fn wait_for_taker(&self, time: Duration) -> bool {
        let idle = |state: &mut State<T>| !state.closed && (state.takers == 0 || !state.items.is_empty());
        let mut state = self.wait(self.lock(), time, idle);
        !idle(&mut state)
    }

    /// Lets nothing in any more, and nobody wait.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Whether items are let in.
    pub(super) fn is_open(&self) -> bool {
        !self.lock().closed
    }

    /// Items that fit in.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Items in the queue.
    pub(super) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Items that went because newer ones came.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State<T>>,
        time: Duration,
        condition: impl FnMut(&mut State<T>) -> bool,
    ) -> MutexGuard<'a, State<T>> {
        let waited = self.changed.wait_timeout_while(state, time, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// A panic while the lock was held leaves a whole queue behind: nothing in here stops half-way.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flag that ends waits: once raised it stays.
#[derive(Default)]
pub(super) struct Stop {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    pub(super) fn is_raised(&self) -> bool {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `until`, or less if the flag is raised; says whether it is.
    pub(super) fn wait_until(&self, until: Instant) -> bool {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let time = until.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(raised, time, |raised| !*raised);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_full_queue_waits_or_lets_the_oldest_go() {
        let newest = Exchange::new(2, Overflow::DropOldest);
        (0..5).for_each(|item| newest.put(item).unwrap());
        assert_eq!((newest.dropped(), newest.len()), (3, 2));
        assert_eq!([newest.take(LONG), newest.take(LONG)], [Taken::Item(3), Taken::Item(4)]);

        let all = Exchange::new(2, Overflow::Wait);
        thread::scope(|scope| {
            scope.spawn(|| (0..100).for_each(|item| all.put(item).unwrap()));
            (0..100).for_each(|item| assert_eq!(all.take(LONG), Taken::Item(item)));
        });
        assert_eq!(all.dropped(), 0);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has() {
        let queue = Exchange::new(3, Overflow::Wait);
        queue.put('a').unwrap();
        queue.close();
        assert_eq!(queue.put('b'), Err('b'));
        assert_eq!([queue.take(LONG), queue.take(LONG)], [Taken::Item('a'), Taken::Closed]);
        assert_eq!(Exchange::<u8>::new(1, Overflow::Wait).take(Duration::ZERO), Taken::TimedOut);
    }

    #[test]
    fn closing_frees_who_waits() {
        let full = Exchange::new(1, Overflow::Wait);
        full.put(1).unwrap();
        let empty = Exchange::<u8>::new(1, Overflow::Wait);
        thread::scope(|scope| {
            let putter = scope.spawn(|| full.put(2));
            let taker = scope.spawn(|| empty.take(LONG));
            let starter = scope.spawn(|| full.wait_for_taker(LONG));
            full.close();
            empty.close();
            assert_eq!(putter.join().unwrap(), Err(2));
            assert_eq!(taker.join().unwrap(), Taken::Closed);
            assert!(starter.join().unwrap());
        });
    }

    #[test]
    fn a_taker_is_seen() {
        let queue = Exchange::new(1, Overflow::Wait);
        assert!(!queue.wait_for_taker(Duration::ZERO), "nobody waits");
        thread::scope(|scope| {
            let taker = scope.spawn(|| queue.take(LONG));
            assert!(queue.wait_for_taker(LONG));
            queue.put(7).unwrap();
            assert_eq!(taker.join().unwrap(), Taken::Item(7));
        });
    }
}
