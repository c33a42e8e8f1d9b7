//! Turns events into rows of the rollup: the SELECT of the views, of the backfill, and of periods off the hour.
//!
//! The SELECT of a view runs within each insert into people's own tables. An error in it would fail the insert. So no
//! part of it may fail, whatever is inserted:
//!
//! * A value that is no number becomes NULL, and its event does not count.
//! * An event without a customer does not count.
//! * A time outside of the rollup's hours would wrap around into them, so its event does not count.
//!
//! Nothing catches an error inside of the catalog's own expressions. A [trial](super::trial) refuses such expressions
//! before a view exists.

use catalog::{Aggregate, Entities, Feed, MetricSpec};

use super::sql::{Grain, has_weight, key_of_shape, number, number_of_events, times_weight};
use super::{counters, figures, versions};

/// The SELECT that makes rows of the rollup from events, with a further condition on the events.
pub(super) fn rollup_select(metric: &MetricSpec, and_where: &str) -> String {
    rollup_select_from(metric, &metric.table, and_where)
}

pub(super) fn rollup_select_from(metric: &MetricSpec, source: &str, and_where: &str) -> String {
    select(metric, source, and_where, Grain::HOUR)
}

/// The SELECT that makes rows of the rollup of minutes.
pub(super) fn minutes_select(metric: &MetricSpec, source: &str) -> String {
    select(metric, source, "", Grain::of_minutes(metric.entities.as_ref()))
}

fn select(metric: &MetricSpec, source: &str, and_where: &str, grain: Grain) -> String {
    let column = grain.column;
    let start = grain.start("toTimeZone(assumeNotNull(meterflow_time), 'UTC')");
    let (name, events) = (&metric.name, counted_events(metric, source, and_where));
    if counters::holds(metric) {
        return counters::select(metric, &events, grain);
    }
    if metric.aggregate == Aggregate::Novel {
        return figures::seen_select(metric, &events);
    }
    let (of_entities, values) = (of_entities(metric), values_of(metric));
    let (number, times) = (number_of_events(metric), times_weight(metric));
    format!(
        "SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    '{name}' AS metric,
    {start} AS {column},
    {number} AS events,
    {values},
    sum(if({IS_CORRECTION}, assumeNotNull(meterflow_value){times}, 0)) AS corrections{of_entities}
{events}
GROUP BY customer_id, {column}"
    )
}

/// Sum, largest and smallest value. Rules judge usable values only: one broken value would hide all others of a month, and the
/// histogram keeps the broken ones apart. Of hours without a usable value the extremes are those of no value.
fn values_of(metric: &MetricSpec) -> String {
    let times = times_weight(metric);
    if metric.rules.is_empty() {
        return format!(
            "sum(if({IS_CORRECTION}, 0, assumeNotNull(meterflow_value){times})) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low"
        );
    }
    let is_usable = "isFinite(assumeNotNull(meterflow_value)) AND assumeNotNull(meterflow_value) >= 0";
    let or_else = |other: &str| format!("if({is_usable}, assumeNotNull(meterflow_value), {other})");
    format!(
        "sum({}{times}) AS total,
    max({}) AS peak,
    min({}) AS low",
        or_else("0"),
        or_else("-inf"),
        or_else("inf")
    )
}

/// The columns that only the rollup of a source with entities has.
fn of_entities(metric: &MetricSpec) -> String {
    if metric.entities.is_none() {
        return String::new();
    }
    let weight = if has_weight(metric) { "toUInt64(assumeNotNull(meterflow_weight))" } else { "toUInt64(1)" };
    let shape = match metric.value {
        Some(_) if metric.aggregate.has_sizes() => {
            format!("sumMap(map({}, {weight}))", key_of_shape("assumeNotNull(meterflow_value)"))
        }
        _ => "CAST(map(), 'Map(Int16, UInt64)')".to_owned(),
    };
    let bad = match has_weight(metric) {
        true => "sumIf(toUInt64(assumeNotNull(meterflow_weight)), meterflow_bad)",
        false => "countIf(meterflow_bad)",
    };
    let digest = versions::digest_column(metric);
    let needed = figures::needed(metric, times_weight(metric));
    let needed = needed.map_or_else(String::new, |(column, sql)| format!(",\n    {sql} AS {column}"));
    format!(",\n    {bad} AS bad,\n    {shape} AS shape{digest}{needed}")
}

/// The columns of those rows, in their order.
pub(super) fn columns(metric: &MetricSpec) -> String {
    let entities = metric.entities.as_ref();
    if counters::holds(metric) {
        return counters::COLUMNS.to_owned();
    }
    if metric.aggregate == Aggregate::Novel {
        let digest = if versions::is_polled(metric) { ", digest" } else { "" };
        return format!("customer_id, metric, value, hour, events{digest}");
    }
    columns_and(entities, figures::column(metric).into_iter())
}

/// All columns of a rollup.
pub(super) fn all_columns(entities: Option<&Entities>) -> String {
    columns_and(entities, figures::COLUMNS.iter().map(|(name, _)| *name).filter(|_| entities.is_some()))
}

