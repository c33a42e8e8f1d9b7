//! How sure a finding of a rule makes, from 0 to 1, on the scale of the ensemble: .70 at three spreads, .90 at five.
//!
//! A rule that asks for the chance of what it sees has a score that is a normal quantile. A rule that compares a value with
//! the mean has the distance from the mean in spreads. A fixed limit knows no chance, so there is no confidence.

use crate::ensemble::confidence;
use crate::figures::number;
use crate::{Comparison, Detail, Explanation, Finding, Opinion};

/// The confidence of an anomaly. `None` where nothing is known of chance.
pub(crate) fn of_finding(finding: &Finding, explanation: Option<&Explanation>) -> Option<f64> {
    if let Some(explanation) = explanation {
        return Some(number(explanation.confidence));
    }
    let Comparison { current, baseline, z_score, opinion, .. } = finding.comparison;
    match opinion.detail {
        Detail::Rate { .. }
        | Detail::Streak { .. }
        | Detail::DistinctGrowth { .. }
        | Detail::Deviation { .. } => Some(number(confidence(z_score))),
        Detail::Percentile { .. } | Detail::Ratio { .. } => {
            let (distance, spread) = ((current - baseline.mean()).abs(), baseline.stddev());
            let spreads = if spread > 0.0 { distance / spread } else { Opinion::CAP };
            Some(number(confidence(spreads.min(Opinion::CAP))))
        }
        Detail::Vote { score, .. } => Some(number(score)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Attempts, Burst, Percentile, Rate, Ratio, Threshold};
    use crate::{Counts, Histogram, Verdict};

    fn confidence_of(verdict: Verdict) -> Option<f64> {
        let Verdict::Anomalous(finding) = verdict else { panic!("{verdict:?}") };
        of_finding(&finding, None)
    }

    #[test]
    fn of_a_rate_it_is_that_of_the_normal_quantile() {
        let verdict = Rate::default().judge(Counts { events: 40, bad: 14 }, Counts { events: 98, bad: 1 });
        let Verdict::Anomalous(finding) = verdict else { panic!("{verdict:?}") };
        assert!((finding.comparison.z_score - 7.54).abs() < 0.01);
        let found = of_finding(&finding, None).unwrap();
        assert!((found - 0.9794).abs() < 0.001, "{found}");
    }

    #[test]
    fn of_a_value_it_is_that_of_its_distance_in_spreads() {
        // 300 records and a spread of about 29: two of them are 10 spreads below.
        let outputs: Histogram = (0..40).map(|run| 250.0 + f64::from(run) * 2.5).collect();
        let found = confidence_of(Ratio::default().judge(2.0, &outputs, 300.0)).unwrap();
        assert!((0.99..1.0).contains(&found), "{found}");
        // Durations that vary tell less.
        let seconds: Histogram = (1..=100).map(|second| f64::from(second) * 1_000.0).collect();
        let found = confidence_of(Percentile::default().judge_event(98_000.0, &seconds, 50_500.0)).unwrap();
        assert!((0.3..0.6).contains(&found), "{found}");
        let steady: Histogram = [(Histogram::key(100.0), 40)].into_iter().collect();
        let found = confidence_of(Percentile::default().judge_event(900.0, &steady, 100.0)).unwrap();
        assert!(found > 0.999 && found <= 1.0, "{found}");
    }

    #[test]
    fn a_fixed_limit_knows_no_chance() {
        let limit = Threshold { warning: Some(90.0), ..Threshold::default() };
        assert_eq!(confidence_of(limit.judge(95.0)), None);
        let attempts = Attempts { events: 50, ..Attempts::default() };
        assert_eq!(confidence_of(Burst::default().judge(attempts)), None);
    }
}
