//! What a rule did with a month. The end of a window is the number of the first hour after it.

use detection::incident::Event;

use super::usage::SeriesKey;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub anomalies: Vec<Anomaly>,
    pub incidents: Vec<Incident>,
    /// In the order of the runs.
    pub notifications: Vec<Notification>,
    /// Alerts that were published: pages, digests and ends.
    pub messages: usize,
}

/// An anomaly as it is after the last run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anomaly {
    pub series: SeriesKey,
    pub end: usize,
    pub is_open: bool,
}

/// An incident as it is after the last run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incident {
    pub id: IncidentKey,
    pub is_open: bool,
}

/// Series and end of the window that opened the incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IncidentKey {
    pub series: SeriesKey,
    pub opened: usize,
}

/// Something that people were notified of, by a message about it or by a digest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Notification {
    pub incident: IncidentKey,
    pub event: Event,
    pub end: usize,
}

impl Notification {
    /// Whether it calls people.
    pub fn is_page(&self) -> bool {
        !self.event.is_closing()
    }
}
