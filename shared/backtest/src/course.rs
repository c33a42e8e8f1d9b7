//! One direction of a series, from incident to incident.

use std::ops::Range;

use detection::ensemble::Assessment;
use detection::incident::{
    self, Event, Handled, Incident, OUT_DAYS, Observation, Occurrence, Rules, Seen, Step, Subject, Watched,
    recurs,
};
use detection::{Calendar, FeedbackKind, Hour, Mute, Settings, TimeZone, Verdict};

use crate::flagged::Outcome;

/// The incidents of one direction of a series so far.
pub(crate) struct Course {
    subject: Subject,
    /// Oldest first. Only the last one changes.
    incidents: Vec<Incident>,
}

/// An hour that is an anomaly, or that may change an incident.
pub(crate) struct Look<'a> {
    observation: Observation,
    mute: Option<&'a Mute>,
    /// How many earlier incidents an opening repeats.
    recurring: Option<u32>,
}

/// What an hour has come to.
#[derive(Default)]
pub(crate) struct Became {
    /// `None` for an hour that is no anomaly of this direction.
    pub(crate) outcome: Option<Outcome>,
    /// Whether people are told that an incident is over.
    pub(crate) is_over: bool,
}

impl Course {
    pub(crate) fn new(subject: Subject) -> Self {
        Self { subject, incidents: Vec::new() }
    }

    /// The hours that the model of a day leaves out when the hour `newest` is judged.
    pub(crate) fn left_out(&self, newest: Hour, day: Hour) -> impl Iterator<Item = Range<Hour>> {
        let (window_end, oldest) = (newest.plus(1).start(), day.plus(-OUT_DAYS * Calendar::HOURS as i64));
        let hours = self.incidents.iter().filter_map(move |of| incident::hours(of, window_end));
        // A model knows no hour of its own day.
        hours.map(move |hours| hours.start.max(oldest)..hours.end.min(day)).filter(|hours| !hours.is_empty())
    }

