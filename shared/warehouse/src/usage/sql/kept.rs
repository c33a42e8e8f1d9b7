//! The samples that runs keep for the rule `unseen_shape`.

use catalog::{Catalog, Shard};
use detection::rules::unseen_shape::{DAY, SAMPLES, STEP};

use super::source::{are_chosen, bucket, of_shard};
use super::sweep::IN_ORDER;
use crate::rollup::Tables;

/// One row per entity: the samples of its metrics until `{end}`, each with how many samples ago it was, by metric and day. The sample
/// that ends at `{end}` is a day of its own. `None` if no metric has the rule.
pub(in crate::usage) fn kept_samples(catalog: &Catalog, shard: Shard, some_entities: bool) -> Option<String> {
    let chosen = catalog.ruled().iter().enumerate().filter(|(_, spec)| spec.unseen_shape().is_some());
    let (places, metrics): (Vec<_>, Vec<_>) =
        chosen.map(|(place, spec)| (place.to_string(), format!("'{}'", spec.name))).unzip();
    if metrics.is_empty() {
        return None;
    }
    let (places, metrics) = (places.join(", "), metrics.join(", "));
    let (names, keys) = if some_entities { are_chosen(catalog) } else { Default::default() };
    let (bucket, table) = (bucket(), Tables::of(catalog).samples);
    let of_shard = of_shard(shard, &bucket);
    let end = "intDiv({end:Int64}, 1000)";
    Some(format!(
        "SELECT customer_id, count() OVER () AS declared, groupArray((place, day, slots, sample_values, two, four)) AS days
FROM
(
    SELECT bucket, customer_id, place, toUInt8(intDiv(slot + {DAY} - 1, {DAY})) AS day, groupArray(slot) AS slots,
        groupArray(value) AS sample_values, max(two_hours) AS two, max(four_hours) AS four
    FROM
    (
        SELECT {bucket} AS bucket, customer_id, value, two_hours, four_hours,
            toUInt16(transform(metric, [{metrics}], [{places}], 0)) AS place,
            toUInt16(intDiv({end} - toUnixTimestamp(sample), {STEP}) - 1) AS slot
        FROM {table}{names}
        WHERE sample >= toDateTime({end} - {STEP} * {SAMPLES}, 'UTC') AND sample < toDateTime({end}, 'UTC')
            AND metric IN ({metrics}){keys}{of_shard}
    )
    GROUP BY bucket, customer_id, place, day
)
GROUP BY bucket, customer_id
SETTINGS {IN_ORDER}"
    ))
}
