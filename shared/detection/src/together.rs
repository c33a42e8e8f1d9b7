//! All customers together: whether their data stopped or are late, and not their usage.
//!
//! A customer that falls silent is that customer's matter. When many drop in the same hour, the cause lies in what brings the
//! events. So the newest hour of all customers is looked at as one series: the sum of what they used beside the sum of what
//! was expected, and the number of those that dropped.

use serde::{Deserialize, Serialize};

use crate::ensemble::{Assessment, Explanation, Trust, View, confidence};
use crate::opinion::{Detail, Expected, Opinion};
use crate::{Baseline, Comparison};

/// The newest hour of one metric of all customers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Together {
    observed: f64,
    expected: f64,
    /// Of the expected sum, if customers are independent of each other.
    variance: f64,
    /// Customers of whom a stop would show in this hour.
    shown: u32,
    /// Those of them that dropped.
    dropped: u32,
}

/// Whether the data stopped in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flow {
    Stopped,
    /// Neither stopped nor as usual.
    Thin,
    Usual,
}

/// Stands for all customers in place of a customer's id.
pub const ALL_CUSTOMERS: &str = "*";

/// A customer has dropped below this share of the threshold.
const DROPPED: f64 = 0.7;

/// The data stopped when this share of the customers dropped at once.
const MANY: f64 = 1.0 / 3.0;

/// Or when this share dropped, and their sum fell by half.
const SOME: f64 = 0.2;
const HALF: f64 = 0.5;

/// Fewer customers that dropped are theirs alone.
const LEAST: u32 = 5;

/// The sum is as usual from this share of the expected one on.
const BACK: f64 = 0.7;

impl Together {
    /// Of one series. Only the window of the newest hour counts, and only if the series could be judged by it.
    pub fn of(assessment: &Assessment) -> Self {
        let mut one = Self::default();
        one.add(assessment);
        one
    }

    fn add(&mut self, assessment: &Assessment) {
        let of_hour = |view: &&View| view.opinion.detail == Detail::Seasonal { hours: 1 };
        let Some(view) = assessment.views.iter().find(of_hour) else { return };
        let (score, expected) = (view.opinion.score, view.expected);
        if !(expected > 0.0 && view.value.is_finite()) {
            return;
        }
        // The range is as wide as the threshold times the spread, above and below.
        let spread = (view.opinion.expected.high - expected).max(0.0) / view.threshold;
        self.observed += view.value;
        self.expected += expected;
        self.variance += spread * spread;
        let would_show = view.opinion.expected.low > 0.0;
        let has_dropped = score <= -DROPPED * view.threshold;
        self.shown += u32::from(would_show || has_dropped);
        self.dropped += u32::from(has_dropped);
    }

    /// Adds the series of other customers.
    pub fn join(&mut self, other: &Self) {
        self.observed += other.observed;
        self.expected += other.expected;
        self.variance += other.variance;
        self.shown = self.shown.saturating_add(other.shown);
        self.dropped = self.dropped.saturating_add(other.dropped);
    }

