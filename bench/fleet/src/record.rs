//! What a rule did with a month. The end of a window is the number of the first hour after it.

use detection::incident::Event;

use crate::usage::{Month, SeriesKey};

/// A rule by which the usage of a fleet is judged hour by hour.
pub trait Judge: Sync {
    fn name(&self) -> &str;

    /// What the rule does with the month. In the run at hour `e` the rule knows the hours before `e`, and of a customer
    /// whose usage is late, those before `e - delay`.
    ///
    /// # Errors
    ///
    /// When the rule cannot be applied to the month.
    fn judge(&self, month: &Month) -> anyhow::Result<Record>;
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// In the order of the runs.
    pub notifications: Vec<Notification>,
    /// Messages that people got: pages, digests and ends.
    pub messages: usize,
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
    /// Whether it calls people to something that they do not know.
    pub fn is_page(&self) -> bool {
        !self.event.is_closing() && self.event != Event::Reminder
    }
}
