//! The text of the usage queries, made from the validated catalog. Values are bound on the server.
//!
//! A window's values stand in one array, in the order of the catalog, with two values that no usage has: NaN for a window
//! without events of the metric, and infinity for broken data. ClickHouse's arrays of plain numbers need half the time of
//! nullable ones.

use detection::Window;

use super::windows::{Build, NO_BUILD};
use crate::catalog::{Aggregate, Catalog, MetricSpec};
use crate::rollup::{self, ARRIVALS_TABLE, BUILDS_TABLE, TABLE, WINDOWS_TABLE};
use crate::shard::{BUCKETS, Shard};

/// Rows of one customer are aggregated as they are read, in the order of the table, so that ClickHouse holds a few
/// thousand customers at once. Small blocks keep its memory flat: measured at 400,000 customers they need less than a
/// quarter of it and the same time. The order of the customers is not fixed; sorting them would cost three times the
/// memory.
const IN_ORDER: &str = "optimize_aggregation_in_order = 1, aggregation_in_order_max_block_bytes = 1000000";

/// Values of windows that ClickHouse may hold at once: as many as some 30,000 customers have of four metrics, in less than
/// 100 MB. With more of them the first rows would come late, and who reads them would wait.
const FEW_VALUES: u64 = 4_000_000;

/// The bucket of a customer: the parts of the closed windows, of which each shard of a run has its own.
pub(super) fn bucket() -> String {
    format!("cityHash64(customer_id) % {BUCKETS}")
}

/// One row a customer, from the hours of the rollup or from single events: the ages of its windows, where age 0 is the
/// current one, and the values of each of them.
///
/// All windows of a customer are filled in one pass by the `-Resample` combinator. A value's place, its slot, is
/// `age * metrics + metric`. Rows of metrics that the catalog does not know, and rows between two windows, get a slot
/// beyond the last one, which the combinator leaves out.
pub(super) fn sweep(
    catalog: &Catalog,
    window: &Window,
    baseline_days: u16,
    shard: Shard,
    some_customers: bool,
) -> String {
    let windows = window.baseline_windows(baseline_days) + 1;
    let metrics = catalog.metrics().len();
    let slots = windows * metrics;
    let source = Source::of(catalog, window, shard, some_customers);
    let declared = count_customers(catalog, window, shard, some_customers);
    let (time, unit, rows) = (source.time, source.unit_ms, source.rows);
    let stride = window.stride().as_millis() / unit;
    let length = window.length().as_millis() / unit;
    // Windows as long as their stride leave nothing between them.
    let between = if length == stride {
        String::new()
    } else {
        format!(" OR (closing - at - 1) % {stride} >= {length}")
    };
    let place = place(catalog);
    let columns = columns(catalog);
    let aggregates = aggregates(catalog, slots);
    let values = values(catalog, slots);
    format!(
        "WITH
    assumeNotNull(({declared})) AS declared,
    intDiv({{end:Int64}}, {unit}) AS closing
SELECT
    customer_id,
    declared,
    toInt64(oldest) * {unit} AS first_event_ms,
    unknown_metrics,
    arrayMap(age -> toUInt8(age), range({windows})) AS ages,
    {values} AS values
FROM
(
    SELECT
        customer_id,
        min(at) AS oldest,
        groupUniqArrayIf(8)(toValidUTF8(toString(metric)), place = {metrics}) AS unknown_metrics,
        {aggregates}
    FROM
    (
        SELECT
            customer_id,
            metric,
            {columns},
            {time} AS at,
            {place} AS place,
            intDiv(closing - at - 1, {stride}) AS age,
            if(place = {metrics}{between}, {slots}, age * {metrics} + place) AS slot
        FROM {rows}
    )
    GROUP BY customer_id
)
SETTINGS {IN_ORDER}"
    )
}

