//! Single events of entities, from people's own table.

use catalog::{Catalog, Entities, MetricSpec};

use crate::rollup::number;

/// When each of the newest events of an entity was finished and whether it failed, the newest first: at most `{most}` events
/// from `{from}` until `{end}`, in Unix milliseconds. Only entities with an event from `{start}` on.
///
/// Rows that were replaced, and repetitions of an id, count once. Events of one instant are in the order of their ids.
pub(in crate::usage) fn outcomes(metric: &MetricSpec, some_entities: bool) -> Option<String> {
    let entities = metric.entities.as_ref()?;
    let (table, time, key) = (&metric.table, instant(metric), metric.customer_sql());
    let (bad, is_key) = (entities.bad_sql(), entities.is_key_sql("key"));
    let filter = metric.filter.as_deref().unwrap_or("true");
    let id = entities.id.as_ref().map_or_else(|| "''".to_owned(), |id| expression(id));
    let once = if entities.id.is_some() { "LIMIT 1 BY key, id" } else { "" };
    let chosen = if some_entities { " AND key IN {customers:Array(String)}" } else { "" };
    Some(format!(
        "SELECT key, count() OVER () AS declared,
    arrayMap(event -> (event.1, event.3), arrayReverseSort(groupArray((at, id, bad)))) AS outcomes
FROM
(
    SELECT key, id, at, bad FROM
    (
        SELECT {key} AS key, assumeNotNull(toUnixTimestamp64Milli({time})) AS at, toUInt8({bad}) AS bad, toString({id}) AS id
        FROM {table}
        WHERE ({filter}) AND {time} >= fromUnixTimestamp64Milli({{from:Int64}}, 'UTC')
            AND {time} < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC') AND {is_key}{chosen}
        ORDER BY at DESC
        {once}
    )
    ORDER BY at DESC, id DESC
    LIMIT {{most:UInt32}} BY key
)
GROUP BY key
HAVING max(at) >= {{start:Int64}}
SETTINGS final = 1"
    ))
}

/// The newest row of the event `{id}`, whether it is finished or not.
pub(in crate::usage) fn event(catalog: &Catalog, of_customer: bool) -> Option<String> {
    let (metric, entities) = source(catalog)?;
    let (table, time, key) = (&metric.table, metric.time_sql(), metric.customer_sql());
    let (bad, ids, is_key) = (entities.bad_sql(), entities.ids_sql(), entities.is_key_sql("key"));
    let filter = entities.filter.as_deref().unwrap_or("true");
    let id = expression(entities.id.as_ref()?);
    let customer = match of_customer {
        true => format!(" AND toString({}) = {{customer:String}}", metric.tenant_sql()),
        false => String::new(),
    };
    let values: Vec<String> = catalog.ruled().iter().map(value).collect();
    let values = values.join(",\n        ");
    Some(format!(
        "SELECT {key} AS key, toUnixTimestamp64Milli(toDateTime64(ifNull({time}, toDateTime(0)), 3, 'UTC')) AS at,
    toUInt8(ifNull(({filter}) != 0, 0) AND isNotNull({time})) AS is_finished, toUInt8({is_key}) AS is_whole,
    toUInt8({bad}) AS bad, {ids} AS ids,
    CAST([
        {values}
    ], 'Array(Float64)') AS values
FROM {table}
WHERE toString({id}) = {{id:String}}{customer}
ORDER BY at DESC
LIMIT 1
SETTINGS final = 1"
    ))
}

/// The time of a metric's event in milliseconds, which is how it is compared everywhere.
pub(super) fn instant(metric: &MetricSpec) -> String {
    format!("toDateTime64({}, 3, 'UTC')", metric.time_sql())
}

pub(super) fn expression(text: &str) -> String {
    format!("({text})")
}

/// The value that an event has of a metric, as a number. NaN if it has none.
pub(super) fn value(metric: &MetricSpec) -> String {
    // A text is no number, and a ratio is of many events.
    if !metric.aggregate.has_sizes() {
        return "nan".to_owned();
    }
    let value = metric.value.as_deref().map_or_else(|| "toFloat64(1)".to_owned(), number);
    let filter = metric.filter.as_deref().unwrap_or("true");
    format!("if(ifNull(({filter}) != 0, 0), ifNull({value}, nan), nan)")
}

/// All metrics of a source have its table, time and entities.
fn source(catalog: &Catalog) -> Option<(&MetricSpec, &Entities)> {
    catalog.metrics().first().zip(catalog.entities())
}
