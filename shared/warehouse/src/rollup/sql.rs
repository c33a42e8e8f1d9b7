//! The statements of the migration, made from the validated catalog.

use sha2::{Digest, Sha256};

use super::{BASELINES_TABLE, BUILDS_TABLE, FORGOTTEN, TABLE};
use catalog::MetricSpec;

pub(super) const EVENTS_DDL: &str = include_str!("../../../../infra/clickhouse/events.sql");
/// The rollup, and what hangs on it: arrivals are noticed before anything can arrive.
pub(super) const ROLLUP_DDLS: [&str; 5] = [
    include_str!("../../../../infra/clickhouse/usage_hourly.sql"),
    include_str!("../../../../infra/clickhouse/usage_arrivals.sql"),
    include_str!("../../../../infra/clickhouse/usage_arrivals_view.sql"),
    include_str!("../../../../infra/clickhouse/usage_baselines.sql"),
    include_str!("../../../../infra/clickhouse/usage_baseline_builds.sql"),
];

/// The first second of 2106, where the hours of the rollup end.
pub(super) const LAST_SECOND: u32 = 4_291_747_200;

/// Makes a metric's materialized view. The comment is how a later migration knows the definition.
pub fn create_view(metric: &MetricSpec) -> String {
    format!(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS `{view}` TO {TABLE} AS\n{select}\nCOMMENT '{definition}'",
        view = view_name(metric),
        select = rollup_select(metric, ""),
        definition = definition(metric),
    )
}

/// Days in which, in any hour before `until`, the number of events and the number in the rollup differ.
pub fn backfills(metric: &MetricSpec, until: u32) -> String {
    let name = &metric.name;
    let events = hours(metric);
    format!(
        "SELECT
    toUnixTimestamp(toStartOfDay(hour, 'UTC')) AS day,
    sum(in_events) AS events,
    sum(in_rollup) AS rolled
FROM
(
    SELECT hour, sum(of_events) AS in_events, sum(of_rollup) AS in_rollup
    FROM
    (
        SELECT hour, of_events, 0 AS of_rollup FROM ({events})
        UNION ALL
        SELECT hour, 0 AS of_events, sum(events) AS of_rollup FROM {TABLE} WHERE metric = '{name}' GROUP BY hour
    )
    WHERE hour < toDateTime({until}, 'UTC')
    GROUP BY hour
)
GROUP BY day
HAVING events > 0 AND countIf(in_events != in_rollup) > 0
ORDER BY day"
    )
}

/// Takes what the rollup holds between these times out of it, in one mutation. `None` where there is nothing to take.
pub fn clear(metric: &MetricSpec, spans: &[(u32, u32)]) -> Option<String> {
    let span = |(from, to): &(u32, u32)| {
        format!("(hour >= toDateTime({from}, 'UTC') AND hour < toDateTime({to}, 'UTC'))")
    };
    let spans: Vec<_> = spans.iter().map(span).collect();
    (!spans.is_empty()).then(|| {
        format!(
            "ALTER TABLE {TABLE} DELETE WHERE metric = '{}' AND ({}) SETTINGS mutations_sync = 2",
            metric.name,
            spans.join(" OR ")
        )
    })
}

/// Computes what the rollup has to hold between two times, from the events.
pub fn fill(metric: &MetricSpec, from: u32, to: u32) -> String {
    let time = &metric.time_column;
    let between =
        format!("\n        AND `{time}` >= toDateTime({from}, 'UTC') AND `{time}` < toDateTime({to}, 'UTC')");
    format!(
        "INSERT INTO {TABLE} (customer_id, metric, hour, events, total, peak, low)\n{}",
        rollup_select(metric, &between)
    )
}

/// Takes everything of a metric out of the rollup. The name comes from the table and may be anything.
pub(super) fn remove(metric: &str) -> String {
    let quoted = metric.replace('\\', "\\\\").replace('\'', "\\'");
    format!("ALTER TABLE {TABLE} DELETE WHERE metric = '{quoted}' SETTINGS mutations_sync = 2")
}

