//! The memory of a series: how far a quiet or busy hour carries on to the next. An autoregressive process of order one
//! for the residuals of single hours (G. U. Yule, 1927).

use serde::{Deserialize, Serialize};

use super::robust::median_size;
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
pub(super) fn fit(residuals: &[f64]) -> Memory {
    let mut sizes: Vec<f64> =
        residuals.iter().filter(|residual| !residual.is_nan()).map(|r| r.abs()).collect();
    let limit = CLIP * spread_of(&mut sizes);
    let clip = |residual: f64| residual.clamp(-limit, limit);
    let pairs = || residuals.windows(2).filter(|pair| !pair[0].is_nan() && !pair[1].is_nan());
    let (mut products, mut squares) = (0.0, 0.0);
    for pair in pairs() {
        let (before, now) = (clip(pair[0]), clip(pair[1]));
        products += before * now;
        squares += before * before;
    }
    let carried = if squares > 0.0 { (products / squares).clamp(0.0, MOST_CARRIED) } else { 0.0 };
    sizes.clear();
    sizes.extend(pairs().map(|pair| (pair[1] - carried * pair[0]).abs()));
    Memory { carried, spread: spread_of(&mut sizes) }
}

fn spread_of(sizes: &mut [f64]) -> f64 {
    let count = sizes.len().max(1) as f64;
    let mean_square = sizes.iter().map(|size| size * size).sum::<f64>() / count;
    (MAD_TO_SPREAD * median_size(sizes)).max(LEAST_SHARE * mean_square.sqrt())
}
