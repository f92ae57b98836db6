//! A teacher's logits on the disk, so that it runs once and not in every epoch. Where the augmentation moves an image, its
//! logits move with it, as its mask does.
//!
//! One file for a teacher, data and size: 16-bit floats `[images, classes, height, width]` (`[images, classes]` for a
//! classifier), and nothing else. It gets its name when it is whole.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, TchError, Tensor};

use super::Teacher;
use crate::data::Batch;
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

    /// Logits `[N,...]` of a batch's images, f32.
    pub(super) fn of(&self, batch: &Batch, device: Device) -> Result<Tensor, FitError> {
        let size = image_bytes(&self.shape);
        let mut bytes = vec![0_u8; size as usize * batch.indices.len()];
        for (part, &index) in bytes.chunks_exact_mut(size as usize).zip(&batch.indices) {
            self.file.read_exact_at(part, size * index as u64).map_err(FitError::file(&self.path))?;
        }
        let count = batch.indices.len() as i64;
        let shape: Vec<i64> = std::iter::once(count).chain(self.shape[1..].iter().copied()).collect();
        let logits = Tensor::f_from_data_size(&bytes, &shape, Kind::Half)?
            .f_to_device(device)?
            .f_to_kind(Kind::Float)?;
        Ok(moved(&logits, &batch.moves)?)
    }
}

/// Maps `[N,C,height,width]`, each moved as the image is; beside the image its border goes on.
fn moved(maps: &Tensor, moves: &[Option<[[f64; 3]; 2]>]) -> Result<Tensor, TchError> {
    if moves.iter().all(Option::is_none) {
        return Ok(maps.shallow_clone());
    }
    let (_, _, height, width) = maps.size4()?;
    let (height, width) = (height as f64, width as f64);
    let identity = [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]];
    // libtorch's maps go from -1 to 1 over the sides of the picture: column = (u + 1) * width / 2 - 0.5, and so on.
    let mut rows = Vec::new();
    for matrix in moves {
        for ([a, b, c], length) in matrix.unwrap_or(identity).into_iter().zip([width, height]) {
            let (across, down) = (a * width / length, b * height / length);
            rows.extend([across, down, across + down + (2.0 * c - a - b) / length - 1.0].map(|x| x as f32));
        }
    }
    let theta = Tensor::f_from_slice(&rows)?.f_view([-1, 2, 3])?.f_to_device(maps.device())?;
    let grid = Tensor::f_affine_grid_generator(&theta, maps.size(), false)?;
    // Bilinear, with the border beyond the border.
    maps.f_grid_sampler(&grid, 0, 1, false)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_move_as_masks_do() {
        let (width, height) = (6_i64, 4_i64);
        let map = Tensor::arange(width * height, (Kind::Float, Device::Cpu)).reshape([1, 1, height, width]);
        let mirror = [[-1.0, 0.0, 5.5], [0.0, 1.0, 0.5]];
        let turn = [[-1.0, 0.0, 5.5], [0.0, -1.0, 3.5]];
        let right = [[1.0, 0.0, -0.5], [0.0, 1.0, 0.5]];
        let larger = [[0.5, 0.0, 1.75], [0.0, 0.5, 1.25]];
        let shifted = Tensor::cat(&[map.narrow(3, 0, 1), map.narrow(3, 0, width - 1)], 3);
        let cases = [
            ("unmoved", None, map.copy()),
            ("mirrored", Some(mirror), map.flip([3])),
            ("turned", Some(turn), map.flip([2, 3])),
            ("to the right", Some(right), shifted),
        ];
        for (name, matrix, expected) in &cases {
            let found = moved(&map, &[*matrix]).unwrap();
            assert!((&found - expected).abs().max().double_value(&[]) < 1e-4, "{name}: {found}");
        }
        // A plane stays a plane: its value is that at the place where the pixel comes from.
        let found = moved(&map, &[Some(larger)]).unwrap();
        let at = |column: i64, row: i64| found.double_value(&[0, 0, row, column]);
        assert!((at(2, 1) - (0.5 * 2.0 + 1.75 - 0.5) - 6.0 * (0.5 + 1.25 - 0.5)).abs() < 1e-4, "{found}");
        let both = moved(&Tensor::cat(&[&map, &map], 0), &[None, Some(mirror)]).unwrap();
        assert!((both.get(0) - map.get(0)).abs().max().double_value(&[]) < 1e-4, "{both}");
    }
}
