//! Which variables learn at which rate, and which decay.

use super::Parameter;

/// Rules by patterns of names.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Groups {
    /// Patterns (`*` stands for any text) with a factor of the learning rate; the last that matches holds.
    pub scales: Vec<(String, f64)>,
}

/// A pattern that stands for nothing.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// No variable has such a name.
    #[error(
        "--lr-scale {pattern} fits none of the {variables} trained variables, whose names are such as {example}"
    )]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Trained variables.
        variables: usize,
        /// One of their names.
        example: String,
    },
}

impl Groups {
    /// Sets the factor of every parameter that a pattern fits.
    ///
    /// # Errors
    /// [`GroupError::Pattern`] for a pattern that fits none.
    pub fn apply(&self, parameters: &mut [Parameter]) -> Result<(), GroupError> {
        for (pattern, factor) in &self.scales {
            let mut fits = 0;
            for parameter in parameters.iter_mut().filter(|parameter| matches(pattern, &parameter.name)) {
                parameter.rate_factor = *factor;
                fits += 1;
            }
            if fits == 0 {
                return Err(GroupError::Pattern {
                    pattern: pattern.clone(),
                    variables: parameters.len(),
                    example: parameters.first().map_or_else(String::new, |parameter| parameter.name.clone()),
                });
            }
        }
        Ok(())
    }
}

/// Whether `name` is as `pattern` says, where `*` stands for any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(place) => rest = &rest[place + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        let cases = [
            ("encoder*", "encoder.1.weight", true),
            ("encoder*", "my.encoder", false),
            ("*.bias", "a.b.bias", true),
            ("*.bias", "a.bias.x", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1c2b", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("weight", "weight", true),
            ("weight", "weights", false),
        ];
        let wrong: Vec<_> =
            cases.iter().filter(|(pattern, name, fits)| matches(pattern, name) != *fits).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
