//! The text of the usage queries, made from the validated catalog. Values are bound on the server.
//!
//! A window's values stand in one array, in the order of the catalog, with two values that no usage has: NaN for a window
//! without events of the metric, and infinity for broken data. ClickHouse's arrays of plain numbers need half the time of
//! nullable ones.

use detection::Window;

use super::baselines::Build;
use super::sweep::UNKNOWN_TOLD;
use crate::rollup::{self, ARRIVALS_TABLE, BASELINES_TABLE, BUILDS_TABLE, FORGOTTEN, TABLE};
use catalog::{Aggregate, Catalog, MetricSpec};
use catalog::{BUCKETS, Shard};

/// Rows of one customer are aggregated as they are read, in the order of the table, so that ClickHouse holds a few
/// thousand customers at once. Small blocks keep its memory flat: measured at 400,000 customers they need less than a
/// quarter of it and the same time. The order of the customers is not fixed; sorting them would cost three times the
/// memory.
const IN_ORDER: &str = "optimize_aggregation_in_order = 1, aggregation_in_order_max_block_bytes = 1000000";

/// The bucket of a customer, of which each shard of a run has its own.
fn bucket() -> String {
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
    toUInt8(0) AS bucket,
    customer_id,
    declared,
    toInt64(oldest) * {unit} AS first_event_ms,
    unknown,
    arrayMap(age -> toUInt8(age), range({windows})) AS ages,
    {values} AS values
FROM
(
    SELECT
        customer_id,
        min(at) AS oldest,
        groupUniqArrayIf({UNKNOWN_TOLD})((toUInt8(0), toValidUTF8(toString(metric))), place = {metrics}) AS unknown,
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

/// One row a customer with its windows of these ages, of 24 hours each, in the order of customers. `declared` is the number
/// of these rows.
pub(super) fn fresh(catalog: &Catalog, ages: &[u8], shard: Shard) -> String {
    let windows = windows_of_hours(catalog, ages, shard);
    format!(
        "SELECT bucket, customer_id, count() OVER () AS declared, toInt64(0) AS first_event_ms, unknown, ages, values
FROM
(
{windows}
)
ORDER BY bucket, customer_id
SETTINGS optimize_aggregation_in_order = 1"
    )
}

/// One row a customer with the windows that were built, in the order of customers, which is that of the table.
pub(super) fn baseline(shard: Shard) -> String {
    let of_shard = of_shard(shard, "bucket");
    format!(
        "SELECT bucket, customer_id, {{rows:UInt64}} AS declared, toInt64(0) AS first_event_ms, unknown, ages, values
FROM {BASELINES_TABLE}
WHERE closes = toDateTime({{closes:UInt32}}, 'UTC') AND build IN {{builds:Array(UInt64)}}{of_shard}
ORDER BY bucket, customer_id
SETTINGS optimize_move_to_prewhere = 0, select_sequential_consistency = 1"
    )
}

/// Makes a baseline: windows of these ages from the hours of the rollup, and the others up to the age `{oldest}` from a
/// baseline that was built before, if there is one, in which they had another age, less by `{shift}`.
///
/// A build has an id of its own for each bucket, so that a sweep can choose among builds by it alone.
///
/// What is known of a customer is filtered by arrays of its ages. A function of the position would need the arrays
/// themselves in each of its calls, which ClickHouse copies for each.
pub(super) fn build(catalog: &Catalog, ages: &[u8], shard: Shard, on_a_former: bool) -> String {
    let windows = windows_of_hours(catalog, ages, shard);
    let columns = "bucket, customer_id, closes, build, expires, ages, values, unknown";
    let constants = "toDateTime({to:UInt32}, 'UTC') AS closes, {first:UInt64} + bucket AS build, \
                     toDateTime({expires:UInt32}, 'UTC') AS expires";
    if !on_a_former {
        return format!(
            "INSERT INTO {BASELINES_TABLE} ({columns})
SELECT bucket, customer_id, {constants}, ages, values, unknown
FROM
(
{windows}
)
SETTINGS optimize_aggregation_in_order = 1"
        );
    }
    let metrics = catalog.metrics().len();
    let replaced: Vec<_> = ages.iter().map(ToString::to_string).collect();
    let replaced = replaced.join(", ");
    let kept = |age: &str| {
        format!("{age} + {{shift:UInt8}} <= {{oldest:UInt8}} AND {age} + {{shift:UInt8}} NOT IN ({replaced})")
    };
    let (of_window, of_metric) = (kept("age"), kept("of_age.1"));
    let of_shard = of_shard(shard, "bucket");
    format!(
        "INSERT INTO {BASELINES_TABLE} ({columns})
SELECT
    bucket,
    customer_id,
    {constants},
    arrayConcat(known.ages, fresh.ages) AS ages,
    arrayConcat(known.values, fresh.values) AS values,
    arrayConcat(known.unknown, fresh.unknown) AS unknown
FROM
(
    SELECT
        bucket,
        customer_id,
        arrayMap(age -> toUInt8(age + {{shift:UInt8}}), arrayFilter(age -> {of_window}, ages)) AS ages,
        arrayFilter(
            (value, age) -> {of_window}, values, arrayFlatten(arrayMap(age -> arrayWithConstant({metrics}, age), former.ages))
        ) AS values,
        arrayMap(
            of_age -> (toUInt8(of_age.1 + {{shift:UInt8}}), of_age.2), arrayFilter(of_age -> {of_metric}, unknown)
        ) AS unknown
    FROM {BASELINES_TABLE} AS former
    WHERE closes = toDateTime({{former:UInt32}}, 'UTC') AND build IN {{builds:Array(UInt64)}}{of_shard}
) AS known
FULL JOIN
(
{windows}
) AS fresh
USING (bucket, customer_id)
WHERE notEmpty(ages)
SETTINGS optimize_aggregation_in_order = 1, join_use_nulls = 0, select_sequential_consistency = 1"
    )
}

/// How many rows these builds have.
pub(super) fn rows_of_builds(shard: Shard) -> String {
    let of_shard = of_shard(shard, "bucket");
    format!(
        "SELECT build, count() AS rows
FROM {BASELINES_TABLE}
WHERE closes IN (toDateTime({{to:UInt32}}, 'UTC'), toDateTime({{former:UInt32}}, 'UTC'))
    AND build IN {{builds:Array(UInt64)}}{of_shard}
GROUP BY build
SETTINGS select_sequential_consistency = 1"
    )
}

/// The windows of these ages, which are in order, made of the hours of the rollup: one row a customer that has usage in
/// any of them.
fn windows_of_hours(catalog: &Catalog, ages: &[u8], shard: Shard) -> String {
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
    // With one window there is nothing to choose.
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
    let values = values(catalog, slots);
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

/// The rows of the rollup that the windows of these ages are made of.
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

/// What is known of the windows up to the one that closes at `{to}`: when something last arrived for their hours, and
/// which builds there are of baselines for this hour of the day. With it the time of the server, which all of these are
/// measured in.
pub(super) fn state() -> String {
    format!(
        "SELECT
    toUnixTimestamp64Milli(now64(3, 'UTC')) AS now_ms,
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
        SELECT groupArray((toUnixTimestamp(closes), bucket, build, toUnixTimestamp64Milli(begun), rows, oldest))
        FROM {BUILDS_TABLE}
        WHERE closes > toDateTime({{from:UInt32}}, 'UTC') AND closes <= toDateTime({{to:UInt32}}, 'UTC')
            AND toHour(closes) = toHour(toDateTime({{to:UInt32}}, 'UTC'))
            AND definition = {{definition:String}} AND expires > now('UTC') + 3600
            AND begun > (SELECT max(begun) FROM {BUILDS_TABLE} WHERE definition = '{FORGOTTEN}')
    ) AS builds
SETTINGS select_sequential_consistency = 1"
    )
}

/// Notes that builds are complete, or with [`NO_BUILD`](super::baselines::NO_BUILD) that those of their hour are not to be
/// read any more. What is in it comes from numbers and a digest.
pub(super) fn note_builds(definition: &str, expires: u32, builds: &[Build]) -> String {
    let rows: Vec<_> = builds
        .iter()
        .map(|(closes, bucket, build, begun, rows, oldest)| {
            let begun = format!("fromUnixTimestamp64Milli({begun})");
            format!("({closes}, {bucket}, {build}, {rows}, {oldest}, '{definition}', {begun}, {expires})")
        })
        .collect();
    format!(
        "INSERT INTO {BUILDS_TABLE} (closes, bucket, build, rows, oldest, definition, begun, expires) VALUES {}",
        rows.join(", ")
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

/// The number of customers with usage in the windows of these ages.
pub(super) fn count_fresh(ages: &[u8], shard: Shard) -> String {
    format!("SELECT count() FROM (SELECT customer_id FROM {} GROUP BY customer_id)", hours_of(ages, shard))
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
                of_shard(shard, &bucket())
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

/// The condition on a customer of a shard, whose bucket is this expression.
fn of_shard(shard: Shard, bucket: &str) -> String {
    if shard.is_whole() {
        return String::new();
    }
    let buckets: Vec<_> = shard.buckets().map(|bucket| bucket.to_string()).collect();
    format!(" AND {bucket} IN ({})", buckets.join(", "))
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
    fn one_fresh_window() {
        insta::assert_snapshot!(fresh(&Catalog::built_in().unwrap(), &[0], Shard::WHOLE));
    }

    #[test]
    fn fresh_windows_here_and_there() {
        insta::assert_snapshot!(fresh(&Catalog::built_in().unwrap(), &[0, 1, 9], Shard::WHOLE));
    }

    #[test]
    fn a_baseline_is_built_on_a_former_one() {
        insta::assert_snapshot!(build(&Catalog::built_in().unwrap(), &[1], Shard::WHOLE, true));
    }

    #[test]
    fn a_shard_reads_its_customers_only() {
        let (catalog, shard) = (Catalog::built_in().unwrap(), Shard::new(1, 4).unwrap());
        let condition = " AND cityHash64(customer_id) % 8 IN (1, 5)";
        assert_eq!(sweep(&catalog, &day(), 30, shard, false).matches(condition).count(), 2);
        assert!(fresh(&catalog, &[0], shard).contains(condition));
        let of_baseline = " AND bucket IN (1, 5)";
        assert!([baseline(shard), rows_of_builds(shard)].iter().all(|text| text.contains(of_baseline)));
        let on_a_former = build(&catalog, &[1], shard, true);
        assert!(on_a_former.contains(condition) && on_a_former.contains(of_baseline));
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