/// The same from closed windows: as many rows a customer as there are windows, with nothing left to compute.
///
/// Whatever can be made of the arrays of a customer is, since each aggregate takes time for each row. Filters stay
/// behind the read: they let nearly all rows through, and before it they would cost a second pass over these columns.
///
/// A few customers are aggregated in a hash table: in order they would come out of many small parts, and merging those
/// takes longer than all the rest.
pub(super) fn sweep_of_windows(window: &Window, shard: Shard, rows: u64, metrics: usize) -> String {
    let few = rows.saturating_mul(metrics as u64) <= FEW_VALUES;
    let aggregation = if few { "optimize_aggregation_in_order = 0" } else { IN_ORDER };
    let rows = windows_at(window, shard);
    format!(
        "WITH
    toUInt32(intDiv({{end:Int64}}, 1000)) AS closing
SELECT
    customer_id,
    {{rows:UInt64}} AS declared,
    (toInt64(closing) - 86400 * (toInt64(arrayMax(ages)) + 1)) * 1000 AS first_event_ms,
    arraySlice(arrayDistinct(groupArrayArray(unknown)), 1, 8) AS unknown_metrics,
    groupArray(toUInt8(intDiv(closing - toUInt32(start) - 1, 86400))) AS ages,
    groupArrayArray(values) AS values
FROM {rows} AND build IN {{builds:Array(UInt64)}}
GROUP BY customer_id
SETTINGS {aggregation}, optimize_move_to_prewhere = 0, select_sequential_consistency = 1"
    )
}

/// How many rows each build has, of those that one statement made, all of which may be provisional.
pub(super) fn rows_of_builds(window: &Window, shard: Shard, provisional: bool) -> String {
    let rows = windows_at(window, shard) + if provisional { " AND provisional" } else { "" };
    format!(
        "SELECT build, count() AS rows
FROM {rows} AND build >= {{first:UInt64}} AND build <= {{last:UInt64}}
GROUP BY build
SETTINGS select_sequential_consistency = 1"
    )
}

/// The closed windows of a shard that begin at the same hour of the day as this one, in whole partitions.
fn windows_at(window: &Window, shard: Shard) -> String {
    let hour = window.start().as_second().rem_euclid(86_400) / 3_600;
    if shard.is_whole() {
        return format!("{WINDOWS_TABLE} WHERE toHour(start) = {hour}");
    }
    let buckets: Vec<_> = shard.buckets().map(|bucket| format!("{bucket}, ")).collect();
    // As in the key of the partitions: the provisional ones come after the last bucket.
    format!(
        "{WINDOWS_TABLE} WHERE toHour(start) = {hour} AND if(provisional, {BUCKETS}, {}) IN ({}{BUCKETS})",
        bucket(),
        buckets.concat()
    )
}

/// Makes so many windows of the hours of the rollup, which lie one after the other: they close from `{to}` backwards, and
/// the first of them has the age `{newest}`.
///
/// A build has an id of its own for each window and bucket, so that a sweep can choose among builds by it alone. Blocks
/// are of the usual size here: with few windows they hold little, and smaller ones take half as long again.
pub(super) fn build_windows(catalog: &Catalog, windows: usize, shard: Shard) -> String {
    let metrics = catalog.metrics().len();
    let slots = windows * metrics;
    let place = place(catalog);
    let columns = columns(catalog);
    let aggregates = aggregates(catalog, slots);
    let values = values(catalog, slots);
    let of_shard = of_shard(shard);
    let bucket = bucket();
    format!(
        "INSERT INTO {WINDOWS_TABLE} (customer_id, start, build, provisional, expires, values, unknown)
SELECT
    customer_id,
    toDateTime({{to:UInt32}} - 86400 * (toUInt32(number) + 1), 'UTC') AS start,
    {{build:UInt64}} + toUInt64({{newest:UInt16}} + number) * {BUCKETS} + {bucket} AS build,
    has({{provisional:Array(UInt16)}}, {{newest:UInt16}} + number) AS provisional,
    toDateTime(
        if(provisional, {{expires:UInt32}}, {{oldest_expires:UInt32}} - 86400 * toUInt32({{newest:UInt16}} + number)), 'UTC'
    ) AS expires,
    arraySlice(all_values, number * {metrics} + 1, {metrics}) AS values,
    arrayMap(of_window -> of_window.2, arrayFilter(of_window -> of_window.1 = number, all_unknown)) AS unknown
FROM
(
    SELECT
        customer_id,
        numbers,
        {values} AS all_values,
        all_unknown
    FROM
    (
        SELECT
            customer_id,
            groupUniqArray(number) AS numbers,
            groupUniqArrayIf(64)((number, toValidUTF8(toString(metric))), place = {metrics}) AS all_unknown,
            {aggregates}
        FROM
        (
            SELECT
                customer_id,
                metric,
                {columns},
                {place} AS place,
                toUInt16(intDiv({{to:UInt32}} - toUnixTimestamp(hour) - 1, 86400)) AS number,
                if(place = {metrics}, {slots}, number * {metrics} + place) AS slot
            FROM {TABLE}
            WHERE hour >= toDateTime({{from:UInt32}}, 'UTC') AND hour < toDateTime({{to:UInt32}}, 'UTC'){of_shard}
        )
        GROUP BY customer_id
    )
)
ARRAY JOIN numbers AS number
SETTINGS optimize_aggregation_in_order = 1"
    )
}

