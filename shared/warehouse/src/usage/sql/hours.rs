//! The hours of customers, one by one: what models are fitted from.

use catalog::{Aggregate, Catalog, Shard};
use detection::Window;

use super::UNKNOWN_TOLD;
use super::source::{Source, bucket};
use super::sweep::{Declared, IN_ORDER};
use super::values::{place, value_of_row};

/// One row per customer with the hours of a period, from the hourly rollup: the place of each hour, its value and, if a
/// metric is an average, its number of events. The place is `metric * hours + hour`, where hour 0 is the oldest. Hours come in
/// no order. An hour comes more than once until ClickHouse has merged its rows. Rows of unknown metrics have a place beyond
/// the last one. The bucket says at which hour of the day a customer's models begin.
///
/// The grouping reads the table itself, so each server of a cluster groups its own rows and sends one row a customer.
///
/// `groupArray` only copies. Arrays that have a place for each hour of the period took four times as long.
pub(in crate::usage) fn hours(
    catalog: &Catalog,
    period: &Window,
    shard: Shard,
    some_customers: bool,
    in_order: bool,
) -> String {
    let metrics = catalog.modelled().len();
    let hours = period.length().as_hours();
    let slots = metrics * usize::try_from(hours).unwrap_or(0);
    let Source { rows, time, unit_ms } = Source::of(catalog, period, shard, some_customers);
    let Declared { counted, column } = Declared::of(catalog, period, shard, some_customers);
    let hour_ms = 3_600_000 / unit_ms;
    let bucket = bucket();
    let order = if in_order { format!("ORDER BY {bucket}, customer_id\n") } else { String::new() };
    let (place, value) = (place(catalog), value_of_row(catalog));
    let events = match catalog.modelled().iter().any(|metric| metric.aggregate == Aggregate::Avg) {
        true => "groupArray(events)",
        false => "CAST([], 'Array(UInt64)')",
    };
    format!(
        "WITH
    {counted}intDiv({{start:Int64}}, {unit_ms}) AS opening,
    {time} AS at,
    {place} AS place,
    toUInt32(if(place = {metrics} OR events = 0, {slots}, place * {hours} + intDiv(at - opening, {hour_ms}))) AS slot,
    {value} AS value
SELECT
    toUInt8({bucket}) AS bucket,
    customer_id,
    {column} AS declared,
    groupUniqArrayIf({UNKNOWN_TOLD})(toValidUTF8(toString(metric)), place = {metrics}) AS unknown,
    groupArray(slot) AS slots,
    groupArray(value) AS values,
    {events} AS counts
FROM {rows}
GROUP BY {bucket}, customer_id
{order}SETTINGS {IN_ORDER}"
    )
}
