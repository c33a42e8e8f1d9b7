//! The entities of a source and their events, from its rollup. Each answer is one row, so it arrives whole or not at all.

use catalog::Catalog;

use super::source::bucket;
use crate::rollup::Tables;

const HOURS: &str = "hour >= toDateTime(intDiv({start:Int64}, 1000), 'UTC') \
                     AND hour < toDateTime(intDiv({end:Int64}, 1000), 'UTC')";

/// The newest `{limit}` keys that begin with `{prefix}` and have `{search}` in the names of their entity, each with its last
/// hour in Unix seconds.
pub(in crate::usage) fn entities_seen(catalog: &Catalog) -> String {
    let (table, metrics) = (Tables::of(catalog).rows, metrics(catalog));
    format!(
        "SELECT groupArray((key, last_hour))
FROM
(
    SELECT toString(customer_id) AS key, toUnixTimestamp(max(hour)) AS last_hour
    FROM {table}
    WHERE {HOURS} AND metric IN ({metrics}) AND startsWith(customer_id, {{prefix:String}})
    GROUP BY key
    HAVING {{search:String}} = '' OR positionCaseInsensitiveUTF8(
        replaceAll(substring(key, position(key, '\\x1f') + 1), '\\x1f', ' / '), {{search:String}}) > 0
    ORDER BY last_hour DESC, key
    LIMIT {{limit:UInt32}}
)"
    )
}

/// The events of keys by metric: of the key `{key}`, or of at most `{limit}` keys that begin with it.
pub(in crate::usage) fn entity_events(catalog: &Catalog, is_one: bool) -> String {
    let (table, bucket, metrics) = (Tables::of(catalog).rows, bucket(), metrics(catalog));
    let places: Vec<String> = (0..catalog.metrics().len()).map(|place| place.to_string()).collect();
    let places = places.join(", ");
    // The table is sorted by bucket and customer, so the bucket of one key finds its rows.
    let keys = if is_one {
        format!(
            "customer_id = {{key:String}} AND {bucket} = cityHash64({{key:String}}) % {}",
            catalog::BUCKETS
        )
    } else {
        format!(
            "customer_id IN (SELECT DISTINCT toString(customer_id) AS key FROM {table} \
             WHERE {HOURS} AND startsWith(customer_id, {{key:String}}) ORDER BY key LIMIT {{limit:UInt32}})"
        )
    };
    format!(
        "SELECT groupArray((key, place, all_events, all_bad, all_total, all_shape))
FROM
(
    SELECT
        toString(customer_id) AS key,
        toUInt16(transform(metric, [{metrics}], [{places}], 0)) AS place,
        sum(events) AS all_events,
        sum(bad) AS all_bad,
        sum(total + corrections) AS all_total,
        CAST(sumMap(shape), 'Array(Tuple(Int16, UInt64))') AS all_shape
    FROM {table}
    WHERE {HOURS} AND metric IN ({metrics}) AND {keys}
    GROUP BY key, place
)"
    )
}

/// The metrics of a source, as SQL. Their names are safe in it.
fn metrics(catalog: &Catalog) -> String {
    let names: Vec<String> = catalog.metrics().iter().map(|metric| format!("'{}'", metric.name)).collect();
    names.join(", ")
}