/// What is known of the windows that close at these times: when something last arrived for their hours, and which
/// builds of them there are. With it the time of the server, which all of these are measured in.
pub(super) fn state_of_windows() -> String {
    format!(
        "SELECT
    toUnixTimestamp(now()) AS now,
    (
        SELECT groupArray((toUnixTimestamp(hour), toUnixTimestamp(last)))
        FROM
        (
            SELECT hour, max(arrived) AS last
            FROM {ARRIVALS_TABLE}
            WHERE hour >= toDateTime({{from:UInt32}}, 'UTC') AND hour < toDateTime({{to:UInt32}}, 'UTC')
            GROUP BY hour
        )
    ) AS arrivals,
    (
        SELECT groupArray((toUnixTimestamp(start), bucket, build, toUnixTimestamp(begun), rows))
        FROM {BUILDS_TABLE}
        WHERE start >= toDateTime({{from:UInt32}}, 'UTC') AND start < toDateTime({{to:UInt32}}, 'UTC')
            AND toHour(start) = toHour(toDateTime({{from:UInt32}}, 'UTC'))
            AND definition = {{definition:String}} AND expires > now() + 3600
    ) AS builds
SETTINGS select_sequential_consistency = 1"
    )
}

/// Notes that builds are complete, and when they expire. What is in it comes from numbers and a digest.
pub(super) fn note_builds(definition: &str, builds: &[(Build, u32)]) -> String {
    let rows: Vec<_> = builds
        .iter()
        .map(|((start, bucket, build, begun, rows), expires)| {
            format!("({start}, {bucket}, {build}, {rows}, '{definition}', {begun}, {expires})")
        })
        .collect();
    format!(
        "INSERT INTO {BUILDS_TABLE} (start, bucket, build, rows, definition, begun, expires) VALUES {}",
        rows.join(", ")
    )
}

/// Notes that none of the builds of these windows is to be read any more: a later note without a build.
pub(super) fn void_builds(shard: Shard) -> String {
    let buckets: Vec<_> = shard.buckets().map(|bucket| bucket.to_string()).collect();
    format!(
        "INSERT INTO {BUILDS_TABLE} (start, bucket, build, rows, definition, begun, expires)
SELECT start, bucket, {NO_BUILD}, 0, definition, now(), max(expires)
FROM {BUILDS_TABLE}
WHERE start >= toDateTime({{from:UInt32}}, 'UTC') AND start < toDateTime({{to:UInt32}}, 'UTC')
    AND toHour(start) = toHour(toDateTime({{from:UInt32}}, 'UTC'))
    AND definition = {{definition:String}} AND bucket IN ({})
GROUP BY start, bucket, definition",
        buckets.join(", ")
    )
}

/// The number of customers with usage in the time that a sweep reads.
pub(super) fn count_customers(
    catalog: &Catalog,
    window: &Window,
    shard: Shard,
    some_customers: bool,
) -> String {
    let rows = Source::of(catalog, window, shard, some_customers).rows;
    format!("SELECT count() FROM (SELECT customer_id FROM {rows} GROUP BY customer_id)")
}

/// One customer's usage of one metric in steps of `{step}` seconds from `{start}` on; steps without usage are left out.
///
/// All of it is one row, which arrives whole or not at all.
pub(super) fn steps(metric: &MetricSpec) -> String {
    let extreme = if metric.aggregate == Aggregate::Max { "max(peak)" } else { "min(low)" };
    let value = value(metric, "toFloat64(sum(events))", "sum(total)", extreme);
    format!(
        "SELECT groupArray((number, value)) AS steps
FROM
(
    SELECT toUInt32(intDiv(toUnixTimestamp(hour) - {{start:UInt32}}, {{step:UInt32}})) AS number, {value} AS value
    FROM {TABLE}
    WHERE customer_id = {{customer:String}} AND metric = {{metric:String}}
        AND hour >= toDateTime({{start:UInt32}}, 'UTC') AND hour < toDateTime({{end:UInt32}}, 'UTC')
    GROUP BY number
)"
    )
}

