//! Random draws that are the same on every machine.
//!
//! ChaCha gives the bits. Only exact floating-point operations (+ - * / and comparisons) turn them into numbers. `exp`,
//! `ln` and `pow` differ in the last bit between platforms, and one such bit would change the rows. So no distribution
//! with a tail is used. The spread of every drawn number is bounded, and the labels rely on that.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream with this number of the generator with this seed. Streams do not overlap, so one customer's draws
    /// never shift another's.
    pub(crate) fn stream(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// In [0, 1), in steps of 2^-53.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In [low, high).
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn whole(&mut self, low: u64, high: u64) -> u64 {
        let choices = u128::from(high - low) + 1;
        low + ((u128::from(self.0.next_u64()) * choices) >> 64) as u64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A size from `low` to `low * 2^doublings`. Each doubling is equally likely: a few large customers, many small
    /// ones, and a known largest size.
    pub(crate) fn size(&mut self, low: f64, doublings: u64) -> f64 {
        let octave = self.whole(0, doublings - 1);
        low * (1u64 << octave) as f64 * (1.0 + self.unit())
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.whole(0, last as u64) as usize;
            items.swap(last, other);
        }
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.whole(0, items.len() as u64 - 1) as usize]
    }
}
