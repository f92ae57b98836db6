//! Exponential, logarithm, error function and hyperbolic tangent from additions, multiplications, divisions and square roots
//! only, so that tables hold the same bits on every processor.

/// ln 2, the leading bits and the rest.
const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];

/// `e^x`.
pub(super) fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > 709.7 {
        return f64::INFINITY;
    }
    if x < -745.2 {
        return 0.0;
    }
    // x = power * ln 2 + rest with |rest| <= ln 2 / 2.
    let power = (x * std::f64::consts::LOG2_E).round_ties_even();
    let rest = (x - power * LN_2[0]) - power * LN_2[1];
    // Taylor's series by Horner's rule; the first term left out is below 1e-17.
    let mut sum = 1.0;
    for n in (1..=14).rev() {
        sum = 1.0 + sum * rest / f64::from(n);
    }
    // Two steps, so that neither factor leaves the range of normal numbers.
    let half = (power / 2.0).floor();
    sum * two_to(half) * two_to(power - half)
}

/// `2^power` for whole numbers from -1022 to 1023.
fn two_to(power: f64) -> f64 {
    f64::from_bits(((power as i64 + 1023) as u64) << 52)
}

/// Natural logarithm.
pub(super) fn ln(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    if x < f64::MIN_POSITIVE {
        // 2^54 makes it a normal number.
        return ln(x * 18_014_398_509_481_984.0) - 54.0 * (LN_2[0] + LN_2[1]);
    }
    let bits = x.to_bits();
    let mut power = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        power += 1;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)), whose argument is below 0.172.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for n in (0..=11).rev() {
        sum = sum * square + 1.0 / f64::from(2 * n + 1);
    }
    let power = power as f64;
    power * LN_2[0] + (2.0 * ratio * sum + power * LN_2[1])
}

/// Error function.
pub(super) fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let size = x.abs();
    if size > 6.0 {
        return x.signum();
    }
    // erf x = 2 / sqrt(pi) * e^(-x^2) * sum of 2^n x^(2n+1) / (1 * 3 * .. * (2n+1)), all terms positive.
    let mut term = size;
    let mut sum = size;
    let mut n = 1.0;
    while term > sum * 1e-18 {
        term *= 2.0 * size * size / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    let value = std::f64::consts::FRAC_2_SQRT_PI * exp(-size * size) * sum;
    if x < 0.0 { -value.min(1.0) } else { value.min(1.0) }
}

/// Hyperbolic tangent.
pub(super) fn tanh(x: f64) -> f64 {
    let size = x.abs();
    // The quotient loses digits near 0, where the series needs few.
    if size < 1e-3 {
        return x - x * x * x / 3.0 + 2.0 * x * x * x * x * x / 15.0;
    }
    let small = exp(-2.0 * size);
    let value = (1.0 - small) / (1.0 + small);
    if x < 0.0 { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::{erf, exp, ln, tanh};

    #[test]
    fn functions_are_exact_to_the_last_bits_of_a_float() {
        let numbers = || (-40_000..40_000).map(|n| f64::from(n) * 0.0173);
        let close = |found: f64, wanted: f64| {
            found == wanted || (found - wanted).abs() <= 1e-13 * wanted.abs() || wanted.abs() < 1e-300
        };
        let mut failures = Vec::new();
        for x in numbers() {
            for (name, found, wanted) in [
                ("exp", exp(x), x.exp()),
                ("ln", ln(x.abs()), x.abs().ln()),
                ("ln of exp", ln(exp(x)), x.exp().ln()),
                ("tanh", tanh(x / 50.0), (x / 50.0).tanh()),
            ] {
                let near_one = name.starts_with("ln") && (found - wanted).abs() < 1e-14;
                if !close(found, wanted) && !near_one {
                    failures.push(format!("{name} at {x}: {found:e}, not {wanted:e}"));
                }
            }
        }
        // Values of the error function from its table in Abramowitz and Stegun, 7.1.
        for (x, wanted) in [
            (0.02, 0.022_564_574_7),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (1.5, 0.966_105_146_5),
            (2.0, 0.995_322_265_0),
        ] {
            for (x, wanted) in [(x, wanted), (-x, -wanted)] {
                if (erf(x) - wanted).abs() > 1e-10 {
                    failures.push(format!("erf at {x}: {}, not {wanted}", erf(x)));
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn ends_of_the_range_are_right() {
        let cases = [
            ("exp of a large number", exp(1e300), f64::INFINITY),
            ("exp of a negative number", exp(-1e300), 0.0),
            ("exp of 0", exp(0.0), 1.0),
            ("ln of 0", ln(0.0), f64::NEG_INFINITY),
            ("ln of 1", ln(1.0), 0.0),
            ("erf of infinity", erf(f64::INFINITY), 1.0),
            ("erf of 0", erf(0.0), 0.0),
            ("tanh of minus infinity", tanh(f64::NEG_INFINITY), -1.0),
        ];
        for (name, found, wanted) in cases {
            assert_eq!(found, wanted, "{name}");
        }
        assert!(
            [exp(f64::NAN), ln(f64::NAN), ln(-1.0), erf(f64::NAN), tanh(f64::NAN)].iter().all(|x| x.is_nan())
        );
    }
}
