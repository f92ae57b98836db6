//! Random draws that only depend on what they are for: seed, epoch and place.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// A stream of draws. Equal keys give equal streams on every machine.
#[derive(Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of a key: as a rule a seed, what the draws are for, an epoch and a place in it.
    pub fn new(key: [u64; 4]) -> Draws {
        let mut seed = [0; 32];
        for (bytes, word) in seed.chunks_exact_mut(8).zip(key) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Draws(ChaCha8Rng::from_seed(seed))
    }

    /// A number in 0..1 with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A number below `count`, which is above 0. The bias is below `count / 2^64`.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }

    /// Two numbers from the normal distribution of mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> [f64; 2] {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * self.unit()).sin_cos();
        [radius * cos, radius * sin]
    }

    /// Puts places in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, places: &mut [T]) {
        for last in (1..places.len()).rev() {
            places.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_decide() {
        let first = |key| Draws::new(key).unit();
        let keys = [[1, 2, 3, 4], [2, 2, 3, 4], [1, 3, 3, 4], [1, 2, 4, 4], [1, 2, 3, 5]];
        for (at, key) in keys.into_iter().enumerate() {
            assert_eq!(first(key), first(key));
            assert!(keys[..at].iter().all(|other| first(*other) != first(key)), "{key:?}");
        }
    }

    #[test]
    fn distributions() {
        let mut draws = Draws::new([7, 0, 0, 0]);
        let many: Vec<f64> = (0..10_000).flat_map(|_| draws.normal()).collect();
        let mean = many.iter().sum::<f64>() / many.len() as f64;
        let variance = many.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / many.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let mut counts = [0; 7];
        (0..7000).for_each(|_| counts[draws.below(7)] += 1);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        let mut places: Vec<usize> = (0..100).collect();
        draws.shuffle(&mut places);
        assert!(places.iter().enumerate().filter(|(at, place)| at == *place).count() < 10);
        places.sort_unstable();
        assert!(places.into_iter().eq(0..100));
    }
}
