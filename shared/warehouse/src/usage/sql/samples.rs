//! The samples of entities: the values of their newest windows and of the hours and days before, from the rollup.
//!
//! A fleet has tens of millions of them in a run. So ClickHouse makes one number of each, and reads no column that the number does
//! not need. Only percentiles are made elsewhere, of a histogram.

use catalog::{Aggregate, Catalog, MetricSpec, Shard};
use detection::vote::season;
use detection::{Histogram, Window};

use super::rows::{END, FROM, Rows};
use super::sweep::IN_ORDER;

/// The number of entities that [`samples`] would have: those with a metric that is judged by its samples.
pub(in crate::usage) fn count_of_samples(
    catalog: &Catalog,
    (window, samples): (&Window, usize),
    shard: Shard,
    some_entities: bool,
) -> Option<String> {
    let sampled = sampled(catalog);
    let rows = rows(catalog, &sampled, window, shard, some_entities)?;
    let minutes = rows.minutes.as_ref()?;
    let rows = rows.minutes(minutes, "toInt64(0)", (&rows.first(samples), END));
    Some(format!(
        "SELECT uniqExact(customer_id) AS entities, toUInt64(1) AS declared
FROM
(
    {rows}
)"
    ))
}

/// One row per entity that is judged by its samples. Entities without a window have no row.
///
/// The column `samples` has the values of the newest windows and of the hours before, each with the place of its metric. The number of a
/// window is how many windows ago it was. That of an hour is its first instant, in seconds since 1970. A value that is not known is
/// NaN. That of a percentile is always NaN: its histogram is beside it, and the histogram of other values is empty.
///
/// The column `days` has the first instant of each day before, with its smallest and its largest value.
///
/// Thirty days have 720 hours. The season of the windows needs few of them, and the peaks of days need no more than the smallest and
/// the largest value of each day.
///
/// * `samples`: how many windows there are with the judged one.
/// * `has_hours`: whether the hours are read, too.
pub(in crate::usage) fn samples(
    catalog: &Catalog,
    (window, samples): (&Window, usize),
    has_hours: bool,
    shard: Shard,
    some_entities: bool,
) -> Option<String> {
    let sampled = sampled(catalog);
    let rows = rows(catalog, &sampled, window, shard, some_entities)?;
    let minutes = rows.minutes.as_ref()?;
    let mut read = rows.minutes(minutes, &rows.windows_ago("minute"), (&rows.first(samples), END));
    let mut days = String::new();
    if has_hours {
        // Counters have only steps, whose extremes are no values.
        let among_values = match rows.counters {
            None => names(&sampled, |spec| spec.aggregate.is_among_values()),
            Some(_) => String::new(),
        };
        let mut needed = String::new();
        if !among_values.is_empty() {
            let hours = season::hours_of_day(
                window.end() - window.length() * samples as i32,
                window.length(),
                samples,
            );
            let hours = hours.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
            needed = format!(" AND (toHour(hour) IN ({hours}) OR metric NOT IN ({among_values}))");
            days = format!("\n    UNION ALL\n    {}", extremes_of_days(&rows, &among_values));
        }
        let until = format!("hour < toStartOfHour({END}){needed}");
        let hours = rows.hours("toInt64(toUnixTimestamp(hour))", &until);
        read = format!("{read}\n        UNION ALL\n        {hours}");
    }
    let (level, shape) = (level(&sampled), shape(&sampled));
    Some(format!(
        "SELECT customer_id, count() OVER () AS declared,
    groupArrayIf((place, slot, level, shape), slot >= 0) AS samples,
    groupArrayIf((place, -slot, level, most), slot < 0) AS days
FROM
(
    SELECT bucket, customer_id, place, slot, {level} AS level, nan AS most, {shape} AS shape
    FROM
    (
        {read}
    )
    GROUP BY bucket, customer_id, place, slot{days}
)
GROUP BY bucket, customer_id
HAVING countIf(slot >= 0 AND slot < {samples}) > 0
SETTINGS {IN_ORDER}"
    ))
}

/// The metrics that detectors vote on, or whose shapes are judged, each with its place.
type Sampled<'a> = Vec<(usize, &'a MetricSpec)>;

fn sampled(catalog: &Catalog) -> Sampled<'_> {
    let is_sampled = |spec: &MetricSpec| spec.vote().is_some() || spec.unseen_shape().is_some();
    catalog.ruled().iter().enumerate().filter(|(_, spec)| is_sampled(spec)).collect()
}

