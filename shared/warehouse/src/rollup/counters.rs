//! Counters of a source that views feed: what their views keep, and the steps that queries make of it.
//!
//! A counter only rises, and begins again at zero. Its steps tell something, and its values do not. A view sees one block of rows,
//! and not the row before. So each row of such a rollup holds the state `deltaSumTimestamp` of one counter in one time slot: the steps
//! inside of the slot, and its first and last value. A query merges each slot with the one before. The step from the one into the
//! other belongs to the later slot.
//!
//! * A counter whose value falls began again. The fall is no step, and what was counted meanwhile is not known. So a minute in which
//!   a counter of the entity began again is a gap. An hour has the steps that are known.
//! * The first value of a counter is no step. A slot without an earlier value is a gap, and not zero.
//! * Samples that lie more than an hour apart have no step between them.
//! * The steps of all counters of an entity are added up. Their values never are.
//!
//! Of a percentile the counters are those of the buckets of a histogram: the `weight` of a row counts, and its `value` is the size of
//! the events.

use catalog::{BUCKETS, Catalog, MetricSpec};

use super::sql::{Grain, MARK, key_of_shape};

/// The columns of the rows, in their order.
pub(super) const COLUMNS: &str = "customer_id, metric, series, hour, events, steps, per_steps, kind, size, resets, opening, closing, first, last";

/// Milliseconds between two samples that have a step between them.
const LONGEST_STEP: i64 = 3_600_000;

/// Whether the views of a metric keep states of counters.
pub(super) fn holds(metric: &MetricSpec) -> bool {
    metric.entities.as_ref().is_some_and(|entities| entities.counts_steps)
}

/// The same of all metrics of a source.
pub(super) fn are_held(catalog: &Catalog) -> bool {
    catalog.entities().is_some_and(|entities| entities.counts_steps)
}

/// Whether a rollup with this definition of its engine holds states.
pub(super) fn are_in(engine: &str) -> bool {
    engine.contains(", metric, series, ")
}

/// Makes a rollup of states.
pub(super) fn table(name: &str, grain: Grain, partition: &str, days: u16) -> String {
    let column = grain.column;
    format!(
        "CREATE TABLE IF NOT EXISTS {name}
(
    customer_id LowCardinality(String),
    metric LowCardinality(String),
    -- Which counter of the entity.
    series UInt64,
    {column} DateTime('UTC') CODEC(Delta, ZSTD),
    events SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
    -- Steps inside of the slot, with the first and the last value.
    steps AggregateFunction(deltaSumTimestamp, Float64, Int64),
    -- The same of what a ratio divides by, if it is a counter, too.
    per_steps AggregateFunction(deltaSumTimestamp, Float64, Int64),
    -- 0: the steps are divided by their seconds, if at all. 1: by the other steps. 2: the steps are events of one size.
    kind SimpleAggregateFunction(max, UInt8),
    size SimpleAggregateFunction(max, Float64),
    -- How often the counter began again inside of the slot, and its first and last value.
    resets SimpleAggregateFunction(sum, UInt64),
    opening AggregateFunction(argMin, Float64, Int64),
    closing AggregateFunction(argMax, Float64, Int64),
    -- The times of the first and the last sample, in Unix milliseconds.
    first SimpleAggregateFunction(min, Int64),
    last SimpleAggregateFunction(max, Int64)
)
ENGINE = AggregatingMergeTree
PARTITION BY {partition}
ORDER BY (cityHash64(customer_id) % {BUCKETS}, customer_id, metric, series, {column})
TTL {column} + toIntervalDay({days})
SETTINGS index_granularity = 2048
COMMENT '{MARK}'"
    )
}

/// What the steps of a metric are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A sum, or a ratio to the seconds that the steps took.
    OfTime,
    /// Divided by the steps of another counter.
    Ratio,
    /// Events of one size.
    Sized,
}

impl Kind {
    fn of(metric: &MetricSpec) -> Self {
        match (metric.aggregate.percentile(), &metric.per) {
            (Some(_), _) => Self::Sized,
            (None, Some(_)) => Self::Ratio,
            (None, None) => Self::OfTime,
        }
    }
}

