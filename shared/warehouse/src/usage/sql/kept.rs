//! The samples that runs keep for the rule `unseen_shape`.

use catalog::{Catalog, Shard};
use detection::rules::unseen_shape::{SAMPLES, STEP};

use super::source::{are_chosen, bucket, of_shard};
use crate::rollup::Tables;
use crate::usage::kept::BLOCK;

/// One row per entity: the blocks of samples of its metrics until `{end}`, each with the place of its metric, its first instant in seconds
/// since 1970, and whether it has the distances of each of its samples. The others have the largest distance of those before the time of
/// day of the judged sample, and that of the rest: there a day of the rule begins. `None` if no metric has the rule.
///
/// The arrays of distances are most of the rows, and only blocks with the newest samples may change.
///
/// * `recent`: the number of these samples.
pub(in crate::usage) fn kept_samples(
    catalog: &Catalog,
    recent: usize,
    shard: Shard,
    some_entities: bool,
) -> Option<String> {
    let chosen = catalog.ruled().iter().enumerate().filter(|(_, spec)| spec.unseen_shape().is_some());
    let (places, metrics): (Vec<_>, Vec<_>) =
        chosen.map(|(place, spec)| (place.to_string(), format!("'{}'", spec.name))).unzip();
    if metrics.is_empty() {
        return None;
    }
    let (places, metrics) = (places.join(", "), metrics.join(", "));
    let (names, keys) = if some_entities { are_chosen(catalog) } else { Default::default() };
    let (table, of_shard) = (Tables::of(catalog).samples, of_shard(shard, &bucket()));
    let end = "intDiv({end:Int64}, 1000)";
    let seconds = STEP * BLOCK as i64;
    // The first instant of the block with the sample that is so many before `{end}`.
    let block = |samples: usize| {
        format!("toDateTime(intDiv({end} - {STEP} * {samples}, {seconds}) * {seconds}, 'UTC')")
    };
    let rows = |is_recent: bool, distances: [&str; 2], blocks: &str| {
        let [two_hours, four_hours] = distances;
        format!(
            "SELECT customer_id, toUInt16(transform(metric, [{metrics}], [{places}], 0)) AS place, toUnixTimestamp(block) AS first,
        {is_recent} AS is_recent, means, {two_hours} AS two, {four_hours} AS four
    FROM {table} FINAL{names}
    WHERE {blocks} AND metric IN ({metrics}){keys}{of_shard}"
        )
    };
    let before = format!("toUInt64((intDiv({end}, {STEP}) - 1) % {BLOCK})");
    let largest = ["two_hours", "four_hours"].map(|column| {
        format!("[arrayMax(arraySlice({column}, 1, {before})), arrayMax(arraySlice({column}, {before} + 1))]")
    });
    let (oldest, newest) = (block(SAMPLES), block(recent));
    let older = rows(
        false,
        largest.each_ref().map(String::as_str),
        &format!("block >= {oldest} AND block < {newest}"),
    );
    let end = format!("toDateTime({end}, 'UTC')");
    let newer = rows(true, ["two_hours", "four_hours"], &format!("block >= {newest} AND block < {end}"));
    Some(format!(
        "SELECT customer_id, count() OVER () AS declared, groupArray((place, first, is_recent, means, two, four)) AS blocks
FROM
(
    {older}
    UNION ALL
    {newer}
)
GROUP BY customer_id
SETTINGS do_not_merge_across_partitions_select_final = 1"
    ))
}
