//! The statements of the migration, made from the validated catalog.

use catalog::{BUCKETS, Catalog, Feed, MetricSpec};

use super::definition::comment;
use super::events::{all_columns, columns, events_by_hour, rollup_select, rollup_select_from};
use super::sql::{Grain, MARK, quoted, within};
use super::{DEFAULT_KEEP_DAYS, FORGOTTEN, RETIRED_VIEW, Tables, counters, figures, replace, versions};

pub(super) const EVENTS_DDL: &str = include_str!("ddl/events.sql");

/// The first second of 2106, where the hours of the rollup end.
pub(super) const LAST_SECOND: u32 = 4_291_747_200;

/// Makes the rollup of a source and its dependent tables.
pub(super) fn tables(catalog: &Catalog, keep_days: u16) -> [String; 3] {
    let tables = Tables::of(catalog);
    let named = |ddl: &str, of_usage: &str, name: &str| {
        ddl.trim().replacen(&format!("EXISTS {of_usage}\n"), &format!("EXISTS {name}\n"), 1)
    };
    let keep = format!("toIntervalDay({keep_days})");
    let rollup = include_str!("ddl/usage_hourly.sql")
        .replace(&format!("toIntervalDay({DEFAULT_KEEP_DAYS})"), &keep)
        .replace(CORRECTIONS, &format!("{CORRECTIONS}{}", of_entities(catalog)))
        .replace(ENGINE, engine(catalog));
    let all = [
        named(&rollup, "usage_hourly", &tables.rollup),
        named(include_str!("ddl/usage_models.sql"), "usage_models", &tables.models),
        named(include_str!("ddl/usage_model_fits.sql"), "usage_model_fits", &tables.fits),
    ];
    if catalog.entities().is_none() {
        return all;
    }
    let [rollup, models, fits] = all.map(|table| format!("{table}\nCOMMENT '{MARK}'"));
    let by_week = "toRelativeWeekNum(hour) % 96";
    match counters::are_held(catalog) {
        true => [counters::table(&tables.rollup, Grain::HOUR, by_week, keep_days), models, fits],
        false => [rollup, models, fits],
    }
}

/// Makes the rollup of minutes of a source. Late events make rows of old days, so days share few partitions.
pub(super) fn minutes(catalog: &Catalog, table: &str) -> String {
    let by_day = "toRelativeDayNum(minute) % 8";
    if counters::are_held(catalog) {
        return counters::table(table, Grain::of_minutes(catalog.entities()), by_day, DAYS_OF_MINUTES);
    }
    let columns = include_str!("ddl/usage_hourly.sql").split("\nENGINE").next().unwrap_or_default();
    let columns = columns
        .replacen("EXISTS usage_hourly\n", &format!("EXISTS {table}\n"), 1)
        .replace("    hour DateTime", "    minute DateTime")
        .replace(CORRECTIONS, &format!("{CORRECTIONS}{}", of_entities(catalog)));
    format!(
        "{columns}
ENGINE = AggregatingMergeTree
PARTITION BY {by_day}
ORDER BY (cityHash64(customer_id) % {BUCKETS}, customer_id, metric, minute)
TTL minute + toIntervalDay({DAYS_OF_MINUTES})
SETTINGS index_granularity = 2048
COMMENT '{MARK}'"
    )
}

const DAYS_OF_MINUTES: u16 = 3;

/// The last column of the rollup of usage.
const CORRECTIONS: &str = "corrections SimpleAggregateFunction(sum, Float64)";

const ENGINE: &str = "ENGINE = AggregatingMergeTree\n";

/// Rows of a polled source are replaced as a whole. Those of all others add up.
fn engine(catalog: &Catalog) -> &'static str {
    match catalog.entities().map(|entities| entities.feed) {
        Some(Feed::Poll) => "ENGINE = ReplacingMergeTree(version, is_deleted)\n",
        None | Some(Feed::View) => ENGINE,
    }
}

/// The name in the engine of the source's rollup, whatever stands before it in a cluster.
pub(super) fn engine_name(catalog: &Catalog) -> &'static str {
    match catalog.entities().map(|entities| entities.feed) {
        Some(Feed::Poll) => "ReplacingMergeTree",
        None | Some(Feed::View) => "AggregatingMergeTree",
    }
}

