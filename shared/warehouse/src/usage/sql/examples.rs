//! Events of entities that show what an anomaly is about, from people's own table.

use catalog::MetricSpec;

use super::entities::{expression, instant, value};
use crate::usage::Wanted;

/// At most `{most}` events of each of the keys `{customers}` from `{start}` until `{end}`: one row each, with its id and the ids
/// that an anomaly carries. `None` if the source names no id.
///
/// Rows that were replaced, and repetitions of an id, count once.
pub(in crate::usage) fn examples(metric: &MetricSpec, wanted: &Wanted<'_>) -> Option<String> {
    let entities = metric.entities.as_ref()?;
    let id = expression(entities.id.as_ref()?);
    let (table, time, key) = (&metric.table, instant(metric), metric.customer_sql());
    let (bad, ids, is_key) = (entities.bad_sql(), entities.ids_sql(), entities.is_key_sql("event_key"));
    let filter = metric.filter.as_deref().unwrap_or("true");
    let value = value(metric);
    let limit = "{limits:Array(Float64)}[indexOf({customers:Array(String)}, event_key)]";
    let (condition, order) = match wanted {
        Wanted::Failed => ("has_failed = 1".to_owned(), "event_at DESC"),
        Wanted::Above(_) => (format!("event_value > {limit}"), "event_value DESC, event_at DESC"),
        Wanted::Below(_) => {
            (format!("event_value >= 0 AND event_value < {limit}"), "event_value, event_at DESC")
        }
        Wanted::Newest => ("true".to_owned(), "event_at DESC"),
    };
    // No alias may be the name of a column of the table: a condition would take the one for the other.
    Some(format!(
        "SELECT event_key, count() OVER () AS declared, event_id, event_ids
FROM
(
    SELECT * FROM
    (
        SELECT {key} AS event_key, assumeNotNull(toUnixTimestamp64Milli({time})) AS event_at,
            toString({id}) AS event_id, {ids} AS event_ids, toUInt8({bad}) AS has_failed, {value} AS event_value
        FROM {table}
        WHERE ({filter}) AND {time} >= fromUnixTimestamp64Milli({{start:Int64}}, 'UTC')
            AND {time} < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC')
            AND {is_key} AND event_key IN {{customers:Array(String)}}
        ORDER BY event_at DESC
        LIMIT 1 BY event_key, event_id
    )
    WHERE {condition}
    ORDER BY {order}, event_id
    LIMIT {{most:UInt32}} BY event_key
)
ORDER BY {order}, event_id
SETTINGS final = 1"
    ))
}
