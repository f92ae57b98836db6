//! One epoch: the threads that make its batches, and their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::maker::Maker;
use super::{Batch, Shared};
use crate::data::DataError;

/// The batches of an epoch in their order. After an error there are no more. Dropping it stops the threads and waits for
/// the example that each is at.
pub struct Epoch {
    plan: Arc<Plan>,
    /// The batch that comes next.
    next: usize,
    source: Source,
}

/// What an epoch consists of.
struct Plan {
    shared: Arc<Shared>,
    number: u64,
    order: Vec<usize>,
    batches: usize,
    stop: AtomicBool,
}

/// Who makes the batches.
enum Source {
    /// The caller's thread.
    Here(Box<Maker>),
    /// Worker `w` of `n` makes batches `w`, `w + n`, `w + 2 n`, and holds at most one that has not been taken.
    Workers(Vec<Worker>),
    /// Nobody: the epoch could not be started, or had an error, or is over.
    Over(Option<DataError>),
}

struct Worker {
    batches: Receiver<Result<Batch, DataError>>,
    thread: JoinHandle<()>,
}

impl Plan {
    fn indices(&self, batch: usize) -> &[usize] {
        let size = self.shared.options.batch;
        &self.order[batch * size..self.order.len().min((batch + 1) * size)]
    }

    /// Makes every `step`-th batch from `first` on until one fails or nobody wants them.
    fn work(&self, first: usize, step: usize, batches: &SyncSender<Result<Batch, DataError>>) {
        let mut maker = match Maker::new(Arc::clone(&self.shared)) {
            Ok(maker) => maker,
            Err(error) => {
                // Where the receiver is gone, nobody waits for the error.
                let _ = batches.send(Err(error));
                return;
            }
        };
        for batch in (first..self.batches).step_by(step) {
            let Some(made) = maker.batch(self.number, self.indices(batch), &self.stop).transpose() else {
                return;
            };
            let failed = made.is_err();
            if batches.send(made).is_err() || failed {
                return;
            }
        }
    }
}

impl Epoch {
    pub(super) fn start(shared: Arc<Shared>, number: u64, batches: usize) -> Epoch {
        let workers = shared.options.workers.min(batches);
        let order = shared.order(number);
        let plan = Arc::new(Plan { shared, number, order, batches, stop: AtomicBool::new(false) });
        let source = if workers == 0 {
            match Maker::new(Arc::clone(&plan.shared)) {
                Ok(maker) => Source::Here(Box::new(maker)),
                Err(error) => Source::Over(Some(error)),
            }
        } else {
            Source::start(&plan, workers)
        };
        Epoch { plan, next: 0, source }
    }

    /// Batches that are still to come, if none fails.
    pub fn remaining(&self) -> usize {
        self.plan.batches - self.next
    }

    fn take(&mut self) -> Result<Batch, DataError> {
        let Epoch { plan, next, source } = self;
        match source {
            Source::Here(maker) => {
                let made = maker.batch(plan.number, plan.indices(*next), &plan.stop)?;
                made.ok_or_else(|| DataError::Worker("it was stopped".into()))
            }
            Source::Workers(workers) => {
                let worker = *next % workers.len();
                // A worker that ends without its batch has panicked.
                workers[worker].batches.recv().unwrap_or_else(|_| {
                    let cause = workers.swap_remove(worker).thread.join().err();
                    Err(DataError::Worker(cause.map_or_else(|| "it ended early".into(), panic_text)))
                })
            }
            Source::Over(error) => {
                Err(error.take().unwrap_or_else(|| DataError::Worker("the epoch is over".into())))
            }
        }
    }

    fn stop(&mut self) {
        self.plan.stop.store(true, Ordering::Relaxed);
        if let Source::Workers(workers) = std::mem::replace(&mut self.source, Source::Over(None)) {
            for Worker { batches, thread } in workers {
                // Without its receiver a worker that waits to hand over a batch goes on, and ends.
                drop(batches);
                // Whether it panicked matters no more.
                let _ = thread.join();
            }
        }
    }
}

impl Source {
    fn start(plan: &Arc<Plan>, count: usize) -> Source {
        let mut workers = Vec::with_capacity(count);
        for first in 0..count {
            let (sender, batches) = sync_channel(1);
            let own = Arc::clone(plan);
            let started = thread::Builder::new()
                .name(format!("loader-{first}"))
                .spawn(move || own.work(first, count, &sender));
            match started {
                Ok(thread) => workers.push(Worker { batches, thread }),
                Err(error) => {
                    plan.stop.store(true, Ordering::Relaxed);
                    return Source::Over(Some(DataError::Worker(error.to_string())));
                }
            }
        }
        Source::Workers(workers)
    }
}

/// What a thread said when it panicked.
fn panic_text(cause: Box<dyn std::any::Any + Send>) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "it panicked".into())
}

impl Iterator for Epoch {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Result<Batch, DataError>> {
        if self.next >= self.plan.batches {
            self.stop();
            return None;
        }
        let batch = self.take();
        self.next += 1;
        if batch.is_err() {
            self.next = self.plan.batches;
            self.stop();
        }
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An error ends an epoch early.
        (0, Some(self.remaining()))
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        self.stop();
    }
}
