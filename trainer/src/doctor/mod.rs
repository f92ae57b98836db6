//! Checks of a data set before anyone trains on it, and of its labels after.
//!
//! 1. [`survey`] lists the pictures, their masks or classes, and what does not pair up.
//! 2. Every file is decoded, several at a time: [`picture`] and [`mask`] say what is in it and what is wrong with it.
//! 3. [`labels`] looks at the classes of the whole set, [`duplicates`] at pictures that are there twice.
//! 4. With a trained model, [`losses`] and [`suspect`] find the labels that it contradicts most.
//! 5. [`Report`] gathers all by kind, as text, JSON or HTML; [`sheet`] shows the pictures, the worst first.
//!
//! A broken file is a finding, never an error: [`DoctorError`] is for what cannot be looked at at all.

pub mod duplicates;
pub mod finding;
pub mod html;
pub mod labels;
pub mod losses;
pub mod mask;
pub mod parallel;
pub mod perceptual;
pub mod picture;
mod record;
pub mod report;
pub mod sheet;
pub mod survey;
pub mod suspect;
pub mod text;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

pub use finding::{Finding, Kind, Severity};
pub use record::Record;
pub use report::Report;

use finding::Trouble;
use parallel::Progress;
use survey::Survey;

/// Why a data set cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The folder is of no known form.
    #[error(
        "{} is no data set: give a folder with META.json and {{train,val,test}}/{{images,masks}}, one folder a class \
         ({{train,test}}/CLASS), train.tar and test.tar with a folder a class, or MNIST's or CIFAR's files",
        .0.display()
    )]
    Unknown(PathBuf),
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The model does not fit the data.
    #[error("the model cannot judge the labels: {0}")]
    Model(String),
    /// The contact sheet cannot be made.
    #[error("the contact sheet cannot be made: {0}")]
    Sheet(String),
}

/// How to look.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Files at a time, at least 1.
    pub threads: usize,
    /// In how many of the 64 bits of their hashes two pictures may differ to be compared; `None` looks for no duplicates
    /// but equal ones.
    pub near_bits: Option<u32>,
    /// Is told of each picture.
    pub progress: Progress<'a>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Options { threads, near_bits: Some(8), progress: &|_, _| {} }
    }
}

/// A data set that was looked at.
pub struct Examination {
    /// What is there.
    pub survey: Survey,
    /// What was seen of each item of the survey, in its order.
    pub records: Vec<Record>,
    /// The folder.
    pub folder: PathBuf,
    troubles: Vec<Trouble>,
}

impl Examination {
    /// Looks at every file in `folder`.
    ///
    /// # Errors
    /// [`DoctorError::Unknown`] and [`DoctorError::Disk`]; broken files are no errors.
    pub fn of(folder: &Path, options: &Options) -> Result<Examination, DoctorError> {
        let survey = Survey::of(folder)?;
        let records = parallel::map(survey.items.len(), options.threads, options.progress, |index| {
            record::examine(&survey, &survey.items[index])
        });
        let mut troubles = survey.troubles.clone();
        troubles.extend(records.iter().flat_map(|record| record.troubles.clone()));
        troubles.extend(labels::check(&survey, &records));
        troubles.extend(duplicates::check(&survey, &records, options));
        Ok(Examination { survey, records, folder: folder.to_owned(), troubles })
    }

    /// Takes the loss of each picture under a trained model, in the order of the items; `None` where it has none.
    pub fn judge(&mut self, losses: &[Option<suspect::Judgement>]) {
        for (record, judgement) in self.records.iter_mut().zip(losses) {
            record.judgement.clone_from(judgement);
        }
        self.troubles.extend(suspect::check(&self.survey, losses));
    }

    /// All that was found, with up to `examples` files of each kind.
    pub fn report(&self, examples: usize) -> Report {
        Report::new(self, finding::gather(self.troubles.clone(), examples))
    }

    /// Names of pictures that equal, or nearly equal, one of an earlier split, sorted; a name once.
    pub fn leaks(&self) -> BTreeSet<&str> {
        let leaks = |trouble: &&Trouble| matches!(trouble.kind, Kind::DuplicateSplits | Kind::NearSplits);
        self.troubles.iter().filter(leaks).map(|trouble| trouble.place.as_str()).collect()
    }

    /// The items in the order in which a person should look at them: by the severity of what was found in them, then
    /// by their loss, then spread over the set.
    pub fn worst(&self, number: usize) -> Vec<usize> {
        let mut named: HashMap<&str, Severity> = HashMap::new();
        for trouble in &self.troubles {
            let worst = named.entry(&trouble.place).or_insert(trouble.severity);
            *worst = trouble.severity.min(*worst);
        }
        let rank = |index: usize| {
            let item = &self.survey.items[index];
            let mut names = vec![item.name.as_str()];
            if let survey::Label::Mask(_, mask) = &item.label {
                names.push(mask);
            }
            let found = names.into_iter().filter_map(|name| named.get(name)).min();
            let loss = self.records[index].judgement.as_ref().map_or(0.0, |judgement| -judgement.loss);
            // Multiplying by an odd number modulo 2^64 spreads neighbours: frames of one scene are much alike.
            let spread = (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (found.map_or(3, |&severity| severity as u8), loss, spread)
        };
        let mut order: Vec<(usize, (u8, f64, u64))> =
            (0..self.records.len()).map(|index| (index, rank(index))).collect();
        order.sort_by(|(_, a), (_, b)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        order.into_iter().map(|(index, _)| index).take(number).collect()
    }
}
