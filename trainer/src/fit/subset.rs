//! The first examples of a split, for small runs.

use std::sync::Arc;

use sedge::onnx::Task;
use sha2::Sha256;

use crate::data::{DataError, Example, Examples, Target};

/// The first `count` examples of another split.
pub struct Subset {
    examples: Arc<dyn Examples>,
    count: usize,
}

impl Subset {
    /// At most `count` examples, all of them where there is no limit.
    pub fn first(examples: Arc<dyn Examples>, count: Option<usize>) -> Arc<dyn Examples> {
        match count {
            Some(count) if count < examples.len() => Arc::new(Subset { examples, count }),
            _ => examples,
        }
    }
}

impl Examples for Subset {
    fn len(&self) -> usize {
        self.count
    }

    fn name(&self, index: usize) -> String {
        self.examples.name(index)
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        self.examples.example(index)
    }

    fn target(&self, index: usize) -> Result<Target, DataError> {
        self.examples.target(index)
    }

    fn hash(&self, index: usize, hash: &mut Sha256) -> Result<(), DataError> {
        self.examples.hash(index, hash)
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
