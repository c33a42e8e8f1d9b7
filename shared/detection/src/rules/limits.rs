//! The limits of rules on the value of a window, for charts: beyond them a rule speaks.
//!
//! The limits come from the rules themselves, so a chart shows what a run decides by. Rules that do not judge a value have
//! none: failures in a row, and what is new.

use super::{Attempts, Counts, Of, Percentile, Rule, Side};
use crate::{Expected, Histogram, Verdict};

/// What is known of the events before a window, and how many events the window has.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    /// The values of the events before.
    pub values: &'a Histogram,
    /// Their exact mean. NaN without any.
    pub mean: f64,
    pub counts: Counts,
    /// Events of the window.
    pub events: u64,
}

/// The usual values of a window. An end without a limit is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Limits {
    /// The limits of two rules together: the narrower ones.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let narrower = |a: Option<f64>, b: Option<f64>, of: fn(f64, f64) -> f64| {
            a.zip(b).map(|(a, b)| of(a, b)).or(a).or(b)
        };
        Self { low: narrower(self.low, other.low, f64::max), high: narrower(self.high, other.high, f64::min) }
    }

    fn below(high: f64) -> Self {
        Self { high: Some(high).filter(|high| high.is_finite()), low: None }
    }
}

impl Rule {
    /// The limits on the value of a window. None where too little is known, and of a rule that does not judge a value.
    ///
    /// * `counts_events`: whether the value of a window is its number of events.
    pub fn limits(&self, past: &Past<'_>, counts_events: bool) -> Limits {
        match self {
            Self::Rate(rule) => least_bad(past.events, |bad| {
                let window = Counts { events: past.events, bad };
                rule.judge(window, past.counts)
            })
            .map_or(Limits::default(), |bad| Limits::below((bad - 1) as f64 / past.events as f64)),
            Self::Percentile(rule) => of_percentile(rule, past),
            Self::Ratio(rule) => {
                let of = |Expected { low, high }| Limits { low: Some(low), high: rule.above.map(|_| high) };
                usual(&rule.judge(past.mean, past.values, past.mean)).map_or(Limits::default(), of)
            }
            Self::Threshold(rule) => match (rule.warning.or(rule.critical), rule.direction) {
                (Some(limit), Side::Above) => Limits::below(limit),
                (low, Side::Below) => Limits { low, high: None },
                (None, Side::Above) => Limits::default(),
            },
            Self::Burst(rule) if counts_events => {
                let attempts = Attempts { events: rule.events, ..Attempts::default() };
                usual(&rule.judge(attempts)).map_or(Limits::default(), |usual| Limits::below(usual.high))
            }
            _ => Limits::default(),
        }
    }
}

fn of_percentile(rule: &Percentile, past: &Past<'_>) -> Limits {
    // The limits are of the baseline alone. So any value shows them.
    let verdict = match rule.of {
        Of::Each => rule.judge_event(past.mean, past.values, past.mean),
        Of::Window => rule.judge_window(past.values, past.values),
    };
    let of = |Expected { low, high }| Limits { low: rule.both.then_some(low), high: Some(high) };
    usual(&verdict).map_or(Limits::default(), of)
}

fn usual(verdict: &Verdict) -> Option<Expected> {
    match verdict {
        Verdict::Normal(comparison) => Some(comparison.opinion.expected),
        Verdict::Anomalous(finding) => Some(finding.comparison.opinion.expected),
        Verdict::Undetermined(_) => None,
    }
}

