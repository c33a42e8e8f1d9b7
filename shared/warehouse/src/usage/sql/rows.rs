//! The rows of the rollups of hours and minutes that figures and samples of entities are made of.

use catalog::{Aggregate, Catalog, MetricSpec, Shard};
use detection::Window;
use jiff::SignedDuration;

use super::source::{are_chosen, bucket, of_shard};
use crate::rollup::{Tables, steps_of_counters};

/// Windows shorter than an hour have a second past beside the days before: so much time before the first of them.
const RECENT: SignedDuration = SignedDuration::from_hours(2);

pub(super) const FROM: &str = "toDateTime(intDiv({from:Int64}, 1000), 'UTC')";
pub(super) const END: &str = "toDateTime(intDiv({end:Int64}, 1000), 'UTC')";

/// The rows of some metrics that rules judge.
pub(super) struct Rows {
    pub(super) bucket: String,
    pub(super) hours: String,
    /// The rollup of minutes, for windows shorter than an hour.
    pub(super) minutes: Option<String>,
    /// Seconds of a window.
    pub(super) length: i64,
    pub(super) has_ratio: bool,
    pub(super) has_last: bool,
    /// The columns that are made of the histogram of the values, as SQL.
    pub(super) of_shape: String,
    /// The tables, if they hold states of counters.
    pub(super) counters: Option<Tables>,
    /// The metrics and their places, as lists of SQL.
    pub(super) metrics: String,
    pub(super) places: String,
    /// What goes with the names of the tables, and the condition on keys and shard.
    pub(super) names: String,
    pub(super) keys: String,
}

impl Rows {
    pub(super) fn of<'a>(
        catalog: &Catalog,
        chosen: impl Iterator<Item = (usize, &'a MetricSpec)> + Clone,
        window: &Window,
        shard: Shard,
        some_entities: bool,
    ) -> Self {
        let (bucket, tables, length) = (bucket(), Tables::of(catalog), window.length().as_secs());
        let (names, keys) = if some_entities { are_chosen(catalog) } else { Default::default() };
        let has = |aggregate| chosen.clone().any(|(_, spec)| spec.aggregate == aggregate);
        let metrics: Vec<String> = chosen.clone().map(|(_, spec)| format!("'{}'", spec.name)).collect();
        let counters = catalog.entities().filter(|of| of.counts_steps && of.overflow.is_none());
        Self {
            has_ratio: has(Aggregate::Ratio),
            counters: counters.map(|_| tables.clone()),
            has_last: has(Aggregate::Last),
            of_shape: "shape".to_owned(),
            metrics: metrics.join(", "),
            places: chosen.map(|(place, _)| place.to_string()).collect::<Vec<_>>().join(", "),
            hours: tables.rows,
            minutes: tables.minute_rows.filter(|_| length < 3_600),
            keys: format!("{keys}{}", of_shard(shard, &bucket)),
            names: names.to_string(),
            bucket,
            length,
        }
    }

    /// The rows of a rollup since the beginning of a period, and before its end as a condition.
    fn rows(&self, (table, column): (&str, &str), slot: &str, (since, until): (&str, &str)) -> String {
        let Self { bucket, metrics, names, keys, of_shape, .. } = self;
        let needed = [(self.has_ratio, ", corrections, per"), (self.has_last, ", newest")];
        let needed: String = needed.into_iter().filter(|(is, _)| *is).map(|(_, columns)| columns).collect();
        // Only a few slots of counters are needed, and a subquery reads all that it does not leave out itself.
        let of_chosen = format!(" AND metric IN ({metrics}){keys}");
        let steps = self.counters.as_ref().map(|tables| {
            let table = if column == "hour" { Some(&tables.rollup) } else { tables.minutes.as_ref() };
            steps_of_counters(table.map_or("", String::as_str), column, Some(since), &of_chosen)
        });
        let table = steps.as_deref().unwrap_or(table);
        format!(
            "SELECT
        {bucket} AS bucket, customer_id, events, total, low, peak, bad, {of_shape}{needed},
        {place} AS place,
        {slot} AS slot
    FROM {table}{names}
    WHERE {column} >= {since} AND {until} AND metric IN ({metrics}){keys}",
            place = self.place(),
        )
    }

    /// The expression of a metric's place among those that rules judge.
    pub(super) fn place(&self) -> String {
        format!("toUInt16(transform(metric, [{}], [{}], 0))", self.metrics, self.places)
    }

    pub(super) fn hours(&self, slot: &str, until: &str) -> String {
        self.rows((&self.hours, "hour"), slot, (FROM, until))
    }

    pub(super) fn minutes(&self, table: &str, slot: &str, (since, until): (&str, &str)) -> String {
        self.rows((table, "minute"), slot, (since, &format!("minute < {until}")))
    }

    /// How many windows before the newest a time is in.
    pub(super) fn windows_ago(&self, time: &str) -> String {
        format!("intDiv(intDiv({{end:Int64}}, 1000) - toUnixTimestamp({time}) - 1, {})", self.length)
    }

    /// The first instant of the windows.
    pub(super) fn first(&self, windows: usize) -> String {
        format!("{END} - toIntervalSecond({})", self.length * windows as i64)
    }

    /// The hours of the days before that are the same hour of the day as the window. The hour in which the first window begins is
    /// no past: it may hold the windows. Earlier windows are compared with the hour of the newest one, too.
    pub(super) fn same_hours(&self, windows: usize) -> String {
        let first = self.first(windows);
        format!(
            "hour < toStartOfHour({first})
        AND toHour(hour) = toHour(toDateTime(intDiv({{start:Int64}}, 1000), 'UTC'))"
        )
    }

    /// The first minute right before the windows.
    pub(super) fn first_recent(&self, windows: usize) -> String {
        format!("{} - toIntervalSecond({})", self.first(windows), RECENT.as_secs())
    }
}
