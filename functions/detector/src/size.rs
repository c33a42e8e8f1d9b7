//! How large an anomaly is beside others. The largest are paged first, and in a storm judged first.

use std::cmp::Ordering;

use detection::{Comparison, WindowCost};

/// The size of an anomaly. A known cost counts more than none, and the most expensive month most. Then the largest |z| counts
/// most, and then the largest relative change.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Of a month, without its sign. Below 0 for an unknown cost.
    pub(crate) cost: f64,
    pub(crate) score: f64,
    pub(crate) change: f64,
}

impl Size {
    /// Of a series without a verdict.
    pub(crate) const UNKNOWN: Self = Self { cost: -1.0, score: 0.0, change: 0.0 };

    pub(crate) fn of(cost: Option<&WindowCost>, comparison: Option<&Comparison>) -> Self {
        let cost = cost.map_or(Self::UNKNOWN.cost, |cost| cost.a_month().abs());
        let Some(comparison) = comparison else { return Self { cost, ..Self::UNKNOWN } };
        let mean = comparison.baseline.mean();
        let change = (comparison.current - mean).abs() / mean.abs().max(1.0);
        Self { cost, score: comparison.z_score.abs(), change }
    }
}

impl Ord for Size {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.score.total_cmp(&other.score);
        self.cost.total_cmp(&other.cost).then(by_score).then(self.change.total_cmp(&other.change))
    }
}

impl PartialOrd for Size {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Size {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Size {}
