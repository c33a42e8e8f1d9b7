//! Usage without any anomaly, for tests of how often a detector flags it.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Normal, Poisson};

/// How the values of an hour vary about their expectation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Noise {
    Poisson,
    /// A Poisson count whose expectation varies with Gamma noise of this shape.
    NegativeBinomial(f64),
    /// Normal noise of this share of the expectation.
    Normal(f64),
}

impl Noise {
    pub(crate) const ALL: [Self; 3] = [Self::Poisson, Self::NegativeBinomial(10.0), Self::Normal(0.2)];

    /// One value of each expectation, in order. The same seed gives the same values.
    pub(crate) fn around(self, expected: impl IntoIterator<Item = f64>, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        expected.into_iter().map(|expected| self.draw(expected, &mut rng)).collect()
    }

    fn draw(self, expected: f64, rng: &mut ChaCha8Rng) -> f64 {
        let poisson =
            |expected: f64, rng: &mut ChaCha8Rng| Poisson::new(expected).map_or(0.0, |law| law.sample(rng));
        match self {
            Self::Poisson => poisson(expected, rng),
            Self::NegativeBinomial(shape) => {
                let factor = Gamma::new(shape, 1.0 / shape).unwrap().sample(rng);
                poisson(expected * factor, rng)
            }
            Self::Normal(share) => Normal::new(expected, share * expected).unwrap().sample(rng),
        }
    }
}

/// The expectation of each hour of some days, oldest first: a wave over the day around `level`, less at weekends.
///
/// * `swing`: the height of the wave as a share of the level, from 0 to 1.
pub(crate) fn weeks(level: f64, swing: f64, days: usize) -> impl Iterator<Item = f64> {
    (0..24 * days).map(move |hour| {
        let of_day = 1.0 + swing * ((hour as f64 - 14.0) / 12.0 * std::f64::consts::PI).cos();
        let of_week = if swing > 0.0 && hour / 24 % 7 > 4 { 0.4 } else { 1.0 };
        level * of_week * of_day
    })
}
