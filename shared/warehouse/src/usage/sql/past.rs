//! What the rollup holds of the past.

use catalog::{BUCKETS, Catalog, Shard};
use detection::Window;

use super::source::{Source, bucket};
use crate::rollup::Tables;

/// The first and the last hour before `{end}` with usage of the catalog's metrics, in Unix seconds, and the number of
/// their rows.
pub(in crate::usage) fn held(catalog: &Catalog) -> String {
    let table = Tables::of(catalog).rows;
    format!(
        "SELECT toUnixTimestamp(min(hour)), toUnixTimestamp(max(hour)), count()
FROM {table}
WHERE hour < toDateTime(intDiv({{end:Int64}}, 1000), 'UTC') AND metric IN {{metrics:Array(String)}}"
    )
}

/// The newest hour with usage, in Unix seconds, and whether there is any. Parts know their first and last hour, so no row is
/// read.
pub(in crate::usage) fn newest_hour(catalog: &Catalog) -> String {
    let Tables { rows, rollup, .. } = Tables::of(catalog);
    // The hours of steps are those of the samples.
    let counts_steps = catalog.entities().is_some_and(|entities| entities.counts_steps);
    let table = if counts_steps { rollup } else { rows };
    format!("SELECT toUnixTimestamp(max(hour)), count() > 0 FROM {table}")
}

/// The customers of a shard with usage in a period, in one row. So the list arrives whole or not at all.
pub(in crate::usage) fn customers(catalog: &Catalog, period: &Window, shard: Shard) -> String {
    let rows = Source::of(catalog, period, shard, false).rows;
    format!(
        "SELECT groupUniqArray(toString(customer_id)) FROM {rows} AND metric IN {{metrics:Array(String)}}"
    )
}

/// Whether a bucket has customers with usage since an hour.
pub(in crate::usage) fn has_bucket(catalog: &Catalog) -> String {
    format!(
        "SELECT count() FROM (SELECT 1 FROM {} \
         WHERE {} = {{bucket:UInt8}} AND hour >= toDateTime({{since:UInt32}}, 'UTC') LIMIT 1)",
        Tables::of(catalog).rollup,
        bucket()
    )
}

/// The buckets of the customers with usage since an hour, in one row. Each is looked for by itself, because a search ends at
/// the first row.
pub(in crate::usage) fn buckets(catalog: &Catalog) -> String {
    let (table, bucket) = (Tables::of(catalog).rollup, bucket());
    let of = |number: u8| {
        format!(
            "(SELECT toUInt8({number}) AS bucket FROM {table} \
             WHERE {bucket} = {number} AND hour >= toDateTime({{since:UInt32}}, 'UTC') LIMIT 1)"
        )
    };
    let all: Vec<String> = (0..BUCKETS).map(of).collect();
    format!("SELECT groupArray(bucket) FROM\n(\n{}\n)", all.join("\nUNION ALL\n"))
}