/// The smallest number of bad events that is an anomaly. `None` if not even all of them are. More bad events are never less
/// of an anomaly.
fn least_bad(events: u64, judge: impl Fn(u64) -> Verdict) -> Option<u64> {
    let is_anomaly = |bad: u64| matches!(judge(bad), Verdict::Anomalous(_));
    if events == 0 || !is_anomaly(events) {
        return None;
    }
    let (mut usual, mut anomalous) = (0, events);
    while anomalous - usual > 1 {
        let middle = usual + (anomalous - usual) / 2;
        if is_anomaly(middle) {
            anomalous = middle;
        } else {
            usual = middle;
        }
    }
    Some(anomalous)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Burst, Rate, Ratio, Streak, Threshold};

    /// 1 to 100 seconds in ms, two of a hundred events failed.
    fn limits(rule: Rule, events: u64) -> Limits {
        let values: Histogram = (1..=100).map(|second| f64::from(second) * 1_000.0).collect();
        let counts = Counts { events: 1_000, bad: 20 };
        rule.limits(&Past { values: &values, mean: 50_500.0, counts, events }, true)
    }

    #[test]
    fn a_value_at_the_limit_is_usual_and_one_beyond_is_not() {
        let values: Histogram = (1..=100).map(|second| f64::from(second) * 1_000.0).collect();
        let rule = Percentile { both: true, ..Percentile::default() };
        let Limits { low: Some(low), high: Some(high) } = limits(Rule::Percentile(rule), 5) else { panic!() };
        let is_anomaly =
            |value: f64| matches!(rule.judge_event(value, &values, 50_500.0), Verdict::Anomalous(_));
        assert!(!is_anomaly(high) && is_anomaly(high * 1.000_001), "{high}");
        assert!(!is_anomaly(low) && is_anomaly(low * 0.999_999), "{low}");
        let one_sided = limits(Rule::Percentile(Percentile::default()), 5);
        assert_eq!(one_sided, Limits { low: None, high: Some(high) });
    }

    #[test]
    fn the_limit_of_a_rate_depends_on_the_events_of_the_window() {
        let former = Counts { events: 1_000, bad: 20 };
        for events in [20, 50, 400] {
            let Some(high) = limits(Rule::Rate(Rate::default()), events).high else { panic!("{events}") };
            let bad = (high * events as f64).round() as u64;
            let is_anomaly = |bad: u64| {
                matches!(Rate::default().judge(Counts { events, bad }, former), Verdict::Anomalous(_))
            };
            assert!(!is_anomaly(bad) && is_anomaly(bad + 1), "{events}: {high}");
        }
        assert_eq!(limits(Rule::Rate(Rate::default()), 0), Limits::default());
        assert_eq!(limits(Rule::Rate(Rate::default()), 19), Limits::default(), "too few to judge");
    }

    #[test]
    fn each_rule_shows_the_sides_that_it_judges() {
        let both = Ratio { above: Some(5.0), ..Ratio::default() };
        let threshold =
            |direction| Rule::Threshold(Threshold { warning: Some(90.0), critical: None, direction });
        for (rule, low, high) in [
            (Rule::Ratio(Ratio::default()), Some(5_050.0), None),
            (Rule::Ratio(both), Some(5_050.0), Some(252_500.0)),
            (threshold(Side::Above), None, Some(90.0)),
            (threshold(Side::Below), Some(90.0), None),
            (Rule::Burst(Burst::default()), None, Some(9.0)),
            (Rule::Streak(Streak::default()), None, None),
        ] {
            assert_eq!(limits(rule, 40), Limits { low, high }, "{rule:?}");
        }
    }

    #[test]
    fn too_little_is_no_limit() {
        let values: Histogram = [(Histogram::key(5.0), 3)].into_iter().collect();
        let past = Past { values: &values, mean: 5.0, counts: Counts { events: 3, bad: 0 }, events: 40 };
        for rule in [
            Rule::Percentile(Percentile::default()),
            Rule::Percentile(Percentile { of: Of::Window, ..Percentile::default() }),
            Rule::Ratio(Ratio::default()),
            Rule::Rate(Rate::default()),
        ] {
            assert_eq!(rule.limits(&past, false), Limits::default(), "{rule:?}");
        }
        // A number of events is no limit of a duration.
        assert_eq!(Rule::Burst(Burst::default()).limits(&past, false), Limits::default());
    }

    #[test]
    fn of_two_rules_the_narrower_limits_hold() {
        let (one, other) =
            (Limits { low: Some(1.0), high: Some(9.0) }, Limits { low: Some(2.0), high: None });
        assert_eq!(one.and(other), Limits { low: Some(2.0), high: Some(9.0) });
        assert_eq!(
            other.and(Limits { low: None, high: Some(5.0) }),
            Limits { low: Some(2.0), high: Some(5.0) }
        );
    }
}