/// The columns that only the rollup of a source with entities has.
fn of_entities(catalog: &Catalog) -> String {
    let Some(entities) = catalog.entities() else { return String::new() };
    let of_poll = if entities.feed == Feed::Poll { OF_POLL } else { "" };
    let needed: String =
        figures::COLUMNS.iter().map(|(name, kind)| format!(",\n    {name} {kind}")).collect();
    format!(
        ",
    -- Events that have failed.
    bad SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
    -- How many events have a value of each size. A key k stands for values from 1.05^k on; -32767 is zero, -32768 negative
    -- and 32767 not finite.
    shape SimpleAggregateFunction(sumMap, Map(Int16, UInt64)),
    -- What some aggregates need: the divisors of ratios, the newest value, and different texts.{}{of_poll}",
        needed.trim_start_matches(',')
    )
}

/// The columns that only the tables of a polled source have.
const OF_POLL: &str = ",
    -- Tells whether the events of the hour have changed.
    digest UInt64,
    -- The row with the highest version counts. A deleted one has been replaced by none.
    version UInt64,
    is_deleted UInt8";

/// Adds the columns to a rollup of a source that an earlier version made.
pub(super) fn add_figures(table: &str) -> String {
    let add = |(name, kind): &(&str, &str)| format!("ADD COLUMN IF NOT EXISTS {name} {kind}");
    let columns: Vec<String> = figures::COLUMNS.iter().map(add).collect();
    format!("ALTER TABLE {table} {}", columns.join(", "))
}

/// Makes the table of texts of a source.
pub(super) fn seen(catalog: &Catalog, keep_days: u16) -> String {
    let keep = format!("toIntervalDay({keep_days})");
    let is_polled = catalog.entities().is_some_and(|entities| entities.feed == Feed::Poll);
    let table = include_str!("ddl/usage_seen.sql")
        .trim()
        .replacen("usage_seen", &Tables::of(catalog).seen, 1)
        .replace(EVENTS, &format!("{EVENTS}{}", if is_polled { OF_POLL } else { "" }))
        .replace(ENGINE, engine(catalog))
        .replace(&format!("toIntervalDay({DEFAULT_KEEP_DAYS})"), &keep);
    format!("{table}\nCOMMENT '{MARK}'")
}

/// Makes the table of samples that runs keep.
pub(super) fn samples(catalog: &Catalog) -> String {
    let table = include_str!("ddl/usage_samples.sql").trim();
    let table = table.replacen("usage_samples", &Tables::of(catalog).samples, 1);
    format!("{table}\nCOMMENT '{MARK}'")
}

/// Drops a table of samples of an earlier version. Runs make the samples anew of the rollup of minutes.
pub(super) fn drop_samples(tables: &Tables) -> String {
    format!("{DROP_SAMPLES}{}", tables.samples)
}

const DROP_SAMPLES: &str =
    "-- An earlier version made it. Runs keep its samples anew.\nDROP TABLE IF EXISTS ";

/// The last column of the table of texts.
const EVENTS: &str = "events SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4)";

/// Adds the missing column to a rollup of the first version.
pub(super) fn add_corrections(tables: &Tables) -> String {
    format!("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {CORRECTIONS} AFTER low", tables.rollup)
}

/// Copies the rollup into the present order of rows, and swaps the two. The views then feed the sorted one. Rows that arrive
/// meanwhile are in the other one only: the backfill adds their hours. A table with the name of the copy is never dropped: it
/// may be somebody's own.
pub(super) fn sort(catalog: &Catalog, keep_days: u16) -> [String; 3] {
    let Tables { rollup, copy, .. } = &Tables::of(catalog);
    let ([table, ..], columns) = (tables(catalog, keep_days), all_columns(catalog.entities()));
    [
        table.replace(&format!("CREATE TABLE IF NOT EXISTS {rollup}\n"), &format!("CREATE TABLE {copy}\n")),
        format!("INSERT INTO {copy} ({columns}) SELECT {columns} FROM {rollup}"),
        format!("EXCHANGE TABLES {rollup} AND {copy}"),
    ]
}

