//! Computes hours again in which the rollup differs from the events.

use std::collections::BTreeSet;

use catalog::MetricSpec;

use super::differences::Day;
use super::error::MigrationError;
use super::place::Place;
use super::run::run;
use super::{DAY_SECONDS, Tables, statements};

/// Computes hours of a metric again from its events, and tells `done` of each day.
///
/// Hours with wrong rows are emptied before they are filled. Days that no sweep reads any more are emptied together,
/// because each such step rewrites parts of the table. A day that sweeps still read is empty only for a moment.
pub(super) async fn fill(
    place: &Place,
    metric: &MetricSpec,
    days: &[Day],
    now: u32,
    mut done: impl FnMut(&Day),
) -> Result<(), MigrationError> {
    let what = format!("the events of `{}` were not added to the rollup", metric.name);
    let tables = Tables::of_metric(metric);
    let stored = tables.stored();
    let change = async |statement: String| place.change(&what, &statement, &stored).await;
    let insert = async |statement: String| run(&place.client, &place.database, &what, &statement).await;
    // An insert is noticed as an arrival. A deletion is not.
    let forget = async || {
        for statement in statements::forget_models(&tables) {
            change(statement).await?;
        }
        Ok(())
    };
    let takes_out = days.iter().any(|day| !day.wrong_spans().is_empty());
    if takes_out {
        // Also before the deletion: after it, a migration that runs again would not know of the deleted rows.
        forget().await?;
    }
    let read_from = now.saturating_sub(100 * DAY_SECONDS);
    let (old, recent): (Vec<&Day>, Vec<&Day>) = days.iter().partition(|day| day.day < read_from);
    let wrong =
        |days: &[&Day]| -> Vec<(u32, u32)> { days.iter().flat_map(|day| day.wrong_spans()).collect() };
    if let Some(statement) = statements::clear(metric, &wrong(&old)) {
        change(statement).await?;
    }
    for day in old {
        insert(statements::fill(metric, &day.spans(), day.compared)).await?;
        done(day);
    }
    for day in recent {
        if let Some(statement) = statements::clear(metric, &wrong(&[day])) {
            change(statement).await?;
        }
        insert(statements::fill(metric, &day.spans(), day.compared)).await?;
        done(day);
    }
    if takes_out {
        forget().await?;
    }
    Ok(())
}

/// The hours of these days.
pub(super) fn hours_of(days: &[Day]) -> BTreeSet<u32> {
    days.iter().flat_map(|day| day.hours.iter().map(|hour| hour.at)).collect()
}
