//! Polled sources: tables whose rows are rewritten or repeated, so that a view would count a row as often as it is written.
//!
//! Each run compares the newest hours of the table with the rollup by a digest, and replaces the hours that differ. The newest
//! row of an id counts, once. An hour is replaced by one insert, so that nobody reads half of it, and two polls at once write
//! the same:
//!
//! * each row of the rollup has a version, and the highest one is read;
//! * rows of the hour that are there already are marked as deleted, one version below the new ones.

use catalog::{Aggregate, Feed, MetricSpec};
use clickhouse::Client;

use super::apply::run;
use super::differences::of_period;
use super::error::MigrationError;
use super::events::{columns, counted_events, rollup_select};
use super::statements::within;
use super::{DAY_SECONDS, Tables};

/// The digest of the events of a row of the rollup.
fn digest(metric: &MetricSpec) -> String {
    let further = match metric.aggregate {
        Aggregate::Ratio => ", meterflow_per",
        Aggregate::Distinct | Aggregate::Novel => ", ifNull(meterflow_text, '')",
        _ => "",
    };
    format!("sum(cityHash64(meterflow_id, meterflow_time, meterflow_value, meterflow_bad{further}))")
}

/// The same as a further column of a SELECT. Empty for a source that a view feeds.
pub(super) fn digest_column(metric: &MetricSpec) -> String {
    if is_polled(metric) { format!(",\n    {} AS digest", digest(metric)) } else { String::new() }
}

/// How far apart the times of two rows of one id may be. So far beyond an hour a poll looks for a newer row.
const MARGIN: u32 = DAY_SECONDS;

pub(super) fn is_polled(metric: &MetricSpec) -> bool {
    metric.entities.as_ref().is_some_and(|entities| entities.feed == Feed::Poll)
}

/// The id of an event as a further column, and the end of the SELECT that leaves only the newest row of an id. Ids of some
/// systems are unique for a customer only. A row without an id is none that counts.
pub(super) fn once(metric: &MetricSpec) -> (String, String) {
    let id = metric.entities.as_ref().and_then(|entities| entities.id.as_ref());
    let Some(id) = id.filter(|_| is_polled(metric)) else { return Default::default() };
    let series = match &metric.series {
        _ if !metric.counter => String::new(),
        Some(series) => format!(",\n        toString({series}) AS meterflow_series"),
        None => ",\n        '' AS meterflow_series".to_owned(),
    };
    let (column, tenant) =
        (format!(",\n        toString({id}) AS meterflow_id{series}"), metric.tenant_sql());
    let end = format!(
        "
        AND isNotNull({id}) AND toString({id}) != ''
    ORDER BY meterflow_time DESC, meterflow_value DESC
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
        WHERE isFinite(meterflow_value)
    )
)"
    )
}

/// Replaces the hours from `from` until `until` that differ from their events. Returns how many they were.
pub(crate) async fn poll(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    period: (u32, u32),
) -> Result<usize, MigrationError> {
    let mut hours = 0;
    for difference in of_period(client, database, metric, period).await? {
        let Some(day) = difference.to_fill(|_| true) else { continue };
        let what = format!("the events of `{}` that changed were not read", metric.name);
        run(client, database, &what, &fill(metric, &day.spans())).await?;
        hours += day.hours.len();
    }
    Ok(hours)
}

/// The times in Unix seconds of the first and the last event from `from` until `until`. From zero to zero without any.
pub(super) fn extent(metric: &MetricSpec, from: u32, until: u32) -> String {
    let (table, time) = (&metric.table, metric.time_sql());
    let seconds = |of: &str| format!("toUnixTimestamp(ifNull({of}({time}), toDateTime(0, 'UTC')))");
    format!(
        "SELECT {}, {} FROM {table} WHERE {}",
        seconds("min"),
        seconds("max"),
        within(&time, &[(from, until)])
    )
}

/// By day, the hours from `from` until `until` whose events have another digest than their rows of the rollup: hours with at
/// least as many events as the rollup, and hours with fewer.
pub(super) fn differences(metric: &MetricSpec, from: u32, until: u32) -> String {
    let (name, rollup) = (&metric.name, Tables::fed_by(metric));
    let events = counted_events(metric, &metric.table, &around(metric, &[(from, until)]));
    format!(
        "SELECT
    toUnixTimestamp(toStartOfDay(hour, 'UTC')) AS day,
    groupArraySortedIf(24)(toUnixTimestamp(hour), in_events >= in_rollup) AS hours_with_fewer,
    groupArraySortedIf(24)(toUnixTimestamp(hour), in_events < in_rollup) AS hours_with_more,
    mapFromArrays(groupArray(toUnixTimestamp(hour)), groupArray((in_events, in_rollup))) AS counts
FROM
(
    SELECT hour, sum(of_events) AS in_events, sum(of_rollup) AS in_rollup, sum(digest) AS digest_of_events,
        sum(digest_of_row) AS digest_of_rollup
    FROM
    (
        SELECT toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour, {number} AS of_events,
            0 AS of_rollup, {digest} AS digest, 0 AS digest_of_row
        {events}
        GROUP BY hour
        UNION ALL
        SELECT hour, 0, sum(events), 0, sum(digest) FROM {rollup} FINAL
        WHERE metric = '{name}' AND {between} GROUP BY hour
    )
    WHERE {between}
    GROUP BY hour
)
WHERE digest_of_events != digest_of_rollup
GROUP BY day
ORDER BY day",
        number = super::events::number_of_events(metric),
        digest = digest(metric),
        between = within("hour", &[(from, until)]),
    )
}

/// Replaces the rollup's rows of these hours by those of the events.
pub(super) fn fill(metric: &MetricSpec, spans: &[(u32, u32)]) -> String {
    let (name, rollup) = (&metric.name, Tables::fed_by(metric));
    let columns = columns(metric);
    let (rows, hours) = (rollup_select(metric, &around(metric, spans)), within("hour", spans));
    let version = "toUInt64(toUnixTimestamp64Milli(now64(3))) * 2";
    format!(
        "INSERT INTO {rollup} ({columns}, version, is_deleted)
SELECT {columns}, {version} + 1, 0 FROM
(
{rows}
)
WHERE {hours}
UNION ALL
SELECT {columns}, {version}, 1 FROM {rollup} FINAL WHERE metric = '{name}' AND ({hours})"
    )
}

/// The condition on the time of events around these times, where a newer row of an id may be.
fn around(metric: &MetricSpec, spans: &[(u32, u32)]) -> String {
    let wider: Vec<(u32, u32)> = spans
        .iter()
        .map(|(from, until)| (from.saturating_sub(MARGIN), until.saturating_add(MARGIN)))
        .collect();
    format!("\n        AND ({})", within(&metric.time_sql(), &wider))
}
