//! The figures of entities that rules judge, from the rollup: those of the newest windows, and those of the time before.

use catalog::{Aggregate, Catalog, MetricSpec, Shard};
use detection::rules::Rule;
use detection::vote::season;
use detection::{Histogram, Window};
use jiff::SignedDuration;

use super::source::{are_chosen, bucket, of_shard};
use super::sweep::IN_ORDER;
use crate::rollup::{Tables, steps_of_counters};

/// Windows shorter than an hour have a second past beside the days before: so much time before the first of them.
const RECENT: SignedDuration = SignedDuration::from_hours(2);

const DAY: i64 = 86_400;

/// The first slot of the days before. No window has a slot as high.
const OF_DAYS: i64 = 1_000;

/// One row per entity and metric that rules judge: the figures of the window from `{start}` until `{end}`, those of the windows
/// of the same length before it, and those of the time before them.
///
/// That time is all hours from `{from}` until the first window. For windows shorter than an hour it is the same hour of each day, and
/// `recent` has the two hours right before the first window.
///
/// Metrics that detectors vote on are left out: [`samples`] are their figures.
///
/// * `windows`: how many windows there are with that one.
pub(in crate::usage) fn figures(
    catalog: &Catalog,
    (window, windows): (&Window, usize),
    shard: Shard,
    some_entities: bool,
) -> Option<String> {
    let chosen: Vec<_> =
        catalog.ruled().iter().enumerate().filter(|(_, spec)| spec.vote().is_none()).collect();
    if chosen.is_empty() {
        return None;
    }
    let ruled = Rows::of(catalog, chosen.into_iter(), window, shard, some_entities);
    let of = |slot: usize| ruled.figures_if(&format!("slot = {slot}"));
    // The windows have the slots from 0 on. Then comes the time before them, and then the minutes right before them.
    let (now, before) = (of(0), of(windows));
    // The type of an empty array is that of its elements.
    let array = |slots: std::ops::Range<usize>| {
        let figures: Vec<String> = std::iter::once(now.clone()).chain(slots.map(of)).collect();
        format!("arraySlice([{}], 2)", figures.join(", "))
    };
    let first_recent = windows + 1;
    let has_recent = usize::from(ruled.minutes.is_some());
    let (earlier, recent) = (array(1..windows), array(first_recent..first_recent + has_recent));
    // All that is older than the windows has one slot.
    let slot = |time: &str| format!("least({}, {windows})", ruled.windows_ago(time));
    let rows = match &ruled.minutes {
        None => ruled.hours(&slot("hour"), &format!("hour < {END}")),
        Some(minutes) => {
            let of_minute = format!("if({0} = {windows}, {first_recent}, {0})", slot("minute"));
            format!(
                "{}\n    UNION ALL\n    {}",
                ruled.hours(&format!("toInt64({windows})"), &ruled.same_hours(windows)),
                ruled.minutes(minutes, &of_minute, (&ruled.first_recent(windows), END))
            )
        }
    };
    Some(format!(
        "SELECT
    customer_id,
    count() OVER () AS declared,
    place,
    {now} AS now,
    {earlier} AS earlier,
    {recent} AS recent,
    {before} AS before
FROM
(
    {rows}
)
GROUP BY bucket, customer_id, place
SETTINGS {IN_ORDER}"
    ))
}

