//! Durations and latencies: beyond a percentile of the baseline, and clearly beyond.
//!
//! "Above the 95th percentile" alone flags one run of twenty by definition. On records of workflows that was 4.4 % of the
//! normal runs; with a factor of the mean on top it was none, and 89 to 99 % of the slowed runs were still found. The
//! factor alone would flag what is usual of a series with rare long runs.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use super::judged::{Judged, beyond_lower, beyond_upper, severity};
use crate::{Baseline, Detail, Direction, Expected, Histogram, Reason, Verdict};

/// What the rule judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Each event. It is an anomaly above the percentile of the baseline, above `factor` times the mean, and above the mean
    /// plus `min_change`. It is critical above twice the factor.
    #[default]
    Each,
    /// All events of a window. They are an anomaly if their percentile is above `factor` times that of the baseline, and
    /// above it by `min_change`. From `at_once` times on it is critical. One milder window is often noise, so it is a warning.
    Window,
}

/// The usual 95 % of the values end at the percentile.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Percentile {
    pub of: Of,
    /// The share of the percentile, from 0.5 to below 1.
    pub percentile: f64,
    /// From 1 to 1,000. Usually 1.5 of an event and 1.2 of a window.
    pub factor: Option<f64>,
    /// Least change that matters, in the metric's unit: of a duration a second for events, and 50 ms for windows.
    pub min_change: f64,
    /// Fewer events of the baseline, or of the window, give no verdict; at least 1. Usually 30 of events and 20 of windows.
    pub min_events: Option<u64>,
    /// Whether values that are as far below count too: below the percentile of the other end, and below the mean by the
    /// same factor.
    pub both: bool,
    /// For windows, at least `factor`.
    pub at_once: f64,
}

impl Default for Percentile {
    fn default() -> Self {
        Self {
            of: Of::Each,
            percentile: 0.95,
            factor: None,
            min_change: 0.0,
            min_events: None,
            both: false,
            at_once: 2.0,
        }
    }
}

/// The limits of a value, and its usual percentile.
struct Limits {
    usual: f64,
    low: f64,
    high: f64,
    critical_low: f64,
    critical_high: f64,
}

impl Percentile {
    pub const NAME: &'static str = "percentile";

    /// The verdict on the value of one event beside the earlier events, whose exact mean is `mean`. The score is the ratio
    /// to the limit.
    pub fn judge_event(&self, value: f64, baseline: &Histogram, mean: f64) -> Verdict {
        if let Some(reason) = Reason::of_broken(value, true).or(Reason::of_broken(mean, true)) {
            return Verdict::Undetermined(reason);
        }
        let (Some(usual), Some(fastest)) =
            (baseline.percentile(self.percentile), baseline.percentile(1.0 - self.percentile))
        else {
            return Verdict::Undetermined(Reason::InsufficientData);
        };
        if baseline.count() < self.min_events() {
            return Verdict::Undetermined(Reason::InsufficientData);
        }
        // A value in the bucket of the percentile may be the percentile itself, so it is not beyond.
        let (low, high) = (Histogram::bucket(fastest).0, Histogram::bucket(usual).1);
        let factor = self.factor();
        let limits = Limits {
            usual,
            high: high.max(factor * mean).max(mean + self.min_change),
            low: low.min(mean / factor).min(mean - self.min_change),
            critical_high: 2.0 * factor * mean,
            critical_low: mean / factor / 2.0,
        };
        self.verdict(value, reference(mean, baseline), &limits)
    }

    /// The verdict on the events of a window beside the earlier ones.
    pub fn judge_window(&self, window: &Histogram, baseline: &Histogram) -> Verdict {
        let Some(value) = window.percentile(self.percentile) else {
            return Verdict::Undetermined(Reason::NoData);
        };
        let Some(usual) = baseline.percentile(self.percentile) else {
            return Verdict::Undetermined(Reason::InsufficientData);
        };
        if window.count().min(baseline.count()) < self.min_events() {
            return Verdict::Undetermined(Reason::InsufficientData);
        }
        if let Some(reason) = Reason::of_broken(value.max(usual), true) {
            return Verdict::Undetermined(reason);
        }
        let factor = self.factor();
        let limits = Limits {
            usual,
            high: (factor * usual).max(usual + self.min_change),
            low: (usual / factor).min(usual - self.min_change),
            critical_high: self.at_once * usual,
            critical_low: usual / self.at_once,
        };
        self.verdict(value, reference(usual, baseline), &limits)
    }

