//! Polled sources: tables whose rows are rewritten or repeated, so that a view would count a row as often as it is written.
//!
//! Each run compares the newest hours of the table with the rollup by a digest, and replaces the hours that differ. The newest
//! row of an id counts, once. An hour is replaced by one insert, so that nobody reads half of it, and two polls at once write
//! the same:
//!
//! * each row of the rollup has a version, and the highest one is read;
//! * rows of the hour that are there already are marked as deleted, one version below the new ones.

use catalog::MetricSpec;
use clickhouse::Client;

use super::differences::of_period;
use super::error::MigrationError;
use super::replace;
use super::run::run;

/// Replaces the hours from `from` until `until` that differ from their events. Returns how many they were.
pub(crate) async fn poll(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    period: (u32, u32),
) -> Result<usize, MigrationError> {
    let mut hours = 0;
    let text = replace::differences(metric, period, true);
    for difference in of_period(client, database, metric, period, &text).await? {
        let Some(day) = difference.to_fill(|_| true) else { continue };
        let what = format!("the events of `{}` that changed were not read", metric.name);
        run(client, database, &what, &replace::fill(metric, &day.spans(), day.compared)).await?;
        hours += day.hours.len();
    }
    Ok(hours)
}
