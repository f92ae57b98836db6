//! A small fixed pool of threads that runs one closure on all of them, with the caller as the first.
//!
//! A step of an inference is a few hundred microseconds, so a worker that has finished looks for the next one for a
//! moment before it sleeps; between frames all of them sleep.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Rounds of looking before sleeping, some 20 to 50 microseconds.
const LOOKS: usize = 1_000;

/// What workers are to do: a closure that lives as long as [`Pool::run`] waits for them.
#[derive(Clone, Copy)]
struct Job(*const (dyn Fn(usize) + Sync));

// SAFETY: the closure is `Sync`, and `Pool::run` keeps it alive until every worker has finished with it.
unsafe impl Send for Job {}

struct Shared {
    /// Number of the job; workers sleep until it differs from the last they did.
    number: AtomicUsize,
    job: Mutex<Option<Job>>,
    wake: Condvar,
    /// Workers that have not finished the job.
    busy: AtomicUsize,
    finished: Mutex<()>,
    all_done: Condvar,
    /// A worker's part panicked.
    panicked: AtomicBool,
    ending: AtomicBool,
}

/// Threads that wait for work.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// `threads` threads, the caller of [`Pool::run`] counted; 0 is taken as 1.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn new(threads: usize) -> std::io::Result<Pool> {
        let shared = Arc::new(Shared {
            number: AtomicUsize::new(0),
            job: Mutex::new(None),
            wake: Condvar::new(),
            busy: AtomicUsize::new(0),
            finished: Mutex::new(()),
            all_done: Condvar::new(),
            panicked: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        });
        let mut pool = Pool { shared, workers: Vec::new() };
        for index in 1..threads {
            let shared = pool.shared.clone();
            let thread = std::thread::Builder::new().name(format!("sedge-{index}"));
            pool.workers.push(thread.spawn(move || work(&shared, index))?);
        }
        Ok(pool)
    }

    /// Number of threads, the caller's counted.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `part(0)` here and `part(1)` to `part(threads - 1)` on the workers; returns when all have returned.
    ///
    /// # Panics
    /// When a part panics.
    pub fn run(&mut self, part: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() {
            return part(0);
        }
        let shared = &self.shared;
        shared.busy.store(self.workers.len(), Ordering::Relaxed);
        {
            let mut job = lock(&shared.job);
            // SAFETY: only the lifetime is changed. This function does not return, nor unwind past `Wait`, before every
            // worker has finished with the closure.
            let part: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(part) };
            *job = Some(Job(part));
            shared.number.fetch_add(1, Ordering::Release);
        }
        shared.wake.notify_all();
        {
            let _wait = Wait(shared);
            part(0);
        }
        assert!(!shared.panicked.swap(false, Ordering::Relaxed), "a part of an inference panicked");
    }
}

/// Waits, when dropped, until no worker is busy.
struct Wait<'a>(&'a Shared);

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        for _ in 0..LOOKS {
            if self.0.busy.load(Ordering::Acquire) == 0 {
                return;
            }
            std::hint::spin_loop();
        }
        let mut guard = lock(&self.0.finished);
        while self.0.busy.load(Ordering::Acquire) != 0 {
            guard = self.0.all_done.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn work(shared: &Shared, index: usize) {
    let mut done = 0;
    loop {
        for _ in 0..LOOKS {
            if shared.number.load(Ordering::Acquire) != done {
                break;
            }
            std::hint::spin_loop();
        }
        let job = {
            let mut job = lock(&shared.job);
            while shared.number.load(Ordering::Acquire) == done && !shared.ending.load(Ordering::Acquire) {
                job = shared.wake.wait(job).unwrap_or_else(PoisonError::into_inner);
            }
            *job
        };
        if shared.ending.load(Ordering::Acquire) {
            return;
        }
        done = shared.number.load(Ordering::Acquire);
        if let Some(Job(part)) = job {
            // SAFETY: `Pool::run` waits for this worker before the closure ends.
            let part = unsafe { &*part };
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| part(index))).is_err() {
                shared.panicked.store(true, Ordering::Relaxed);
            }
        }
        if shared.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _guard = lock(&shared.finished);
            shared.all_done.notify_one();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        {
            let _job = lock(&self.shared.job);
            self.shared.ending.store(true, Ordering::Release);
        }
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker never panics outside a part.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_runs_once_for_every_job() {
        for threads in [0, 1, 2, 3, 7] {
            let mut pool = Pool::new(threads).expect("threads");
            let counts: Vec<AtomicUsize> = (0..pool.threads()).map(|_| AtomicUsize::new(0)).collect();
            for round in 1..=500 {
                pool.run(&|part| {
                    counts[part].fetch_add(1, Ordering::Relaxed);
                });
                let found: Vec<usize> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
                assert_eq!(found, vec![round; threads.max(1)]);
            }
        }
    }

    #[test]
    fn a_panic_in_a_part_reaches_the_caller_and_the_pool_lives_on() {
        let mut pool = Pool::new(2).expect("threads");
        for culprit in [0, 1] {
            let run = std::panic::AssertUnwindSafe(|| pool.run(&|part| assert_ne!(part, culprit)));
            assert!(std::panic::catch_unwind(run).is_err(), "part {culprit}");
        }
        let count = AtomicUsize::new(0);
        pool.run(&|_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}
