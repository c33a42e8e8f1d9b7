//! What is usual for entities: how the events of the days before the current hour were distributed.
//!
//! The figures are those that rules compare with. Percentiles come from the histogram of the rollup, within 2.5 %.

use std::time::Duration;

use catalog::Catalog;
use detection::{Histogram, Hour};
use jiff::{SignedDuration, Timestamp};
use warehouse::usage::{Chosen, EntityEvents, EventFigures, SeenRequest};

use crate::App;
use crate::access::Caller;
use crate::answer::Serving;
use crate::checking::tries;
use crate::error::Problem;
use crate::limits::{cost_of_hours, within_limits};

/// How the values of events were distributed. `None` without events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    pub(crate) mean: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) sample_count: u64,
}

impl Spread {
    pub(crate) fn of(figures: &EventFigures) -> Self {
        let histogram: Histogram = figures.shape.iter().copied().collect();
        // The total is of usable values, and so is the count of the histogram.
        let mean = figures.total / histogram.count() as f64;
        Self {
            mean: Some(mean).filter(|mean| mean.is_finite()),
            p50: histogram.percentile(0.5),
            p95: histogram.percentile(0.95),
            p99: histogram.percentile(0.99),
            sample_count: figures.events,
        }
    }
}

/// The number of events, and the share of them that did not fail. `None` without events, and for a source that does not say
/// which events have failed.
///
/// Each metric counts the events that have its value. The one that counts the most counts them all.
pub(crate) fn outcomes<'a>(
    source: &Catalog,
    events: impl Iterator<Item = &'a EntityEvents>,
) -> (u64, Option<f64>) {
    let has_failures = source.entities().is_some_and(|entities| entities.bad.is_some());
    let all = events.map(|of| (of.figures.events, of.figures.bad)).max_by_key(|(events, _)| *events);
    match all {
        Some((events, bad)) if events > 0 => (events, has_failures.then(|| 1.0 - bad as f64 / events as f64)),
        _ => (0, None),
    }
}

/// The days that the rules of a source compare with.
pub(crate) fn baseline_days(app: &App, source: &Catalog) -> i64 {
    let own = source.entities().and_then(|entities| entities.pace.baseline);
    own.unwrap_or(app.detection.baseline_days).get().into()
}

/// The first and the last instant of the days before the current hour that the rules of a source compare with.
pub(crate) fn days_before(app: &App, source: &Catalog, now: Timestamp) -> (Timestamp, Timestamp) {
    let hour = Hour::holding(now);
    (hour.plus(-24 * baseline_days(app, source)).start(), hour.start())
}

/// The events of entities in a period of full hours.
pub(crate) async fn events_of(
    app: &App,
    caller: &Caller,
    source: &Catalog,
    chosen: Chosen<'_>,
    now: Timestamp,
    serving: &Serving,
) -> Result<Vec<EntityEvents>, Problem> {
    let (from, until) = days_before(app, source, now);
    let reading = async {
        let mut tries = tries(app, serving);
        loop {
            let query_id = tries.query_id();
            let request = SeenRequest { catalog: source, from, until, query_id: &query_id };
            match app.usage.entity_events(&request, chosen).await {
                Ok(events) => return Ok(events),
                Err(error) => tries.again(error, false).await?,
            }
        }
    };
    within_limits(app, caller, now, cost(from, until), reading).await
}

/// The expected cost of reading the hours of entities.
pub(crate) fn cost(from: Timestamp, until: Timestamp) -> Duration {
    // Histograms are wider than usage.
    cost_of_hours(from, until) * 2
}

/// How far back an entity counts as seen.
pub(crate) const SEEN: SignedDuration = SignedDuration::from_hours(30 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_mean_and_percentiles_of_events() {
        let values = [100.0, 100.0, 100.0, 1_000.0];
        let shape = values.iter().map(|value| (Histogram::key(*value), 1)).collect();
        let figures =
            EventFigures { events: 4, bad: 1, total: values.iter().sum(), shape, ..EventFigures::default() };
        let Spread { mean, p50, p95, p99, sample_count } = Spread::of(&figures);
        assert_eq!((mean, sample_count), (Some(325.0), 4));
        let near =
            |found: Option<f64>, exact: f64| found.is_some_and(|found| (found / exact - 1.0).abs() < 0.025);
        assert!(near(p50, 100.0) && near(p95, 1_000.0) && near(p99, 1_000.0), "{p50:?} {p95:?} {p99:?}");
        assert_eq!(Spread::of(&EventFigures::default()), Spread::default());
    }
}
