//! Rules that hold while nothing is under way, and at the end.

use std::collections::{BTreeMap, BTreeSet};

use detection::incident::{Event, IncidentId, Subject};
use store::{AlertItem, AlertState};

use crate::invariants::{Watch, event_of};
use crate::rule::Rule;
use crate::table::Table;

impl Watch<'_> {
    /// Checks the rules that hold while nothing is under way.
    pub(crate) fn at_rest(&mut self, table: &Table) {
        let mut counts: BTreeMap<&IncidentId, u64> = BTreeMap::new();
        for stored in table.alerts.values() {
            if let AlertItem::Anomaly(item) = &stored.alert {
                match &item.incident_id {
                    Some(incident) => *counts.entry(incident).or_default() += 1,
                    None => self.violated(Rule::Counts, format!("{:?} has no incident", item.anomaly_id)),
                }
            }
            if stored.alert.state() == AlertState::Sent && !self.published.contains_key(stored.alert.id()) {
                let what = format!("{} is marked as sent and was never published", stored.alert.id());
                self.violated(Rule::StateHasPage, what);
            }
        }
        let mut open: BTreeSet<String> = BTreeSet::new();
        for item in table.incidents.values() {
            let (id, found) = (item.id(), counts.remove(&item.id()).unwrap_or(0));
            if item.incident.anomalies != found {
                let what =
                    format!("{id} counts {} anomalies and {found} are stored", item.incident.anomalies);
                self.violated(Rule::Counts, what);
            }
            if item.incident.is_open() && !open.insert(name(&item.incident.subject)) {
                self.violated(Rule::Counts, format!("there are two open incidents like {id}"));
            }
        }
        for incident in counts.keys() {
            self.violated(Rule::Counts, format!("there are anomalies of {incident}, which does not exist"));
        }
    }

    /// Checks the rules that hold after all has been quiet for long enough.
    pub(crate) fn at_the_end(&mut self, table: &Table) {
        self.at_rest(table);
        let mut told: BTreeSet<IncidentId> = BTreeSet::new();
        for stored in table.alerts.values() {
            let alert = &stored.alert;
            let sent = self.published.contains_key(alert.id());
            if alert.state() == AlertState::Pending {
                self.violated(Rule::StateHasPage, format!("{} still waits", alert.id()));
            }
            if let AlertItem::Anomaly(item) = alert
                && item.state.is_open()
            {
                let what = format!("{} is open, and its incident is not", item.anomaly_id);
                self.violated(Rule::AnomaliesClose, what);
            }
            match alert {
                AlertItem::Digest(digest) if sent => {
                    let named =
                        digest.largest.iter().filter_map(|entry| incident_of(table, &entry.anomaly_id));
                    told.extend(named);
                }
                AlertItem::Anomaly(_) | AlertItem::Notice(_) if sent => {
                    let tells = event_of(alert).is_some_and(|event| !event.is_closing());
                    told.extend(alert.incident_id().filter(|_| tells));
                }
                _ => {}
            }
        }
        for incident in &(&self.owed - &told) - &self.reopened {
            self.violated(Rule::Paged, format!("nobody was notified of {incident}"));
        }
        for item in table.incidents.values().filter(|item| item.incident.is_open()) {
            self.violated(Rule::Ends, format!("{} is still open: {:?}", item.id(), item.incident));
        }
        for (incident, mut pages) in self.pages.clone() {
            pages.sort_by_key(|(place, ..)| *place);
            if !alternate(&pages) {
                let what =
                    format!("what was raised is not closed once, or in a wrong order: {incident} {pages:?}");
                self.violated(Rule::Ends, what);
            }
        }
    }
}

/// Whether pages alternate: each page that raises is followed by one that closes, and nothing else is closed.
fn alternate(pages: &[(usize, usize, Event)]) -> bool {
    let mut raised = false;
    for (.., event) in pages {
        let fits = match event {
            // It neither raises nor closes.
            Event::Confirmed => continue,
            Event::Opened | Event::Reopened => !raised,
            Event::Escalated => true,
            Event::Reminder | Event::Accepted | Event::Resolved | Event::Stale | Event::Acknowledged => {
                raised
            }
        };
        if !fits {
            return false;
        }
        raised = !event.is_closing();
    }
    !raised
}

fn incident_of(table: &Table, anomaly: &str) -> Option<IncidentId> {
    let found = table.alerts.values().find(|stored| stored.alert.id() == anomaly)?;
    found.alert.incident_id()
}

fn name(subject: &Subject) -> String {
    format!("{} {} {}", subject.customer_id, subject.metric, subject.direction.as_str())
}
