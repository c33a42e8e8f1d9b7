//! The memory of a series: how far a quiet or busy hour carries on to the next. An autoregressive process of order one
//! for the residuals of single hours (G. U. Yule, 1927).

use serde::{Deserialize, Serialize};

use super::robust::{median_size, size_key};
use crate::sorted::MAD_TO_SPREAD;

/// The process of the residuals of single hours, in the transformed scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The share of an hour's residual that the next hour keeps: 0 to 0.98.
    pub carried: f64,
    /// The spread of what is new in an hour. 0 if nothing is known of it.
    pub spread: f64,
}

/// Residuals count with at most so many spreads.
const CLIP: f64 = 4.0;

const MOST_CARRIED: f64 = 0.98;

/// A robust spread is at least this share of the root mean square. Otherwise rare noise would seem endless.
const LEAST_SHARE: f64 = 0.3;

/// The memory of residuals hour by hour, NaN for gaps.
///
/// * `median`: the median of their sizes.
pub(super) fn fit(residuals: &[f64], median: f64) -> Memory {
    let known = || residuals.iter().copied().filter(|residual| !residual.is_nan());
    let limit = CLIP * spread_of(median, known());
    let clip = |residual: f64| residual.clamp(-limit, limit);
    let pairs = || residuals.windows(2).filter(|pair| !pair[0].is_nan() && !pair[1].is_nan());
    let (mut products, mut squares) = (0.0, 0.0);
    for pair in pairs() {
        let (before, now) = (clip(pair[0]), clip(pair[1]));
        products += before * now;
        squares += before * before;
    }
    let carried = if squares > 0.0 { (products / squares).clamp(0.0, MOST_CARRIED) } else { 0.0 };
    let new = || pairs().map(|pair| pair[1] - carried * pair[0]);
    let mut sizes: Vec<u64> = new().map(size_key).collect();
    Memory { carried, spread: spread_of(median_size(&mut sizes), new()) }
}

/// The robust spread of values, by the median of their sizes.
fn spread_of(median: f64, values: impl Iterator<Item = f64>) -> f64 {
    let (count, squares) =
        values.fold((0.0_f64, 0.0), |(count, squares), value| (count + 1.0, squares + value * value));
    (MAD_TO_SPREAD * median).max(LEAST_SHARE * (squares / count.max(1.0)).sqrt())
}