/// Adds an index of buckets to a rollup of an earlier version, which is not sorted by them. Old parts get it when they are
/// merged.
pub(super) fn add_index(tables: &Tables) -> String {
    format!(
        "ALTER TABLE {} ADD INDEX IF NOT EXISTS by_bucket cityHash64(customer_id) % {BUCKETS} TYPE set(8) GRANULARITY 1",
        tables.rollup
    )
}

/// Adds the time zone to models of an earlier version. They were fitted without one.
pub(super) fn add_zone(tables: &Tables) -> String {
    format!("ALTER TABLE {} ADD COLUMN IF NOT EXISTS zone String AFTER fit", tables.models)
}

pub(super) fn keep(table: &str, keep_days: u16) -> String {
    format!("ALTER TABLE {table} MODIFY TTL hour + toIntervalDay({keep_days})")
}

/// Makes a metric's materialized view. Later migrations recognise the definition by the comment. The view of a polled source
/// feeds nothing: it shows what a poll reads.
///
/// * `source`: the table of the events whose inserts the view sees, as `FROM` names it.
pub fn create_view(metric: &MetricSpec, source: &str) -> String {
    let (view, comment) = (view_name(metric), comment(metric));
    let select = rollup_select_from(metric, source, "");
    let make = match versions::is_polled(metric) {
        true => format!("CREATE VIEW IF NOT EXISTS `{view}` AS"),
        false => {
            format!("CREATE MATERIALIZED VIEW IF NOT EXISTS `{view}` TO {} AS", Tables::fed_by(metric))
        }
    };
    format!("{make}\n{select}\nCOMMENT '{comment}'")
}

/// Gives a view its new text. The view goes on feeding the rollup.
pub(super) fn rewrite_view(metric: &MetricSpec, source: &str) -> Vec<String> {
    let view = view_name(metric);
    if versions::is_polled(metric) {
        return vec![drop_view(&view), create_view(metric, source)];
    }
    vec![
        format!("ALTER TABLE `{view}` MODIFY QUERY\n{}", rollup_select_from(metric, source, "")),
        format!("ALTER TABLE `{view}` MODIFY COMMENT '{}'", comment(metric)),
    ]
}

/// The place of a statement among those of all servers: tables, views that go, changes of rows, and views that feed tables.
pub(super) fn rank(statement: &str) -> u8 {
    match statement {
        view if view.starts_with("CREATE MATERIALIZED VIEW") || view.contains("` MODIFY ") => FEEDS,
        view if view.starts_with("DROP VIEW") => 1,
        table if table.contains("CREATE TABLE ") || table.starts_with("CREATE DATABASE") => 0,
        // Its place is needed.
        samples if samples.starts_with(DROP_SAMPLES) => 0,
        _ => CHANGES,
    }
}

/// The rank of changes of rows.
pub(super) const CHANGES: u8 = 2;
const FEEDS: u8 = 3;

pub(super) fn drop_view(name: &str) -> String {
    format!("DROP VIEW IF EXISTS `{name}`")
}

/// By day, the hours from `from` until `until` with events in which the rollup has another number of them: hours with
/// fewer events, and hours with more.
pub fn differences(metric: &MetricSpec, from: u32, until: u32) -> String {
    if versions::is_polled(metric) {
        return replace::differences(metric, (from, until), false);
    }
    let (name, table) = (&metric.name, Tables::fed_by(metric));
    let events = events_by_hour(metric);
    format!(
        "SELECT
    toUnixTimestamp(toStartOfDay(hour, 'UTC')) AS day,
    groupArraySortedIf(24)(toUnixTimestamp(hour), in_events > in_rollup) AS hours_with_fewer,
    groupArraySortedIf(24)(toUnixTimestamp(hour), in_events < in_rollup) AS hours_with_more,
    mapFromArrays(groupArray(toUnixTimestamp(hour)), groupArray((in_events, in_rollup))) AS counts
FROM
(
    SELECT hour, sum(of_events) AS in_events, sum(of_rollup) AS in_rollup
    FROM
    (
        SELECT hour, of_events, 0 AS of_rollup FROM ({events})
        UNION ALL
        SELECT hour, 0 AS of_events, sum(events) AS of_rollup FROM {table} WHERE metric = '{name}' GROUP BY hour
    )
    WHERE hour >= toDateTime({from}, 'UTC') AND hour < toDateTime({until}, 'UTC')
    GROUP BY hour
)
WHERE in_events != in_rollup AND in_events > 0
GROUP BY day
ORDER BY day"
    )
}

