//! One customer's usage in steps.

use catalog::{Aggregate, MetricSpec};

use super::values::value;
use crate::rollup::Tables;

/// One customer's usage of one metric in steps of `{step}` seconds from `{start}` on. Steps without usage are left out.
///
/// The answer is one row, so it arrives whole or not at all.
pub(in crate::usage) fn steps(metric: &MetricSpec) -> String {
    let extreme = if metric.aggregate == Aggregate::Max { "max(peak)" } else { "min(low)" };
    // Texts are few, and a table of them is read whole.
    let table = match metric.aggregate {
        Aggregate::Novel => format!("{} FINAL", Tables::fed_by(metric)),
        _ => Tables::of_metric(metric).rows,
    };
    let net = "sum(total) + sum(corrections)";
    let value = match (metric.aggregate, metric.aggregate.percentile()) {
        (Aggregate::Rate, _) => "sum(bad) / sum(events)".to_owned(),
        // Not a number where the sum of the divisors is zero.
        (Aggregate::Ratio, _) => format!("ifNotFinite(({net}) / sum(per), nan)"),
        (Aggregate::Last, _) => "argMaxMerge(newest)".to_owned(),
        (Aggregate::Distinct, _) => "toFloat64(uniqCombinedMerge(12)(texts))".to_owned(),
        (Aggregate::Novel, _) => "toFloat64(uniqExactIf(value, value != ''))".to_owned(),
        (_, Some(share)) => percentile(share),
        _ => value(metric, "toFloat64(sum(events))", "sum(total)", net, extreme),
    };
    // Texts have no corrections.
    let corrected = match metric.aggregate {
        Aggregate::Novel => "toFloat64(0)",
        _ => "ifNotFinite(sum(corrections), 0)",
    };
    format!(
        "SELECT groupArray((number, result, corrected)) AS steps
FROM
(
    SELECT toUInt32(intDiv(toUnixTimestamp(hour) - {{start:UInt32}}, {{step:UInt32}})) AS number, {value} AS result,
        {corrected} AS corrected
    FROM {table}
    WHERE customer_id = {{customer:String}} AND metric = {{metric:String}}
        AND hour >= toDateTime({{start:UInt32}}, 'UTC') AND hour < toDateTime({{end:UInt32}}, 'UTC')
    GROUP BY number
)"
    )
}

/// A percentile of the values in the histograms of some rows: the middle of the size that holds it, as
/// `detection::Histogram` reports it. Zero for zeros. NaN without a value that counts.
fn percentile(share: f64) -> String {
    let usable = "mapFilter((key, events) -> key BETWEEN -32767 AND 32766, sumMap(shape))";
    let (keys, counts) = (format!("mapKeys({usable})"), format!("mapValues({usable})"));
    let key = format!(
        "arrayFirst((key, upto) -> upto >= {share} * arraySum({counts}), {keys}, arrayCumSum({counts}))"
    );
    format!("multiIf(empty({keys}), nan, {key} <= -32767, 0, pow(1.05, {key} + 0.5))")
}
