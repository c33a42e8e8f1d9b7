//! The windows that incidents take out of a baseline, and the hours that they take out of a model.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::model::{Incident, IncidentState};
use crate::calendar::Calendar;
use crate::hour::Hour;
use crate::{Age, Excluded, Window};

/// The earlier windows that a baseline leaves out, because they closed while an incident of the series was active.
///
/// An anomaly must not hide the next one. Accepted windows are the new normal and count. `min_samples` windows always
/// remain, and the oldest come back first.
pub fn excluded<'a>(
    incidents: impl IntoIterator<Item = &'a Incident>,
    window: &Window,
    oldest: Age,
) -> Excluded {
    let reach = window.earlier(oldest).end();
    let counts =
        |incident: &&Incident| incident.state == IncidentState::Accepted || incident.last_seen < reach;
    let of_incident = |incident: &'a Incident| {
        oldest.earlier_windows().filter(move |age| {
            let end = window.earlier(*age).end();
            incident.opened_at <= end && end <= incident.last_seen
        })
    };
    incidents.into_iter().filter(|incident| !counts(incident)).flat_map(of_incident).collect()
}

/// For so many days, the hours of an incident stay out of models.
pub const OUT_DAYS: i64 = 7;

/// The hours of an incident: from the first hour of the window that saw it first to the end of its newest anomalous
/// window. `None` for an accepted level, which is the new normal.
///
/// `None` also for an incident that opened less than a day before `window_end`. So the window that opens an incident is judged
/// by the same model before and after.
pub fn hours(incident: &Incident, window_end: Timestamp) -> Option<Range<Hour>> {
    let Incident { opened_at, state, .. } = *incident;
    let is_older = window_end.duration_since(opened_at) >= SignedDuration::from_hours(Calendar::HOURS as i64);
    (is_older && state != IncidentState::Accepted).then(|| hours_of(incident))
}

/// From the first hour of the window that saw an incident first to the end of its newest anomalous window.
pub(crate) fn hours_of(incident: &Incident) -> Range<Hour> {
    let Incident { opened_at, last_seen, seen_by, .. } = *incident;
    Hour::holding(opened_at).plus(-i64::from(seen_by))..Hour::holding(last_seen)
}

/// Whether an hour of an incident stays out of the model of a day, because the incident was less than a week before.
///
/// * `of_incident`: the [`hours`] of the incident.
pub fn stays_out(of_incident: &Range<Hour>, hour: Hour, day: Hour) -> bool {
    day.since(hour) <= OUT_DAYS * Calendar::HOURS as i64 && of_incident.contains(&hour)
}
