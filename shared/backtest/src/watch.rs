//! One series of a customer on its way through the hours.

use std::ops::Range;

use catalog::MetricSpec;
use detection::ensemble::Assessment;
use detection::incident::{Rules, Step, Subject, Watched};
use detection::model::Profile;
use detection::{
    Calendar, CustomerId, Direction, Hour, Hours, Model, Reason, Settings, TimeZone, Verdict, Window, assess,
    assess_by,
};
use jiff::Timestamp;

use crate::configuration::Configuration;
use crate::course::{Course, Look};
use crate::flagged::{Flagged, Judged};
use crate::records::{InWords, anomaly, first_use, kept_out};
use crate::span::Span;
use crate::usage::{Customer, Series};

/// A series, its incidents, and what was odd so far.
pub(crate) struct Watch<'a> {
    customer: &'a CustomerId,
    /// The metric's place in the catalog.
    metric: usize,
    spec: &'a MetricSpec,
    settings: &'a Settings,
    configuration: &'a Configuration,
    zone: TimeZone,
    /// The first hour of the customer.
    since: Hour,
    hours: Hours,
    is_muted: bool,
    spikes: Course,
    drops: Course,
    fitted: Option<Fitted>,
    flagged: Vec<Flagged>,
    ends: Vec<Timestamp>,
}

/// The model of a day, and the hours that it is made of.
struct Fitted {
    day: usize,
    /// The hours of incidents that it leaves out.
    out: Vec<Range<Hour>>,
    hours: Hours,
    model: Model,
}

impl<'a> Watch<'a> {
    /// `None` for a metric that the catalog does not have.
    pub(crate) fn new(
        span: Span,
        configuration: &'a Configuration,
        customer: &'a Customer,
        series: &Series,
    ) -> Option<Self> {
        let spec = configuration.metrics().get(series.metric)?;
        let settings = configuration.settings_of(&customer.id).get(series.metric)?;
        let since = span.hour(customer.first_known());
        let hours = spec.hours(span.first, &series.values, since);
        let muted = configuration.muted_hours(&customer.id, &spec.name, span.first, series.values.len());
        let is_muted = muted.is_some();
        let hours = match muted {
            None => hours,
            Some(muted) => hours.muted_at(span.first, &muted),
        };
        let course = |direction| {
            Course::new(Subject {
                customer_id: customer.id.clone(),
                entity: None,
                metric: spec.name.clone(),
                direction,
            })
        };
        Some(Self {
            customer: &customer.id,
            metric: series.metric,
            spec,
            settings,
            configuration,
            zone: configuration.zone_of(&customer.id).cloned().unwrap_or_default(),
            since,
            hours,
            is_muted,
            spikes: course(Direction::Spike),
            drops: course(Direction::Drop),
            fitted: None,
            flagged: Vec::new(),
            ends: Vec::new(),
        })
    }

    pub(crate) fn metric(&self) -> usize {
        self.metric
    }