    fn verdict(&self, value: f64, baseline: Baseline, limits: &Limits) -> Verdict {
        let Limits { usual, low, high, critical_low, critical_high } = *limits;
        let low = if self.both { low.max(0.0) } else { 0.0 };
        let is_low = self.both && value < low;
        let anomaly = if value > high {
            Some((severity(value > critical_high), Direction::Spike))
        } else {
            is_low.then_some((severity(value < critical_low), Direction::Drop))
        };
        Judged {
            current: value,
            baseline,
            expected: Expected { low, high: high.max(low) },
            score: if is_low { beyond_lower(value, low) } else { beyond_upper(value, high) },
            detail: Detail::Percentile {
                share: self.percentile,
                usual,
                limit: if is_low { low } else { high },
                of_window: self.of == Of::Window,
            },
            anomaly,
        }
        .verdict()
    }

    pub fn factor(&self) -> f64 {
        self.factor.unwrap_or(match self.of {
            Of::Each => 1.5,
            Of::Window => 1.2,
        })
    }

    pub fn min_events(&self) -> u64 {
        self.min_events.unwrap_or(match self.of {
            Of::Each => 30,
            Of::Window => 20,
        })
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        check.require(
            self.percentile >= 0.5 && self.percentile < 1.0,
            "percentile",
            self.percentile,
            "from 0.5 to below 1",
            "it is the share of usual values, 0.95 for the 95th percentile",
        )?;
        check.factor("factor", self.factor())?;
        check.change("min_change", self.min_change)?;
        check.number("min_events", self.min_events())?;
        let holds = self.of == Of::Each || (self.at_once >= self.factor() && self.at_once <= 1_000.0);
        check.require(
            holds,
            "at_once",
            self.at_once,
            "from `factor` to 1000",
            "what is told at once is further out than what must last",
        )
    }
}

