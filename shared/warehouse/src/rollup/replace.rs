//! The statements of a poll: which hours differ from their events, and their replacement.

use catalog::MetricSpec;

use super::events::{columns, counted_events, rollup_select};
use super::sql::{number_of_events, within};
use super::versions::digest;
use super::{DAY_SECONDS, Tables};

/// How far apart the times of two rows of one id may be. So far beyond an hour a poll looks for a newer row.
const MARGIN: u32 = DAY_SECONDS;

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
///
/// * `emptied`: whether hours without any event are among them. Many systems delete old rows.
pub(super) fn differences(metric: &MetricSpec, (from, until): (u32, u32), emptied: bool) -> String {
    let (name, rollup) = (&metric.name, Tables::fed_by(metric));
    let events = counted_events(metric, &metric.table, &around(metric, (from, until)));
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
WHERE digest_of_events != digest_of_rollup{only_full}
GROUP BY day
ORDER BY day",
        only_full = if emptied { "" } else { " AND in_events > 0" },
        number = number_of_events(metric),
        digest = digest(metric),
        between = within("hour", &[(from, until)]),
    )
}

/// Replaces the rollup's rows of these hours by those of the events.
///
/// * `compared`: the period in which they were found to differ. The same rows must count in both.
pub(super) fn fill(metric: &MetricSpec, spans: &[(u32, u32)], compared: (u32, u32)) -> String {
    let (name, rollup) = (&metric.name, Tables::fed_by(metric));
    let columns = columns(metric);
    let (rows, hours) = (rollup_select(metric, &around(metric, compared)), within("hour", spans));
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

/// The condition on the time of events around this period, where a newer row of an id may be.
fn around(metric: &MetricSpec, (from, until): (u32, u32)) -> String {
    let wider = (from.saturating_sub(MARGIN), until.saturating_add(MARGIN));
    format!("\n        AND ({})", within(&metric.time_sql(), &[wider]))
}
