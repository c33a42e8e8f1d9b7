//! Random draws of one customer.

use std::ops::RangeInclusive;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, Poisson, StandardNormal};

pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream with this number of the generator with this seed. What one customer draws never changes another one.
    pub(crate) fn stream(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0.random_range(low..high)
    }

    pub(crate) fn whole(&mut self, range: RangeInclusive<usize>) -> usize {
        self.0.random_range(range)
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    /// Between `low` and `high`, each doubling as likely as the others.
    pub(crate) fn size(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    /// From the normal distribution around zero.
    pub(crate) fn normal(&mut self, deviation: f64) -> f64 {
        let standard: f64 = StandardNormal.sample(&mut self.0);
        deviation * standard
    }

    /// A factor with the mean 1: log-normal, `deviation` is that of the logarithm.
    pub(crate) fn factor(&mut self, deviation: f64) -> f64 {
        (self.normal(deviation) - deviation * deviation / 2.0).exp()
    }

    /// The sum of `count` independent sizes, each Gamma-distributed with this shape and mean.
    pub(crate) fn sum_of_sizes(&mut self, count: f64, shape: f64, mean: f64) -> f64 {
        // The parameters of an empty sum are refused, and so are those of a mean of zero.
        Gamma::new(count * shape, mean / shape).map_or(0.0, |gamma| gamma.sample(&mut self.0))
    }

    /// A count with this mean and the variance `mean + mean² / dispersion`: negative binomial, as a Poisson count whose
    /// mean is Gamma-distributed.
    pub(crate) fn count(&mut self, mean: f64, dispersion: f64) -> f64 {
        let mean = self.sum_of_sizes(1.0, dispersion, mean);
        self.poisson(mean)
    }

    /// A count with this mean, and the same variance. Zero where the mean is none.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(&mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: impl Iterator<Item = f64>) -> (f64, f64) {
        let values: Vec<f64> = values.collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, variance)
    }

    #[test]
    fn counts_have_the_mean_and_the_variance_of_a_negative_binomial() {
        let mut draw = Draw::stream(1, 1);
        for (mean, dispersion) in [(0.5, 1.0), (20.0, 4.0), (5_000.0, 50.0)] {
            let (found, variance) = moments((0..20_000).map(|_| draw.count(mean, dispersion)));
            let expected = mean + mean * mean / dispersion;
            assert!((found / mean - 1.0).abs() < 0.05, "mean {found} of {mean}");
            assert!((variance / expected - 1.0).abs() < 0.1, "variance {variance} of {expected}");
        }
        assert_eq!(draw.count(0.0, 4.0), 0.0);
    }

    #[test]
    fn sizes_and_factors_keep_their_mean() {
        let mut draw = Draw::stream(1, 2);
        let (mean, variance) = moments((0..20_000).map(|_| draw.sum_of_sizes(100.0, 0.5, 30.0)));
        assert!((mean / 3_000.0 - 1.0).abs() < 0.02 && (variance / 180_000.0 - 1.0).abs() < 0.1);
        let (mean, _) = moments((0..20_000).map(|_| draw.factor(0.5)));
        assert!((mean - 1.0).abs() < 0.03);
        assert_eq!(draw.sum_of_sizes(0.0, 0.5, 30.0), 0.0);
    }

    #[test]
    fn streams_are_their_own() {
        let first = |stream| Draw::stream(7, stream).between(0.0, 1.0);
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
