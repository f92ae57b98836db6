//! A teacher's logits on the disk, so that it runs once and not in every epoch.
//!
//! One file for a teacher, data and size: 16-bit floats `[images, classes, height, width]` (`[images, classes]` for a
//! classifier), and nothing else. It gets its name when it is whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, TchError, Tensor};

use super::Teacher;
use crate::data::Augment;
use crate::fit::{Context, FitError, sha256};

/// Largest 16-bit float; larger logits decide a softmax just as well.
const F16_MAX: f64 = 65504.0;

/// A file of logits.
pub(super) struct Logits {
    file: File,
    path: PathBuf,
    /// Of one image, 1 first.
    shape: Vec<i64>,
}

/// Whether augmentation leaves every pixel at its place, so that logits of the unchanged image stay right.
pub(super) fn keeps_places(augment: &Augment) -> bool {
    let places = Augment {
        brightness: 0.0,
        contrast: 0.0,
        saturation: 0.0,
        hue: 0.0,
        noise: 0.0,
        blur: 0.0,
        ..augment.clone()
    };
    places.is_none()
}

impl Logits {
    /// The file in `folder` for teacher and data; the teacher is asked for all images where there is none yet. `resize` brings
    /// its logits to the student's size, `shape` (of one image, 1 first).
    pub(super) fn open(
        folder: &Path,
        teacher: &Teacher,
        context: &Context<'_>,
        shape: Vec<i64>,
        resize: impl Fn(&Tensor) -> Result<Tensor, TchError>,
        note: &mut dyn FnMut(&str),
    ) -> Result<Logits, FitError> {
        let key = sha256(format!("{} {} {shape:?}", teacher.sha256, context.data_sha256).as_bytes());
        let path = folder.join(format!("{}.f16", &key[..32]));
        let bytes = image_bytes(&shape) * context.examples.len() as u64;
        let is_whole = std::fs::metadata(&path).is_ok_and(|file| file.len() == bytes);
        if is_whole {
            note(&format!("the teacher's logits come from {}", path.display()));
        } else {
            note(&format!("the teacher's logits are written to {} ({} MiB)", path.display(), bytes >> 20));
            std::fs::create_dir_all(folder).map_err(FitError::file(folder))?;
            // Runs beside this one may write the same file: the last one's is as good.
            let part = path.with_extension(format!("{}.part", std::process::id()));
            write(&part, teacher, context, resize)?;
            std::fs::rename(&part, &path).map_err(FitError::file(&path))?;
        }
        let file = File::open(&path).map_err(FitError::file(&path))?;
        Ok(Logits { file, path, shape })
    }

    /// Logits `[N,...]` of the images `indices`, f32.
    pub(super) fn of(&self, indices: &[usize], device: Device) -> Result<Tensor, FitError> {
        let size = image_bytes(&self.shape);
        let mut bytes = vec![0_u8; size as usize * indices.len()];
        for (part, &index) in bytes.chunks_exact_mut(size as usize).zip(indices) {
            self.file.read_exact_at(part, size * index as u64).map_err(FitError::file(&self.path))?;
        }
        let shape: Vec<i64> =
            std::iter::once(indices.len() as i64).chain(self.shape[1..].iter().copied()).collect();
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
    resize: impl Fn(&Tensor) -> Result<Tensor, TchError>,
) -> Result<(), FitError> {
    let mut file = BufWriter::new(File::create(path).map_err(FitError::file(path))?);
    for batch in teacher.plain_loader(context)?.epoch(0) {
        let (logits, _) = teacher.run(&batch?.images, &[])?;
        let logits = tch::no_grad(|| resize(&logits)?.f_clamp(-F16_MAX, F16_MAX)?.f_to_kind(Kind::Half))?;
        let logits = logits.f_to_device(Device::Cpu)?.f_contiguous()?;
        let mut bytes = vec![0_u8; 2 * logits.numel()];
        logits.f_copy_data_u8(&mut bytes, logits.numel())?;
        file.write_all(&bytes).map_err(FitError::file(path))?;
    }
    let file = file.into_inner().map_err(|error| FitError::file(path)(error.into_error()))?;
    file.sync_all().map_err(FitError::file(path))
}