fn columns_and(entities: Option<&Entities>, needed: impl Iterator<Item = &'static str>) -> String {
    let of_entities = match entities.map(|entities| entities.feed) {
        None => "",
        Some(Feed::View) => ", bad, shape",
        Some(Feed::Poll) => ", bad, shape, digest",
    };
    let needed: String = needed.map(|column| format!(", {column}")).collect();
    format!("customer_id, metric, hour, events, total, peak, low, corrections{of_entities}{needed}")
}

/// A negative infinity is broken data and no correction. It shows in the total.
const IS_CORRECTION: &str = "assumeNotNull(meterflow_value) < 0 AND isFinite(assumeNotNull(meterflow_value))";

/// A metric's events one by one, in the columns of the rollup and with their time in Unix milliseconds.
pub(crate) fn events_as_usage(metric: &MetricSpec, and_where: &str) -> String {
    events_as_usage_from(metric, &metric.table, and_where)
}

pub(super) fn events_as_usage_from(metric: &MetricSpec, source: &str, and_where: &str) -> String {
    let (name, events) = (&metric.name, counted_events(metric, source, and_where));
    format!(
        "SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    '{name}' AS metric,
    toUInt64(1) AS events,
    if({IS_CORRECTION}, 0, assumeNotNull(meterflow_value)) AS total,
    assumeNotNull(meterflow_value) AS peak,
    assumeNotNull(meterflow_value) AS low,
    if({IS_CORRECTION}, assumeNotNull(meterflow_value), 0) AS corrections,
    toUnixTimestamp64Milli(toDateTime64(assumeNotNull(meterflow_time), 3, 'UTC')) AS time_ms
{events}"
    )
}

/// The number of a metric's events by hour.
pub(super) fn events_by_hour(metric: &MetricSpec) -> String {
    format!(
        "SELECT toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour, {} AS of_events
{}
GROUP BY hour",
        number_of_events(metric),
        counted_events(metric, &metric.table, "")
    )
}

/// The events that count, with customer, time and value under names that no table has. Another alias would hide a
/// column of the same name from the catalog's expressions.
pub(super) fn counted_events(metric: &MetricSpec, source: &str, and_where: &str) -> String {
    let (customer, time) = (metric.customer_sql(), metric.time_sql());
    let filter = metric.filter.as_deref().unwrap_or("true");
    // A text stands for its event.
    let value = metric.value.as_deref().filter(|_| !metric.aggregate.is_of_texts());
    let value = value.map_or_else(|| "toFloat64(1)".to_owned(), number);
    let further = figures::of_events(metric) + &counters::of_events(metric);
    let is_counted = format!("{}{}", figures::is_counted(metric), counters::is_counted(metric));
    let (of_source, is_whole) = match &metric.entities {
        None => Default::default(),
        Some(entities) => (
            format!(",\n        {} AS meterflow_bad{}", entities.bad_sql(), weight(entities)),
            format!(" AND {}{}", entities.is_key_sql("meterflow_customer"), has_usable_weight(metric)),
        ),
    };
    let (id, once) = versions::once(metric);
    let (filter, counts) =
        if versions::is_polled(metric) { ("true", " AND meterflow_counts") } else { (filter, "") };
    let sampled = sampled(metric);
    let rows = format!(
        "(
    SELECT
        toString({customer}) AS meterflow_customer,
        {time} AS meterflow_time,
        {value} AS meterflow_value{of_source}{further}{id}
    FROM {source}
    WHERE ({filter}){sampled}
        AND {time} >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND {time} < toDateTime('2106-01-01 00:00:00', 'UTC'){and_where}{once}
)"
    );
    let rows = if metric.counter && versions::is_polled(metric) { versions::steps(&rows) } else { rows };
    format!(
        "FROM
{rows}
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''{is_whole}{is_counted}{counts}"
    )
}

/// How many events a row stands for, as a whole number.
fn weight(entities: &Entities) -> String {
    let own = entities.weight.as_ref().map(|weight| format!("round({})", number(weight)));
    let sample = entities.sample.as_ref().map(|sample| format!("toFloat64({})", sample.one_in()));
    let both: Vec<String> = own.into_iter().chain(sample).collect();
    if both.is_empty() {
        String::new()
    } else {
        format!(",\n        {} AS meterflow_weight", both.join(" * "))
    }
}

/// The condition that a row is in the sample of its source.
fn sampled(metric: &MetricSpec) -> String {
    let sample = metric.entities.as_ref().and_then(|entities| entities.sample.as_ref());
    sample.map_or_else(String::new, |sample| {
        format!("\n        AND cityHash64(toString({})) % {} = 0", sample.by(), sample.one_in())
    })
}

/// The condition that a row stands for a number of events. Nobody samples fewer than one in a billion.
fn has_usable_weight(metric: &MetricSpec) -> &'static str {
    if has_weight(metric) { " AND meterflow_weight BETWEEN 1 AND 1000000000" } else { "" }
}