    pub(crate) fn unit(&self) -> &'a str {
        &self.spec.unit
    }

    pub(crate) fn judged(self) -> Judged {
        let Self { customer, metric, flagged, ends, .. } = self;
        Judged { customer: customer.clone(), metric, flagged, ends }
    }

    /// The assessment of the windows that end with the hour `newest`.
    ///
    /// * `day`: the number of the day that holds the hour, and its calendar.
    pub(crate) fn assess(
        &mut self,
        newest: Hour,
        (day, calendar): (usize, &Calendar),
        peers: &Profile,
    ) -> Assessment {
        let out = self.left_out(newest, calendar.day());
        let known = self.fitted.take().filter(|known| known.day == day && known.out == out);
        let fitted = known.unwrap_or_else(|| Fitted::new(day, out, &self.hours, (calendar, peers)));
        let (since, settings) = (self.since, self.settings);
        let mut assessment = assess_by(&fitted.model, &fitted.hours, newest, since, settings);
        // A young series may have no other hours than muted ones, or those of incidents. Then they count, as in a run.
        if self.is_muted && knows_nothing(&assessment) {
            assessment = assess(&fitted.hours, newest, since, calendar, peers, settings);
        }
        let is_young = assessment.verdict == Verdict::Undetermined(Reason::InsufficientData);
        if is_young && !fitted.out.is_empty() {
            assessment = assess(&self.hours, newest, since, calendar, peers, settings);
        }
        self.fitted = Some(fitted);
        assessment
    }

    /// The hours of incidents that the model of a day leaves out when the hour `newest` is judged, and those that people
    /// confirmed.
    fn left_out(&self, newest: Hour, day: Hour) -> Vec<Range<Hour>> {
        let of_incidents = [&self.spikes, &self.drops].into_iter().flat_map(|of| of.left_out(newest, day));
        let confirmed = self.configuration.left_out(self.customer, &self.spec.name).iter();
        let confirmed = confirmed.map(|hours| hours.start..hours.end.min(day));
        of_incidents.chain(confirmed.filter(|hours| !hours.is_empty())).collect()
    }

    /// What the incidents of a direction have to do with an assessment. `None` if it is no anomaly of this direction, and no
    /// incident is active.
    pub(crate) fn look(
        &self,
        direction: Direction,
        assessment: &Assessment,
        newest: Hour,
        configuration: &'a Configuration,
    ) -> Option<Look<'a>> {
        let mute = || configuration.mute(self.customer, &self.spec.name, &window(newest)?);
        let is_first_use =
            first_use(assessment, newest, self.spec).is_some_and(|of| of.direction == direction);
        if is_first_use {
            return None;
        }
        self.course(direction).look(
            assessment,
            self.settings,
            newest,
            mute,
            (configuration.rules(), &self.zone),
        )
    }

    /// The series as a decision sees it.
    pub(crate) fn seen<'b>(&'b self, direction: Direction, look: Option<&'b Look<'_>>) -> Watched<'b> {
        self.course(direction).watched(look)
    }

    /// Notes what became of the hour in a direction.
    pub(crate) fn note(
        &mut self,
        direction: Direction,
        newest: Hour,
        assessment: &Assessment,
        decided: Option<(Look<'_>, Step)>,
        (rules, told): (&Rules, &InWords<'_>),
    ) {
        if let Some(first) = first_use(assessment, newest, self.spec).filter(|of| of.direction == direction) {
            self.flagged.push(first);
            return;
        }
        let configuration = self.configuration;
        let course = match direction {
            Direction::Spike => &mut self.spikes,
            Direction::Drop => &mut self.drops,
        };
        let became = course.take(assessment, decided, rules, |incident| configuration.accepts(incident));
        self.flagged.extend(became.outcome.and_then(|outcome| anomaly(assessment, newest, outcome, told)));
        if became.is_over {
            self.ends.push(newest.plus(1).start());
        }
    }

    /// Notes an hour whose largest score a condition kept from being an anomaly.
    pub(crate) fn note_kept_out(&mut self, assessment: &Assessment, newest: Hour, told: &InWords<'_>) {
        self.flagged.extend(kept_out(assessment, newest, self.settings, told));
    }

    fn course(&self, direction: Direction) -> &Course {
        match direction {
            Direction::Spike => &self.spikes,
            Direction::Drop => &self.drops,
        }
    }
}

impl Fitted {
    fn new(
        day: usize,
        out: Vec<Range<Hour>>,
        hours: &Hours,
        (calendar, peers): (&Calendar, &Profile),
    ) -> Self {
        let hours = baseline(hours, &out);
        let model = Model::fit(&hours, calendar, peers);
        Self { day, out, hours, model }
    }
}

/// The hours that a model is made of.
fn baseline(hours: &Hours, out: &[Range<Hour>]) -> Hours {
    match out {
        [] => hours.clone(),
        out => hours.clone().without(|hour| out.iter().any(|of_incident| of_incident.contains(&hour))),
    }
}

/// Whether too little is known for a verdict.
fn knows_nothing(assessment: &Assessment) -> bool {
    matches!(assessment.verdict, Verdict::Undetermined(Reason::InsufficientData | Reason::NoData))
}

/// The window of an hour. Hours before it that were muted count in no window.
fn window(newest: Hour) -> Option<Window> {
    Window::between(newest.start(), newest.plus(1).start()).ok()
}

#[cfg(test)]
mod tests {
    use detection::Aggregate;

    use super::*;

    #[test]
    fn no_model_is_made_of_the_hours_of_an_incident() {
        let first = Hour::holding("2026-11-01T00:00:00Z".parse().unwrap());
        let values: Vec<_> = (0..20 * Calendar::HOURS).map(|hour| Some(hour as f64)).collect();
        let hours = Hours::new(Aggregate::Count, true, first, &values);
        let of = |from: i64, until: i64| first.plus(from)..first.plus(until);
        let made_of = baseline(&hours, &[of(40, 42), of(44, 45)]);
        let is_out = |hour: Hour| [40, 41, 44].contains(&hour.since(first));
        // As texts, because a gap is not equal to itself.
        assert_eq!(format!("{made_of:?}"), format!("{:?}", hours.without(is_out)));
    }
}
