//! A whole split in one value: its hash, and how often each class occurs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest, Sha256};

use super::{DataError, Examples, Target};

/// The SHA-256, in hexadecimal, over names, stored bytes, classes and ignore label of all examples in their order: it
/// changes when any of these does, and not with the folder that the data lie in.
///
/// # Errors
/// Those of [`Examples::hash`], naming the file.
pub fn fingerprint(examples: &dyn Examples) -> Result<String, DataError> {
    let hashes = each(examples, |index| {
        let mut hash = Sha256::new();
        examples.hash(index, &mut hash)?;
        Ok(hash.finalize())
    })?;
    let mut whole = Sha256::new();
    let mut text = |text: &str| {
        whole.update((text.len() as u64).to_le_bytes());
        whole.update(text);
    };
    text(&format!("{:?} {:?} {}", examples.task(), examples.ignore(), examples.classes().len()));
    examples.classes().iter().for_each(|class| text(class));
    (0..examples.len()).for_each(|index| text(&examples.name(index)));
    hashes.iter().for_each(|hash| whole.update(hash));
    Ok(whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// How often each class occurs: pixels where there are masks (without the ignored ones), examples where there are classes.
///
/// # Errors
/// Those of [`Examples::target`], and [`DataError::Example`] for a class that the data set does not have.
pub fn class_frequencies(examples: &dyn Examples) -> Result<Vec<u64>, DataError> {
    let classes = examples.classes().len();
    let counts = each(examples, |index| {
        let mut counts = vec![0; classes];
        let mut count = |class: i64| match usize::try_from(class).ok().and_then(|id| counts.get_mut(id)) {
            Some(count) => {
                *count += 1;
                Ok(())
            }
            None => Err(DataError::Example {
                name: examples.name(index),
                reason: format!("its class {class} is none of the {classes} of the data set"),
            }),
        };
        match examples.target(index)? {
            Target::Class(class) => count(class)?,
            Target::Mask(mask) => mask
                .into_iter()
                .filter(|&id| Some(id) != examples.ignore())
                .try_for_each(|id| count(i64::from(id)))?,
        }
        Ok(counts)
    })?;
    let mut sums = vec![0; classes];
    for counts in counts {
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    Ok(sums)
}

/// What `look` finds in each example, in their order, on all processors; the error of the first example that has one.
fn each<T: Send>(
    examples: &dyn Examples,
    look: impl Fn(usize) -> Result<T, DataError> + Sync,
) -> Result<Vec<T>, DataError> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(examples.len().max(1));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= examples.len() {
                return found;
            }
            let result = look(index);
            let failed = result.is_err();
            found.push((index, result));
            if failed {
                // Those before are all taken by now; none behind needs to be looked at.
                next.store(examples.len(), Ordering::Relaxed);
                return found;
            }
        }
    };
    let mut all: Vec<(usize, Result<T, DataError>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}
