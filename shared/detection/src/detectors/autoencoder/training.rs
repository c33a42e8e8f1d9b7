//! The training of an autoencoder on normal stretches of 24 values.
//!
//! The last fifth of the stretches is held out. It tells when to stop, and what error normal stretches have. The network with the
//! smallest error on them is kept. The same stretches and the same seed give the same network on any machine.
//!
//! Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015. Gradients longer than 1 are cut to that
//! length: R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.

mod gradient;

use std::ops::ControlFlow;

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::{Autoencoder, DAY, WeightsFile};
use crate::thresholds::{SettingsError, require};

use gradient::{Network, SIZE};

/// How a network is trained. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    epochs: u16,
    seed: u64,
}

/// How far the training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// From 1.
    pub number: u16,
    pub of: u16,
    /// The mean squared error on the stretches that are held out.
    pub error: f64,
}

/// A trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    pub file: WeightsFile,
    /// The mean squared error on the stretches that were held out.
    pub error: f64,
    /// Stretches that were trained on, and that were held out.
    pub trained_on: usize,
    pub held_out: usize,
}

/// Stretches that make no network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainingError {
    #[error("{found} stretches of {DAY} values are too few to train on: {LEAST} are needed")]
    TooFew { found: usize },
    #[error("the numbers overflowed in the training: look for absurd values in the data")]
    Overflow,
}

/// Fewer stretches are no normal.
pub const LEAST: usize = 100;

/// Stretches of an epoch. More are thinned out, because neighbours are nearly the same.
const MOST: usize = 2_048;

/// One of so many stretches at the end is held out.
const HELD_OUT: usize = 5;

/// Stretches of one step of Adam.
const BATCH: usize = 16;

/// Epochs without a smaller error before the training ends.
const PATIENCE: u16 = 8;

const RATE: f64 = 0.005;
const DECAYS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;
const LONGEST_GRADIENT: f64 = 1.0;

/// Spread of the logarithm of the errors, where all are alike.
const LEAST_SPREAD: f64 = 0.05;

impl Plan {
    /// * `epochs`: passes over all stretches at most, 1 to 1,000.
    ///
    /// # Errors
    ///
    /// When the number is out of its range.
    pub fn new(epochs: u16, seed: u64) -> Result<Self, SettingsError> {
        require((1..=1_000).contains(&epochs), "epochs", epochs.into(), "a number from 1 to 1000")?;
        Ok(Self { epochs, seed })
    }

    pub fn epochs(&self) -> u16 {
        self.epochs
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self { epochs: 40, seed: 1 }
    }
}

/// Trains a network on normal stretches, as [`input`](super::input) makes them, oldest first.
///
/// # Errors
///
/// When there are too few stretches, or numbers overflow.
pub fn train(
    stretches: &[[f32; DAY]],
    plan: &Plan,
    mut progress: impl FnMut(Epoch),
) -> Result<Trained, TrainingError> {
    if stretches.len() < LEAST {
        return Err(TrainingError::TooFew { found: stretches.len() });
    }
    // Stretches overlap. Those between the parts are left out, so that no value is in both.
    let split = stretches.len() - stretches.len() / HELD_OUT;
    let known = &stretches[..split.saturating_sub(DAY).max(1)];
    train_on(known, &stretches[split..], plan, |epoch| {
        progress(epoch);
        ControlFlow::Continue(())
    })
}

