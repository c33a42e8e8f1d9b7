//! The detector of unusual days: an LSTM autoencoder that was trained on the normal days of a source.
//!
//! The encoder reads 24 hours into 16 numbers. The decoder writes 24 hours from these numbers. A normal day comes back
//! nearly as it was, and the mean squared difference is the error of a day. The score is the distance of its logarithm
//! from that of normal days, in spreads.
//!
//! Sources: S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997), with the forget gate
//! of F. A. Gers and others (2000). P. Malhotra and others, "LSTM-based Encoder-Decoder for Multi-sensor Anomaly
//! Detection" (2016); here the decoder reads the 16 numbers at each hour, and not its own last output.
//!
//! The detector confirms and does not decide: on labelled series plain statistics find more.

mod lstm;
pub mod training;
mod weights;

use crate::hour::Hour;
use crate::hours::Hours;
use crate::opinion::{Detail, Expected, Opinion, SecondOpinion};
use crate::thresholds::{SettingsError, require};

pub use weights::{Autoencoder, LstmWeights, WeightsError, WeightsFile};

/// Values that the network reads and writes again: the hours of a day.
pub const DAY: usize = 24;
/// The day, and four weeks that tell the usual level.
const HOURS: usize = 29 * DAY;
/// Hours without which the usual level is not known.
const LEAST_HOURS: usize = 7 * DAY;

/// A larger hour counts as this many usual ones, so that one absurd value is an error like another.
const LARGEST_LEVEL: f64 = 100.0;

/// The strictness of the detector. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    spreads: f64,
}

impl Parameters {
    /// * `spreads`: the score that is flagged, above 0 and at most 100.
    ///
    /// # Errors
    ///
    /// When the number is out of its range.
    pub fn new(spreads: f64) -> Result<Self, SettingsError> {
        require(spreads > 0.0 && spreads <= 100.0, "spreads", spreads, "a score above 0 and at most 100")?;
        Ok(Self { spreads })
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self { spreads: 3.0 }
    }
}

/// The opinion on the 24 hours that end with `newest`. It tells the error of the reconstruction.
///
/// `None` if the day has a gap, a week of hours before it is not known, or all of these are zero.
pub fn judge(
    hours: &Hours,
    newest: Hour,
    autoencoder: &Autoencoder,
    parameters: &Parameters,
) -> Option<SecondOpinion> {
    let mut values = [f64::NAN; HOURS];
    hours.copy(newest.plus(1 - values.len() as i64), &mut values);
    judge_samples(&values, autoencoder, parameters)
}

/// The same on evenly spaced values of any step, oldest first. The last 24 take the place of a day.
pub(crate) fn judge_samples(
    values: &[f64],
    autoencoder: &Autoencoder,
    parameters: &Parameters,
) -> Option<SecondOpinion> {
    let (before, day) = values.split_last_chunk()?;
    Some(opinion(autoencoder, &input(before, day)?, parameters)).filter(|second| second.opinion.is_finite())
}

fn opinion(autoencoder: &Autoencoder, day: &[f32; DAY], parameters: &Parameters) -> SecondOpinion {
    let error = autoencoder.error(day);
    let score = autoencoder.score(error);
    let high = autoencoder.error_at(parameters.spreads);
    let opinion = Opinion {
        score: score.clamp(-Opinion::CAP, Opinion::CAP),
        expected: Expected { low: 0.0, high },
        detail: Detail::Autoencoder { error },
    };
    SecondOpinion { opinion, flags: score > parameters.spreads }
}

/// A day as the network reads it: the square roots of the hours over the usual hour, with the sign of the value. `NaN`
/// is a gap.
///
/// `None` for a day with a gap, or if too little is known before it.
pub fn input(before: &[f64], day: &[f64; DAY]) -> Option<[f32; DAY]> {
    let known = before.iter().filter(|value| value.is_finite());
    let count = known.clone().count();
    let level = known.map(|value| value.abs() / count as f64).sum::<f64>();
    if count < LEAST_HOURS || level <= 0.0 || day.iter().any(|value| !value.is_finite()) {
        return None;
    }
    Some(day.map(|value| ((value.abs() / level).min(LARGEST_LEVEL).sqrt().copysign(value)) as f32))
}

#[cfg(test)]
mod tests;
