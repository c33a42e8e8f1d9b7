//! Planned events. They page nobody, and say nothing about what is usual.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::recurrence::Recurrence;
use crate::calendar::TimeZone;
use crate::hour::Hour;
use crate::{MetricName, Window};

/// A planned event. Its anomalies are stored, and nobody is alerted. Its hours count neither in later windows nor in what
/// is expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// Only this metric. Absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricName>,
    /// First instant of the event. Absent means no beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First instant after the event. Absent means no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Repeats the event, which lasts as long each time. No occurrence is before `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rrule: Option<Recurrence>,
    /// The zone of the rule's days and hours. Absent means that of the policy, or UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// The reason, for people who miss an alert.
    pub reason: String,
}

/// The field of a mute with a fault, and what is allowed there.
type Fault = (&'static str, &'static str);

impl Mute {
    const MAX_REASON_CHARACTERS: usize = 500;

    /// The longest event that may repeat.
    const LONGEST_REPEATED: SignedDuration = SignedDuration::from_hours(7 * 24);

    /// Whether the window holds any part of an event.
    pub(super) fn covers(&self, metric: &MetricName, window: &Window, zone: &TimeZone) -> bool {
        self.is_of(metric) && !self.events(zone, window.start(), window.end()).is_empty()
    }

    /// Marks the hours from `first` on that hold a part of an event.
    pub(super) fn mark(&self, metric: &MetricName, zone: &TimeZone, first: Hour, muted: &mut [bool]) {
        let (from, to) = (first.start(), first.plus(muted.len() as i64).start());
        if !self.is_of(metric) {
            return;
        }
        for (begin, end) in self.events(zone, from, to) {
            let begin = Hour::holding(begin.max(from)).since(first);
            for (place, muted) in muted.iter_mut().enumerate().skip(usize::try_from(begin).unwrap_or(0)) {
                if first.plus(place as i64).start() >= end {
                    break;
                }
                *muted = true;
            }
        }
    }

    /// The fault, if there is one.
    ///
    /// * `usual`: the zone of a mute without one.
    pub(super) fn validate(&self, usual: &TimeZone) -> Result<(), Fault> {
        if self.reason.trim().is_empty() || self.reason.chars().count() > Self::MAX_REASON_CHARACTERS {
            return Err(("reason", "1 to 500 characters that say why"));
        }
        if self.from.zip(self.until).is_some_and(|(from, until)| from >= until) {
            return Err(("until", "a time after `from`"));
        }
        let Some(rule) = &self.rrule else {
            let is_idle = self.time_zone.is_some();
            return if is_idle { Err(("time_zone", "goes with `rrule` only")) } else { Ok(()) };
        };
        let Some(from) = self.from else {
            return Err(("from", "the time at which the first event begins, because `rrule` repeats it"));
        };
        if self.until.is_none_or(|until| until.duration_since(from) > Self::LONGEST_REPEATED) {
            return Err(("until", "at most 7 days after `from`, because `rrule` repeats the event"));
        }
        let after = from.saturating_add(SignedDuration::from_secs(1)).unwrap_or(from);
        let zone = self.time_zone.as_ref().unwrap_or(usual);
        match rule.starts(from, zone, from, after).is_empty() {
            true => Err((
                "from",
                "a time that `rrule` names, in the `time_zone` of the mute or of its policy, which is UTC if both are absent",
            )),
            false => Ok(()),
        }
    }

    fn is_of(&self, metric: &MetricName) -> bool {
        self.metric.as_ref().is_none_or(|muted| muted == metric)
    }

    /// Begin and end of the events that have a part between two times.
    fn events(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let touches = |(begin, end): &(Timestamp, Timestamp)| *begin < to && *end > from;
        let Some(rule) = &self.rrule else {
            let event = (self.from.unwrap_or(Timestamp::MIN), self.until.unwrap_or(Timestamp::MAX));
            return Some(event).filter(touches).into_iter().collect();
        };
        let Some((first, end)) = self.from.zip(self.until) else { return Vec::new() };
        let length = end.duration_since(first).clamp(SignedDuration::ZERO, Self::LONGEST_REPEATED);
        let earliest = from.saturating_sub(length).unwrap_or(from);
        let starts = rule.starts(first, zone, earliest, to).into_iter();
        let events = starts.map(|start| (start, start.saturating_add(length).unwrap_or(start)));
        events.filter(touches).collect()
    }
}
