//! Whether the data of all customers stopped: the candidate of all customers, and the hours of the stop.
//!
//! While many customers drop at once, their drops are stored and page nobody, because the cause is not theirs. A window that
//! holds an hour of the stop stays held back. A customer that stays silent when the data are back pages then.

use catalog::Catalog;
use detection::incident::Seen;
use detection::{ALL_CUSTOMERS, CustomerId, Direction, Flow, Severity, Together, Window};
use jiff::{SignedDuration, Timestamp};

use crate::candidate::Candidate;
use crate::known::Known;
use crate::spool::Spool;
use crate::stop::Stop;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The length in hours of the window that shows a stop.
const SEEN_BY: u8 = 1;

/// What the newest hour of all customers together comes to. Several metrics stop together, so the one speaks that already has
/// an incident, or else the one of which most customers dropped.
///
/// * `together`: by metric of the catalog.
pub fn candidate(known: &Known, together: &[Together]) -> Option<Candidate> {
    let is_active = |metric: &usize| known.of(ALL_CUSTOMERS, *metric).is_active(Direction::Drop);
    let has_stopped = |metric: &usize| together[*metric].flow() == Flow::Stopped;
    let metrics = 0..together.len();
    let active = metrics.clone().find(is_active);
    let most = || metrics.rev().filter(has_stopped).max_by_key(|metric| together[*metric].dropped());
    let metric = active.or_else(most)?;
    let of_metric = &together[metric];
    Some(Candidate {
        customer_id: CustomerId::new(ALL_CUSTOMERS).ok()?,
        metric,
        direction: Direction::Drop,
        seen: match of_metric.flow() {
            Flow::Stopped => Seen::Anomalous(Severity::Critical),
            Flow::Thin => Seen::Between,
            Flow::Usual => Seen::Inside,
        },
        seen_by: SEEN_BY,
        change: None,
        comparison: Some(of_metric.comparison()),
        explanation: Some(Box::new(of_metric.explanation())),
        // Missing rows are not missing usage.
        cost: None,
        about: None,
    })
}

/// The stop that a window may hold hours of. `None` if the data flow.
pub(crate) fn stop(
    window: &Window,
    catalog: &Catalog,
    known: &Known,
    candidates: &mut Spool<Candidate>,
) -> anyhow::Result<Option<Stop>> {
    let courses = (0..catalog.modelled().len())
        .filter_map(|metric| known.of(ALL_CUSTOMERS, metric).course(Direction::Drop));
    let mut span = courses.map(|course| (course.opened_at - HOUR, course.last_seen)).reduce(joined);
    for candidate in candidates.read()? {
        let candidate = candidate?;
        if candidate.is_of_all_customers() && candidate.finding().is_some() {
            let newest = (window.end() - HOUR, window.end());
            span = Some(span.map_or(newest, |span| joined(span, newest)));
        }
    }
    Ok(span.map(Stop::new))
}

fn joined(one: (Timestamp, Timestamp), other: (Timestamp, Timestamp)) -> (Timestamp, Timestamp) {
    (one.0.min(other.0), one.1.max(other.1))
}
