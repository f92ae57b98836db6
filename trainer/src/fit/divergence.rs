//! Noticing that a loss runs away.

use super::FitError;
use super::state::State;
use crate::optimize::Exact;

/// What to do about a loss that diverges.
pub(super) fn advice(saved_epoch: usize) -> String {
    let kept = match saved_epoch {
        0 => "nothing was saved yet".to_string(),
        epoch => format!("checkpoints/last.ckpt holds epoch {epoch}"),
    };
    format!("lower --lr, lengthen --warmup-epochs or give --clip 1; {kept}")
}

/// A step's loss must be a finite number.
pub(super) fn check_step(loss: f64, epoch: usize, step: usize) -> Result<(), FitError> {
    if loss.is_finite() {
        return Ok(());
    }
    Err(FitError::Diverged { epoch, step, what: format!("it is {loss}"), advice: advice(epoch - 1) })
}

/// An epoch's mean loss must not be above both the first epoch's and `factor` times the least so far.
pub(super) fn check_epoch(loss: f64, state: &State, factor: f64, steps: usize) -> Result<(), FitError> {
    let epoch = state.epoch + 1;
    check_step(loss, epoch, steps)?;
    let (Some(Exact(first)), Some(Exact(least))) = (state.first_loss, state.least_loss) else {
        return Ok(());
    };
    if loss <= first || loss <= factor * least {
        return Ok(());
    }
    let what = format!("its mean is {loss:.4}, the least of an epoch was {least:.4}, the first {first:.4}");
    Err(FitError::Diverged { epoch, step: steps, what, advice: advice(state.epoch) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_runs_away_is_told() {
        let state = State {
            epoch: 4,
            first_loss: Some(Exact(1.0)),
            least_loss: Some(Exact(0.05)),
            ..State::default()
        };
        let cases = [
            (0.04, None),
            (0.9, None),
            (1.1, Some("its mean is 1.1")),
            (f64::NAN, Some("it is NaN")),
            (f64::INFINITY, Some("it is inf")),
        ];
        for (loss, expected) in cases {
            let found = check_epoch(loss, &state, 10.0, 7).err().map(|error| error.to_string());
            match (&found, expected) {
                (None, None) => {}
                (Some(message), Some(part)) => {
                    let parts = [part, "epoch 5, step 7", "checkpoints/last.ckpt holds epoch 4"];
                    assert!(parts.iter().all(|part| message.contains(part)), "{loss}: {message}");
                }
                _ => panic!("{loss}: {found:?}"),
            }
        }
        assert!(check_epoch(1.1, &state, 30.0, 7).is_ok());
        assert!(check_epoch(5.0, &State::default(), 10.0, 7).is_ok());
    }
}
