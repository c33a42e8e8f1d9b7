//! Windows of 24 hours made of the hours of the rollup.

use catalog::{Catalog, Shard};

use super::UNKNOWN_TOLD;
use super::source::{bucket, of_shard};
use super::values::{aggregates, columns, place, values};
use crate::rollup::TABLE;

/// One row per customer with its windows of these ages, of 24 hours each, in the order of customers. `declared` is the
/// number of these rows.
pub(in crate::usage) fn fresh(catalog: &Catalog, ages: &[u8], shard: Shard) -> String {
    let windows = windows_of_hours(catalog, ages, shard);
    format!(
        "SELECT bucket, customer_id, count() OVER () AS declared, toInt64(0) AS first_event_ms,
    CAST([], 'Array(Int64)') AS first_uses_ms, unknown, ages, values
FROM
(
{windows}
)
ORDER BY bucket, customer_id
SETTINGS optimize_aggregation_in_order = 1"
    )
}

/// The number of customers with usage in the windows of these ages.
pub(in crate::usage) fn count_fresh(ages: &[u8], shard: Shard) -> String {
    format!("SELECT count() FROM (SELECT customer_id FROM {} GROUP BY customer_id)", hours_of(ages, shard))
}

/// The windows of these ages, which are in order, made of the hours of the rollup. One row per customer with usage in
/// any of them.
pub(super) fn windows_of_hours(catalog: &Catalog, ages: &[u8], shard: Shard) -> String {
    let (metrics, count) = (catalog.metrics().len(), ages.len());
    let slots = count * metrics;
    let list = |numbers: &[u8]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let age = "intDiv({to:UInt32} - toUnixTimestamp(hour) - 1, 86400)";
    let number = match following(ages).count() {
        1 => format!("{age} - {}", ages[0]),
        _ => {
            let numbers: Vec<_> = (0..count).map(|number| number.to_string()).collect();
            format!("transform({age}, [{}], [{}], {count})", list(ages), numbers.join(", "))
        }
    };
    // One window needs no choice.
    let (seen, present, chosen) = match ages {
        [only] => (String::new(), format!("[toUInt8({only})]"), "all_values".to_owned()),
        _ => (
            "groupBitOr(bitShiftLeft(toUInt64(1), number)) AS seen,\n            ".to_owned(),
            format!(
                "arrayFilter((age, number) -> bitTest(seen, number), [{}]::Array(UInt8), range({count}))",
                list(ages)
            ),
            format!(
                "arrayFilter((value, number) -> bitTest(seen, number), all_values, \
                 arrayMap(slot -> intDiv(slot, {metrics}), range({slots})))"
            ),
        ),
    };
    let place = place(catalog);
    let columns = columns(catalog);
    let aggregates = aggregates(catalog, slots);
    let values = values(catalog, slots, &format!("slot % {metrics}"));
    let bucket = bucket();
    let rows = hours_of(ages, shard);
    let told = UNKNOWN_TOLD * count;
    format!(
        "    SELECT
        {bucket} AS bucket,
        toString(customer_id) AS customer_id,
        {present} AS ages,
        {values} AS all_values,
        {chosen} AS values,
        unknown
    FROM
    (
        SELECT
            customer_id,
            {seen}groupUniqArrayIf({told})((toUInt8(age), toValidUTF8(toString(metric))), place = {metrics}) AS unknown,
            {aggregates}
        FROM
        (
            SELECT
                customer_id,
                metric,
                {columns},
                {place} AS place,
                {age} AS age,
                {number} AS number,
                if(place = {metrics}, {slots}, number * {metrics} + place) AS slot
            FROM {rows}
        )
        GROUP BY customer_id
    )"
    )
}

/// The rows of the rollup for the windows of these ages.
fn hours_of(ages: &[u8], shard: Shard) -> String {
    let spans: Vec<_> = following(ages)
        .map(|ages| {
            let (newest, oldest) = (ages[0], ages[ages.len() - 1]);
            format!(
                "(hour >= toDateTime({{to:UInt32}} - {}, 'UTC') AND hour < toDateTime({{to:UInt32}} - {}, 'UTC'))",
                (u32::from(oldest) + 1) * 86_400,
                u32::from(newest) * 86_400,
            )
        })
        .collect();
    format!("{TABLE} WHERE ({}){}", spans.join(" OR "), of_shard(shard, &bucket()))
}

/// Ages of windows that lie one after the other.
fn following(ages: &[u8]) -> impl Iterator<Item = &[u8]> {
    ages.chunk_by(|one, next| one + 1 == *next)
}
