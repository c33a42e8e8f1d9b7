//! The rows of a polled source that count: of the rows with one id the newest, once. Counters become their steps.

use catalog::{Aggregate, Feed, MetricSpec};

use super::sql::has_weight;

pub(super) fn is_polled(metric: &MetricSpec) -> bool {
    metric.entities.as_ref().is_some_and(|entities| entities.feed == Feed::Poll)
}

/// The id of an event as a further column, and the end of the SELECT that leaves only the newest row of an id. Ids of some
/// systems are unique for a customer only. A row without an id is none that counts. The newest row may be one that the filter leaves
/// out, so the filter comes after.
pub(super) fn once(metric: &MetricSpec) -> (String, String) {
    let id = metric.entities.as_ref().and_then(|entities| entities.id.as_ref());
    let Some(id) = id.filter(|_| is_polled(metric)) else { return Default::default() };
    let series = match &metric.series {
        _ if !metric.counter => String::new(),
        Some(series) => format!(",\n        toString({series}) AS meterflow_series"),
        None => ",\n        '' AS meterflow_series".to_owned(),
    };
    let filter = metric.filter.as_deref().unwrap_or("true");
    let counts = format!(",\n        ifNull(({filter}) != 0, 0) AS meterflow_counts");
    let (column, tenant) =
        (format!(",\n        toString({id}) AS meterflow_id{series}{counts}"), metric.tenant_sql());
    let end = format!(
        "
        AND isNotNull({id}) AND toString({id}) != ''
    ORDER BY meterflow_time DESC, meterflow_value DESC, meterflow_bad DESC, meterflow_customer
    LIMIT 1 BY toString({tenant}), meterflow_id
    SETTINGS final = 1"
    );
    (column, end)
}

/// The same rows with the steps of counters as their values. The first value of a counter is no step. A value below the one
/// before is that of a counter which began again.
pub(super) fn steps(rows: &str) -> String {
    let before = "lagInFrame(toNullable(meterflow_total)) OVER (PARTITION BY meterflow_customer, meterflow_series \
                  ORDER BY meterflow_time, meterflow_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)";
    format!(
        "(
    SELECT * EXCEPT (meterflow_total, meterflow_before),
        if(meterflow_total >= meterflow_before, meterflow_total - meterflow_before, meterflow_total + meterflow_before * 0)
            AS meterflow_value
    FROM
    (
        SELECT * EXCEPT (meterflow_value), meterflow_value AS meterflow_total, {before} AS meterflow_before
        FROM
        {rows}
        WHERE isFinite(meterflow_value) AND meterflow_counts
    )
)"
    )
}

/// The digest of the events of a row of the rollup.
pub(super) fn digest(metric: &MetricSpec) -> String {
    let further = match metric.aggregate {
        Aggregate::Ratio => ", meterflow_per",
        Aggregate::Distinct | Aggregate::Novel => ", ifNull(meterflow_text, '')",
        _ => "",
    };
    let weight = if has_weight(metric) { ", meterflow_weight" } else { "" };
    format!(
        "sum(cityHash64(meterflow_customer, meterflow_id, meterflow_time, meterflow_value, meterflow_bad{weight}{further}))"
    )
}

/// The same as a further column of a SELECT. Empty for a source that a view feeds.
pub(super) fn digest_column(metric: &MetricSpec) -> String {
    if is_polled(metric) { format!(",\n    {} AS digest", digest(metric)) } else { String::new() }
}
