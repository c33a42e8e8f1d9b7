//! Which anomalies page, and what an incident remembers of its pages.

use jiff::{SignedDuration, Timestamp};

use super::around::Around;
use super::model::{Event, Incident, Page};
use super::observation::{Observation, Seen};
use super::rules::Rules;
use crate::Severity;

impl Incident {
    /// Whether an anomaly of this severity calls for people.
    pub(super) fn is_loud(
        &self,
        severity: Severity,
        window_end: Timestamp,
        around: &Around,
        rules: &Rules,
    ) -> bool {
        severity >= rules.min_severity && !around.muted && !self.is_usual(window_end)
    }

    /// Whether it is a recurring incident that has not lasted for so long that it differs from the earlier ones. A longer
    /// window holds the same cause for longer.
    fn is_usual(&self, window_end: Timestamp) -> bool {
        let quiet = Rules::RECURRING_FOR + SignedDuration::from_hours(i64::from(self.seen_by) - 1);
        self.recurring.is_some() && window_end.duration_since(self.opened_at) < quiet
    }

    /// The page `event` of an incident that nobody was notified of. None where the page of another incident of the
    /// customer tells of this one, too. An incident that is worse than that page escalates.
    pub(super) fn raise(
        &mut self,
        event: Event,
        severity: Severity,
        around: &Around,
        rules: &Rules,
    ) -> Option<Event> {
        match &around.story.told {
            None => Some(event),
            Some(told) if told.severity < severity => Some(Event::Escalated),
            Some(told) => {
                // Both levels become the new normal in the same window.
                let joins = self.story.as_ref() != Some(&told.by);
                if joins && self.level_since.duration_since(told.level_since) <= rules.accept_after / 2 {
                    self.level_since = self.level_since.min(told.level_since);
                }
                self.story = Some(told.by.clone());
                None
            }
        }
    }

    /// Whether the end of an incident that people were paged about waits, because its story goes on.
    pub(super) fn waits(&self, around: &Around) -> bool {
        self.is_open() && self.alerting && around.story.goes_on
    }

    /// Notes that people are paged because of an observation, by a single page (`single`) or a digest.
    pub fn note_page(&mut self, event: Event, single: bool, observation: &Observation) {
        let Observation { window_end, seen, figures, .. } = observation;
        if event.is_closing() {
            self.alerting = false;
            self.notified = None;
        } else {
            if self.notified.is_none() {
                self.starts_level();
            }
            let Seen::Anomalous(severity) = *seen else { return };
            self.notified = Some(severity);
            self.alerting |= single;
            if event != Event::Escalated {
                self.story = None;
            }
            self.level = self.latest.deviation().max(figures.deviation());
        }
        self.last_page = Some(Page { event, window_end: *window_end, single });
    }

    /// Starts the level that may become the new normal.
    pub(super) fn starts_level(&mut self) {
        self.level_since = self.last_window;
        self.level_at_start = Some(self.latest.deviation());
    }

    /// The page of an incident that nobody was notified of. It opens, even if it has grown since, unless people were
    /// told before that it was over.
    pub(super) fn first_page(&self) -> Event {
        if self.last_page.is_some() { Event::Reopened } else { Event::Opened }
    }
}