/// Where usage is read from, in the columns of the rollup.
struct Source {
    rows: String,
    /// Expression of a row's time, counted in units of `unit_ms` since 1970.
    time: &'static str,
    unit_ms: i128,
}

impl Source {
    /// The hourly rollup, or for windows off the hour the events themselves.
    fn of(catalog: &Catalog, window: &Window, shard: Shard, some_customers: bool) -> Self {
        let only = |column: &str| match some_customers {
            true => format!(" AND {column} IN {{customers:Array(String)}}"),
            false => String::new(),
        };
        if window.is_on_the_hour() {
            let rows = format!(
                "{TABLE} WHERE hour >= toDateTime(intDiv({{start:Int64}}, 1000), 'UTC') \
                 AND hour < toDateTime(intDiv({{end:Int64}}, 1000), 'UTC'){}{}",
                only("customer_id"),
                of_shard(shard)
            );
            return Self { rows, time: "toInt64(toUnixTimestamp(hour))", unit_ms: 1_000 };
        }
        let events: Vec<String> = catalog
            .metrics()
            .iter()
            .map(|metric| {
                let (time, customer) = (&metric.time_column, &metric.customer_column);
                rollup::events_as_usage(
                    metric,
                    &format!(
                        " AND `{time}` >= fromUnixTimestamp64Milli({{start:Int64}}, 'UTC') \
                         AND `{time}` < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC'){}",
                        only(&format!("toString(`{customer}`)"))
                    ),
                )
            })
            .collect();
        Self { rows: format!("(\n{}\n)", events.join("\nUNION ALL\n")), time: "time_ms", unit_ms: 1 }
    }
}

/// The condition on a customer of a shard.
fn of_shard(shard: Shard) -> String {
    if shard.is_whole() {
        return String::new();
    }
    let buckets: Vec<_> = shard.buckets().map(|bucket| bucket.to_string()).collect();
    format!(" AND {} IN ({})", bucket(), buckets.join(", "))
}

/// A row's metric as its place in the catalog, or the place after the last one. A lookup in a constant table: the same
/// by `indexOf` costs as much as all the aggregation.
fn place(catalog: &Catalog) -> String {
    let metrics = catalog.metrics().len();
    let places: Vec<_> = (0..metrics).map(|place| place.to_string()).collect();
    format!("transform(metric, {{metrics:Array(String)}}, [{}], {metrics})", places.join(", "))
}

/// What the metrics of a catalog need of the rollup: column, aggregate function and its name.
fn needed(catalog: &Catalog) -> Vec<(&'static str, &'static str, &'static str)> {
    let any = |aggregates: &[Aggregate]| {
        catalog.metrics().iter().any(|metric| aggregates.contains(&metric.aggregate))
    };
    let mut needed = vec![("events", "sum", "counts")];
    if any(&[Aggregate::Sum, Aggregate::Avg, Aggregate::Max, Aggregate::Min]) {
        needed.push(("total", "sum", "totals"));
    }
    if any(&[Aggregate::Max]) {
        needed.push(("peak", "max", "peaks"));
    }
    if any(&[Aggregate::Min]) {
        needed.push(("low", "min", "lows"));
    }
    needed
}

fn columns(catalog: &Catalog) -> String {
    let columns: Vec<_> = needed(catalog).into_iter().map(|(column, _, _)| column).collect();
    columns.join(", ")
}

/// The arrays by slot that the values are made of.
fn aggregates(catalog: &Catalog, slots: usize) -> String {
    let array =
        |(column, function, name)| format!("{function}Resample(0, {slots}, 1)({column}, slot) AS {name}");
    let arrays: Vec<_> = needed(catalog).into_iter().map(array).collect();
    arrays.join(",\n        ")
}