/// One row per entity and metric with a rule `deviation`: the figures of each earlier window. The number of a window within the
/// last hours is how many windows ago it was. From [`OF_DAYS`] on it is the number of days: the same hour of each day, or a whole
/// day for windows of a day.
///
/// * `windows`: how many of the newest windows are left out.
pub(in crate::usage) fn windows_before(
    catalog: &Catalog,
    (window, windows): (&Window, usize),
    shard: Shard,
    some_entities: bool,
) -> Option<String> {
    let has_rule = |spec: &MetricSpec| spec.rules.iter().any(|of| matches!(of.rule, Rule::Deviation(_)));
    let chosen: Vec<_> = catalog.ruled().iter().enumerate().filter(|(_, spec)| has_rule(spec)).collect();
    if chosen.is_empty() {
        return None;
    }
    let ruled = Rows::of(catalog, chosen.into_iter(), window, shard, some_entities);
    let days = format!("{OF_DAYS} + intDiv(intDiv({{end:Int64}}, 1000) - toUnixTimestamp(hour) - 1, {DAY})");
    let rows = match &ruled.minutes {
        None if ruled.length < DAY => ruled.hours(&days, &ruled.same_hours(windows)),
        None => ruled.hours(&days, &format!("hour < {}", ruled.first(windows))),
        Some(minutes) => format!(
            "{}\n    UNION ALL\n    {}",
            ruled.hours(&days, &ruled.same_hours(windows)),
            ruled.minutes(
                minutes,
                &ruled.windows_ago("minute"),
                (&ruled.first_recent(windows), &ruled.first(windows))
            )
        ),
    };
    let figures = ruled.figures();
    Some(format!(
        "SELECT customer_id, count() OVER () AS declared, place, groupArray((slot, figures)) AS windows
FROM
(
    SELECT bucket, customer_id, place, slot, {figures} AS figures
    FROM
    (
        {rows}
    )
    GROUP BY bucket, customer_id, place, slot
)
GROUP BY bucket, customer_id, place
SETTINGS {IN_ORDER}"
    ))
}

/// The number of entities that [`samples`] would have: those with a metric that is judged by its samples.
pub(in crate::usage) fn count_of_samples(
    catalog: &Catalog,
    (window, samples): (&Window, usize),
    shard: Shard,
    some_entities: bool,
) -> Option<String> {
    let ruled = sampled(catalog, window, shard, some_entities)?;
    let minutes = ruled.minutes.as_ref()?;
    let rows = ruled.minutes(minutes, "toInt64(0)", (&ruled.first(samples), END));
    Some(format!(
        "SELECT uniqExact(customer_id) AS entities, toUInt64(1) AS declared
FROM
(
    {rows}
)"
    ))
}

/// One row per entity that is judged by its samples: the figures of the newest windows of its metrics and of the hours and days before, each
/// with the place of its metric. The number of a window is how many windows ago it was. That of an hour is its first instant, in
/// seconds since 1970, and that of a day its first instant below zero. Entities without a window have no row.
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
    let ruled = sampled(catalog, window, shard, some_entities)?;
    let minutes = ruled.minutes.as_ref()?;
    let first = ruled.first(samples);
    let hours = || {
        let of_day =
            season::hours_of_day(window.end() - window.length() * samples as i32, window.length(), samples);
        let of_day = of_day.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let (needed, days) = match &ruled.among_values {
            None => (String::new(), String::new()),
            Some(metrics) => (
                format!(" AND (toHour(hour) IN ({of_day}) OR metric NOT IN ({metrics}))"),
                format!("{}\n    UNION ALL\n    ", ruled.days(metrics)),
            ),
        };
        let until = format!("hour < toStartOfHour({END}){needed}");
        format!("{}\n    UNION ALL\n    {days}", ruled.hours("toInt64(toUnixTimestamp(hour))", &until))
    };
    let hours = if has_hours { hours() } else { String::new() };
    let minutes = ruled.minutes(minutes, &ruled.windows_ago("minute"), (&first, END));
    let figures = ruled.figures();
    Some(format!(
        "SELECT customer_id, count() OVER () AS declared, groupArray((place, slot, figures)) AS figures
FROM
(
    SELECT bucket, customer_id, place, slot, {figures} AS figures
    FROM
    (
        {hours}{minutes}
    )
    GROUP BY bucket, customer_id, place, slot
)
GROUP BY bucket, customer_id
HAVING countIf(slot >= 0 AND slot < {samples}) > 0
SETTINGS {IN_ORDER}"
    ))
}

/// The rows of the metrics that detectors vote on, or whose shapes are judged. `None` without any.
fn sampled(catalog: &Catalog, window: &Window, shard: Shard, some_entities: bool) -> Option<Rows> {
    let is_sampled = |spec: &MetricSpec| spec.vote().is_some() || spec.unseen_shape().is_some();
    let chosen: Vec<_> = catalog.ruled().iter().enumerate().filter(|(_, spec)| is_sampled(spec)).collect();
    let has_sizes = chosen.iter().any(|(_, spec)| spec.aggregate.percentile().is_some());
    (!chosen.is_empty())
        .then(|| Rows { has_sizes, ..Rows::of(catalog, chosen.into_iter(), window, shard, some_entities) })
}

