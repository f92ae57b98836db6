//! A teacher's logits on the disk, so that it runs once and not in every epoch.
//!
//! One file for a teacher, data and size: 16-bit floats `[images, classes, height, width]` (`[images, classes]` for a
//! classifier), and nothing else. Where images are mirrored at random, the logits of its mirror image follow those of each.
//! The file gets its name when it is whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, TchError, Tensor};

use super::Teacher;
use crate::data::{Augment, Batch};
use crate::fit::{Context, FitError, sha256};

/// Largest 16-bit float; larger logits decide a softmax just as well.
const F16_MAX: f64 = 65504.0;

/// A file of logits.
pub(super) struct Logits {
    file: File,
    path: PathBuf,
    /// Of one image, 1 first.
    shape: Vec<i64>,
    views: Views,
}

/// What the teacher is asked of each image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Views {
    /// Its logits.
    Plain,
    /// Those, then its mirror image's.
    Mirrored,
}

impl Views {
    fn count(self) -> u64 {
        match self {
            Views::Plain => 1,
            Views::Mirrored => 2,
        }
    }
}

/// The views that hold every pixel's logits whatever augmentation draws; none where it moves pixels to any place.
pub(super) fn views(augment: &Augment) -> Option<Views> {
    let places = Augment {
        flip: 0.0,
        brightness: 0.0,
        contrast: 0.0,
        saturation: 0.0,
        hue: 0.0,
        noise: 0.0,
        blur: 0.0,
        ..augment.clone()
    };
    let views = if augment.flip > 0.0 { Views::Mirrored } else { Views::Plain };
    places.is_none().then_some(views)
}

impl Logits {
    /// The file in `folder` for teacher and data; the teacher is asked for all images where there is none yet. `resize` brings
    /// its logits to the student's size, `shape` (of one image, 1 first).
    pub(super) fn open(
        folder: &Path,
        teacher: &Teacher,
        context: &Context<'_>,
        shape: Vec<i64>,
        views: Views,
        resize: impl Fn(&Tensor) -> Result<Tensor, TchError>,
        note: &mut dyn FnMut(&str),
    ) -> Result<Logits, FitError> {
        let key =
            sha256(format!("{} {} {shape:?} {views:?}", teacher.sha256, context.data_sha256).as_bytes());
        let path = folder.join(format!("{}.f16", &key[..32]));
        let bytes = image_bytes(&shape) * views.count() * context.examples.len() as u64;
        let is_whole = std::fs::metadata(&path).is_ok_and(|file| file.len() == bytes);
        if is_whole {
            note(&format!("the teacher's logits come from {}", path.display()));
        } else {
            note(&format!("the teacher's logits are written to {} ({} MiB)", path.display(), bytes >> 20));
            std::fs::create_dir_all(folder).map_err(FitError::file(folder))?;
            // Runs beside this one may write the same file: the last one's is as good.
            let part = path.with_extension(format!("{}.part", std::process::id()));
            write(&part, teacher, context, views, resize)?;
            std::fs::rename(&part, &path).map_err(FitError::file(&path))?;
        }
        let file = File::open(&path).map_err(FitError::file(&path))?;
        Ok(Logits { file, path, shape, views })
    }

    /// Logits `[N,...]` of a batch's images, f32.
    pub(super) fn of(&self, batch: &Batch, device: Device) -> Result<Tensor, FitError> {
        let size = image_bytes(&self.shape);
        let mut bytes = vec![0_u8; size as usize * batch.indices.len()];
        let images = batch.indices.iter().zip(&batch.mirrored);
        for (part, (&index, &mirrored)) in bytes.chunks_exact_mut(size as usize).zip(images) {
            let place = index as u64 * self.views.count() + u64::from(mirrored);
            self.file.read_exact_at(part, size * place).map_err(FitError::file(&self.path))?;
        }
        let count = batch.indices.len() as i64;
        let shape: Vec<i64> = std::iter::once(count).chain(self.shape[1..].iter().copied()).collect();
        Ok(Tensor::f_from_data_size(&bytes, &shape, Kind::Half)?
            .f_to_device(device)?
            .f_to_kind(Kind::Float)?)
    }
}

fn image_bytes(shape: &[i64]) -> u64 {
    shape.iter().map(|&size| size as u64).product::<u64>() * 2
}

fn write(
    path: &Path,
    teacher: &Teacher,
    context: &Context<'_>,
    views: Views,
    resize: impl Fn(&Tensor) -> Result<Tensor, TchError>,
) -> Result<(), FitError> {
    let mut file = BufWriter::new(File::create(path).map_err(FitError::file(path))?);
    for batch in teacher.plain_loader(context)?.epoch(0) {
        let images = batch?.images;
        let ask = |images: &Tensor| -> Result<Tensor, FitError> {
            let (logits, _) = teacher.run(images, &[])?;
            Ok(tch::no_grad(|| resize(&logits)?.f_clamp(-F16_MAX, F16_MAX)?.f_to_kind(Kind::Half))?)
        };
        let logits = match views {
            Views::Plain => ask(&images)?,
            // [N,2,...], so that the two of an image follow each other.
            Views::Mirrored => Tensor::f_stack(&[ask(&images)?, ask(&images.f_flip([3])?)?], 1)?,
        };
        let logits = logits.f_to_device(Device::Cpu)?.f_contiguous()?;
        let mut bytes = vec![0_u8; 2 * logits.numel()];
        logits.f_copy_data_u8(&mut bytes, logits.numel())?;
        file.write_all(&bytes).map_err(FitError::file(path))?;
    }
    let file = file.into_inner().map_err(|error| FitError::file(path)(error.into_error()))?;
    file.sync_all().map_err(FitError::file(path))
}
