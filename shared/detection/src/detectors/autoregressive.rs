//! The autoregressive detector: is an hour a surprise, given the hour before?
//!
//! A series with memory carries a quiet or busy day on from hour to hour. Score: what is new in the hour's residual,
//! `r - carried * r_before`, in spreads. The way back to what is usual is no surprise: the score has the sign of the
//! residual and is not beyond it. The spread is that of all hours, but at least that of the hour at hand: busy hours of
//! a series may vary more than the rest.

use super::seasonal::expected_range;
use crate::hours::Recent;
use crate::model::{HourModel, Memory};
use crate::opinion::{Detail, Opinion};
use crate::thresholds::{SettingsError, require};

/// The strictness of the detector. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    threshold: f64,
}

impl Parameters {
    /// * `threshold`: the score that pages; above 0 and at most 100.
    ///
    /// # Errors
    ///
    /// When the threshold is out of its range.
    pub fn new(threshold: f64) -> Result<Self, SettingsError> {
        let allowed = "a score above 0 and at most 100";
        require(threshold > 0.0 && threshold <= 100.0, "memory_threshold", threshold, allowed)?;
        Ok(Self { threshold })
    }

    /// The score that pages.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self { threshold: 10.0 }
    }
}

/// The opinion on the newest hour, and the value that is expected after the hour before. `None` if one of them has no
/// value of its own, or too little is known.
///
/// * `threshold`: the score that pages, for the range of usual values.
/// * `min_relative_spread`: least spread of the hour as a share of its expected value.
pub(crate) fn judge(
    recent: &Recent,
    row: &HourModel,
    threshold: f64,
    min_relative_spread: f64,
) -> Option<(Opinion, f64)> {
    let ([.., before, newest], [.., before_muted, newest_muted]) = (recent.values, recent.muted);
    if before.is_nan() || newest.is_nan() || before_muted || newest_muted || row.is_new() {
        return None;
    }
    let (hour, Memory { carried, spread }) = (row.windows[0]?, row.memory);
    let least = row.transform.least_spread(hour.expected, recent.aggregate, min_relative_spread);
    let of_hour = hour.spread.max(least) * ((1.0 + hour.samples.recip()) * (1.0 - carried * carried)).sqrt();
    let spread = spread.max(of_hour);
    if spread <= 0.0 {
        return None;
    }
    let middle = hour.expected + carried * (row.transform.apply(before) - row.before?);
    let found = row.transform.apply(newest);
    let score = surprise(found - middle, found - hour.expected) / spread;
    let reach = threshold * spread;
    let ends = [middle - reach, middle + reach].map(|at| row.transform.inverse(at));
    let opinion = Opinion {
        score: score.clamp(-Opinion::CAP, Opinion::CAP),
        expected: expected_range(ends, recent),
        detail: Detail::Autoregressive,
    };
    let middle = row.transform.inverse(middle);
    (opinion.is_finite() && middle.is_finite()).then_some((opinion, middle))
}

/// What is new in an hour, as far as the hour is unusual in the same direction. The way back to what is usual is none.
fn surprise(new: f64, residual: f64) -> f64 {
    if new * residual > 0.0 { new.abs().min(residual.abs()).copysign(new) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_to_what_is_usual_is_no_surprise() {
        for (new, residual, expected) in [
            (5.0, 8.0, 5.0),
            (-5.0, -8.0, -5.0),
            // A drop right after a spike has all of the spike to fall.
            (-50.0, -8.0, -8.0),
            (-50.0, 8.0, 0.0),
            (50.0, -8.0, 0.0),
            (-50.0, 0.0, 0.0),
        ] {
            assert_eq!(surprise(new, residual), expected, "{new} {residual}");
        }
    }
}