/// The usual value with the spread of the events.
fn reference(usual: f64, baseline: &Histogram) -> Baseline {
    Baseline::of_reference(usual, baseline.stddev().unwrap_or(0.0), baseline.count())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Severity;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};

    /// 1 to 100 seconds in ms: a mean of 50.5 s, and 95 s for the percentile.
    fn seconds() -> Histogram {
        (1..=100).map(|second| f64::from(second) * 1_000.0).collect()
    }

    fn event(value: f64) -> Verdict {
        Percentile { min_change: 1_000.0, both: true, ..Percentile::default() }.judge_event(
            value,
            &seconds(),
            50_500.0,
        )
    }

    fn window() -> Percentile {
        Percentile { of: Of::Window, min_change: 50.0, ..Percentile::default() }
    }

    fn steady(value: f64, events: u64) -> Histogram {
        [(Histogram::key(value), events)].into_iter().collect()
    }

    #[test]
    fn an_event_must_be_beyond_the_percentile_and_the_factor_of_the_mean() {
        assert_eq!(severity_of(event(90_000.0)), None, "1.8 times the mean, and as slow as usual");
        assert_eq!(severity_of(event(98_000.0)), Some(Severity::Warning));
        assert_eq!(severity_of(event(151_000.0)), Some(Severity::Warning));
        assert_eq!(severity_of(event(152_000.0)), Some(Severity::Critical), "three times the mean");
        // A steady workflow: nothing between its percentile and 1.5 times the mean.
        let rule = Percentile::default();
        let at = |value| severity_of(rule.judge_event(value, &steady(3_900.0, 40), 3_900.0));
        assert_eq!((at(5_800.0), at(5_900.0)), (None, Some(Severity::Warning)));
        assert_eq!(at(12_400.0), Some(Severity::Critical));
    }

    #[test]
    fn what_is_as_slow_as_the_percentile_is_usual() {
        // Nine of ten take 5 s, one takes 10 s: the factor alone would flag it, and the middle of its bucket is below it.
        let before: Histogram = (0..100).map(|run| if run % 10 == 0 { 10_000.0 } else { 5_000.0 }).collect();
        assert!(before.percentile(0.95).unwrap() < 10_000.0);
        let at = |value| severity_of(Percentile::default().judge_event(value, &before, 5_500.0));
        assert_eq!((at(10_000.0), at(10_500.0)), (None, Some(Severity::Warning)));
    }

    #[test]
    fn the_least_change_counts_from_the_mean() {
        let rule = Percentile { min_change: 1_000.0, ..Percentile::default() };
        let at = |value| severity_of(rule.judge_event(value, &steady(100.0, 40), 100.0));
        assert_eq!((at(1_099.0), at(1_101.0)), (None, Some(Severity::Critical)));
    }

    #[test]
    fn unusually_fast_counts_only_if_asked_for() {
        assert_eq!(severity_of(event(7_000.0)), None);
        let Verdict::Anomalous(finding) = event(3_000.0) else { panic!() };
        assert_eq!((finding.severity, finding.direction), (Severity::Critical, Direction::Drop));
        assert!(finding.comparison.z_score < -1.0);
        let slow_only = Percentile::default();
        assert_eq!(severity_of(slow_only.judge_event(0.0, &seconds(), 50_500.0)), None);
    }

    #[test]
    fn a_window_beside_the_percentile_of_the_baseline() {
        let at = |value| severity_of(window().judge_window(&steady(value, 20), &steady(1_000.0, 500)));
        assert_eq!(at(1_150.0), None);
        assert_eq!(at(1_400.0), Some(Severity::Warning));
        assert_eq!(at(1_900.0), Some(Severity::Warning));
        assert_eq!(at(2_200.0), Some(Severity::Critical), "twice as slow");
        let small = severity_of(window().judge_window(&steady(50.0, 20), &steady(10.0, 500)));
        assert_eq!(small, None, "40 ms");
        let both = Percentile { both: true, ..window() };
        let Verdict::Anomalous(fast) = both.judge_window(&steady(300.0, 20), &steady(1_000.0, 500)) else {
            panic!()
        };
        assert_eq!((fast.severity, fast.direction), (Severity::Critical, Direction::Drop));
    }

    #[test]
    fn the_figures() {
        let Verdict::Anomalous(finding) = event(152_000.0) else { panic!() };
        let comparison = finding.comparison;
        let Detail::Percentile { share: 0.95, usual, limit, of_window: false } = comparison.opinion.detail
        else {
            panic!("{comparison:?}")
        };
        assert!((usual / 95_000.0 - 1.0).abs() < 0.025);
        assert!(limit > 95_000.0 && limit < 1.03 * usual, "the end of the percentile's bucket: {limit}");
        assert_eq!(comparison.z_score, 152_000.0 / limit);
        assert_eq!((comparison.baseline.mean(), comparison.baseline.sample_count()), (50_500.0, 100));
        assert!(comparison.baseline.stddev() > 28_000.0);
    }

    #[test]
    fn what_cannot_be_judged() {
        let rule = Percentile::default();
        let none = Histogram::default();
        for (verdict, reason) in [
            (rule.judge_event(9.0, &steady(1.0, 29), 1.0), Reason::InsufficientData),
            (rule.judge_event(9.0, &none, 1.0), Reason::InsufficientData),
            (rule.judge_event(f64::NAN, &steady(1.0, 30), 1.0), Reason::NotFinite),
            (rule.judge_event(-1.0, &steady(1.0, 30), 1.0), Reason::Negative),
            (rule.judge_event(1.0, &steady(1.0, 30), f64::INFINITY), Reason::NotFinite),
            (window().judge_window(&none, &steady(1.0, 30)), Reason::NoData),
            (window().judge_window(&steady(1.0, 19), &steady(1.0, 30)), Reason::InsufficientData),
            (window().judge_window(&steady(1.0, 20), &none), Reason::InsufficientData),
        ] {
            assert_eq!(undetermined(verdict), Some(reason));
        }
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(Percentile::default().validate(), Ok(()));
        assert_eq!(window().validate(), Ok(()));
        for wrong in [
            Percentile { percentile: 95.0, ..Percentile::default() },
            Percentile { factor: Some(0.9), ..Percentile::default() },
            Percentile { min_change: -1.0, ..Percentile::default() },
            Percentile { min_events: Some(0), ..Percentile::default() },
            Percentile { at_once: 1.1, ..window() },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_give_a_finite_verdict(
            value: f64,
            mean: f64,
            pairs in prop::collection::vec((any::<i16>(), any::<u64>()), 0..20),
            factor: f64,
            min_change: f64,
            both: bool,
        ) {
            let histogram: Histogram = pairs.iter().copied().collect();
            let rule = Percentile { both, min_change, factor: Some(factor), ..Percentile::default() };
            assert_finite(rule.judge_event(value, &histogram, mean));
            assert_finite(rule.judge_event(value.abs().min(1e99), &histogram, mean.abs().min(1e99)));
            let (now, before) = pairs.split_at(pairs.len() / 2);
            assert_finite(rule.judge_window(
                &now.iter().copied().collect(),
                &before.iter().copied().collect(),
            ));
            assert_finite(Percentile { both, ..window() }.judge_window(&histogram, &histogram));
        }
    }
}
