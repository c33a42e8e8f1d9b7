//! Judges the hours of a series one after the other, as runs would.

use catalog::MetricSpec;
use detection::ensemble::{Assessment, Condition, Nearest, Standing, View};
use detection::incident::Subject;
use detection::model::{Peers, Profile};
use detection::text::{describe, usual};
use detection::{
    Calendar, Comparison, CustomerId, Direction, Hour, Hours, Model, Reason, Settings, Severity, Verdict,
    Window, assess, assess_by,
};

use crate::configuration::Configuration;
use crate::course::Course;
use crate::days::{Days, DaysByZone};
use crate::flagged::{Flagged, Outcome};
use crate::span::Span;
use crate::usage::{Customer, Series};

/// Customers on their way through a configuration, one by one.
pub struct Replay<'a> {
    span: Span,
    configuration: &'a Configuration,
    peers: &'a Peers,
    days: DaysByZone,
}

/// What was odd of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub customer: CustomerId,
    /// The metric's place in the catalog.
    pub metric: usize,
    /// In the order of time.
    pub flagged: Vec<Flagged>,
    /// Messages about ends of incidents.
    pub ends: usize,
}

impl<'a> Replay<'a> {
    /// * `peers`: of the weeks that the span names.
    pub fn new(span: Span, configuration: &'a Configuration, peers: &'a Peers) -> Self {
        Self { span, configuration, peers, days: DaysByZone::new(span, configuration) }
    }

    /// Judges the series of one customer. Total: any values are judged or left out.
    pub fn customer(&self, customer: &Customer) -> Vec<Judged> {
        let judge = |days: &Days| {
            customer.series.iter().filter_map(|series| self.series(customer, series, days)).collect()
        };
        self.days.with(self.configuration.zone_of(&customer.id), judge)
    }

    /// `None` for a metric that the catalog does not have.
    fn series(&self, customer: &Customer, series: &Series, days: &Days) -> Option<Judged> {
        let Self { span, configuration, .. } = self;
        let spec = configuration.metrics().get(series.metric)?;
        let settings = configuration.settings_of(&customer.id).get(series.metric)?;
        let since = span.hour(customer.first_known());
        let zone = configuration.zone_of(&customer.id).cloned().unwrap_or_default();
        let hours = spec.hours(span.first, &series.values, since);
        let muted = configuration.muted_hours(&customer.id, &spec.name, span.first, series.values.len());
        let is_muted = muted.is_some();
        let hours = match muted {
            None => hours,
            Some(muted) => hours.muted_at(span.first, &muted),
        };
        let mut courses = Direction::BOTH.map(|direction| {
            Course::new(Subject { customer_id: customer.id.clone(), metric: spec.name.clone(), direction })
        });
        let mut known: Option<Fitted> = None;
        let mut flagged = Vec::new();
        for newest in span.judged_hours() {
            let (number, calendar) = days.of(newest)?;
            let peers = self.peers.of(calendar.day(), series.metric);
            let fitted = known.take().filter(|known| known.day == number);
            let fitted = fitted.unwrap_or_else(|| Fitted::new(number, (calendar, peers), &hours, &courses));
            let mut assessment = assess_by(&fitted.model, &fitted.hours, newest, since, settings);
            // A young series may have no other hours than muted ones, or those of incidents. Then they count, as in a run.
            if is_muted && knows_nothing(&assessment) {
                assessment = assess(&fitted.hours, newest, since, calendar, peers, settings);
            }
            if assessment.verdict == Verdict::Undetermined(Reason::InsufficientData)
                && courses.iter().any(Course::has_incidents)
            {
                assessment = assess(&hours, newest, since, calendar, peers, settings);
            }
            known = Some(fitted);
            if let Some(first) = first_use(&assessment, newest, spec) {
                flagged.push(first);
                continue;
            }
            for course in &mut courses {
                let observation = course.observe(&assessment, settings, newest);
                let mute =
                    window(newest).and_then(|window| configuration.mute(&customer.id, &spec.name, &window));
                let outcome = course.see(&assessment, &observation, mute, configuration.rules(), &zone);
                flagged.extend(
                    outcome.and_then(|outcome| self.flagged(&assessment, newest, outcome, &spec.unit)),
                );
            }
            flagged.extend(self.kept_out(&assessment, newest, settings, &spec.unit));
        }
        let ends = courses.iter().map(Course::ends).sum();
        Some(Judged { customer: customer.id.clone(), metric: series.metric, flagged, ends })
    }

    /// The record of an anomaly.
    fn flagged(
        &self,
        assessment: &Assessment,
        newest: Hour,
        outcome: Outcome,
        unit: &str,
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
            sentence: self.sentence(assessment, newest, unit),
        })
    }

    /// The record of an hour whose largest score a condition kept from being an anomaly.
    fn kept_out(
        &self,
        assessment: &Assessment,
        newest: Hour,
        settings: &Settings,
        unit: &str,
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
            sentence: self.sentence(&shown, newest, unit),
        })
    }

    fn sentence(&self, assessment: &Assessment, newest: Hour, unit: &str) -> String {
        usual::sentence(assessment, unit, newest, &self.configuration.zone()).unwrap_or_default()
    }
}

/// The model of a day, and the hours that it is made of.
struct Fitted {
    day: usize,
    hours: Hours,
    model: Model,
}

impl Fitted {
    fn new(
        day: usize,
        (calendar, peers): (&Calendar, &Profile),
        hours: &Hours,
        courses: &[Course; 2],
    ) -> Self {
        let hours = baseline(hours, courses, calendar.day());
        let model = Model::fit(&hours, calendar, peers);
        Self { day, hours, model }
    }
}

/// Whether too little is known for a verdict.
fn knows_nothing(assessment: &Assessment) -> bool {
    matches!(assessment.verdict, Verdict::Undetermined(Reason::InsufficientData | Reason::NoData))
}

/// The record of a first use. It belongs to no incident, so it pages nobody.
fn first_use(assessment: &Assessment, newest: Hour, spec: &MetricSpec) -> Option<Flagged> {
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

/// The hours that the model of a day is made of.
fn baseline(hours: &Hours, courses: &[Course; 2], day: Hour) -> Hours {
    if !courses.iter().any(Course::has_incidents) {
        return hours.clone();
    }
    hours.clone().without(|hour| courses.iter().any(|course| course.leaves_baseline(hour, day)))
}

/// The window of an hour. Hours before it that were muted count in no window.
fn window(newest: Hour) -> Option<Window> {
    Window::between(newest.start(), newest.plus(1).start()).ok()
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

#[cfg(test)]
mod tests {
    use detection::Aggregate;

    use super::*;
    use crate::course::tests::spike;

    #[test]
    fn no_model_is_made_of_the_hours_of_an_incident() {
        let first = Hour::holding("2026-11-01T00:00:00Z".parse().unwrap());
        let values: Vec<_> = (0..20 * Calendar::HOURS).map(|hour| Some(hour as f64)).collect();
        let hours = Hours::new(Aggregate::Count, true, first, &values);
        let newest = first.plus(19 * 24 + 13);
        let made_of = baseline(&hours, &[spike(newest), spike(newest.plus(3))], first.plus(20 * 24));
        let is_out = |hour: Hour| [-1, 0, 2, 3].contains(&hour.since(newest));
        // As texts, because a gap is not equal to itself.
        assert_eq!(format!("{made_of:?}"), format!("{:?}", hours.without(is_out)));
    }
}
