//! The windows that incidents take out of a baseline.

use super::model::{Incident, IncidentState};
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
