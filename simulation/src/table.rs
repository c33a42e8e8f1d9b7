//! The model of the table and the topic. Each call has exactly the conditions of the store.
//!
//! Items are in place at once. The two indexes show them later. DynamoDB makes no promise about the delay.

use std::collections::BTreeMap;
use std::mem;

use detection::incident::{Incident, IncidentId, Subject};
use detection::{CustomerId, State};
use jiff::Timestamp;
use messaging::alerts::Pace;
use store::{AlertItem, AlertState, Changed, Claim, Digest, Former, IncidentItem, Pending, Recorded};

use crate::bugs::Bug;

pub type Key = (String, String);

/// Everything that outlives a run.
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub alerts: BTreeMap<Key, Stored>,
    pub incidents: BTreeMap<Key, IncidentItem>,
    /// The window up to which all hours are judged. Runs look for missed hours from here.
    pub judged_until: Option<Timestamp>,
    /// What was published, in its order.
    pub topic: Vec<AlertItem>,
    incidents_index: Index<IncidentItem>,
    pending_index: Index<AlertItem>,
    /// The effects of the last calls, for the checks.
    pub effects: Vec<Effect>,
    pub bug: Option<Bug>,
}

/// An anomaly, notice or digest with what its item says about sending it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub alert: AlertItem,
    claim: Option<(i64, String)>,
}

/// A sparse index: its visible entries, and the entries that are not visible yet.
#[derive(Clone, Debug)]
struct Index<T> {
    shown: BTreeMap<Key, T>,
    to_come: Vec<(i64, Key, Option<T>)>,
}

/// A change that a call has made.
#[derive(Clone, Debug)]
pub enum Effect {
    Changed {
        before: Option<Box<IncidentItem>>,
        latest: Option<Box<IncidentItem>>,
        to: Box<IncidentItem>,
        alert: Option<AlertItem>,
    },
    Published(AlertItem),
    Marked(String),
}

/// A change of an incident as the store gets it.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub from: Option<Former>,
    pub to: IncidentItem,
    pub alert: Option<AlertItem>,
    /// An incident that must be open.
    pub told_by: Option<Former>,
}

/// The caller and the time of a call, and how far the indexes are behind. All in milliseconds.
#[derive(Clone, Debug)]
pub struct By {
    pub run: String,
    pub now: i64,
    pub lag: i64,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self { shown: BTreeMap::new(), to_come: Vec::new() }
    }
}

impl<T> Index<T> {
    fn follow(&mut self, key: Key, item: Option<T>, by: &By) {
        // Changes of one item become visible in their order.
        let before = self.to_come.iter().filter(|(_, other, _)| *other == key).map(|(due, ..)| *due).max();
        self.to_come.push(((by.now + by.lag).max(before.unwrap_or(0)), key, item));
    }

    fn at(&mut self, now: i64) -> &BTreeMap<Key, T> {
        for (due, key, item) in mem::take(&mut self.to_come) {
            if due > now {
                self.to_come.push((due, key, item));
            } else if let Some(item) = item {
                self.shown.insert(key, item);
            } else {
                self.shown.remove(&key);
            }
        }
        &self.shown
    }
}

impl Table {
    pub fn incidents_since(&mut self, from: Timestamp, now: Timestamp, by: &By) -> Vec<IncidentItem> {
        let shown = self.incidents_index.at(by.now).values();
        let wanted = |item: &&IncidentItem| item.incident.last_window >= from && item.ttl >= now.as_second();
        shown.filter(wanted).cloned().collect()
    }

    pub fn pending(&mut self, limit: usize, by: &By) -> Pending {
        if self.bug == Some(Bug::LeftOverNeverSwept) {
            return Pending { alerts: Vec::new(), unreadable: 0 };
        }
        let alerts = self.pending_index.at(by.now).values().take(limit).cloned().collect();
        Pending { alerts, unreadable: 0 }
    }

    pub fn latest_incident(&self, subject: &Subject, now: Timestamp) -> Option<IncidentItem> {
        let open = self.incidents.get(&(partition(&subject.customer_id), open_key(subject)));
        let closed = || {
            let prefix = format!("{}#", open_key(subject));
            let mut of_customer = self.incidents.iter().rev();
            of_customer
                .find(|((pk, sk), _)| *pk == partition(&subject.customer_id) && sk.starts_with(&prefix))
                .map(|(_, item)| item)
        };
        let stands = |item: &&IncidentItem| item.ttl >= now.as_second();
        open.filter(stands).or_else(closed).filter(stands).cloned()
    }