/// Makes all baselines be computed anew: nobody reads what is not noted, nor what was begun before the note that this
/// leaves, for a build may be under way. After whatever was taken out of the rollup, and in this order.
pub fn forget_baselines() -> [String; 3] {
    [
        format!("TRUNCATE TABLE {BUILDS_TABLE}"),
        format!(
            "INSERT INTO {BUILDS_TABLE} (definition, begun, expires) \
             VALUES ('{FORGOTTEN}', now64(3, 'UTC'), now('UTC') + INTERVAL 3 DAY)"
        ),
        format!("TRUNCATE TABLE {BASELINES_TABLE}"),
    ]
}

pub(super) fn view_name(metric: &MetricSpec) -> String {
    format!("{TABLE}_{}", metric.name)
}

pub(super) fn definition(metric: &MetricSpec) -> String {
    hex::encode(&Sha256::digest(rollup_select(metric, ""))[..8])
}

/// Events to rollup rows.
fn rollup_select(metric: &MetricSpec, and_where: &str) -> String {
    let (name, events) = (&metric.name, counted_events(metric, and_where));
    format!(
        "SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    '{name}' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(assumeNotNull(meterflow_value)) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low
{events}
GROUP BY customer_id, hour"
    )
}

/// A metric's events one by one, in the columns of the rollup and with their time in Unix milliseconds.
pub(crate) fn events_as_usage(metric: &MetricSpec, and_where: &str) -> String {
    let (name, events) = (&metric.name, counted_events(metric, and_where));
    format!(
        "SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    '{name}' AS metric,
    toUInt64(1) AS events,
    assumeNotNull(meterflow_value) AS total,
    total AS peak,
    total AS low,
    toUnixTimestamp64Milli(toDateTime64(assumeNotNull(meterflow_time), 3, 'UTC')) AS time_ms
{events}"
    )
}

/// The number of a metric's events by hour.
fn hours(metric: &MetricSpec) -> String {
    format!(
        "SELECT toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour, count() AS of_events
{}
GROUP BY hour",
        counted_events(metric, "")
    )
}

/// The events that count, with customer, time and value under names that no table has: an alias would otherwise hide
/// a column of the same name from the catalog's expressions.
///
/// Nothing in here may fail, whatever is inserted, or it would fail the insert of the events themselves. Events without
/// a customer are nobody's usage. Times outside of the range of the rollup's hours would wrap around into it.
fn counted_events(metric: &MetricSpec, and_where: &str) -> String {
    let MetricSpec { table, customer_column, time_column, .. } = metric;
    let (filter, value) =
        (metric.filter.as_deref().unwrap_or("true"), metric.value.as_deref().unwrap_or("1"));
    format!(
        "FROM
(
    SELECT
        toString(`{customer_column}`) AS meterflow_customer,
        `{time_column}` AS meterflow_time,
        toFloat64({value}) AS meterflow_value
    FROM {table}
    WHERE ({filter})
        AND `{time_column}` >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND `{time_column}` < toDateTime('2106-01-01 00:00:00', 'UTC'){and_where}
)
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::Catalog;

    fn metric(name: &str) -> MetricSpec {
        Catalog::built_in().unwrap().get(name).unwrap().clone()
    }

    #[test]
    fn the_view_of_a_sum() {
        insta::assert_snapshot!(create_view(&metric("bandwidth")));
    }

    #[test]
    fn the_days_to_backfill() {
        insta::assert_snapshot!(backfills(&metric("api_calls"), 1_795_251_600));
    }

    #[test]
    fn days_are_cleared_in_one_mutation() {
        assert_eq!(clear(&metric("api_calls"), &[]), None);
        insta::assert_snapshot!(
            clear(&metric("api_calls"), &[(86_400, 172_800), (259_200, 345_600)]).unwrap()
        );
    }

    #[test]
    fn a_day_is_filled_from_its_events() {
        insta::assert_snapshot!(fill(&metric("api_calls"), 1_795_219_200, 1_795_305_600));
    }

    #[test]
    fn names_from_the_table_stay_inside_their_quotes() {
        assert!(remove("a' OR '\\").contains(r"metric = 'a\' OR \'\\'"));
    }

    #[test]
    fn another_definition_is_another_digest() {
        let plain = metric("api_calls");
        let mut changed = plain.clone();
        changed.filter = Some("event_type = 'other'".to_owned());
        assert_ne!(definition(&plain), definition(&changed));
        changed = plain.clone();
        changed.min_change = 7.0;
        assert_eq!(definition(&plain), definition(&changed), "floors do not change the rollup");
    }
}
