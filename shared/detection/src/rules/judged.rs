//! From what a rule found to a verdict.

use crate::figures::number;
use crate::{Baseline, Comparison, Detail, Direction, Expected, Finding, Opinion, Reason, Severity, Verdict};

/// What a rule found.
pub(super) struct Judged {
    pub(super) current: f64,
    pub(super) baseline: Baseline,
    pub(super) expected: Expected,
    pub(super) score: f64,
    pub(super) detail: Detail,
    /// `None`: all is as usual.
    pub(super) anomaly: Option<(Severity, Direction)>,
}

impl Judged {
    /// The verdict. Numbers that are not finite, as of limits that overflow, are out of range.
    pub(super) fn verdict(self) -> Verdict {
        let score = self.score.clamp(-Opinion::CAP, Opinion::CAP);
        let opinion = Opinion { score, expected: self.expected, detail: self.detail };
        if !(opinion.is_finite() && self.baseline.is_finite() && self.current.is_finite()) {
            return Verdict::Undetermined(Reason::OutOfRange);
        }
        let (current, baseline) = (self.current, self.baseline);
        let comparison = Comparison { current, baseline, z_score: score, excluded_windows: 0, opinion };
        match self.anomaly {
            None => Verdict::Normal(comparison),
            Some((severity, direction)) => Verdict::Anomalous(Finding { comparison, severity, direction }),
        }
    }
}

/// Critical if the condition holds.
pub(super) fn severity(is_critical: bool) -> Severity {
    if is_critical { Severity::Critical } else { Severity::Warning }
}

/// How many times a limit a value is: above 1 beyond an upper limit. A limit that is not positive has no multiples, so
/// there each unit beyond counts as one.
pub(super) fn beyond_upper(value: f64, limit: f64) -> f64 {
    if limit > 0.0 { value / limit } else { 1.0 + (value - limit) }
}

/// The same for a lower limit, negated: below -1 beyond it.
pub(super) fn beyond_lower(value: f64, limit: f64) -> f64 {
    if limit <= 0.0 {
        -(1.0 + (limit - value))
    } else if value <= 0.0 {
        -Opinion::CAP
    } else {
        -(limit / value)
    }
}

/// A probability as it may be stored.
pub(super) fn probability(ln: f64) -> f64 {
    number(ln.exp())
}
