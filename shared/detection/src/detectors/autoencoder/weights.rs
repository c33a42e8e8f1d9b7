//! The weights of an autoencoder: the file that training writes, and the network that it makes.

use serde::{Deserialize, Serialize};

use super::DAY;
use super::lstm::{HIDDEN, Lstm, State, UNITS, Weights};

/// The file of a trained network. Its numbers are checked when the network is made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsFile {
    /// [`Autoencoder::VERSION`].
    pub version: u32,
    /// Reads one number an hour.
    pub encoder: LstmWeights,
    /// Reads the 16 numbers of the encoder at each hour.
    pub decoder: LstmWeights,
    /// From the decoder's 16 numbers to the value of an hour.
    pub output: Vec<f32>,
    pub output_bias: f32,
    /// Mean of the natural logarithm of the error on normal days that were not trained on.
    pub error_mean: f64,
    /// Standard deviation of the same.
    pub error_spread: f64,
}

/// The weights of a layer, in the layout and the order of gates of PyTorch: input, forget, cell, output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LstmWeights {
    /// `weight_ih`: 64 rows of one weight for each number of the input.
    pub input: Vec<Vec<f32>>,
    /// `weight_hh`: 64 rows of 16.
    pub recurrent: Vec<Vec<f32>>,
    /// `bias_ih + bias_hh`: 64 numbers.
    pub bias: Vec<f32>,
}

/// A trained network. Its weights are finite and fit together.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoencoder {
    encoder: Lstm,
    decoder: Lstm,
    output: [f32; HIDDEN],
    output_bias: f32,
    error_mean: f64,
    error_spread: f64,
}

/// A file of weights that makes no network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WeightsError {
    #[error("the weights have version {0}, and this program reads version {version}", version = Autoencoder::VERSION)]
    Version(u32),
    #[error("`{0}` does not have the size of this network: train it again")]
    Size(&'static str),
    #[error("`{0}` has a number that is not finite or beyond 1e6: train it again")]
    Number(&'static str),
}

const LARGEST_WEIGHT: f32 = 1e6;

/// Errors below this are rounding. It also keeps the logarithm finite.
pub(super) const LEAST_ERROR: f64 = 1e-12;

impl Autoencoder {
    /// The version of the files that this program reads. It grows with each change of the network or of its input.
    pub const VERSION: u32 = 1;

    /// The mean squared difference between a day and its reconstruction. Not finite if a number overflows.
    pub(super) fn error(&self, day: &[f32; DAY]) -> f64 {
        let output = self.reconstruction(day);
        day.iter().zip(output).map(|(day, output)| f64::from(day - output).powi(2)).sum::<f64>() / DAY as f64
    }

    /// The distance of an error from those of normal days, in spreads.
    pub(super) fn score(&self, error: f64) -> f64 {
        (error.max(LEAST_ERROR).ln() - self.error_mean) / self.error_spread
    }

    /// The error that has a score.
    pub(super) fn error_at(&self, score: f64) -> f64 {
        (self.error_mean + score * self.error_spread).exp().min(f64::MAX)
    }

    pub(super) fn reconstruction(&self, day: &[f32; DAY]) -> [f32; DAY] {
        let read = |state: State, hour: &f32| self.encoder.step(&state, &self.encoder.driven_by(&[*hour]));
        let read = day.iter().fold(State::default(), read);
        let driven = self.decoder.driven_by(&read.told);
        let mut state = State::default();
        std::array::from_fn(|_| {
            state = self.decoder.step(&state, &driven);
            state.told.iter().zip(&self.output).map(|(told, weight)| told * weight).sum::<f32>()
                + self.output_bias
        })
    }
}

impl TryFrom<&WeightsFile> for Autoencoder {
    type Error = WeightsError;

    fn try_from(file: &WeightsFile) -> Result<Self, WeightsError> {
        if file.version != Self::VERSION {
            return Err(WeightsError::Version(file.version));
        }
        let output = numbers("output", &file.output)?;
        let [output_bias] = numbers("output_bias", &[file.output_bias])?;
        let is_normal = |number: f64| number.abs() <= 100.0;
        if !is_normal(file.error_mean) {
            return Err(WeightsError::Number("error_mean"));
        }
        if !is_normal(file.error_spread) || file.error_spread <= 1e-6 {
            return Err(WeightsError::Number("error_spread"));
        }
        Ok(Self {
            encoder: layer(&file.encoder, 1, ["encoder.input", "encoder.recurrent", "encoder.bias"])?,
            decoder: layer(&file.decoder, HIDDEN, ["decoder.input", "decoder.recurrent", "decoder.bias"])?,
            output,
            output_bias,
            error_mean: file.error_mean,
            error_spread: file.error_spread,
        })
    }
}

fn layer(file: &LstmWeights, width: usize, names: [&'static str; 3]) -> Result<Lstm, WeightsError> {
    let input = columns(names[0], &file.input, width)?;
    let recurrent = columns(names[1], &file.recurrent, HIDDEN)?;
    Ok(Lstm { input, recurrent, bias: numbers(names[2], &file.bias)? })
}

/// From rows by unit to columns by input, so that a step adds 64 neighbours at a time.
fn columns(name: &'static str, rows: &[Vec<f32>], width: usize) -> Result<Weights, WeightsError> {
    if rows.len() != UNITS || rows.iter().any(|row| row.len() != width) {
        return Err(WeightsError::Size(name));
    }
    (0..width).map(|place| numbers(name, &rows.iter().map(|row| row[place]).collect::<Vec<_>>())).collect()
}

fn numbers<const N: usize>(name: &'static str, numbers: &[f32]) -> Result<[f32; N], WeightsError> {
    let numbers = <[f32; N]>::try_from(numbers).map_err(|_| WeightsError::Size(name))?;
    // NaN is not at most anything.
    let are_sound = numbers.iter().all(|number| number.abs() <= LARGEST_WEIGHT);
    if are_sound { Ok(numbers) } else { Err(WeightsError::Number(name)) }
}
