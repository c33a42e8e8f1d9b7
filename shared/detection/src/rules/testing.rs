//! What the tests of all rules share.

use crate::{Reason, Severity, Verdict};

pub(super) fn severity_of(verdict: Verdict) -> Option<Severity> {
    match verdict {
        Verdict::Anomalous(finding) => Some(finding.severity),
        Verdict::Normal(_) => None,
        Verdict::Undetermined(reason) => panic!("undetermined: {reason:?}"),
    }
}

pub(super) fn undetermined(verdict: Verdict) -> Option<Reason> {
    match verdict {
        Verdict::Undetermined(reason) => Some(reason),
        _ => None,
    }
}

/// Fails for a number that is not finite, a score beyond its cap, or a range that is upside down.
pub(super) fn assert_finite(verdict: Verdict) {
    let comparison = match verdict {
        Verdict::Normal(comparison) => comparison,
        Verdict::Anomalous(finding) => finding.comparison,
        Verdict::Undetermined(_) => return,
    };
    let opinion = comparison.opinion;
    assert!(opinion.is_finite() && comparison.baseline.is_finite(), "{comparison:?}");
    assert!(comparison.current.is_finite() && comparison.z_score.abs() <= 100.0, "{comparison:?}");
    assert!(opinion.expected.low <= opinion.expected.high, "{comparison:?}");
}
