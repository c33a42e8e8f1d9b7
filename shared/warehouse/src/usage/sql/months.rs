//! What customers used since some hours, of metrics that have budgets.

use catalog::{Aggregate, Catalog};

use crate::rollup::Tables;

/// One row with all customers and metrics that may have reached a mark, each with a sum since each of `{starts}`.
///
/// The first two sums are those that the marks of all customers are compared with: of the month, and of the last week. A customer
/// of `{customers}` is told in any case, because only the caller knows its marks. So is a sum that is no number.
pub(in crate::usage) fn months(catalog: &Catalog) -> String {
    let table = Tables::of(catalog).rows;
    let counts: Vec<_> = catalog
        .metrics()
        .iter()
        .filter(|metric| metric.aggregate == Aggregate::Count)
        .map(|metric| format!("'{}'", metric.name))
        .collect();
    let value = match counts.is_empty() {
        true => "total".to_owned(),
        false => format!("if(metric IN ({}), toFloat64(events), total)", counts.join(", ")),
    };
    format!(
        "SELECT groupArray((key, name, sums))
FROM
(
    SELECT
        toString(customer_id) AS key,
        toString(metric) AS name,
        sumForEach(arrayMap(start -> if(toUnixTimestamp(hour) >= start, {value}, 0.), {{starts:Array(UInt32)}})) AS sums
    FROM {table}
    WHERE hour >= toDateTime({{first:UInt32}}, 'UTC') AND hour < toDateTime({{until:UInt32}}, 'UTC')
        AND metric IN {{budgeted:Array(String)}}
        AND (metric IN {{of_all:Array(String)}} OR customer_id IN {{customers:Array(String)}})
    GROUP BY key, name
    HAVING {{everybody:Bool}} OR key IN {{customers:Array(String)}} OR NOT isFinite(sums[1] + sums[2])
        OR sums[1] >= transform(name, {{of_all:Array(String)}}, {{least:Array(Float64)}}, toFloat64(inf))
        OR sums[1] + sums[2] / {{week:Float64}} * transform(name, {{of_all:Array(String)}}, {{hours:Array(Float64)}}, 0.)
            >= transform(name, {{of_all:Array(String)}}, {{quotas:Array(Float64)}}, toFloat64(inf))
)"
    )
}
