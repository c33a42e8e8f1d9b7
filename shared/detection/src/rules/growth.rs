//! Many more distinct values than usual: operations, paths or records that somebody walks through.
//!
//! A number of events says how busy an account is. Enumeration shows in the number of different things that it touches:
//! on records of cloud operations the attacker touched 141 in five minutes, and all others 20 at most.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use super::judged::{Judged, severity};
use crate::{Baseline, Detail, Direction, Expected, Opinion, Reason, Verdict};

/// An anomaly is a number of distinct values of at least `min_distinct`, at least `factor` times the mean, and at least `z`
/// spreads above it. It is critical with twice the factor and twice the spreads.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct DistinctGrowth {
    /// Above 0 and at most 50.
    pub z: f64,
    /// At least 1.
    pub min_distinct: u64,
    /// From 1 to 1,000.
    pub factor: f64,
    /// Fewer earlier windows give no verdict; at least 2.
    pub min_samples: u64,
}

impl Default for DistinctGrowth {
    fn default() -> Self {
        Self { z: 5.0, min_distinct: 30, factor: 5.0, min_samples: 7 }
    }
}

impl DistinctGrowth {
    pub const NAME: &'static str = "distinct_growth";

    /// The verdict on the number of distinct values in a window beside those of the earlier windows. The score is in
    /// spreads, and 0 or the largest beside a baseline without a spread.
    pub fn judge(&self, distinct: u64, baseline: &Baseline) -> Verdict {
        let (value, mean) = (distinct as f64, baseline.mean());
        if let Some(reason) = Reason::of_broken(mean, true) {
            return Verdict::Undetermined(reason);
        }
        if (baseline.sample_count() as u64) < self.min_samples {
            return Verdict::Undetermined(Reason::InsufficientData);
        }
        let deviation = baseline.deviation(value);
        let score = match (baseline.is_constant(), deviation == 0.0) {
            (false, _) => deviation / baseline.stddev(),
            (true, true) => 0.0,
            (true, false) => Opinion::CAP.copysign(deviation),
        };
        let limit = (self.min_distinct as f64).max(self.factor * mean);
        let is_critical = value >= 2.0 * self.factor * mean && score >= 2.0 * self.z;
        let is_anomaly = value >= limit && score >= self.z;
        let high = limit.max(mean + self.z * baseline.stddev()).max(0.0);
        Judged {
            current: value,
            baseline: *baseline,
            expected: Expected { low: 0.0, high },
            score,
            detail: Detail::DistinctGrowth { limit },
            anomaly: is_anomaly.then_some((severity(is_critical), Direction::Spike)),
        }
        .verdict()
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        let reason = "it is a number of spreads, and no score is over 100";
        check.require(self.z > 0.0 && self.z <= 50.0, "z", self.z, "above 0 and at most 50", reason)?;
        check.number("min_distinct", self.min_distinct)?;
        check.factor("factor", self.factor)?;
        let samples = self.min_samples as f64;
        check.require(self.min_samples >= 2, "min_samples", samples, "2 or more", "one value has no spread")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Severity;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};

    fn judge(distinct: u64, baseline: &[f64]) -> Verdict {
        DistinctGrowth::default().judge(distinct, &Baseline::of_slice(baseline).unwrap())
    }

    /// A mean of 10, and a spread of 2.
    const USUAL: [f64; 8] = [8.0, 12.0, 10.0, 10.0, 13.0, 7.0, 9.0, 11.0];

    #[test]
    fn all_three_conditions() {
        assert_eq!(severity_of(judge(49, &USUAL)), None, "19 spreads, but under 5 times the mean");
        assert_eq!(severity_of(judge(50, &USUAL)), Some(Severity::Warning));
        assert_eq!(severity_of(judge(141, &USUAL)), Some(Severity::Critical));
        let spread = [0.0, 60.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(severity_of(judge(60, &spread)), None, "8 times the mean, but 2.5 spreads");
        assert_eq!(severity_of(judge(29, &[1.0; 8])), None, "fewer than 30");
        assert_eq!(severity_of(judge(30, &[1.0; 8])), Some(Severity::Critical));
        assert_eq!(severity_of(judge(0, &USUAL)), None);
    }

    #[test]
    fn the_figures() {
        let Verdict::Anomalous(finding) = judge(60, &USUAL) else { panic!() };
        assert_eq!(finding.comparison.opinion.detail, Detail::DistinctGrowth { limit: 50.0 });
        assert_eq!((finding.comparison.current, finding.comparison.z_score), (60.0, 25.0));
        assert_eq!(undetermined(judge(60, &USUAL[..6])), Some(Reason::InsufficientData));
        assert_eq!(undetermined(judge(60, &[f64::NAN; 8])), Some(Reason::NotFinite));
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(DistinctGrowth::default().validate(), Ok(()));
        for wrong in [
            DistinctGrowth { z: 0.0, ..DistinctGrowth::default() },
            DistinctGrowth { min_distinct: 0, ..DistinctGrowth::default() },
            DistinctGrowth { factor: 0.5, ..DistinctGrowth::default() },
            DistinctGrowth { min_samples: 1, ..DistinctGrowth::default() },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_give_a_finite_verdict(
            distinct: u64,
            values in prop::collection::vec(any::<f64>(), 2..10),
            z: f64,
            factor: f64,
        ) {
            let rule = DistinctGrowth { z, factor, min_samples: 2, ..DistinctGrowth::default() };
            assert_finite(rule.judge(distinct, &Baseline::of_slice(&values).unwrap()));
        }
    }
}
