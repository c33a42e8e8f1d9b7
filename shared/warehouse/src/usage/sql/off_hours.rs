//! The hours of the day in which entities have events.

use catalog::{Catalog, Shard};
use detection::rules::Rule;

use super::ruled::{IS_NOW, Ruled};
use super::sweep::IN_ORDER;
use crate::rollup::Tables;

/// One row per entity and metric: the events of the newest hour, those of the same hour of the days before, and the number of
/// those days that have any event.
pub(in crate::usage) fn off_hours(catalog: &Catalog, shard: Shard, some_entities: bool) -> Option<String> {
    let table = Tables::of(catalog).rows;
    let has_rule =
        |spec: &catalog::MetricSpec| spec.rules.iter().any(|of| matches!(of.rule, Rule::OffHours(_)));
    let Ruled { rows, place, bucket } = Ruled::of(catalog, &table, (shard, some_entities), has_rule)?;
    Some(format!(
        "SELECT customer_id, count() OVER () AS declared, place, sumIf(events, is_now) AS now,
    sumIf(events, NOT is_now AND seconds_before % 86400 = 0) AS usual,
    toUInt32(uniqExactIf(intDiv(seconds_before - 1, 86400), NOT is_now)) AS days
FROM
(
    SELECT {bucket} AS bucket, customer_id, {place} AS place, events, {IS_NOW} AS is_now,
        intDiv({{start:Int64}}, 1000) - toInt64(toUnixTimestamp(hour)) AS seconds_before
    {rows}
)
GROUP BY bucket, customer_id, place
SETTINGS {IN_ORDER}"
    ))
}