    /// How many customers dropped.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    pub fn flow(&self) -> Flow {
        let share = f64::from(self.dropped) / f64::from(self.shown.max(1));
        let has_fallen = self.observed <= HALF * self.expected;
        if self.dropped >= LEAST && (share >= MANY || share >= SOME && has_fallen) {
            Flow::Stopped
        } else if self.observed >= BACK * self.expected {
            Flow::Usual
        } else {
            Flow::Thin
        }
    }

    /// The figures of the sum: the mean is the expected sum.
    pub fn comparison(&self) -> Comparison {
        let deviation = self.variance.sqrt();
        let finite = |number: f64| if number.is_finite() { number } else { 0.0 };
        let score = finite((self.observed - self.expected) / deviation).clamp(-Opinion::CAP, Opinion::CAP);
        let baseline = Baseline::of_figures(finite(self.expected), finite(deviation), self.shown as usize);
        Comparison {
            current: finite(self.observed),
            baseline: baseline.unwrap_or(Baseline::NONE),
            z_score: score,
            excluded_windows: 0,
            opinion: Opinion {
                score,
                expected: Expected { low: finite(HALF * self.expected), high: finite(1.5 * self.expected) },
                detail: Detail::Together { dropped: self.dropped, customers: self.shown },
            },
        }
    }

    /// Why the data count as stopped.
    pub fn explanation(&self) -> Explanation {
        let score = f64::from(self.dropped) / f64::from(self.shown.max(1)) / MANY;
        Explanation {
            score: -score,
            confidence: confidence(5.0 * score),
            hours: 1,
            expected: if self.expected.is_finite() { self.expected } else { 0.0 },
            views: Vec::new(),
            nearest: None,
            days: 0,
            trust: Trust::Known,
            review: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Profile;
    use crate::{Aggregate, Calendar, Hour, Hours, Settings, Thresholds, TimeZone, assess};

    /// The assessments of customers with about so many calls an hour, of whom a number has none in the newest hour.
    fn customers(number: usize, calls: f64, silent: usize) -> Together {
        let day = Hour::holding("2026-11-24T00:00:00Z".parse().unwrap());
        let calendar = Calendar::new(&TimeZone::utc(), day);
        let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
        let mut all = Together::default();
        for customer in 0..number {
            let value = |at: usize| {
                let is_silent = at == Calendar::SPAN && customer < silent;
                let noise = 1.0 + 0.1 * (((at + customer) * 37 % 23) as f64 / 11.0 - 1.0);
                Some(if is_silent { 0.0 } else { (calls * noise).round() })
            };
            let values: Vec<_> = (0..=Calendar::SPAN).map(value).collect();
            let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
            all.join(&Together::of(&assess(
                &hours,
                day,
                calendar.begin(),
                &calendar,
                &Profile::FLAT,
                &settings,
            )));
        }
        all
    }

    #[test]
    fn a_third_of_the_customers_that_drop_at_once_are_a_stop() {
        for (number, silent, flow) in [
            (30, 30, Flow::Stopped),
            (30, 10, Flow::Stopped),
            (30, 8, Flow::Usual),
            (30, 0, Flow::Usual),
            // Four customers may have stopped by themselves.
            (4, 4, Flow::Thin),
            (12, 5, Flow::Stopped),
        ] {
            assert_eq!(customers(number, 200.0, silent).flow(), flow, "{silent} of {number}");
        }
    }

    #[test]
    fn a_fifth_is_enough_if_the_sum_falls_by_half() {
        let mut all = customers(40, 200.0, 0);
        all.join(&customers(10, 4_000.0, 10));
        assert_eq!(all.flow(), Flow::Stopped);
        let mut small = customers(40, 4_000.0, 0);
        small.join(&customers(10, 200.0, 10));
        assert_eq!(small.flow(), Flow::Usual);
    }

    #[test]
    fn customers_of_whom_a_stop_would_not_show_do_not_count() {
        let mut all = customers(10, 200.0, 10);
        all.join(&customers(500, 1.0, 500));
        assert_eq!(all.flow(), Flow::Stopped);
        let Detail::Together { dropped, customers } = all.comparison().opinion.detail else { panic!() };
        assert_eq!((dropped, customers), (10, 10));
    }

    #[test]
    fn the_figures_are_those_of_the_sum() {
        let comparison = customers(30, 200.0, 30).comparison();
        assert_eq!(comparison.current, 0.0);
        assert!((5_500.0..6_500.0).contains(&comparison.baseline.mean()), "{comparison:?}");
        assert!(comparison.opinion.is_finite() && comparison.z_score < -10.0);
        let nobody = Together::default();
        assert_eq!(nobody.flow(), Flow::Usual);
        assert!(nobody.comparison().opinion.is_finite());
    }
}
