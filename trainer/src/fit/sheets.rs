//! Pictures of predictions after an epoch.

use sedge::frame::{ColorOrder, InputRule};
use sedge::mask::class_color;
use sedge::onnx::Task;
use tch::{Device, Kind, TchError, Tensor};

use super::{FitError, Folder};
use crate::data::Batch;
use crate::plot::{Picture, sheet};

/// Ignored pixels on a sheet.
const IGNORED: [u8; 3] = [224, 224, 192];
const RIGHT: [u8; 3] = [40, 160, 60];
const WRONG: [u8; 3] = [200, 40, 40];

/// Gathers the first images of a validation pass, one row each: image, truth, prediction.
pub(super) struct Sheet {
    rows: Vec<Vec<Picture>>,
    images_max: usize,
    rule: InputRule,
    task: Task,
    ignore: Option<u8>,
}

impl Sheet {
    pub(super) fn new(images_max: usize, rule: &InputRule, task: Task, ignore: Option<u8>) -> Sheet {
        Sheet { rows: Vec::new(), images_max, rule: rule.clone(), task, ignore }
    }

    /// Takes what is still wanted of a batch.
    pub(super) fn add(&mut self, batch: &Batch, predicted: &Tensor) -> Result<(), FitError> {
        for place in 0..batch.indices.len() as i64 {
            if self.rows.len() == self.images_max {
                break;
            }
            let image = self.picture(&batch.images.f_get(place)?)?;
            let (truth, predicted) = (batch.targets.f_get(place)?, predicted.f_get(place)?);
            let row = match self.task {
                Task::Segmentation => vec![image, self.mask(&truth)?, self.mask(&predicted)?],
                Task::Classification => {
                    let right = truth.f_int64_value(&[])? == predicted.f_int64_value(&[])?;
                    vec![image.framed(if right { RIGHT } else { WRONG })]
                }
            };
            self.rows.push(row);
        }
        Ok(())
    }

    /// Writes the sheet of an epoch.
    pub(super) fn write(self, folder: &Folder, epoch: usize) -> Result<(), FitError> {
        if !self.rows.is_empty() {
            sheet(&folder.sheet(epoch), &self.rows)?;
        }
        Ok(())
    }

    /// An image as it was before the input rule.
    fn picture(&self, image: &Tensor) -> Result<Picture, TchError> {
        let channels = self.rule.color.channels() as i64;
        let plane = |values: &[f32]| Tensor::f_from_slice(values)?.f_view([channels, 1, 1]);
        let pixels = image.f_mul(&plane(&self.rule.std)?)?.f_add(&plane(&self.rule.mean)?)?;
        let pixels = pixels.f_mul_scalar(255.0)?.f_round()?.f_clamp(0.0, 255.0)?;
        let pixels = match self.rule.color {
            ColorOrder::Rgb => pixels,
            ColorOrder::Bgr => pixels.f_flip([0])?,
            ColorOrder::Gray => pixels.f_expand([3, -1, -1], true)?,
        };
        let pixels = pixels.f_permute([1, 2, 0])?.f_to_kind(Kind::Uint8)?.f_contiguous()?;
        let size = pixels.size();
        let mut data = vec![0_u8; pixels.numel()];
        pixels.f_copy_data(&mut data, pixels.numel())?;
        Ok(Picture { width: size[1] as u32, height: size[0] as u32, rgb: data })
    }

    fn mask(&self, ids: &Tensor) -> Result<Picture, TchError> {
        let size = ids.size();
        let ids = ids.f_to_device(Device::Cpu)?.f_to_kind(Kind::Int64)?.f_contiguous()?;
        let mut data = vec![0_i64; ids.numel()];
        ids.f_copy_data(&mut data, ids.numel())?;
        let color = |id: &i64| match u8::try_from(*id) {
            Ok(id) if Some(id) != self.ignore => class_color(id),
            _ => IGNORED,
        };
        let rgb = data.iter().flat_map(color).collect();
        Ok(Picture { width: size[1] as u32, height: size[0] as u32, rgb })
    }
}
