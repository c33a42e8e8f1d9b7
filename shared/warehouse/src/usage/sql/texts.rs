//! The texts of entities: how many different ones there are, and which are new.

use catalog::{Aggregate, Catalog, MetricRule, MetricSpec, Shard};
use detection::rules::{Novelty, Rule};

use super::ruled::{IS_NOW, Ruled};
use super::sweep::IN_ORDER;
use crate::rollup::Tables;

/// A larger number of texts counts as this one, so that the sum of the squares of a month of minutes fits 64 bits.
const MOST: u32 = 10_000_000;

/// New texts of an entity that are read.
const READ: u32 = 100;

/// One row per entity and metric: the number of different texts of the window, and of the windows before that have any: their
/// number, the sum of their numbers of texts, and the sum of the squares.
pub(in crate::usage) fn distinct(catalog: &Catalog, shard: Shard, some_entities: bool) -> Option<String> {
    let table = Tables::of(catalog).rows;
    let is_chosen = |spec: &MetricSpec| spec.aggregate == Aggregate::Distinct;
    let Ruled { rows, place, bucket } = Ruled::of(catalog, &table, (shard, some_entities), is_chosen)?;
    Some(format!(
        "SELECT customer_id, count() OVER () AS declared, place,
    sumIf(found, age = 0) AS now, countIf(age > 0) AS windows, sumIf(found, age > 0) AS total,
    sumIf(found * found, age > 0) AS squares
FROM
(
    SELECT {bucket} AS bucket, customer_id, {place} AS place,
        intDiv({{end:Int64}} - 1000 * toInt64(toUnixTimestamp(hour)) - 1, {{end:Int64}} - {{start:Int64}}) AS age,
        least(uniqCombinedMerge(12)(texts), toUInt64({MOST})) AS found
    {rows}
    GROUP BY bucket, customer_id, place, age
)
GROUP BY bucket, customer_id, place
SETTINGS {IN_ORDER}"
    ))
}

/// One row per entity and metric: the first hour in Unix seconds, the events of the window, the number of new texts in the
/// window, and the most frequent ones, each with its events below zero and the hour in which it was last seen before.
pub(in crate::usage) fn new_texts(catalog: &Catalog, shard: Shard, some_entities: bool) -> Option<String> {
    let table = Tables::seen_rows(catalog);
    let is_chosen = |spec: &MetricSpec| spec.aggregate == Aggregate::Novel;
    let Ruled { rows, place, bucket } = Ruled::of(catalog, &table, (shard, some_entities), is_chosen)?;
    let list = |of: fn(&[MetricRule]) -> i64| {
        let all: Vec<_> = catalog.ruled().iter().map(|spec| of(&spec.rules).to_string()).collect();
        format!("[{}][toUInt32(place) + 1]", all.join(", "))
    };
    let (unseen, least) = (list(unseen_seconds), list(least_events));
    Some(format!(
        "SELECT customer_id, count() OVER () AS declared, place, min(first_hour) AS since, sum(now) AS events,
    countIf(is_new) AS new, groupArraySortedIf({READ})((-toInt64(now), value, last), is_new) AS texts
FROM
(
    SELECT {bucket} AS bucket, customer_id, {place} AS place, value,
        sumIf(events, {IS_NOW}) AS now,
        toUnixTimestamp(maxIf(hour, NOT ({IS_NOW}))) AS last,
        toUnixTimestamp(min(hour)) AS first_hour,
        now > 0 AND toInt64(now) >= {least} AND value != ''
            AND toInt64(last) <= intDiv({{start:Int64}}, 1000) - {unseen} AS is_new
    {rows}
    GROUP BY bucket, customer_id, place, value
)
GROUP BY bucket, customer_id, place
SETTINGS {IN_ORDER}"
    ))
}

/// After so many seconds a text counts as new again.
fn unseen_seconds(rules: &[MetricRule]) -> i64 {
    i64::from(novelty(rules).map(|rule| rule.unseen_days).min().unwrap_or_default()) * 86_400
}

/// A new text comes so many times.
fn least_events(rules: &[MetricRule]) -> i64 {
    let least = novelty(rules).map(|rule| rule.min_events).min().unwrap_or_default();
    i64::try_from(least).unwrap_or(i64::MAX)
}

fn novelty(rules: &[MetricRule]) -> impl Iterator<Item = &Novelty> {
    rules.iter().filter_map(|of| match &of.rule {
        Rule::Novelty(rule) => Some(rule),
        _ => None,
    })
}
