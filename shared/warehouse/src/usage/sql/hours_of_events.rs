//! The events of one metric of one entity, hour by hour. The answer is one row, so it arrives whole or not at all.

use catalog::{Aggregate, MetricSpec};

use super::source::bucket;
use crate::rollup::Tables;

/// The figures of the hours from `{start}` until `{end}` of the key `{key}`, each with its start in Unix seconds. Hours without
/// events are left out.
pub(in crate::usage) fn hours_of_events(metric: &MetricSpec) -> String {
    let (table, bucket, buckets) = (Tables::of_metric(metric).rows, bucket(), catalog::BUCKETS);
    let name = &metric.name;
    // Only metrics of these aggregates fill their columns.
    let (ratio, newest) = match metric.aggregate {
        Aggregate::Ratio => ("sum(total + corrections) / sum(per)", "nan"),
        Aggregate::Last => ("nan", "argMaxMerge(newest)"),
        _ => ("nan", "nan"),
    };
    format!(
        "SELECT groupArray((start, (all_events, all_bad, all_total, least, most, all_shape, ratio, last_value)))
FROM
(
    SELECT
        toUnixTimestamp(hour) AS start,
        sum(events) AS all_events,
        sum(bad) AS all_bad,
        sum(total) AS all_total,
        min(low) AS least,
        max(peak) AS most,
        CAST(sumMap(shape), 'Array(Tuple(Int16, UInt64))') AS all_shape,
        {ratio} AS ratio,
        {newest} AS last_value
    FROM {table}
    WHERE hour >= toDateTime(intDiv({{start:Int64}}, 1000), 'UTC')
        AND hour < toDateTime(intDiv({{end:Int64}}, 1000), 'UTC')
        AND customer_id = {{key:String}} AND {bucket} = cityHash64({{key:String}}) % {buckets} AND metric = '{name}'
    GROUP BY start
)"
    )
}
