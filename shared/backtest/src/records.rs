//! The records of odd hours.

use catalog::MetricSpec;
use detection::ensemble::{Assessment, Condition, Nearest, Standing, View};
use detection::text::{describe, usual};
use detection::{Calendar, Comparison, Direction, Hour, Settings, Severity, TimeZone, Verdict};

use crate::flagged::{Flagged, Outcome};

/// How hours are told to people.
#[derive(Clone, Copy)]
pub(crate) struct InWords<'a> {
    pub(crate) unit: &'a str,
    pub(crate) zone: &'a TimeZone,
}

/// The record of an anomaly.
pub(crate) fn anomaly(
    assessment: &Assessment,
    newest: Hour,
    outcome: Outcome,
    told: &InWords<'_>,
) -> Option<Flagged> {
    let Verdict::Anomalous(finding) = assessment.verdict else { return None };
    Some(Flagged {
        at: newest.plus(1).start(),
        direction: finding.direction,
        severity: finding.severity,
        score: assessment.score,
        hours: assessment.hours,
        value: finding.comparison.current,
        expected: assessment.expected,
        outcome,
        nearest: assessment.nearest,
        sentence: told.sentence(assessment, newest),
    })
}

/// The record of an hour whose largest score a condition kept from being an anomaly.
pub(crate) fn kept_out(
    assessment: &Assessment,
    newest: Hour,
    settings: &Settings,
    told: &InWords<'_>,
) -> Option<Flagged> {
    let Verdict::Normal(comparison) = assessment.verdict else { return None };
    let is_kept_out = |view: &&View| {
        matches!(view.standing, Standing::TooSmall | Standing::UsualAtOtherHours)
            && view.opinion.score.abs() >= view.stored
    };
    let size = |view: &View| view.in_thresholds().abs();
    let kept_out = assessment.views.iter().filter(is_kept_out);
    let view = kept_out.max_by(|a, b| size(a).total_cmp(&size(b)))?;
    let shown = Assessment {
        verdict: Verdict::Normal(Comparison { current: view.value, ..comparison }),
        hours: view.hours(),
        expected: view.expected,
        ..assessment.clone()
    };
    let is_small = view.standing == Standing::TooSmall;
    Some(Flagged {
        at: newest.plus(1).start(),
        direction: Direction::of(view.opinion.score),
        severity: if size(view) >= 1.0 { Severity::Critical } else { Severity::Warning },
        score: view.in_thresholds(),
        hours: view.hours(),
        value: view.value,
        expected: view.expected,
        outcome: if is_small { Outcome::TooSmall } else { Outcome::UsualAtOtherHours },
        nearest: is_small.then(|| missed_floor(view, settings)),
        sentence: told.sentence(&shown, newest),
    })
}

/// The record of a first use. It belongs to no incident, so it pages nobody.
pub(crate) fn first_use(assessment: &Assessment, newest: Hour, spec: &MetricSpec) -> Option<Flagged> {
    let Verdict::Anomalous(finding) = assessment.verdict else { return None };
    finding.comparison.is_new_usage().then(|| Flagged {
        at: newest.plus(1).start(),
        direction: finding.direction,
        severity: finding.severity,
        score: 0.0,
        hours: Calendar::HOURS,
        value: finding.comparison.current,
        expected: 0.0,
        outcome: Outcome::FirstUse,
        nearest: None,
        sentence: describe::sentence(spec.name.as_str(), &spec.unit, &finding),
    })
}

impl InWords<'_> {
    fn sentence(&self, assessment: &Assessment, newest: Hour) -> String {
        usual::sentence(assessment, self.unit, newest, self.zone).unwrap_or_default()
    }
}

/// The floor that a change is below.
fn missed_floor(view: &View, settings: &Settings) -> Nearest {
    let (change, floors) = ((view.value - view.expected).abs(), settings.floors());
    let least = floors.min_change_of(view.hours());
    if change < least {
        return Nearest { condition: Condition::MinChange, figure: change, limit: least };
    }
    // Without an expectation any change is large enough for the relative floor.
    let figure = if view.expected == 0.0 { 0.0 } else { change / view.expected.abs() };
    Nearest { condition: Condition::MinRelativeChange, figure, limit: floors.min_relative_change() }
}
