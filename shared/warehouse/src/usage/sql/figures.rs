//! The figures of entities that rules judge, from the rollup: those of the newest windows, and those of the time before.

use catalog::{Catalog, MetricSpec, Shard};
use detection::Window;
use detection::rules::Rule;

use super::rows::{END, Rows};
use super::sweep::IN_ORDER;

const DAY: i64 = 86_400;

/// The first slot of the days before. No window has a slot as high.
const OF_DAYS: i64 = 1_000;

/// One row per entity and metric that rules judge: the figures of the window from `{start}` until `{end}`, those of the windows
/// of the same length before it, and those of the time before them.
///
/// That time is all hours from `{from}` until the first window. For windows shorter than an hour it is the same hour of each day, and
/// `recent` has the two hours right before the first window.
///
/// Metrics that detectors vote on are left out: [`samples`](super::samples) are their figures.
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

/// The days of a slot of [`windows_before`]. `None` for a window within the last hours.
pub(in crate::usage) fn days_of(slot: i64) -> Option<i64> {
    (slot >= OF_DAYS).then_some(slot - OF_DAYS)
}

impl Rows {
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
        let sums = ["events", "bad", "total"].map(|column| of("sum", column)).join(", ");
        format!(
            "({sums}, {}, {},
     {}, {ratio}, {newest})",
            of("min", "low"),
            of("max", "peak"),
            of("sumMap", "shape"),
        )
    }
}
