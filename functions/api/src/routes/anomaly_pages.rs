//! Pages of anomalies, for all routes that list them, and lists without pages.

use detection::MetricName;
use jiff::Timestamp;
use store::{AnomalyFilter, AnomalyItem, AnomalyPosition, Extent};

use crate::App;
use crate::answer::{Serving, is_complete};
use crate::cursor::{self, Place};
use crate::error::Problem;
use crate::params::Query;

/// A part of a list.
pub(super) struct Page {
    /// Newest first.
    pub(super) items: Vec<AnomalyItem>,
    /// Where the next page begins. None on the last one.
    pub(super) next_cursor: Option<String>,
}

/// The newest anomalies of a list without pages.
pub(super) struct Newest {
    /// Newest first, at most [`MOST`].
    pub(super) items: Vec<AnomalyItem>,
    /// All of the list.
    pub(super) total: u64,
    /// Whether all were counted in time. Otherwise there may be more than `total`.
    pub(super) complete: bool,
}

/// Most anomalies of a list without pages. `total` counts the others.
const MOST: usize = 500;

/// The page that `limit` and `cursor` ask for.
///
/// * `metrics`: those that the list may have, in the order of the catalog. A list of no metrics is empty.
/// * `binding`: every input that decides the content of the list.
pub(super) async fn page(
    app: &App,
    serving: &Serving,
    query: &Query,
    mut filter: AnomalyFilter,
    metrics: &[MetricName],
    binding: &str,
) -> Result<Page, Problem> {
    let limit = query.number("limit", 1..=100, 20)?;
    let after = match query.text("cursor") {
        None => None,
        Some(text) => Some(resume(text, binding, &mut filter, metrics)?),
    };
    if metrics.is_empty() {
        return Ok(Page { items: Vec::new(), next_cursor: None });
    }
    let page = app.store.list(&filter, metrics, after.as_ref(), limit, query.now(), serving.deadline).await?;
    let (from, until) = filter.bounds();
    let next = page.next.map(|after| cursor::encode(Place { after, from, until }, binding));
    Ok(Page { items: page.items, next_cursor: next.transpose()? })
}

/// The newest anomalies of a filter, and how many there are.
///
/// * `metrics`: those that the list may have. A list of no metrics is empty.
pub(super) async fn newest(
    app: &App,
    serving: &Serving,
    filter: &AnomalyFilter,
    metrics: &[MetricName],
    now: Timestamp,
) -> Result<Newest, Problem> {
    if metrics.is_empty() {
        return Ok(Newest { items: Vec::new(), total: 0, complete: true });
    }
    let deadline = serving.counting_deadline(app);
    let page = app.store.list(filter, metrics, None, MOST, now, deadline).await?;
    let (listed, items) = (page.items.len() as u64, page.items);
    if page.next.is_none() {
        return Ok(Newest { items, total: listed, complete: true });
    }
    let mut counted = 0;
    let extent = app.store.count(filter, metrics, now, deadline, |_| counted += 1).await?;
    // What is listed is known, also where no time was left to count.
    let complete = if listed == 0 { is_complete(extent)? } else { extent == Extent::Whole };
    Ok(Newest { items, total: listed.max(counted), complete })
}

/// Continues a list, in the bounds that it began with.
fn resume(
    cursor: &str,
    binding: &str,
    filter: &mut AnomalyFilter,
    metrics: &[MetricName],
) -> Result<AnomalyPosition, Problem> {
    let Place { after, from, until } = cursor::decode::<AnomalyPosition>(cursor, binding)?;
    let at = |ms: i64| Timestamp::from_millisecond(ms).map_err(|_| cursor::refused());
    (filter.from, filter.until) = (Some(at(from)?), Some(at(until)?));
    let listed =
        filter.customer.as_ref().map_or(metrics.contains(&after.metric), |own| *own == after.customer_id);
    if listed { Ok(after) } else { Err(cursor::refused()) }
}
