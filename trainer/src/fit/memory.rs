//! Batches that fit into memory.

use sedge::onnx::Model;

use super::FitError;

const GIB: f64 = (1_u64 << 30) as f64;

/// Checks, before training on the CPU, that the tensors of a step can fit: there the system would not refuse memory but end
/// the program.
///
/// What is counted is the least that a step needs: the output of every node that computes (autograd keeps it), and four
/// numbers a weight.
///
/// # Errors
/// [`FitError::Memory`] with the batch that fits.
pub(super) fn check(model: &Model, batch: usize) -> Result<(), FitError> {
    let Some(available) = available_bytes() else { return Ok(()) };
    fits(needs(model), batch, available)
}

/// Bytes of a step: for each image, and for the weights.
fn needs(model: &Model) -> (u64, u64) {
    let shapes = model.infer_shapes().unwrap_or_default();
    let computes = |op: &str| {
        !matches!(
            op,
            "Constant"
                | "Shape"
                | "Reshape"
                | "Flatten"
                | "Transpose"
                | "Identity"
                | "Squeeze"
                | "Unsqueeze"
                | "Cast"
        )
    };
    let elements = |name: &String| shapes.get(name).map_or(0, |shape| shape.iter().product::<usize>() as u64);
    let nodes = model.graph.nodes.iter().filter(|node| computes(node.standard_op()));
    let activations: u64 = nodes.flat_map(|node| &node.outputs).map(elements).sum();
    let weights: u64 = model.graph.initializers.values().map(|tensor| tensor.elements() as u64).sum();
    (4 * activations, 16 * weights)
}

fn fits((image, weights): (u64, u64), batch: usize, available: u64) -> Result<(), FitError> {
    let needed = weights + image * batch as u64;
    if needed <= available {
        return Ok(());
    }
    let fits = available.saturating_sub(weights).checked_div(image).unwrap_or(0) as usize;
    let reason = format!(
        "a step needs at least {:.1} GiB, {:.1} GiB are free",
        needed as f64 / GIB,
        available as f64 / GIB
    );
    Err(FitError::Memory { batch, fits: (fits > 0).then_some(fits), reason })
}

/// Bytes that the system can give, where it says so (Linux): what is available, within the group's limit.
fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let system = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10;
    let number = |file: &str| {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse::<u64>().ok()
    };
    let group = number("memory.max").map(|max| max.saturating_sub(number("memory.current").unwrap_or(0)));
    Some(group.map_or(system, |group| group.min(system)))
}

/// The largest of half, a quarter, ... of `batch` that `works`, after a batch for which memory was missing.
///
/// # Errors
/// What `works` says of another kind.
pub(super) fn largest_that_works(
    batch: usize,
    mut works: impl FnMut(usize) -> Result<(), FitError>,
) -> Result<Option<usize>, FitError> {
    let mut size = batch / 2;
    while size > 0 {
        match works(size) {
            Ok(()) => return Ok(Some(size)),
            Err(error) if error.wants_memory() => size /= 2,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::Start;

    #[test]
    fn the_batch_that_fits_is_named() {
        let cases = [
            (8, 1000, Ok(())),
            (9, 1000, Err("--batch 8 does")),
            (1, 199, Err("not even a batch of 1 fits")),
        ];
        for (batch, available, expected) in cases {
            let found = fits((100, 200), batch, available).map_err(|error| error.to_string());
            match (&found, expected) {
                (Ok(()), Ok(())) => {}
                (Err(message), Err(part)) if message.contains(part) => {}
                _ => panic!("{batch} of {available}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_network_too_large_for_any_memory_is_refused() {
        let model = Start::new("zoo:unet-mnv2-4:size=512", None, 2, false, 0).unwrap().model;
        let message = check(&model, 1 << 20).unwrap_err().to_string();
        assert!(
            message.starts_with("a batch of 1048576 does not fit into memory (a step needs at least"),
            "{message}"
        );
        let (image, weights) = needs(&model);
        assert!(image > 50 << 20 && weights > 1 << 20, "{image} {weights}");
    }

    #[test]
    fn halving_stops_at_what_works() {
        let missing = || FitError::Torch("CUDA out of memory. Tried to allocate 2 GiB".to_string());
        let try_up_to = |limit: usize| {
            largest_that_works(64, |size| if size <= limit { Ok(()) } else { Err(missing()) }).unwrap()
        };
        assert_eq!((try_up_to(20), try_up_to(32), try_up_to(0)), (Some(16), Some(32), None));
        assert!(largest_that_works(4, |_| Err(FitError::Torch("shapes differ".to_string()))).is_err());
    }
}
