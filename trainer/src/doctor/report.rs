//! All that was found in a data set, ready to be written as text, JSON or HTML.

use std::collections::BTreeMap;

use sedge::onnx::Task;
use serde::Serialize;

use super::finding::{Finding, Severity};
use super::{Examination, labels};

/// A split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitLine {
    /// Its name.
    pub name: String,
    /// Pictures in it.
    pub pictures: usize,
    /// Masks that were read.
    pub masks: usize,
    /// Share of the masks' pixels that the ignore label takes, 0..=1.
    pub ignored: f64,
    /// Sizes, the most frequent first, as `WIDTHxHEIGHT` and the number of pictures; at most 4.
    pub sizes: Vec<(String, usize)>,
    /// Number of different sizes.
    pub sizes_in_all: usize,
}

/// A class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassLine {
    /// Its id.
    pub id: usize,
    /// Its name.
    pub name: String,
    /// Its counts in each split, in the order of [`Report::splits`].
    pub splits: Vec<labels::Count>,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The folder as it was given.
    pub folder: String,
    /// Masks or classes.
    pub task: Task,
    /// The label that counts neither way.
    pub ignore: Option<u8>,
    /// The splits.
    pub splits: Vec<SplitLine>,
    /// The classes.
    pub classes: Vec<ClassLine>,
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// Pictures in the order in which a person should look at them.
    pub worst: Vec<String>,
}

/// Pictures that [`Report::worst`] names.
const WORST: usize = 50;

impl Report {
    pub(super) fn new(examination: &Examination, findings: Vec<Finding>) -> Report {
        let survey = &examination.survey;
        let splits = (0..survey.splits.len()).map(|split| line(examination, split)).collect();
        let counts = labels::counts(survey, &examination.records);
        let names = survey.classes.iter().cloned().enumerate();
        let classes = names.zip(counts).map(|((id, name), splits)| ClassLine { id, name, splits }).collect();
        let worst = examination.worst(WORST);
        Report {
            folder: examination.folder.display().to_string(),
            task: survey.task,
            ignore: survey.ignore,
            splits,
            classes,
            findings,
            worst: worst.into_iter().map(|index| survey.items[index].name.clone()).collect(),
        }
    }

    /// Findings of a severity.
    pub fn number(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether nothing stands against training.
    pub fn is_sound(&self) -> bool {
        self.number(Severity::Error) == 0
    }
}

fn line(examination: &Examination, split: usize) -> SplitLine {
    let survey = &examination.survey;
    let of_split = || {
        let both = survey.items.iter().zip(&examination.records);
        both.filter(move |(item, _)| item.split == split).map(|(_, record)| record)
    };
    let mut sizes: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for facts in of_split().filter_map(|record| record.facts.as_ref()) {
        *sizes.entry((facts.width, facts.height)).or_default() += 1;
    }
    let sizes_in_all = sizes.len();
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_by_key(|&(_, number)| std::cmp::Reverse(number));
    let sizes = sizes.into_iter().take(4).map(|((w, h), number)| (format!("{w}x{h}"), number)).collect();
    let masks = || of_split().filter_map(|record| record.mask.as_ref());
    let pixels: u64 = masks().flat_map(|mask| mask.counts.iter()).sum();
    let ignored: u64 =
        survey.ignore.map_or(0, |ignore| masks().map(|mask| mask.counts[usize::from(ignore)]).sum());
    SplitLine {
        name: survey.splits[split].clone(),
        pictures: of_split().count(),
        masks: masks().count(),
        ignored: if pixels == 0 { 0.0 } else { ignored as f64 / pixels as f64 },
        sizes,
        sizes_in_all,
    }
}
