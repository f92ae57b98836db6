//! A moving average of variables (EMA), which often scores better than the variables themselves.

use tch::{TchError, Tensor};

/// Averages by name: `average = d * average + (1 - d) * value`, where d rises as (1 + n) / (10 + n) up to the decay, so
/// that the first values are soon forgotten.
pub struct Average {
    decay: f64,
    steps: i64,
    values: Vec<(String, Tensor)>,
}

impl Average {
    /// Starts at the present values.
    ///
    /// # Errors
    /// When memory is missing.
    pub fn new<'a>(
        decay: f64,
        variables: impl Iterator<Item = (&'a str, &'a Tensor)>,
    ) -> Result<Average, TchError> {
        let copy = |(name, tensor): (&str, &Tensor)| {
            let mut copy = tensor.f_detach()?.f_zeros_like()?;
            copy.f_copy_(&tensor.f_detach()?)?;
            Ok((name.to_string(), copy))
        };
        Ok(Average { decay, steps: 0, values: variables.map(copy).collect::<Result<_, TchError>>()? })
    }

    /// Follows the variables, which come in the order of [`Average::new`].
    ///
    /// # Errors
    /// What libtorch says.
    pub fn follow<'a>(&mut self, variables: impl Iterator<Item = &'a Tensor>) -> Result<(), TchError> {
        self.steps += 1;
        let steps = self.steps as f64;
        let decay = self.decay.min((1.0 + steps) / (10.0 + steps));
        tch::no_grad(|| {
            for ((_, average), value) in self.values.iter_mut().zip(variables) {
                let _ = average.f_lerp_(value, 1.0 - decay)?;
            }
            Ok(())
        })
    }

    /// The averages by name.
    pub fn values(&self) -> &[(String, Tensor)] {
        &self.values
    }

    /// Steps followed.
    pub fn steps(&self) -> i64 {
        self.steps
    }

    /// Goes on from saved averages; those that are missing keep their values. Gives how many were found.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn load(&mut self, steps: i64, saved: &[(String, Tensor)]) -> Result<usize, TchError> {
        self.steps = steps;
        let mut found = 0;
        for (name, average) in &mut self.values {
            if let Some((_, value)) = saved.iter().find(|(saved, _)| saved == name) {
                tch::no_grad(|| average.f_copy_(value))?;
                found += 1;
            }
        }
        Ok(found)
    }
}
