//! Rules that hold at each change of an incident.

use detection::Window;
use detection::incident::{Incident, IncidentState};
use jiff::Timestamp;
use store::{AlertItem, AlertState, AnomalyItem, IncidentItem};

use crate::invariants::{Actor, Watch, event_of};
use crate::rule::Rule;
use crate::table::Table;

impl Watch<'_> {
    pub(crate) fn changed(
        &mut self,
        run: usize,
        before: Option<&IncidentItem>,
        latest: Option<&IncidentItem>,
        to: &IncidentItem,
        alert: Option<&AlertItem>,
        table: &Table,
    ) {
        let (id, now) = (to.id(), &to.incident);
        if before.is_some_and(|before| to.version <= before.version) {
            self.violated(Rule::Counts, format!("the version of {id} does not grow"));
        }
        if !keeps_texts(before, to, alert) {
            let what = format!("{id} has other texts than it should: {:?}, {:?}", to.description, to.history);
            self.violated(Rule::Texts, what);
        }
        self.touched.insert(id.clone(), (self.scene, run));
        if let Some(alert) = alert {
            self.stored.insert(alert.id().to_owned(), (self.stored.len(), self.scene));
        }
        let window = match &self.actors[run] {
            Actor::Run { window } => *window,
            Actor::Phantom => {
                return self
                    .violated(Rule::GapsAndLateRuns, format!("a run that did not happen changed {id}"));
            }
            Actor::Person => {
                if now.notified.is_some() && before.is_some_and(|before| before.incident.notified.is_none()) {
                    self.reopened.insert(id);
                }
                return;
            }
        };
        let anomaly = match alert {
            Some(AlertItem::Anomaly(item)) => Some(&**item),
            _ => None,
        };
        let newest = window.newest_hours(1).unwrap_or(window);
        let muted = self.world.mutes.mute(&now.subject.metric, &newest).is_some();
        let known = before.or(latest);
        if let Some(known) = known.filter(|known| known.incident.last_window > window.end()) {
            return self.changed_late(known, to, alert, muted, &window, table);
        }
        let before = before.map(|before| &before.incident);
        self.note_quiet(before, now, anomaly.is_some(), window.end());
        if let Some(item) = anomaly
            && item.severity >= self.world.rules.min_severity
            && !muted
            && (now.is_open() || before.is_some_and(Incident::is_open))
        {
            if now.notified.is_some() || now.story.is_none() {
                self.owed.insert(id.clone());
            }
            if now.notified.is_none() && now.is_open() {
                match now.story {
                    Some(_) => self.told_by_another(before, now, &window, table),
                    None => self.violated(
                        Rule::Paged,
                        format!("{id} is critical and its state says that nobody is told"),
                    ),
                }
            }
        }
        if now.last_page != before.and_then(|before| before.last_page) {
            self.tells_once(run, now, anomaly, &window, table);
            self.paged(now, alert, anomaly, muted, &window, table);
        }
    }

    /// Checks a window that is older than the newest of its incident. It counts. Severity and peak may rise. People who
    /// do not know of the severity are notified. Nothing else changes.
    fn changed_late(
        &mut self,
        known: &IncidentItem,
        to: &IncidentItem,
        alert: Option<&AlertItem>,
        muted: bool,
        window: &Window,
        table: &Table,
    ) {
        let (id, before, now) = (to.id(), &known.incident, &to.incident);
        let Some(AlertItem::Anomaly(item)) = alert else {
            return self.violated(Rule::LateWindows, format!("a late run changed {id} without an anomaly"));
        };
        let peak = [before.peak_z_score, item.evidence.figures.z_score];
        let peak = if peak[1].abs() > peak[0].abs() { peak[1] } else { peak[0] };
        let (severity, count) = (before.severity.max(item.severity), before.anomalies + 1);
        if (now.severity, now.peak_z_score, now.anomalies) != (severity, peak, count) {
            let what = format!("a late run for {} made {now:?} of {before:?}", window.end());
            self.violated(Rule::LateWindows, what);
        }
        let known_to = if before.is_open() { before.notified } else { Some(before.severity) };
        let must_know = known_to.is_none_or(|severity| severity < item.severity)
            && item.severity >= self.world.rules.min_severity
            && !muted;
        if must_know {
            if now.notified.is_none() && now.story.is_some() {
                let open = Some(before).filter(|before| before.is_open());
                self.told_by_another(open, now, window, table);
            } else {
                self.owed.insert(id.clone());
                if !now.is_open() || now.notified != Some(item.severity) {
                    self.violated(Rule::Paged, format!("{id} is late and critical, and nobody is told"));
                }
            }
            if now.last_page != before.last_page {
                let run = self.touched.get(&id).map_or(0, |(_, run)| *run);
                self.tells_once(run, now, Some(item), window, table);
                self.paged(now, alert, Some(item), muted, window, table);
            }
            if !before.is_open() {
                self.quiet.remove(&id);
            }
            return;
        }
        // The window that saw the incident at its highest severity is told, with its change.
        let seen = if item.severity >= before.severity { now } else { before };
        let (seen_by, change) = (seen.seen_by, seen.change);
        let expected =
            Incident { severity, peak_z_score: peak, anomalies: count, seen_by, change, ..before.clone() };
        if *now != expected || to.description != known.description {
            let what = format!("a late run for {} changed {id} from {known:?} to {to:?}", window.end());
            self.violated(Rule::GapsAndLateRuns, what);
        }
    }

    /// Counts the windows back inside independently, and checks the ends that they cause.
    fn note_quiet(&mut self, before: Option<&Incident>, now: &Incident, anomalous: bool, end: Timestamp) {
        let quiet = self.quiet.entry(now.id()).or_default();
        if anomalous || now.recovery == 0 {
            quiet.clear();
        } else {
            quiet.insert(end);
        }
        let ended = before.is_some_and(Incident::is_open) && now.state == IncidentState::Resolved;
        if ended && quiet.len() < self.world.rules.resolve_after as usize {
            let what = format!("{} is resolved after {} quiet runs", now.id(), quiet.len());
            self.violated(Rule::GapsAndLateRuns, what);
        }
    }

    /// Checks a page about an incident. It is stored with the incident, or in a digest that names the incident.
    fn paged(
        &mut self,
        now: &Incident,
        alert: Option<&AlertItem>,
        anomaly: Option<&AnomalyItem>,
        muted: bool,
        window: &Window,
        table: &Table,
    ) {
        let Some(page) = now.last_page else {
            return self.violated(Rule::StateHasPage, format!("{} forgot its last page", now.id()));
        };
        if muted && !page.event.is_closing() {
            let what = format!("people are told that {} is {}", now.id(), page.event.as_str());
            self.violated(Rule::Muted, what);
        }
        let told = match (page.single, anomaly) {
            (true, _) => alert.is_some_and(|alert| {
                alert.state() == AlertState::Pending
                    && event_of(alert).is_some_and(|event| event == page.event)
            }),
            (false, Some(anomaly)) => table.digests().any(|digest| {
                let named =
                    || digest.largest.iter().any(|entry| entry.anomaly_id == anomaly.anomaly_id.as_str());
                digest.detected_at == window.end().as_millisecond()
                    && (digest.held_back > digest.largest.len() as u64 || named())
            }),
            (false, None) => false,
        };
        if !told {
            let what = format!("{} says {page:?}, and nothing that is stored tells of it", now.id());
            self.violated(Rule::StateHasPage, what);
        }
    }
}

/// Whether an incident describes its newest anomaly and still has all actions of people.
fn keeps_texts(before: Option<&IncidentItem>, to: &IncidentItem, alert: Option<&AlertItem>) -> bool {
    let description = match alert {
        Some(AlertItem::Anomaly(item)) if item.window_end == to.incident.last_seen.as_millisecond() => {
            Some(&item.description)
        }
        _ => before.map(|before| &before.description),
    };
    description.is_none_or(|description| to.description == *description)
        && before.is_none_or(|before| to.history.starts_with(&before.history))
}