/// The SELECT of a view. The samples of a block come in any order, and a state counts them in the order in which it gets them.
pub(super) fn select(metric: &MetricSpec, events: &str, grain: Grain) -> String {
    let column = grain.column;
    let start = grain.start("toTimeZone(assumeNotNull(meterflow_time), 'UTC')");
    let (name, kind) = (&metric.name, Kind::of(metric));
    let zero = "toFloat64(0)";
    let value = "assumeNotNull(meterflow_value)";
    let (counted, per, size) = match kind {
        Kind::OfTime => (value, zero, zero),
        Kind::Ratio => (value, "meterflow_per", zero),
        Kind::Sized => ("assumeNotNull(meterflow_weight)", zero, value),
    };
    format!(
        "SELECT
    customer_id,
    '{name}' AS metric,
    meterflow_series AS series,
    {column},
    length(samples) AS events,
    arrayReduce('deltaSumTimestampState', samples.2, samples.1) AS steps,
    arrayReduce('deltaSumTimestampState', samples.3, samples.1) AS per_steps,
    toUInt8({kind}) AS kind,
    arrayMax(samples.4) AS size,
    arrayCount((one, next) -> next.2 + next.3 < one.2 + one.3, arrayPopBack(samples), arrayPopFront(samples)) AS resets,
    arrayReduce('argMinState', arrayMap(of -> of.2 + of.3, samples), samples.1) AS opening,
    arrayReduce('argMaxState', arrayMap(of -> of.2 + of.3, samples), samples.1) AS closing,
    samples[1].1 AS first,
    samples[-1].1 AS last
FROM
(
    SELECT
        assumeNotNull(meterflow_customer) AS customer_id,
        meterflow_series,
        {start} AS {column},
        arraySort(groupArray((toUnixTimestamp64Milli(toDateTime64(assumeNotNull(meterflow_time), 3, 'UTC')),
            {counted}, {per}, {size}))) AS samples
    {events}
    GROUP BY customer_id, meterflow_series, {column}
)",
        kind = kind as u8,
    )
}

/// A further column of the events that count.
pub(super) fn of_events(metric: &MetricSpec) -> String {
    if !holds(metric) {
        return String::new();
    }
    let series = metric.series.as_deref().unwrap_or("0");
    format!(",\n        cityHash64(toString({series})) AS meterflow_series")
}

/// A counter is a number that is not negative.
pub(super) fn is_counted(metric: &MetricSpec) -> String {
    if !holds(metric) {
        return String::new();
    }
    let further = match Kind::of(metric) {
        Kind::OfTime => None,
        Kind::Ratio => Some("meterflow_per"),
        Kind::Sized => Some("meterflow_weight"),
    };
    let columns = std::iter::once("meterflow_value").chain(further);
    columns.map(|column| format!(" AND isFinite({column}) AND {column} >= 0")).collect()
}