/// The days of a slot of [`windows_before`]. `None` for a window within the last hours.
pub(in crate::usage) fn days_of(slot: i64) -> Option<i64> {
    (slot >= OF_DAYS).then_some(slot - OF_DAYS)
}

const NEGATIVE: i16 = Histogram::NEGATIVE;
const NOT_FINITE: i16 = Histogram::NOT_FINITE;

const FROM: &str = "toDateTime(intDiv({from:Int64}, 1000), 'UTC')";
const END: &str = "toDateTime(intDiv({end:Int64}, 1000), 'UTC')";

/// The rows of some metrics that rules judge.
struct Rows {
    bucket: String,
    hours: String,
    /// The rollup of minutes, for windows shorter than an hour.
    minutes: Option<String>,
    /// Seconds of a window.
    length: i64,
    has_ratio: bool,
    has_last: bool,
    /// Whether a metric needs the sizes of the values. Of others only their number is read, which is much faster.
    has_sizes: bool,
    /// The tables, if they hold states of counters.
    counters: Option<Tables>,
    /// The metrics whose aggregates are among the values, as a list of SQL. Counters have only steps.
    among_values: Option<String>,
    /// The metrics and their places, as lists of SQL.
    metrics: String,
    places: String,
    /// What goes with the names of the tables, and the condition on keys and shard.
    names: String,
    keys: String,
}

impl Rows {
    fn of<'a>(
        catalog: &Catalog,
        chosen: impl Iterator<Item = (usize, &'a MetricSpec)> + Clone,
        window: &Window,
        shard: Shard,
        some_entities: bool,
    ) -> Self {
        let (bucket, tables, length) = (bucket(), Tables::of(catalog), window.length().as_secs());
        let (names, keys) = if some_entities { are_chosen(catalog) } else { Default::default() };
        let has = |aggregate| chosen.clone().any(|(_, spec)| spec.aggregate == aggregate);
        let list = |texts: Vec<String>| texts.join(", ");
        let names_of = |of: &dyn Fn(&MetricSpec) -> bool| -> Vec<String> {
            chosen.clone().filter(|(_, spec)| of(spec)).map(|(_, spec)| format!("'{}'", spec.name)).collect()
        };
        let among_values = names_of(&|spec| spec.aggregate.is_among_values());
        let counters = catalog.entities().filter(|of| of.counts_steps && of.overflow.is_none());
        Self {
            has_ratio: has(Aggregate::Ratio),
            among_values: (counters.is_none() && !among_values.is_empty()).then(|| list(among_values)),
            counters: counters.map(|_| tables.clone()),
            has_last: has(Aggregate::Last),
            has_sizes: true,
            metrics: list(names_of(&|_| true)),
            places: list(chosen.map(|(place, _)| place.to_string()).collect()),
            hours: tables.rows,
            minutes: tables.minute_rows.filter(|_| length < 3_600),
            keys: format!("{keys}{}", of_shard(shard, &bucket)),
            names: names.to_string(),
            bucket,
            length,
        }
    }

    /// The figures of all rows.
    fn figures(&self) -> String {
        self.figures_by(&|aggregate, argument| format!("{aggregate}({argument})"))
    }

    /// The figures of the rows for which a condition holds.
    fn figures_if(&self, condition: &str) -> String {
        self.figures_by(&|aggregate, argument| format!("{aggregate}If({argument}, {condition})"))
    }

