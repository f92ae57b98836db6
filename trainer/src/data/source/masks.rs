//! Pictures with masks: META.json and `{train,val,test}/{images,masks}`.

use std::fs;
use std::path::{Path, PathBuf};

use sedge::dataset::{Dataset, Sample};
use sedge::onnx::Task;
use sha2::{Digest, Sha256};

use super::super::error::disk;
use super::super::split::Part;
use super::super::{DataError, Example, Examples, Split, Target};
use super::picture;

/// A split of pictures with masks.
pub(super) struct Masks {
    folder: PathBuf,
    dataset: Dataset,
    samples: Vec<Sample>,
}

impl Masks {
    pub(super) fn open(folder: &Path, split: Split) -> Result<Masks, DataError> {
        let dataset = Dataset::open(folder)?;
        let part = Part::new(split, folder.join(Split::Val.name()).join("images").is_dir());
        let mut samples = dataset.split(part.stored.name())?;
        let listed = samples.len();
        samples.retain(|sample| part.takes(&sample.image.file_name().unwrap_or_default().to_string_lossy()));
        if samples.is_empty() {
            let reason =
                format!("there is no folder val, and none of the {listed} of train falls into its tenth");
            return Err(DataError::Empty { path: folder.to_owned(), split, reason });
        }
        Ok(Masks { folder: folder.to_owned(), dataset, samples })
    }
}

impl Examples for Masks {
    fn len(&self) -> usize {
        self.samples.len()
    }

    fn name(&self, index: usize) -> String {
        let image = &self.samples[index].image;
        image.strip_prefix(&self.folder).unwrap_or(image).display().to_string()
    }

    fn example(&self, index: usize) -> Result<Example, DataError> {
        let sample = &self.samples[index];
        let mask = self.dataset.read_mask(sample)?;
        let size = (mask.width as usize, mask.height as usize);
        let example = picture::read(&sample.image, Target::Mask(mask.data))?;
        let image = (example.width, example.height);
        if image != size {
            return Err(DataError::SizeMismatch { name: self.name(index), image, mask: size });
        }
        Ok(example)
    }

    fn target(&self, index: usize) -> Result<Target, DataError> {
        Ok(Target::Mask(self.dataset.read_mask(&self.samples[index])?.data))
    }

    fn hash(&self, index: usize, hash: &mut Sha256) -> Result<(), DataError> {
        let Sample { image, mask } = &self.samples[index];
        for path in [image, mask] {
            let bytes = fs::read(path).map_err(disk(path))?;
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
        }
        Ok(())
    }

    fn classes(&self) -> &[String] {
        &self.dataset.meta().classes
    }

    fn ignore(&self) -> Option<u8> {
        Some(self.dataset.meta().ignore)
    }

    fn task(&self) -> Task {
        Task::Segmentation
    }
}