    pub fn closed_incidents(
        &self,
        subject: &Subject,
        since: Timestamp,
        until: Timestamp,
    ) -> Vec<IncidentItem> {
        let is_such = |item: &&IncidentItem| {
            let Incident { subject: of, opened_at, .. } = &item.incident;
            of == subject && !item.incident.is_open() && (since..until).contains(opened_at)
        };
        self.incidents.values().filter(is_such).cloned().collect()
    }

    pub fn incident(&self, id: &IncidentId) -> Option<&IncidentItem> {
        self.incidents.values().find(|item| item.id() == *id)
    }

    /// All or nothing: the alert unless it is stored, the incident at the version that the change was decided from, and
    /// the removal of its former key.
    pub fn change(&mut self, wanted: Wanted, by: &By) -> Changed {
        let Wanted { from, to, alert, told_by } = &wanted;
        let in_place =
            from.as_ref().is_some_and(|from| from.is(&to.incident) && from.is_open == to.incident.is_open());
        if let Some(found) = alert.as_ref().and_then(|alert| self.blocks(alert, by)) {
            return Changed::Already(already(found, by));
        }
        let key = key_of(to);
        let found = self.incidents.get(&key);
        // A later incident with the same key may have the same version.
        let is_at = |found: Option<&IncidentItem>, former: &Former| {
            let same = |found: &IncidentItem| found.version == former.version && former.is(&found.incident);
            self.bug == Some(Bug::NoVersionCondition) || found.is_some_and(same)
        };
        let former = from.as_ref().filter(|from| from.is(&to.incident));
        let holds = match former {
            Some(former) if in_place => is_at(found, former),
            _ => {
                let vacant = self.bug == Some(Bug::NoConditionOnOpen)
                    || found.is_none_or(|found| found.ttl < seconds(by.now));
                // The incident that leaves its key, or the closed one before a new one.
                vacant
                    && from.as_ref().is_none_or(|from| is_at(self.incidents.get(&key_of_former(from)), from))
            }
        };
        let is_told = told_by.as_ref().is_none_or(|by| {
            let open = self.incidents.get(&(partition(&by.subject.customer_id), open_key(&by.subject)));
            self.bug == Some(Bug::ToldByNobody) || open.is_some_and(|open| by.is(&open.incident))
        });
        if !holds || !is_told {
            return Changed::Overtaken;
        }
        let latest = self.newest_of(&to.incident.subject).cloned().map(Box::new);
        let before = self.incident(&to.id()).cloned().map(Box::new);
        if let Some(former) = former.filter(|_| !in_place) {
            let former = key_of_former(former);
            self.incidents.remove(&former);
            self.incidents_index.follow(former, None, by);
        }
        self.incidents.insert(key.clone(), to.clone());
        self.incidents_index.follow(key, Some(to.clone()), by);
        if let Some(alert) = alert {
            self.store(alert.clone(), by);
        }
        self.effects.push(Effect::Changed { before, latest, to: Box::new(wanted.to), alert: wanted.alert });
        Changed::Done
    }

    /// The index of pending alerts does not depend on the anomaly's state.
    pub fn close_anomalies(&mut self, incident: &IncidentId) {
        for stored in self.alerts.values_mut() {
            if let AlertItem::Anomaly(item) = &mut stored.alert
                && item.incident_id.as_ref() == Some(incident)
            {
                item.state = State::Resolved;
            }
        }
    }

    pub fn record(&mut self, alert: AlertItem, by: &By) -> Recorded {
        if let Some(found) = self.blocks(&alert, by) {
            return already(found, by);
        }
        self.store(alert.clone(), by);
        Recorded::of(alert)
    }

    pub fn claim(&mut self, alert: &AlertItem, by: &By) -> Claim {
        let always = self.bug == Some(Bug::ClaimAlwaysWon);
        let Some(stored) = self.alerts.get_mut(&key_of_alert(alert)) else { return Claim::Done };
        if stored.alert.state() != AlertState::Pending && !always {
            return Claim::Done;
        }
        let free =
            stored.claim.as_ref().is_none_or(|(until, run)| *until < seconds(by.now) || *run == by.run);
        if !free && !always {
            return Claim::Held;
        }
        stored.claim = Some((seconds(by.now) + Pace::default().claim.as_secs() as i64, by.run.clone()));
        Claim::Won
    }

    pub fn publish(&mut self, alert: &AlertItem) {
        self.topic.push(alert.clone());
        self.effects.push(Effect::Published(alert.clone()));
    }

    pub fn mark_sent(&mut self, alert: &AlertItem, by: &By) {
        let key = key_of_alert(alert);
        let Some(stored) = self.alerts.get_mut(&key) else { return };
        stored.claim = None;
        set_state(&mut stored.alert, AlertState::Sent);
        self.pending_index.follow(key, None, by);
        self.effects.push(Effect::Marked(alert.id().to_owned()));
    }

