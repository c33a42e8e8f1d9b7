//! One direction of a series, from incident to incident.

use detection::ensemble::Assessment;
use detection::incident::{
    self, Around, Event, Incident, Observation, Occurrence, Rules, Seen, Step, Subject, advance, recurs,
};
use detection::{Calendar, Direction, Hour, Mute, Settings, TimeZone, Verdict};

use crate::flagged::Outcome;

/// The incidents of one direction of a series so far.
pub(crate) struct Course {
    subject: Subject,
    /// Oldest first. Only the last one changes.
    incidents: Vec<Incident>,
    /// Messages about ends.
    ends: usize,
}

impl Course {
    pub(crate) fn new(subject: Subject) -> Self {
        Self { subject, incidents: Vec::new(), ends: 0 }
    }

    pub(crate) fn direction(&self) -> Direction {
        self.subject.direction
    }

    pub(crate) fn ends(&self) -> usize {
        self.ends
    }

    /// Whether an hour stays out of the model of a day.
    pub(crate) fn leaves_baseline(&self, hour: Hour, day: Hour) -> bool {
        let end = day.plus(Calendar::HOURS as i64).start();
        let mut out = self.incidents.iter().filter_map(|of| incident::hours(of, end));
        out.any(|hours| incident::stays_out(&hours, hour, day))
    }

    pub(crate) fn has_incidents(&self) -> bool {
        !self.incidents.is_empty()
    }

    /// What the incidents see in an assessment of the windows that end with the hour `newest`.
    pub(crate) fn observe(&self, assessment: &Assessment, settings: &Settings, newest: Hour) -> Observation {
        let latest = self.incidents.last().map(incident::Course::of);
        let end = newest.plus(1).start();
        Observation::of_assessment(assessment, settings, end, self.direction(), latest.as_ref())
    }

    /// What becomes of an assessment and its observation. `None` for an hour that is no anomaly of this direction.
    pub(crate) fn see(
        &mut self,
        assessment: &Assessment,
        observation: &Observation,
        mute: Option<&Mute>,
        rules: &Rules,
        zone: &TimeZone,
    ) -> Option<Outcome> {
        let latest = self.incidents.last();
        let step = |recurring| {
            let around = Around { recurring, ..Around::muted(mute.is_some()) };
            advance(latest, &self.subject, observation, &around, rules)
        };
        let mut decided = step(None);
        if let Step::Become { incident, .. } = &decided
            && latest.is_none_or(|latest| latest.opened_at != incident.opened_at)
            && let Some(earlier) = self.repeats(incident, zone)
        {
            decided = step(Some(earlier));
        }
        let Step::Become { mut incident, page } = decided else {
            return self.of_verdict(assessment);
        };
        if let Some(event) = page {
            incident.note_page(event, true, observation);
        }
        let severity = match observation.seen {
            Seen::Anomalous(severity) => Some(severity),
            Seen::Inside | Seen::Between | Seen::Hidden | Seen::Undetermined => None,
        };
        let is_anomalous = severity.is_some();
        let is_mild = incident.notified.is_none() && severity < Some(rules.min_severity);
        let recurring = incident.recurring.filter(|_| incident.notified.is_none());
        self.keep(*incident);
        if !is_anomalous {
            self.ends += usize::from(page.is_some_and(Event::is_closing));
            return self.of_verdict(assessment);
        }
        Some(match (page, recurring, mute) {
            (Some(event), _, _) => Outcome::Paged { event },
            (None, Some(earlier), _) => Outcome::Recurring { earlier },
            (None, None, Some(mute)) => Outcome::Muted { reason: mute.reason.clone() },
            (None, None, None) if is_mild => Outcome::Warning,
            (None, None, None) => Outcome::GoesOn,
        })
    }

    /// The number of earlier incidents that a new one repeats.
    fn repeats(&self, opened: &Incident, zone: &TimeZone) -> Option<u32> {
        let earlier = self.incidents.iter().map(|incident| (Occurrence::of(incident), false));
        recurs(&Occurrence::of(opened), earlier, zone)
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
            Verdict::Anomalous(finding) if finding.direction == self.direction() => Some(Outcome::StillHolds),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use catalog::IncidentConfig;
    use detection::incident::{Figures, IncidentState};
    use detection::{CustomerId, MetricName, Severity};

    use super::*;

    /// A spike that two windows of an hour have seen, the last one with the hour `newest`.
    pub(crate) fn spike(newest: Hour) -> Course {
        let rules = IncidentConfig::from_env(&environment::Env::of(&[])).unwrap().rules;
        let subject = Subject {
            customer_id: CustomerId::new("acme").unwrap(),
            metric: MetricName::new("calls").unwrap(),
            direction: Direction::Spike,
        };
        let mut course = Course::new(subject);
        for hour in [newest.plus(-1), newest] {
            let seen = Seen::Anomalous(Severity::Critical);
            let figures = Figures { current_value: 100.0, ..Figures::NONE };
            let observation =
                Observation { window_end: hour.plus(1).start(), seen, figures, seen_by: 1, change: None };
            let latest = course.incidents.pop();
            let step = advance(latest.as_ref(), &course.subject, &observation, &Around::default(), &rules);
            let Step::Become { incident, .. } = step else { panic!("{step:?}") };
            course.incidents.push(*incident);
        }
        course
    }

    #[test]
    fn the_hours_of_an_incident_stay_out_for_a_week() {
        let newest = Hour::holding("2026-11-21T13:00:00Z".parse().unwrap());
        let mut course = spike(newest);
        let out = |course: &Course, days: i64| -> Vec<i64> {
            let day = newest.plus(24 * days);
            (-3..3).filter(|hour| course.leaves_baseline(newest.plus(*hour), day)).collect()
        };
        assert_eq!(out(&course, 1), [-1, 0]);
        assert_eq!((out(&course, 7), out(&course, 8)), (vec![0], Vec::new()));
        // A longer window that saw it first holds earlier hours.
        course.incidents[0].seen_by = 3;
        assert_eq!(out(&course, 1), [-3, -2, -1, 0]);
        course.incidents[0].state = IncidentState::Accepted;
        assert!(out(&course, 1).is_empty());
    }
}