fn rows(
    catalog: &Catalog,
    sampled: &Sampled<'_>,
    window: &Window,
    shard: Shard,
    some_entities: bool,
) -> Option<Rows> {
    // ClickHouse leaves out those that the query does not use.
    let of_shape = format!(
        "shape, arraySum(mapValues(shape)) - shape[{NOT_FINITE}] AS finite, finite - shape[{NEGATIVE}] AS usable"
    );
    (!sampled.is_empty()).then(|| Rows {
        of_shape,
        ..Rows::of(catalog, sampled.iter().copied(), window, shard, some_entities)
    })
}

const NEGATIVE: i16 = Histogram::NEGATIVE;
const NOT_FINITE: i16 = Histogram::NOT_FINITE;

/// The names of the metrics that a condition chooses, as a list of SQL.
fn names(sampled: &Sampled<'_>, is_chosen: impl Fn(&MetricSpec) -> bool) -> String {
    let chosen = sampled.iter().filter(|(_, spec)| is_chosen(spec));
    chosen.map(|(_, spec)| format!("'{}'", spec.name)).collect::<Vec<_>>().join(", ")
}

/// The value of a sample, NaN if it is not known or made of a histogram.
fn level(sampled: &Sampled<'_>) -> String {
    let mut levels: Vec<(&str, Vec<String>)> = Vec::new();
    for (place, spec) in sampled {
        let level = level_of(spec.aggregate);
        match levels.iter_mut().find(|(of, _)| *of == level) {
            Some((_, places)) => places.push(place.to_string()),
            None => levels.push((level, vec![place.to_string()])),
        }
    }
    let Some((last, _)) = levels.pop() else { return "nan".to_owned() };
    levels.iter().rev().fold(last.to_owned(), |others, (level, places)| {
        format!("if(place IN ({}), {level}, {others})", places.join(", "))
    })
}

fn level_of(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count => "toFloat64(sum(events))",
        // Without events it is zero by zero, which is NaN.
        Aggregate::Rate => "sum(bad) / sum(events)",
        Aggregate::Ratio => {
            "if(isFinite(sum(total + corrections) / sum(per)), sum(total + corrections) / sum(per), nan)"
        }
        // A level may be negative.
        Aggregate::Last => "if(sum(finite) > 0, argMaxMerge(newest), nan)",
        Aggregate::Sum => "if(sum(usable) > 0, sum(total), nan)",
        Aggregate::Max => "if(sum(usable) > 0, max(peak), nan)",
        Aggregate::Min => "if(sum(usable) > 0, min(low), nan)",
        Aggregate::Avg => "if(sum(usable) > 0, sum(total) / sum(usable), nan)",
        // Texts have no value.
        Aggregate::Distinct | Aggregate::Novel => "nan",
        Aggregate::P50 | Aggregate::P95 | Aggregate::P99 => "nan",
    }
}

/// The histogram of the percentiles, and an empty one of the others.
fn shape(sampled: &Sampled<'_>) -> String {
    let has_sizes = |(place, spec): &(usize, &MetricSpec)| {
        spec.aggregate.percentile().is_some().then(|| place.to_string())
    };
    let places: Vec<String> = sampled.iter().filter_map(has_sizes).collect();
    let empty = "CAST(map(), 'Map(Int16, UInt64)')";
    match places.is_empty() {
        true => empty.to_owned(),
        false => format!("if(place IN ({}), sumMap(shape), {empty})", places.join(", ")),
    }
}

/// The smallest and the largest values of some metrics in each day before that of the window. The number of a day is its first instant
/// below zero.
fn extremes_of_days(rows: &Rows, metrics: &str) -> String {
    let Rows { bucket, names, keys, hours, .. } = rows;
    format!(
        "SELECT {bucket} AS bucket, customer_id, {place} AS place,
        -toInt64(toUnixTimestamp(toStartOfDay(hour, 'UTC'))) AS slot,
        min(low) AS level, max(peak) AS most, CAST(map(), 'Map(Int16, UInt64)') AS shape
    FROM {hours}{names}
    WHERE hour >= {FROM} AND hour < toStartOfDay(toDateTime(intDiv({{start:Int64}}, 1000), 'UTC')) AND metric IN ({metrics}){keys}
    GROUP BY bucket, customer_id, place, slot",
        place = rows.place(),
    )
}
