//! The autoregressive detector: is an hour a surprise, given the hour before?
//!
//! A series with memory carries a quiet or busy day on from hour to hour. Score: what is new in the hour's residual,
//! `r - carried * r_before`, in its own spreads. The way back to what is usual is no surprise: the score has the sign of
//! the residual and is not beyond it.

use crate::model::HourModel;
use crate::opinion::{Detail, Expected, Opinion};
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
/// value, or too little is known.
pub(crate) fn judge(
    value: f64,
    before: f64,
    row: &HourModel,
    never_negative: bool,
    parameters: &Parameters,
) -> Option<(Opinion, f64)> {
    let (expected, memory) = (row.windows[0]?.expected, row.memory);
    if memory.spread <= 0.0 || row.is_new() {
        return None;
    }
    let carried = memory.carried * (row.transform.apply(before) - row.before?);
    let middle = expected + carried;
    let found = row.transform.apply(value);
    let score = surprise(found - middle, found - expected) / memory.spread;
    let reach = parameters.threshold * memory.spread;
    let [low, middle, high] = [middle - reach, middle, middle + reach].map(|at| row.transform.inverse(at));
    let low = if never_negative { low.max(0.0) } else { low };
    let opinion = Opinion {
        score: score.clamp(-Opinion::CAP, Opinion::CAP),
        expected: Expected { low, high },
        detail: Detail::Autoregressive,
    };
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