/// The steps in the columns of a rollup, as a subquery: one row for each metric of an entity and slot with a step.
///
/// `total` is the sum of the steps of all counters. `per` is what a ratio divides by: the sum of the other steps, or else the seconds
/// that the steps took. Of the buckets of a histogram the events are those of their steps.
///
/// * `since`: the first slot that is needed, as SQL. Without it all are read.
/// * `and_where`: further conditions on metric and entity.
pub(crate) fn rows(table: &str, column: &str, since: Option<&str>, and_where: &str) -> String {
    // The last sample before may be so much earlier, anywhere in its slot.
    let slot = if column == "minute" { "toIntervalMinute(1)" } else { "toIntervalHour(1)" };
    let period = since.map_or_else(
        || "true".to_owned(),
        |since| format!("{column} >= {since} - toIntervalSecond({}) - {slot}", LONGEST_STEP / 1_000),
    );
    let (of_size, of_steps) = (key_of_shape("size"), key_of_shape("steps"));
    // Of an hour the most is known, whatever happened within a minute of it.
    let is_whole = if column == "minute" { " AND sum(began_again) = 0" } else { "" };
    let sized = Kind::Sized as u8;
    let ratio = Kind::Ratio as u8;
    format!(
        "(
    SELECT customer_id, metric, {column},
        if(of_kind = {sized}, toUInt64(round(steps)), samples) AS events,
        if(of_kind = {sized}, sizes, steps) AS total,
        if(of_kind = {sized}, largest, steps) AS peak,
        if(of_kind = {sized}, smallest, steps) AS low,
        toFloat64(0) AS corrections, toUInt64(0) AS bad,
        if(of_kind = {sized}, shape_of_sizes, map({of_steps}, toUInt64(1))) AS shape,
        if(of_kind = {ratio}, per_steps, seconds) AS per
    FROM
    (
        SELECT customer_id, metric, {column}, max(kind) AS of_kind, sum(events) AS samples, sum(step) AS steps,
            sum(per_step) AS per_steps, max(took) / 1000 AS seconds, sum(size * step) AS sizes,
            max(if(step > 0, size, -inf)) AS largest, min(if(step > 0, size, inf)) AS smallest,
            sumMapIf(map({of_size}, toUInt64(round(step))), step > 0) AS shape_of_sizes
        FROM
        (
            SELECT customer_id, metric, {column}, events, kind, size,
                lagInFrame(last) OVER pair AS before,
                before > 0 AND first - before <= {LONGEST_STEP} AS follows,
                resets + (follows AND opening < lagInFrame(closing) OVER pair) AS began_again,
                last - if(follows, before, first) AS took,
                greatest(if(follows, deltaSumTimestampMerge(state) OVER pair - lagInFrame(alone) OVER pair, alone), 0) AS step,
                greatest(if(follows, deltaSumTimestampMerge(per_state) OVER pair - lagInFrame(per_alone) OVER pair, per_alone), 0)
                    AS per_step
            FROM
            (
                SELECT customer_id, metric, series, {column}, sum(events) AS events, max(kind) AS kind, max(size) AS size,
                    min(first) AS first, max(last) AS last, sum(resets) AS resets,
                    argMinMerge(opening) AS opening, argMaxMerge(closing) AS closing,
                    deltaSumTimestampMergeState(steps) AS state, finalizeAggregation(state) AS alone,
                    deltaSumTimestampMergeState(per_steps) AS per_state, finalizeAggregation(per_state) AS per_alone
                FROM {table}
                WHERE {period}{and_where}
                GROUP BY cityHash64(customer_id) % {BUCKETS}, customer_id, metric, series, {column}
            )
            WINDOW pair AS (PARTITION BY customer_id, metric, series ORDER BY {column} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        )
        GROUP BY customer_id, metric, {column}
        HAVING max(took) > 0{is_whole}
    )
)"
    )
}

#[cfg(test)]
mod tests {
    use catalog::Catalog;

    use super::*;
    use crate::rollup::{Tables, statements};

    /// The metrics of a preset.
    fn metrics(preset: &str, source: &str) -> Catalog {
        let (_, text) = catalog::PRESETS.into_iter().find(|(name, _)| *name == preset).unwrap();
        Catalog::parse(text, preset).unwrap().of(source).unwrap().clone()
    }

    #[test]
    fn views_keep_states() {
        let view = |metric: &MetricSpec| statements::create_view(metric, &metric.table);
        let counters = metrics("machines_sum", "machine_counters");
        insta::assert_snapshot!("view_of_a_rate", view(counters.get("machine_traffic").unwrap()));
        let ratio = view(counters.get("machine_busy").unwrap());
        assert!(
            ratio.contains("toUInt8(1) AS kind") && ratio.contains("AND isFinite(meterflow_per)"),
            "{ratio}"
        );
        let buckets = metrics("machines_histogram", "request_buckets");
        insta::assert_snapshot!("view_of_buckets", view(&buckets.metrics()[0]));
        let deltas = metrics("machines_histogram", "request_deltas");
        assert!(view(&deltas.metrics()[0]).contains("meterflow_weight BETWEEN 1"));
    }

    #[test]
    fn rollups_hold_states() {
        let counters = metrics("machines_sum", "machine_counters");
        let tables = Tables::of(&counters);
        let [hours, ..] = statements::tables(&counters, 400);
        insta::assert_snapshot!("rollup_of_states", hours);
        let minutes = statements::minutes(&counters, tables.minutes.as_deref().unwrap());
        assert!(
            minutes.contains("TTL minute + toIntervalDay(3)") && minutes.contains("steps AggregateFunction"),
            "{minutes}"
        );
        assert!(are_in(
            "AggregatingMergeTree ORDER BY (cityHash64(customer_id) % 24, customer_id, metric, series, hour)"
        ));
        assert!(!are_in(
            "AggregatingMergeTree ORDER BY (cityHash64(customer_id) % 24, customer_id, metric, hour)"
        ));
    }

    #[test]
    fn queries_make_steps_of_states() {
        insta::assert_snapshot!(
            "steps_of_minutes",
            rows("nodes_minute", "minute", Some("now()"), " AND metric = 'traffic'")
        );
        // An hour has the steps that are known.
        assert!(!rows("nodes_hourly", "hour", None, "").contains("AND sum(began_again) = 0"));
    }
}
