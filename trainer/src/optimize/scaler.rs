//! Loss scaling for half precision: gradients too small for 16 bits are multiplied up before they are stored.

use tch::{Device, Kind, TchError, Tensor};

/// Doubles the scale after so many sound steps.
const GROWTH_STEPS: u32 = 2000;

/// The scale of the loss, as PyTorch's GradScaler keeps it: doubled after 2000 sound steps, halved after one whose
/// gradients are not finite, which is left out.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Scaler {
    scale: f64,
    sound_steps: u32,
}

impl Default for Scaler {
    fn default() -> Scaler {
        Scaler { scale: 65536.0, sound_steps: 0 }
    }
}

impl Scaler {
    /// The loss as it is to be propagated back.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn scaled(&self, loss: &Tensor) -> Result<Tensor, TchError> {
        loss.f_mul_scalar(self.scale)
    }

    /// Divides the gradients by the scale and gives whether all are finite; if not, the step must be left out.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn unscale(
        &mut self,
        gradients: impl Iterator<Item = Tensor>,
        device: Device,
    ) -> Result<bool, TchError> {
        let mut found = Tensor::f_zeros([1], (Kind::Float, device))?;
        let inverse = Tensor::f_full([1], 1.0 / self.scale, (Kind::Float, device))?;
        for mut gradient in gradients {
            gradient.f_internal_amp_non_finite_check_and_unscale(&mut found, &inverse)?;
        }
        let sound = found.f_double_value(&[0])? == 0.0;
        if !sound {
            self.scale = (self.scale / 2.0).max(1.0);
            self.sound_steps = 0;
        } else {
            self.sound_steps += 1;
            if self.sound_steps == GROWTH_STEPS {
                self.scale *= 2.0;
                self.sound_steps = 0;
            }
        }
        Ok(sound)
    }
}