    /// * `of`: an aggregate of a column.
    fn figures_by(&self, of: &dyn Fn(&str, &str) -> String) -> String {
        // Only metrics of some aggregates need more columns.
        let or_nan = |is: bool, sql: String| if is { sql } else { "nan".to_owned() };
        let ratio = format!("{} / {}", of("sum", "total + corrections"), of("sum", "per"));
        let ratio = or_nan(self.has_ratio, ratio);
        let newest = or_nan(self.has_last, of("argMaxMerge", "newest"));
        let shape = if self.has_sizes {
            of("sumMap", "shape")
        } else {
            let (usable, negative) = (of("sum", "usable"), of("sum", "negative"));
            format!("map(toInt16(0), {usable}, toInt16({NEGATIVE}), {negative})")
        };
        let sums = ["events", "bad", "total"].map(|column| of("sum", column)).join(", ");
        format!(
            "({sums}, {}, {},
     {shape}, {ratio}, {newest})",
            of("min", "low"),
            of("max", "peak"),
        )
    }

    /// The rows of a rollup since the beginning of a period, and before its end as a condition.
    fn rows(&self, (table, column): (&str, &str), slot: &str, (since, until): (&str, &str)) -> String {
        let Self { bucket, metrics, places, names, keys, .. } = self;
        let needed = [(self.has_ratio, ", corrections, per"), (self.has_last, ", newest")];
        let needed: String = needed.into_iter().filter(|(is, _)| *is).map(|(_, columns)| columns).collect();
        let shape = match self.has_sizes {
            true => "shape".to_owned(),
            false => format!(
                "arraySum(arrayMap((key, events) -> if(key IN ({NEGATIVE}, {NOT_FINITE}), 0, events), mapKeys(shape), mapValues(shape)))
            AS usable, shape[{NEGATIVE}] AS negative"
            ),
        };
        // Only a few slots of counters are needed, and a subquery reads all that it does not leave out itself.
        let of_chosen = format!(" AND metric IN ({metrics}){keys}");
        let steps = self.counters.as_ref().map(|tables| {
            let table = if column == "hour" { Some(&tables.rollup) } else { tables.minutes.as_ref() };
            steps_of_counters(table.map_or("", String::as_str), column, Some(since), &of_chosen)
        });
        let table = steps.as_deref().unwrap_or(table);
        format!(
            "SELECT
        {bucket} AS bucket, customer_id, events, total, low, peak, bad, {shape}{needed},
        toUInt16(transform(metric, [{metrics}], [{places}], 0)) AS place,
        {slot} AS slot
    FROM {table}{names}
    WHERE {column} >= {since} AND {until} AND metric IN ({metrics}){keys}"
        )
    }

    fn hours(&self, slot: &str, until: &str) -> String {
        self.rows((&self.hours, "hour"), slot, (FROM, until))
    }

    /// The smallest and the largest values of some metrics in the hours of the days before that of the window.
    fn days(&self, metrics: &str) -> String {
        let Self { bucket, metrics: all, places, names, keys, hours, has_ratio, has_last, has_sizes, .. } =
            self;
        let shape = match has_sizes {
            true => "CAST(map(), 'Map(Int16, UInt64)') AS shape",
            false => "toUInt64(0) AS usable, toUInt64(0) AS negative",
        };
        let needed = [(*has_ratio, ", 0. AS corrections, 0. AS per"), (*has_last, ", newest")];
        let needed: String = needed.into_iter().filter(|(is, _)| *is).map(|(_, columns)| columns).collect();
        format!(
            "SELECT
        {bucket} AS bucket, customer_id, toUInt64(0) AS events, 0. AS total, low, peak, toUInt64(0) AS bad,
        {shape}{needed},
        toUInt16(transform(metric, [{all}], [{places}], 0)) AS place,
        -toInt64(toUnixTimestamp(toStartOfDay(hour, 'UTC'))) AS slot
    FROM {hours}{names}
    WHERE hour >= {FROM} AND hour < toStartOfDay(toDateTime(intDiv({{start:Int64}}, 1000), 'UTC')) AND metric IN ({metrics}){keys}"
        )
    }

    fn minutes(&self, table: &str, slot: &str, (since, until): (&str, &str)) -> String {
        self.rows((table, "minute"), slot, (since, &format!("minute < {until}")))
    }

    /// How many windows before the newest a time is in.
    fn windows_ago(&self, time: &str) -> String {
        format!("intDiv(intDiv({{end:Int64}}, 1000) - toUnixTimestamp({time}) - 1, {})", self.length)
    }

    /// The first instant of the windows.
    fn first(&self, windows: usize) -> String {
        format!("{END} - toIntervalSecond({})", self.length * windows as i64)
    }

    /// The hours of the days before that are the same hour of the day as the window. The hour in which the first window begins is
    /// no past: it may hold the windows. Earlier windows are compared with the hour of the newest one, too.
    fn same_hours(&self, windows: usize) -> String {
        let first = self.first(windows);
        format!(
            "hour < toStartOfHour({first})
        AND toHour(hour) = toHour(toDateTime(intDiv({{start:Int64}}, 1000), 'UTC'))"
        )
    }

    /// The first minute right before the windows.
    fn first_recent(&self, windows: usize) -> String {
        format!("{} - toIntervalSecond({})", self.first(windows), RECENT.as_secs())
    }
}
