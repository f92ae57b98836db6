//! The same work for every file, on several threads, with the results in order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Is told how many are done, of how many.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// `work` of 0..`number`, in that order, by `threads` threads.
pub fn map<T: Send>(
    number: usize,
    threads: usize,
    progress: Progress,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let run = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= number {
                return results;
            }
            results.push((index, work(index)));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, number);
        }
    };
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (1..threads.clamp(1, number.max(1))).map(|_| scope.spawn(run)).collect();
        let mut results = run();
        for worker in workers {
            match worker.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, result)| result).collect()
}
