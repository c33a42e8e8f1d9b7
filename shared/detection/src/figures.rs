//! The figures of a verdict in stored items, messages and answers.

use serde::{Deserialize, Serialize};

use crate::Comparison;

/// The figures of a window beside its baseline, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Figures {
    pub current_value: f64,
    pub baseline_mean: f64,
    pub baseline_stddev: f64,
    /// Number of spreads between the usage and the mean, at most 100 either way. The spread is the standard deviation,
    /// or `min_relative_spread` times the mean if that is larger.
    pub z_score: f64,
}

/// All figures that an anomaly was judged by. A new detector adds its own here, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Evidence {
    #[serde(flatten)]
    pub figures: Figures,
    /// Earlier windows that the check compared with.
    pub sample_count: usize,
    /// Earlier windows that were left out because an incident was in them. So one anomaly does not hide the next.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(required = true))]
    pub excluded_windows: usize,
    /// Lowest usual value: the threshold's number of spreads below the mean.
    pub expected_low: f64,
    /// Highest usual value.
    pub expected_high: f64,
    /// The earlier windows were all alike. The z-score has no meaning, and other rules decided.
    pub constant_baseline: bool,
}

impl Figures {
    /// The figures of a window without a verdict.
    pub const NONE: Self =
        Self { current_value: 0.0, baseline_mean: 0.0, baseline_stddev: 0.0, z_score: 0.0 };

    pub fn of(comparison: &Comparison) -> Self {
        Self {
            current_value: number(comparison.current),
            baseline_mean: number(comparison.baseline.mean()),
            baseline_stddev: number(comparison.baseline.stddev()),
            z_score: number(comparison.z_score),
        }
    }

    /// Distance from the mean, in the metric's unit.
    pub fn deviation(&self) -> f64 {
        (self.current_value - self.baseline_mean).abs()
    }
}

impl Evidence {
    pub fn of(comparison: &Comparison) -> Self {
        let expected = comparison.opinion.expected;
        Self {
            figures: Figures::of(comparison),
            sample_count: comparison.baseline.sample_count(),
            excluded_windows: comparison.excluded_windows,
            expected_low: number(expected.low),
            expected_high: number(expected.high),
            constant_baseline: comparison.constant_baseline(),
        }
    }
}

/// DynamoDB refuses numbers closer to zero than 1e-130. No usage is that small, so such a number counts as zero.
pub(crate) fn number(value: f64) -> f64 {
    if value.abs() < 1e-100 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Missing, Series, Settings, Thresholds, Verdict, check};

    #[test]
    fn numbers_that_no_table_takes_are_zero() {
        let mut windows = [Some(1e-320); 31];
        windows[0] = Some(3e-120);
        let thresholds = Thresholds { min_relative_change: 0.0, ..Thresholds::default() };
        let series = Series::new(&windows, 30, Missing::Zero, true);
        let verdict = check(&series, &Settings::new(thresholds).unwrap());
        let Verdict::Anomalous(finding) = verdict else { panic!("{verdict:?}") };
        let evidence = Evidence::of(&finding.comparison);
        let Figures { current_value, baseline_mean, baseline_stddev, z_score } = evidence.figures;
        assert_eq!((current_value, baseline_mean, baseline_stddev, z_score), (0.0, 0.0, 0.0, 100.0));
        assert_eq!((evidence.expected_low, evidence.expected_high), (0.0, 0.0));
    }

    #[test]
    fn they_are_written_flat() {
        let windows: Vec<_> =
            (0..31).map(|age| Some(if age == 0 { 9_000.0 } else { 990.0 + f64::from(age) })).collect();
        let settings = Settings::new(Thresholds::default()).unwrap();
        let Verdict::Anomalous(finding) = check(&Series::new(&windows, 30, Missing::Zero, true), &settings)
        else {
            panic!("a nine-fold spike is an anomaly");
        };
        let evidence = Evidence::of(&finding.comparison);
        let json = serde_json::to_value(evidence).unwrap();
        let mut names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "baseline_mean",
                "baseline_stddev",
                "constant_baseline",
                "current_value",
                "excluded_windows",
                "expected_high",
                "expected_low",
                "sample_count",
                "z_score"
            ]
        );
        assert_eq!(serde_json::from_value::<Evidence>(json).unwrap(), evidence);
    }
}
