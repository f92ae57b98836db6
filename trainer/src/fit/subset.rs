//! Some examples of a split: a number of them, or all but those that a list leaves out.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use sedge::onnx::Task;
use sha2::Sha256;

use super::FitError;
use crate::data::{DataError, Example, Examples, Target};

/// Some examples of another split, in its order.
pub struct Subset {
    examples: Arc<dyn Examples>,
    /// Their places there.
    kept: Vec<usize>,
}

impl Subset {
    /// At most `limit` examples, evenly spread over those that the file `leave_out` does not name, so that the classes of a
    /// split that is sorted by class keep their shares.
    ///
    /// The file has an example's name on each line, as [`Examples::name`] and the doctor tell it; empty lines and those that
    /// begin with `#` count for nothing, and so do names of other splits.
    ///
    /// # Errors
    /// When the file cannot be read, or nothing is left.
    pub fn of(
        examples: Arc<dyn Examples>,
        limit: Option<usize>,
        leave_out: Option<&Path>,
    ) -> Result<Arc<dyn Examples>, FitError> {
        let text = match leave_out {
            Some(path) => std::fs::read_to_string(path).map_err(FitError::file(path))?,
            None => String::new(),
        };
        let left_out: BTreeSet<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let mut kept: Vec<usize> = (0..examples.len()).collect();
        if !left_out.is_empty() {
            kept.retain(|&index| !left_out.contains(examples.name(index).as_str()));
        }
        if let Some(limit) = limit.filter(|&limit| limit < kept.len()) {
            kept = (0..limit).map(|index| kept[index * kept.len() / limit]).collect();
        }
        if kept.is_empty() {
            return Err(FitError::Option("--leave-out leaves no example of a split".to_string()));
        }
        if kept.len() == examples.len() {
            return Ok(examples);
        }
        Ok(Arc::new(Subset { examples, kept }))
    }
}

impl Examples for Subset {
    fn len(&self) -> usize {
        self.kept.len()
    }

    fn name(&self, index: usize) -> String {
        self.examples.name(self.kept[index])
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        self.examples.example(self.kept[index])
    }

    fn target(&self, index: usize) -> Result<Target, DataError> {
        self.examples.target(self.kept[index])
    }

    fn hash(&self, index: usize, hash: &mut Sha256) -> Result<(), DataError> {
        self.examples.hash(self.kept[index], hash)
    }

    fn classes(&self) -> &[String] {
        self.examples.classes()
    }

    fn ignore(&self) -> Option<u8> {
        self.examples.ignore()
    }

    fn task(&self) -> Task {
        self.examples.task()
    }
}
