//! What people do with an incident.

use jiff::Timestamp;

use super::model::{Event, Incident, IncidentState};
use crate::Action;

/// What an action makes of an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Handled {
    /// It is in the wanted state.
    Already,
    /// The action makes no sense in its state.
    Refused,
    /// The incident as it is from now on, and what is to be told to those who were paged.
    Become { incident: Box<Incident>, page: Option<Event> },
}

impl Incident {
    /// What an action at `now` makes of it.
    ///
    /// What a person has resolved stays resolved while the deviation goes on: the next runs would find the same anomaly
    /// for the rest of the day. Only one that doubles, or that ends and comes back, opens an incident again.
    pub fn after(&self, action: Action, now: Timestamp) -> Handled {
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
                // Whoever reopens it knows of it.
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
