//! The device that a run uses.

use tch::{Cuda, Device};

use super::FitError;

/// The device called `name`: `cpu`, `cuda` or `cuda:N`; without a name CUDA where it is there.
///
/// # Errors
/// [`FitError::Option`] for another name, or CUDA that is not there.
pub fn device(name: Option<&str>) -> Result<Device, FitError> {
    let Some(name) = name else { return Ok(Device::cuda_if_available()) };
    let number = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").and_then(|number| number.parse::<usize>().ok()),
    };
    let number = number
        .ok_or_else(|| FitError::Option(format!("--device {name} is none; write cpu, cuda or cuda:1")))?;
    let count = Cuda::device_count();
    if (number as i64) < count {
        return Ok(Device::Cuda(number));
    }
    Err(FitError::Option(format!("--device {name}: libtorch sees {count} CUDA devices; use --device cpu")))
}