/// Deletes the rollup's rows between these times, in one mutation. `None` without times, and for hours that are replaced.
pub fn clear(metric: &MetricSpec, spans: &[(u32, u32)]) -> Option<String> {
    (!spans.is_empty() && !versions::is_polled(metric)).then(|| {
        format!(
            "ALTER TABLE {} DELETE WHERE metric = '{}' AND ({}) SETTINGS mutations_sync = 2",
            Tables::fed_by(metric),
            metric.name,
            within("hour", spans)
        )
    })
}

/// Computes the rollup's rows between these times from the events.
///
/// * `compared`: the period in which they were found to differ from the events.
pub fn fill(metric: &MetricSpec, spans: &[(u32, u32)], compared: (u32, u32)) -> String {
    if versions::is_polled(metric) {
        return replace::fill(metric, spans, compared);
    }
    let between = format!("\n        AND ({})", within(&metric.time_sql(), spans));
    let (table, columns) = (Tables::fed_by(metric), columns(metric));
    format!("INSERT INTO {table} ({columns})\n{}", rollup_select(metric, &between))
}

/// Deletes all rows of a metric from a table. The name comes from the table and may be any text.
pub(super) fn remove(table: &str, metric: &str) -> String {
    format!("ALTER TABLE {table} DELETE WHERE metric = '{}' SETTINGS mutations_sync = 2", quoted(metric))
}

/// Makes all models invalid. It follows every deletion from the rollup, in this order. The note that it leaves also ends
/// fits that are under way, because a fit counts only if it began after the note.
pub fn forget_models(Tables { models, fits, .. }: &Tables) -> [String; 3] {
    [
        format!("TRUNCATE TABLE {fits}"),
        format!(
            "INSERT INTO {fits} (definition, begun, expires) \
             VALUES ('{FORGOTTEN}', now64(3, 'UTC'), now('UTC') + INTERVAL 3 DAY)"
        ),
        format!("TRUNCATE TABLE {models}"),
    ]
}

/// Drops a view or a table of an earlier version.
pub(super) fn drop_retired(name: &str) -> String {
    if name == RETIRED_VIEW { drop_view(name) } else { format!("DROP TABLE IF EXISTS `{name}`") }
}

pub(super) fn view_name(metric: &MetricSpec) -> String {
    format!("{}{}", Tables::of_metric(metric).views(), metric.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str) -> MetricSpec {
        Catalog::built_in().unwrap().get(name).unwrap().clone()
    }

    #[test]
    fn the_view_of_a_sum() {
        insta::assert_snapshot!(create_view(&metric("bandwidth"), "events"));
    }

    #[test]
    fn the_days_to_backfill() {
        insta::assert_snapshot!(differences(&metric("api_calls"), 1_760_000_000, 1_795_251_600));
    }

    #[test]
    fn hours_are_cleared_in_one_mutation() {
        assert_eq!(clear(&metric("api_calls"), &[]), None);
        insta::assert_snapshot!(
            clear(&metric("api_calls"), &[(86_400, 172_800), (259_200, 345_600)]).unwrap()
        );
    }

    #[test]
    fn hours_are_filled_from_their_events() {
        let day = (1_795_219_200, 1_795_305_600);
        insta::assert_snapshot!(fill(&metric("api_calls"), &[day], day));
    }

    #[test]
    fn names_from_the_table_stay_inside_their_quotes() {
        assert!(remove("usage_hourly", "a' OR '\\").contains(r"metric = 'a\' OR \'\\'"));
    }

    #[test]
    fn hours_are_kept_as_long_as_somebody_says() {
        let catalog = Catalog::built_in().unwrap();
        assert!(tables(&catalog, DEFAULT_KEEP_DAYS)[0].contains("toIntervalDay(400)"));
        assert!(tables(&catalog, 200)[0].contains("TTL hour + toIntervalDay(200)"));
    }
}
