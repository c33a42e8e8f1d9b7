//! Actions of people on an incident.

use jiff::Timestamp;

use super::model::{Event, Incident, IncidentState};
use crate::{Action, Deed, FeedbackKind};

/// The effect of an action on an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Handled {
    /// It is in the wanted state.
    Already,
    /// The incident's state does not allow the action.
    Refused,
    /// Nothing of the incident changes. People who were paged about it are told of the feedback, if it is news.
    Said(Option<Event>),
    /// The new incident, and the event to send to the people who were paged.
    Become { incident: Box<Incident>, page: Option<Event> },
}

impl Incident {
    /// The effect of an action or a feedback at `now`.
    ///
    /// A resolved incident stays resolved while the deviation goes on, because the next runs would find the same
    /// anomaly for the rest of the day. Only a deviation that doubles, or that ends and comes back, opens an incident
    /// again.
    ///
    /// Feedback changes the state of an open incident only, except that a level becomes normal at any time: a false alarm is
    /// resolved, and what was expected is acknowledged. A confirmation is told at any time, because people often find out what
    /// it was after its end.
    pub fn after(&self, deed: impl Into<Deed>, now: Timestamp) -> Handled {
        match deed.into() {
            Deed::Action(action) => self.after_action(action, now),
            Deed::Feedback(FeedbackKind::NewNormal) => self.accepted(now),
            Deed::Feedback(FeedbackKind::FalseAlarm) if self.is_open() => {
                self.after_action(Action::Resolve, now)
            }
            Deed::Feedback(FeedbackKind::Expected) if self.is_open() => {
                self.after_action(Action::Acknowledge, now)
            }
            Deed::Feedback(FeedbackKind::Confirmed) => {
                // By a page of its own or by a digest.
                Handled::Said(self.last_page.map(|_| Event::Confirmed))
            }
            Deed::Feedback(FeedbackKind::FalseAlarm | FeedbackKind::Expected) => Handled::Already,
        }
    }

    /// The incident when its level becomes normal, as it does by itself when the level has lasted for long.
    fn accepted(&self, now: Timestamp) -> Handled {
        if self.state == IncidentState::Accepted {
            return Handled::Already;
        }
        let accepted = Self {
            state: IncidentState::Accepted,
            closed_at: if self.is_open() { Some(now) } else { self.closed_at },
            level: self.latest.deviation(),
            notified: None,
            alerting: false,
            ..self.clone()
        };
        let page = self.alerting.then_some(Event::Accepted);
        Handled::Become { incident: Box::new(accepted), page }
    }

    fn after_action(&self, action: Action, now: Timestamp) -> Handled {
        let changed = |state, page: Option<Event>| {
            let mut incident = Self { state, ..self.clone() };
            if state == IncidentState::Resolved {
                incident.closed_at = Some(now);
                (incident.notified, incident.alerting) = (None, false);
            }
            if !self.is_open() {
                (incident.closed_at, incident.over_at, incident.unjudged_since) = (None, None, None);
                incident.recovery = 0;
                incident.level_since = self.last_window;
                incident.level_at_start = Some(self.latest.deviation());
                // The person who reopens it knows of it.
                incident.notified = Some(self.severity);
            }
            Handled::Become { incident: Box::new(incident), page: page.filter(|_| self.alerting) }
        };
        match (self.state, action) {
            (IncidentState::Open, Action::Acknowledge) => {
                changed(IncidentState::Acknowledged, Some(Event::Acknowledged))
            }
            (IncidentState::Open | IncidentState::Acknowledged, Action::Resolve) => {
                changed(IncidentState::Resolved, Some(Event::Resolved))
            }
            (IncidentState::Open, Action::Reopen)
            | (IncidentState::Acknowledged, Action::Acknowledge)
            | (IncidentState::Resolved, Action::Resolve) => Handled::Already,
            (_, Action::Reopen) => changed(IncidentState::Open, None),
            (
                IncidentState::Resolved | IncidentState::Accepted | IncidentState::Stale,
                Action::Acknowledge,
            )
            | (IncidentState::Accepted | IncidentState::Stale, Action::Resolve) => Handled::Refused,
        }
    }
}
