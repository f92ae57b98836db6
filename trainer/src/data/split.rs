//! Training, validation and test parts of a data set.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Of a training part without a validation part, one example in so many is kept for validation.
const HELD_OUT_ONE_IN: u64 = 10;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What is trained on.
    Train,
    /// What decides which epoch is the best.
    Val,
    /// What is reported.
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// `train`, `val` or `test`, as the folders are called.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no split's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no split called {0:?}: use train, val or test")]
pub struct SplitError(String);

impl FromStr for Split {
    type Err = SplitError;

    fn from_str(name: &str) -> Result<Split, SplitError> {
        Split::ALL.into_iter().find(|split| split.name() == name).ok_or_else(|| SplitError(name.to_owned()))
    }
}

/// Where a split's examples lie, and which of those there belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The split in whose folder or file they lie.
    pub(super) stored: Split,
    /// Whether only those that are kept for validation are meant, or only the others. None: all.
    held_out: Option<bool>,
}

impl Part {
    /// The part for a split of a data set that has its own validation part, or has not: then a fixed tenth of the training
    /// part stands in for it, and training leaves it out.
    pub(super) fn new(split: Split, has_val: bool) -> Part {
        match (split, has_val) {
            (Split::Train | Split::Val, false) => {
                Part { stored: Split::Train, held_out: Some(split == Split::Val) }
            }
            (stored, _) => Part { stored, held_out: None },
        }
    }

    /// Whether an example belongs to it, by its name in the stored part.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.held_out.is_none_or(|wanted| is_held_out(name) == wanted)
    }
}

/// Whether an example is kept for validation: by its name alone, so that new files do not move the old ones.
fn is_held_out(name: &str) -> bool {
    let hash = Sha256::digest(name.as_bytes());
    let first = hash.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte));
    first.is_multiple_of(HELD_OUT_ONE_IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_have_names() {
        for split in Split::ALL {
            assert_eq!(split.to_string().parse(), Ok(split));
        }
        let error = "valid".parse::<Split>().unwrap_err();
        assert_eq!(error.to_string(), "there is no split called \"valid\": use train, val or test");
    }

    #[test]
    fn train_and_val_share_nothing_and_leave_nothing_out() {
        let [train, val, test] = Split::ALL.map(|split| Part::new(split, false));
        let names: Vec<String> = (0..1000).map(|number| format!("cat/{number}.jpg")).collect();
        assert!(names.iter().all(|name| train.takes(name) != val.takes(name) && test.takes(name)));
        let held_out = names.iter().filter(|name| val.takes(name)).count();
        assert!((70..130).contains(&held_out), "{held_out} of 1000 are held out");
        assert_eq!((train.stored, val.stored, test.stored), (Split::Train, Split::Train, Split::Test));
        for split in Split::ALL {
            let own = Part::new(split, true);
            assert!(own.stored == split && names.iter().all(|name| own.takes(name)));
        }
    }
}