    pub fn release(&mut self, alert: &AlertItem, by: &By) {
        if let Some(stored) = self.alerts.get_mut(&key_of_alert(alert))
            && stored.claim.as_ref().is_some_and(|(_, run)| *run == by.run)
        {
            stored.claim = None;
        }
    }

    pub fn stored(&self, alert: &AlertItem) -> Option<&AlertItem> {
        self.alerts.get(&key_of_alert(alert)).map(|stored| &stored.alert)
    }

    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        self.alerts.values().filter_map(|stored| match &stored.alert {
            AlertItem::Digest(digest) => Some(&**digest),
            AlertItem::Anomaly(_) | AlertItem::Notice(_) => None,
        })
    }

    /// Everything that must be the same after a killed and repeated run as after a whole one. Only the writer may
    /// differ.
    pub fn essence(&self) -> (Vec<AlertItem>, Vec<IncidentItem>, Vec<String>) {
        let anonymous = |stored: &Stored| {
            let mut alert = stored.alert.clone();
            match &mut alert {
                AlertItem::Anomaly(item) => item.run_id.clear(),
                AlertItem::Notice(item) => item.run_id.clear(),
                AlertItem::Digest(item) => item.run_id.clear(),
            }
            alert
        };
        let mut published: Vec<_> = self.topic.iter().map(|alert| alert.id().to_owned()).collect();
        published.sort();
        published.dedup();
        (self.alerts.values().map(anonymous).collect(), self.incidents.values().cloned().collect(), published)
    }

    /// The incident of a subject that saw the newest window.
    fn newest_of(&self, subject: &Subject) -> Option<&IncidentItem> {
        let of_subject = self.incidents.values().filter(|item| item.incident.subject == *subject);
        of_subject.max_by_key(|item| (item.incident.is_open(), item.incident.last_window))
    }

    /// The item that keeps an alert from being stored.
    fn blocks(&self, alert: &AlertItem, by: &By) -> Option<&Stored> {
        let born_expired = ttl(alert) < seconds(by.now);
        let found = self.alerts.get(&key_of_alert(alert))?;
        (born_expired || ttl(&found.alert) >= seconds(by.now)).then_some(found)
    }

    fn store(&mut self, alert: AlertItem, by: &By) {
        let key = key_of_alert(&alert);
        let pending = (alert.state() == AlertState::Pending).then(|| alert.clone());
        self.pending_index.follow(key.clone(), pending, by);
        self.alerts.insert(key, Stored { alert, claim: None });
    }
}

/// The item that a refused put found in its place.
fn already(found: &Stored, by: &By) -> Recorded {
    let run_id = match &found.alert {
        AlertItem::Anomaly(item) => &item.run_id,
        AlertItem::Notice(item) => &item.run_id,
        AlertItem::Digest(item) => &item.run_id,
    };
    let alert_state = found.alert.state();
    let pending = (alert_state == AlertState::Pending).then(|| found.alert.clone());
    Recorded { new: *run_id == by.run, alert_state, pending }
}

fn set_state(alert: &mut AlertItem, state: AlertState) {
    let (stored, pending) = match alert {
        AlertItem::Anomaly(item) => (&mut item.alert_state, &mut item.pending_alert),
        AlertItem::Notice(item) => (&mut item.alert_state, &mut item.pending_alert),
        AlertItem::Digest(item) => (&mut item.alert_state, &mut item.pending_alert),
    };
    *stored = state;
    *pending = None;
}

fn ttl(alert: &AlertItem) -> i64 {
    match alert {
        AlertItem::Anomaly(item) => item.ttl,
        AlertItem::Notice(item) => item.ttl,
        AlertItem::Digest(item) => item.ttl,
    }
}

fn key_of_alert(alert: &AlertItem) -> Key {
    match alert {
        AlertItem::Anomaly(item) => (item.pk.clone(), item.sk.clone()),
        AlertItem::Notice(item) => (item.pk.clone(), item.sk.clone()),
        AlertItem::Digest(item) => (item.pk.clone(), item.sk.clone()),
    }
}

/// An open incident is under the key of its subject, and a closed one beside it.
fn key_of(item: &IncidentItem) -> Key {
    key_of_former(&item.former())
}

fn key_of_former(former: &Former) -> Key {
    let open = open_key(&former.subject);
    let sk = match former.is_open {
        true => open,
        false => format!("{open}#{}", former.opened_at.as_millisecond()),
    };
    (partition(&former.subject.customer_id), sk)
}

fn open_key(subject: &Subject) -> String {
    format!("INCIDENT#{}#{}", subject.metric, subject.direction.as_str())
}

fn partition(customer: &CustomerId) -> String {
    format!("CUSTOMER#{customer}")
}

fn seconds(now: i64) -> i64 {
    now.div_euclid(1_000)
}
