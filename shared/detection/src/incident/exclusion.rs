//! The windows that incidents take out of a baseline.

use super::model::{Incident, IncidentState};
use crate::{Excluded, Window};

/// The earlier windows that a baseline leaves out because one of a series' incidents was in them.
///
/// An anomaly must not hide the next one. What was accepted is the new normal and counts.
pub fn excluded<'a>(
    incidents: impl IntoIterator<Item = &'a Incident>,
    window: &Window,
    baseline_windows: usize,
) -> Excluded {
    let mut excluded = Excluded::default();
    for incident in incidents {
        if incident.state == IncidentState::Accepted
            || incident.last_seen < window.earlier(baseline_windows).end()
        {
            continue;
        }
        let was_in = |age: &usize| {
            let end = window.earlier(*age).end();
            incident.opened_at <= end && end <= incident.last_seen
        };
        (1..=baseline_windows).filter(was_in).for_each(|age| excluded.mark(age));
    }
    excluded
}
