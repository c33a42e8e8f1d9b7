//! The hours of customers, one by one: what models are fitted from.

use catalog::{Catalog, Shard};
use detection::Window;

use super::UNKNOWN_TOLD;
use super::source::{Source, bucket};
use super::sweep::{IN_ORDER, count_customers};
use super::values::{aggregates, columns, place, values};

/// One row per customer with the hours of a period, from the hourly rollup. The value of an hour is at
/// `metric * hours + hour`, where hour 0 is the oldest. The bucket says at which hour of the day a customer's models
/// begin.
pub(in crate::usage) fn hours(
    catalog: &Catalog,
    period: &Window,
    shard: Shard,
    some_customers: bool,
    in_order: bool,
) -> String {
    // ClickHouse would compute values after sorting, and hold all columns that they are made of: three times the memory.
    let (order, setting) = match in_order {
        true => ("ORDER BY toString(customer_id)\n", ", query_plan_execute_functions_after_sorting = 0"),
        false => ("", ""),
    };
    let metrics = catalog.metrics().len();
    let hours = period.length().as_hours();
    let slots = metrics * usize::try_from(hours).unwrap_or(0);
    let Source { rows, time, unit_ms } = Source::of(catalog, period, shard, some_customers);
    let declared = count_customers(catalog, period, shard, some_customers);
    let hour_ms = 3_600_000 / unit_ms;
    let bucket = bucket();
    let (place, columns, aggregates) = (place(catalog), columns(catalog), aggregates(catalog, slots));
    let values = values(catalog, slots, &format!("intDiv(slot, {hours})"));
    format!(
        "WITH
    assumeNotNull(({declared})) AS declared,
    intDiv({{start:Int64}}, {unit_ms}) AS opening
SELECT
    toUInt8({bucket}) AS bucket,
    customer_id,
    declared,
    unknown,
    {values} AS values
FROM
(
    SELECT
        customer_id,
        groupUniqArrayIf({UNKNOWN_TOLD})(toValidUTF8(toString(metric)), place = {metrics}) AS unknown,
        {aggregates}
    FROM
    (
        SELECT
            customer_id,
            metric,
            {columns},
            {time} AS at,
            {place} AS place,
            if(place = {metrics}, {slots}, place * {hours} + intDiv(at - opening, {hour_ms})) AS slot
        FROM {rows}
    )
    GROUP BY customer_id
)
{order}SETTINGS {IN_ORDER}{setting}"
    )
}