/// The values by slot, made of those arrays and of the metric's place in the catalog, which the slot tells.
///
/// A NaN or infinity among a metric's values always shows in their sum, so maxima and minima are replaced by a sum that
/// is not finite: broken data must not hide in a comparison.
fn values(catalog: &Catalog, slots: usize) -> String {
    let needed = needed(catalog);
    let names: Vec<_> = needed.iter().map(|(column, _, _)| *column).collect();
    let arrays: Vec<_> = needed.iter().map(|(_, _, array)| *array).collect();
    let metrics = catalog.metrics().len();
    let places = format!("arrayMap(slot -> slot % {metrics}, range({slots}))");
    let branches: Vec<_> = catalog
        .metrics()
        .iter()
        .enumerate()
        .map(|(place, metric)| {
            format!("place = {place}, {}, ", value(metric, "toFloat64(events)", "total", extreme(metric)))
        })
        .collect();
    let value = format!("multiIf({}nan)", branches.concat());
    format!(
        "arrayMap(({}, place) -> if(events = 0, nan, ifNotFinite({value}, inf)), {}, {places})",
        names.join(", "),
        arrays.join(", ")
    )
}

/// A metric's value, made of what the rollup keeps: the number of events, their total, and their maximum or minimum.
fn value(metric: &MetricSpec, events: &str, total: &str, extreme: &str) -> String {
    match metric.aggregate {
        Aggregate::Count => events.to_owned(),
        Aggregate::Sum => total.to_owned(),
        Aggregate::Avg => format!("{total} / {events}"),
        Aggregate::Max | Aggregate::Min => format!("if(isFinite({total}), {extreme}, {total})"),
    }
}

/// The column of the rollup that holds the extreme value that a metric asks for.
fn extreme(metric: &MetricSpec) -> &'static str {
    if metric.aggregate == Aggregate::Max { "peak" } else { "low" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, end: &str) -> Window {
        Window::between(start.parse().unwrap(), end.parse().unwrap()).unwrap()
    }

    fn day() -> Window {
        window("2026-11-20T13:00:00Z", "2026-11-21T13:00:00Z")
    }

    #[test]
    fn the_sweep_of_the_built_in_catalog() {
        insta::assert_snapshot!(sweep(&Catalog::built_in().unwrap(), &day(), 30, Shard::WHOLE, false));
    }

    #[test]
    fn a_period_off_the_hour() {
        let window = window("2026-11-21T11:30:00Z", "2026-11-21T13:15:00Z");
        insta::assert_snapshot!(sweep(&Catalog::built_in().unwrap(), &window, 7, Shard::WHOLE, true));
    }

    #[test]
    fn only_some_customers() {
        let text = sweep(&Catalog::built_in().unwrap(), &day(), 30, Shard::WHOLE, true);
        assert_eq!(text.matches("customer_id IN {customers:Array(String)}").count(), 2);
    }

    #[test]
    fn the_sweep_of_closed_windows() {
        insta::assert_snapshot!(sweep_of_windows(&day(), Shard::WHOLE, 31_000_000, 4));
    }

    #[test]
    fn a_few_customers_are_not_aggregated_in_order() {
        let in_order = |rows| sweep_of_windows(&day(), Shard::WHOLE, rows, 4).contains(IN_ORDER);
        assert_eq!(
            [0, 31_000, 1_000_000, 1_000_001, u64::MAX].map(in_order),
            [false, false, false, true, true]
        );
    }

    #[test]
    fn closed_windows_are_built_of_hours() {
        insta::assert_snapshot!(build_windows(&Catalog::built_in().unwrap(), 2, Shard::WHOLE));
    }

    #[test]
    fn a_shard_reads_its_customers_only() {
        let (catalog, shard) = (Catalog::built_in().unwrap(), Shard::new(1, 4).unwrap());
        let condition = " AND cityHash64(customer_id) % 8 IN (1, 5)";
        assert_eq!(sweep(&catalog, &day(), 30, shard, false).matches(condition).count(), 2);
        assert!(build_windows(&catalog, 2, shard).contains(condition));
        let partitions = " AND if(provisional, 8, cityHash64(customer_id) % 8) IN (1, 5, 8)";
        assert!(sweep_of_windows(&day(), shard, 1, 4).contains(partitions));
        assert!(rows_of_builds(&day(), shard, false).contains(partitions));
    }

    #[test]
    fn a_column_that_no_metric_needs_is_not_read() {
        let text = sweep(&Catalog::built_in().unwrap(), &day(), 30, Shard::WHOLE, false);
        assert!(text.contains("peak") && !text.contains("low"));
    }

    #[test]
    fn usage_in_steps() {
        let catalog = Catalog::built_in().unwrap();
        insta::assert_snapshot!(steps(catalog.get("storage_peak").unwrap()));
    }
}