    /// What the incidents see in an assessment of the windows that end with the hour `newest`. As in a run, an hour counts
    /// that is anomalous, and each hour of an active incident.
    pub(crate) fn look<'a>(
        &self,
        assessment: &Assessment,
        settings: &Settings,
        newest: Hour,
        mute: impl FnOnce() -> Option<&'a Mute>,
        (rules, zone): (&Rules, &TimeZone),
    ) -> Option<Look<'a>> {
        let latest = self.incidents.last();
        let (course, end) = (latest.map(incident::Course::of), newest.plus(1).start());
        let direction = self.subject.direction;
        let observation = Observation::of_assessment(assessment, settings, end, direction, course.as_ref());
        let is_active = latest.is_some_and(|latest| latest.over_at.is_none());
        if !is_active && !matches!(observation.seen, Seen::Anomalous(_)) {
            return None;
        }
        let look = Look { observation, mute: mute(), recurring: None };
        let recurring = self.watched(Some(&look)).opens(rules).then(|| self.repeats(&observation, zone));
        Some(Look { recurring: recurring.flatten(), ..look })
    }

    /// The direction as a decision sees it.
    pub(crate) fn watched<'a>(&'a self, look: Option<&'a Look<'_>>) -> Watched<'a> {
        Watched {
            subject: &self.subject,
            latest: self.incidents.last(),
            observation: look.map(|look| &look.observation),
            muted: look.is_some_and(|look| look.mute.is_some()),
            recurring: look.and_then(|look| look.recurring),
        }
    }

    /// Takes what was decided about an hour.
    ///
    /// * `accepts`: whether people took the level of an incident for normal.
    pub(crate) fn take(
        &mut self,
        assessment: &Assessment,
        decided: Option<(Look<'_>, Step)>,
        rules: &Rules,
        accepts: impl Fn(&Incident) -> bool,
    ) -> Became {
        let still_holds = || Became { outcome: self.of_verdict(assessment), is_over: false };
        let Some((look, Step::Become { mut incident, mut page })) = decided else { return still_holds() };
        if accepts(&incident)
            && let Handled::Become { incident: normal, .. } =
                incident.after(FeedbackKind::NewNormal, look.observation.window_end)
        {
            (incident, page) = (normal, None);
        }
        if let Some(event) = page {
            incident.note_page(event, true, &look.observation);
        }
        let Seen::Anomalous(severity) = look.observation.seen else {
            let is_over = page.is_some_and(Event::is_closing);
            let became = Became { is_over, ..still_holds() };
            self.keep(*incident);
            return became;
        };
        let is_unknown = incident.notified.is_none();
        let recurring = incident.recurring.filter(|_| is_unknown);
        let outcome = match (page, recurring, look.mute) {
            (Some(event), _, _) => Outcome::Paged { event },
            (None, Some(earlier), _) => Outcome::Recurring { earlier },
            (None, None, Some(mute)) => Outcome::Muted { reason: mute.reason.clone() },
            (None, None, None) if is_unknown && severity < rules.min_severity => Outcome::Warning,
            (None, None, None) if is_unknown && incident.story.is_some() => Outcome::WithAnother,
            (None, None, None) => Outcome::GoesOn,
        };
        self.keep(*incident);
        Became { outcome: Some(outcome), is_over: false }
    }

    /// The number of earlier incidents that a new one repeats.
    fn repeats(&self, opening: &Observation, zone: &TimeZone) -> Option<u32> {
        let earlier = self.incidents.iter().map(|incident| (Occurrence::of(incident), false));
        recurs(&Occurrence::opening(opening, self.subject.direction), earlier, zone)
    }

    fn keep(&mut self, incident: Incident) {
        match self.incidents.last_mut() {
            Some(known) if known.opened_at == incident.opened_at => *known = incident,
            _ => self.incidents.push(incident),
        }
    }

    /// Of an anomaly that changes no incident: a long window still holds one that is over.
    fn of_verdict(&self, assessment: &Assessment) -> Option<Outcome> {
        match assessment.verdict {
            Verdict::Anomalous(finding) if finding.direction == self.subject.direction => {
                Some(Outcome::StillHolds)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use detection::incident::{Figures, IncidentState, advance};
    use detection::{CustomerId, Direction, MetricName, Severity};

    use super::*;

    /// A spike that two windows of an hour have seen, the last one with the hour `newest`.
    fn spike(newest: Hour) -> Course {
        let rules = catalog::IncidentConfig::from_env(&environment::Env::of(&[])).unwrap().rules;
        let subject = Subject {
            customer_id: CustomerId::new("acme").unwrap(),
            entity: None,
            metric: MetricName::new("calls").unwrap(),
            direction: Direction::Spike,
        };
        let mut course = Course::new(subject);
        for hour in [newest.plus(-1), newest] {
            let seen = Seen::Anomalous(Severity::Critical);
            let figures = Figures { current_value: 100.0, ..Figures::NONE };
            let observation = Observation {
                window_end: hour.plus(1).start(),
                seen,
                figures,
                seen_by: 1,
                change: None,
                cost: None,
            };
            let latest = course.incidents.pop();
            let step = advance(latest.as_ref(), &course.subject, &observation, &Default::default(), &rules);
            let Step::Become { incident, .. } = step else { panic!("{step:?}") };
            course.incidents.push(*incident);
        }
        course
    }

    #[test]
    fn the_hours_of_an_incident_stay_out_from_a_day_to_a_week_after_it() {
        let newest = Hour::holding("2026-11-21T13:00:00Z".parse().unwrap());
        let mut course = spike(newest);
        let out = |course: &Course, days: i64| -> Vec<i64> {
            let day = newest.plus(24 * days);
            course.left_out(day, day).flat_map(|of| of.start.since(newest)..of.end.since(newest)).collect()
        };
        assert_eq!(out(&course, 1), [-1, 0]);
        assert_eq!((out(&course, 7), out(&course, 8)), (vec![0], Vec::new()));
        // A window that opened an incident is judged by the same model before and after.
        let day = newest.plus(1);
        let is_out = |hours: i64| course.left_out(newest.plus(hours), day).next().is_some();
        assert_eq!([is_out(22), is_out(23)], [false, true]);
        // A longer window that saw it first holds earlier hours.
        course.incidents[0].seen_by = 3;
        assert_eq!(out(&course, 1), [-3, -2, -1, 0]);
        course.incidents[0].state = IncidentState::Accepted;
        assert!(out(&course, 1).is_empty());
    }
}
