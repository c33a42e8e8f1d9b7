//! Baselines: building, noting and reading them.

use catalog::{Catalog, Shard};

use super::source::of_shard;
use super::windows::windows_of_hours;
use crate::rollup::{ARRIVALS_TABLE, BASELINES_TABLE, BUILDS_TABLE, FORGOTTEN};
use crate::usage::note::Build;

/// One row per customer with the windows that were built, in the order of customers, which is the order of the table.
pub(in crate::usage) fn baseline(shard: Shard) -> String {
    let of_shard = of_shard(shard, "bucket");
    format!(
        "SELECT bucket, customer_id, {{rows:UInt64}} AS declared, toInt64(0) AS first_event_ms,
    CAST([], 'Array(Int64)') AS first_uses_ms, unknown, ages, values
FROM {BASELINES_TABLE}
WHERE closes = toDateTime({{closes:UInt32}}, 'UTC') AND build IN {{builds:Array(UInt64)}}{of_shard}
ORDER BY bucket, customer_id
SETTINGS optimize_move_to_prewhere = 0, select_sequential_consistency = 1"
    )
}

/// Makes a baseline. The windows of these ages come from the hours of the rollup. The others, up to the age `{oldest}`,
/// come from a former baseline, if there is one. Their age there was less by `{shift}`.
///
/// A build has an id of its own for each bucket. So a sweep can choose builds by the id alone.
///
/// The values of a customer are filtered by arrays of ages. A function of the position would need the arrays in each of
/// its calls, and ClickHouse would copy them each time.
pub(in crate::usage) fn build(catalog: &Catalog, ages: &[u8], shard: Shard, on_a_former: bool) -> String {
    let windows = windows_of_hours(catalog, ages, shard);
    let columns = "bucket, customer_id, closes, build, expires, ages, values, unknown";
    let constants = "toDateTime({to:UInt32}, 'UTC') AS closes, {first:UInt64} + bucket AS build, \
                     toDateTime({expires:UInt32}, 'UTC') AS expires";
    if !on_a_former {
        return format!(
            "INSERT INTO {BASELINES_TABLE} ({columns})
SELECT bucket, customer_id, {constants}, ages, values, unknown
FROM
(
{windows}
)
SETTINGS optimize_aggregation_in_order = 1"
        );
    }
    let metrics = catalog.metrics().len();
    let replaced: Vec<_> = ages.iter().map(ToString::to_string).collect();
    let replaced = replaced.join(", ");
    let kept = |age: &str| {
        format!("{age} + {{shift:UInt8}} <= {{oldest:UInt8}} AND {age} + {{shift:UInt8}} NOT IN ({replaced})")
    };
    let (of_window, of_metric) = (kept("age"), kept("of_age.1"));
    let of_shard = of_shard(shard, "bucket");
    format!(
        "INSERT INTO {BASELINES_TABLE} ({columns})
SELECT
    bucket,
    customer_id,
    {constants},
    arrayConcat(known.ages, fresh.ages) AS ages,
    arrayConcat(known.values, fresh.values) AS values,
    arrayConcat(known.unknown, fresh.unknown) AS unknown
FROM
(
    SELECT
        bucket,
        customer_id,
        arrayMap(age -> toUInt8(age + {{shift:UInt8}}), arrayFilter(age -> {of_window}, ages)) AS ages,
        arrayFilter(
            (value, age) -> {of_window}, values, arrayFlatten(arrayMap(age -> arrayWithConstant({metrics}, age), former.ages))
        ) AS values,
        arrayMap(
            of_age -> (toUInt8(of_age.1 + {{shift:UInt8}}), of_age.2), arrayFilter(of_age -> {of_metric}, unknown)
        ) AS unknown
    FROM {BASELINES_TABLE} AS former
    WHERE closes = toDateTime({{former:UInt32}}, 'UTC') AND build IN {{builds:Array(UInt64)}}{of_shard}
) AS known
FULL JOIN
(
{windows}
) AS fresh
USING (bucket, customer_id)
WHERE notEmpty(ages)
SETTINGS optimize_aggregation_in_order = 1, join_use_nulls = 0, select_sequential_consistency = 1"
    )
}

/// The number of rows of these builds.
pub(in crate::usage) fn rows_of_builds(shard: Shard) -> String {
    let of_shard = of_shard(shard, "bucket");
    format!(
        "SELECT build, count() AS rows
FROM {BASELINES_TABLE}
WHERE closes IN (toDateTime({{to:UInt32}}, 'UTC'), toDateTime({{former:UInt32}}, 'UTC'))
    AND build IN {{builds:Array(UInt64)}}{of_shard}
GROUP BY build
SETTINGS select_sequential_consistency = 1"
    )
}

/// The state of the windows up to the one that closes at `{to}`: the last arrival for each hour, and the builds for
/// this hour of the day. The server's time comes with it, because all times are measured by the server's clock.
pub(in crate::usage) fn state() -> String {
    format!(
        "SELECT
    toUnixTimestamp64Milli(now64(3, 'UTC')) AS now_ms,
    (
        SELECT groupArray((toUnixTimestamp(hour), toUnixTimestamp(last)))
        FROM
        (
            SELECT hour, max(arrived) AS last
            FROM {ARRIVALS_TABLE}
            WHERE hour >= toDateTime({{from:UInt32}}, 'UTC') AND hour < toDateTime({{to:UInt32}}, 'UTC')
            GROUP BY hour
        )
    ) AS arrivals,
    (
        SELECT groupArray((toUnixTimestamp(closes), bucket, build, toUnixTimestamp64Milli(begun), rows, oldest))
        FROM {BUILDS_TABLE}
        WHERE closes > toDateTime({{from:UInt32}}, 'UTC') AND closes <= toDateTime({{to:UInt32}}, 'UTC')
            AND toHour(closes) = toHour(toDateTime({{to:UInt32}}, 'UTC'))
            AND definition = {{definition:String}} AND expires > now('UTC') + 3600
            AND begun > (SELECT max(begun) FROM {BUILDS_TABLE} WHERE definition = '{FORGOTTEN}')
    ) AS builds
SETTINGS select_sequential_consistency = 1"
    )
}

/// Notes that builds are complete. With [`NO_BUILD`](crate::usage::note::NO_BUILD) it notes that nobody may read the
/// builds of their hour any more. The text contains only numbers and a digest.
pub(in crate::usage) fn note_builds(definition: &str, expires: u32, builds: &[Build]) -> String {
    let rows: Vec<_> = builds
        .iter()
        .map(|(closes, bucket, build, begun, rows, oldest)| {
            let begun = format!("fromUnixTimestamp64Milli({begun})");
            format!("({closes}, {bucket}, {build}, {rows}, {oldest}, '{definition}', {begun}, {expires})")
        })
        .collect();
    format!(
        "INSERT INTO {BUILDS_TABLE} (closes, bucket, build, rows, oldest, definition, begun, expires) VALUES {}",
        rows.join(", ")
    )
}