/// The same where the caller says which stretches are held out, and ends the training when it takes too long. The stretches between
/// both parts, as many as a stretch has values, are left out by the caller.
///
/// # Errors
///
/// When there are too few stretches, or numbers overflow.
pub fn train_on(
    known: &[[f32; DAY]],
    held_out: &[[f32; DAY]],
    plan: &Plan,
    mut progress: impl FnMut(Epoch) -> ControlFlow<()>,
) -> Result<Trained, TrainingError> {
    let found = known.len() + DAY + held_out.len();
    if found < LEAST || known.is_empty() || held_out.is_empty() {
        return Err(TrainingError::TooFew { found });
    }
    let (known, held_out) = (thinned(known), thinned(held_out));
    let mut random = Xoshiro256PlusPlus::seed_from_u64(plan.seed);
    let mut network = Network::random(&mut random);
    let mut adam = Adam::new();
    let (mut best, mut least, mut since) = (network.clone(), f64::INFINITY, 0);
    for number in 1..=plan.epochs {
        epoch(&mut network, &mut adam, &known, &mut random);
        let error = mean(held_out.iter().map(|stretch| network.error(stretch)));
        if !error.is_finite() {
            return Err(TrainingError::Overflow);
        }
        since += 1;
        if error < least {
            (best, least, since) = (network.clone(), error, 0);
        }
        if progress(Epoch { number, of: plan.epochs, error }).is_break() || since >= PATIENCE {
            break;
        }
    }
    let file = best.file(0.0, 1.0);
    let read = Autoencoder::try_from(&file).map_err(|_| TrainingError::Overflow)?;
    let errors: Vec<f64> =
        held_out.iter().map(|stretch| read.error(&stretch.map(|value| value as f32))).collect();
    let logarithms = || errors.iter().map(|error| error.max(super::weights::LEAST_ERROR).ln());
    let middle = mean(logarithms());
    let spread = mean(logarithms().map(|one| (one - middle).powi(2))).sqrt().max(LEAST_SPREAD);
    let file = best.file(middle, spread);
    Autoencoder::try_from(&file).map_err(|_| TrainingError::Overflow)?;
    Ok(Trained {
        file,
        error: mean(errors.iter().copied()),
        trained_on: known.len(),
        held_out: held_out.len(),
    })
}

/// At most [`MOST`] of the stretches, evenly spaced.
fn thinned(stretches: &[[f32; DAY]]) -> Vec<[f64; DAY]> {
    let step = stretches.len().div_ceil(MOST).max(1);
    stretches.iter().step_by(step).map(|stretch| stretch.map(f64::from)).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f64::max(count, 1.0)
}

/// One pass over all stretches in a random order.
fn epoch(network: &mut Network, adam: &mut Adam, stretches: &[[f64; DAY]], random: &mut impl Rng) {
    let mut order: Vec<usize> = (0..stretches.len()).collect();
    for place in (1..order.len()).rev() {
        order.swap(place, ((u64::from(random.next_u32()) * (place as u64 + 1)) >> 32) as usize);
    }
    for batch in order.chunks(BATCH) {
        let mut gradient = vec![0.0; SIZE];
        for place in batch {
            network.add_gradient(&stretches[*place], &mut gradient);
        }
        gradient.iter_mut().for_each(|number| *number /= batch.len() as f64);
        let length = gradient.iter().map(|number| number * number).sum::<f64>().sqrt();
        if length > LONGEST_GRADIENT {
            gradient.iter_mut().for_each(|number| *number *= LONGEST_GRADIENT / length);
        }
        adam.step(&mut network.numbers, &gradient);
    }
}

/// The moments of the gradients.
struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
    steps: i32,
}

impl Adam {
    fn new() -> Self {
        Self { mean: vec![0.0; SIZE], square: vec![0.0; SIZE], steps: 0 }
    }

    fn step(&mut self, numbers: &mut [f64], gradient: &[f64]) {
        self.steps = self.steps.saturating_add(1);
        let [of_mean, of_square] = DECAYS;
        let [mean_bias, square_bias] = DECAYS.map(|decay| 1.0 - decay.powi(self.steps));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((number, slope), (mean, square)) in numbers.iter_mut().zip(gradient).zip(moments) {
            *mean = of_mean * *mean + (1.0 - of_mean) * slope;
            *square = of_square * *square + (1.0 - of_square) * slope * slope;
            *number -= RATE * (*mean / mean_bias) / ((*square / square_bias).sqrt() + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests;
