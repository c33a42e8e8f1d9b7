//! One customer's usage in steps.

use catalog::{Aggregate, MetricSpec};

use super::values::value;
use crate::rollup::TABLE;

/// One customer's usage of one metric in steps of `{step}` seconds from `{start}` on. Steps without usage are left out.
///
/// The answer is one row, so it arrives whole or not at all.
pub(in crate::usage) fn steps(metric: &MetricSpec) -> String {
    let extreme = if metric.aggregate == Aggregate::Max { "max(peak)" } else { "min(low)" };
    let net = "sum(total) + sum(corrections)";
    let value = value(metric, "toFloat64(sum(events))", "sum(total)", net, extreme);
    format!(
        "SELECT groupArray((number, value, corrected)) AS steps
FROM
(
    SELECT toUInt32(intDiv(toUnixTimestamp(hour) - {{start:UInt32}}, {{step:UInt32}})) AS number, {value} AS value,
        ifNotFinite(sum(corrections), 0) AS corrected
    FROM {TABLE}
    WHERE customer_id = {{customer:String}} AND metric = {{metric:String}}
        AND hour >= toDateTime({{start:UInt32}}, 'UTC') AND hour < toDateTime({{end:UInt32}}, 'UTC')
    GROUP BY number
)"
    )
}
