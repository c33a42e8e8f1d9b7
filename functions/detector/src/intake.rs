//! What a run of a source does first: it looks whether the server has all rows, rows that changed come into the rollup, and
//! entities beyond the limit are put together.

use std::time::Duration;

use anyhow::{Context, bail};
use catalog::Overflow;
use detection::{Hour, Window};
use jiff::SignedDuration;
use platform::emf::RunFigures;
use platform::telemetry::error_chain;
use warehouse::usage::MOST_BEHIND;

use crate::app::App;
use crate::connect::{connect, unknown};
use crate::request::Request;

/// An entity without an event for so long is not judged.
const MONTH: SignedDuration = SignedDuration::from_hours(31 * 24);

/// How long a run waits before it tries again.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Prepares the source of a run. Returns what the run goes on with: the servers that it asks, and its entities.
pub(crate) async fn prepare(
    app: &App,
    request: &Request,
    run_id: &str,
    figures: &mut RunFigures,
) -> anyhow::Result<App> {
    figures.phase = "asking whether the server has all rows";
    let app = if app.usage.addresses().is_list() {
        connect(app, Hour::holding(request.time), run_id).await?
    } else {
        ask_whether_fresh(app, run_id).await?;
        app.clone()
    };
    let Some(entities) = app.catalog.entities() else { return Ok(app) };
    let due = request.time.checked_sub(app.delay()).context("the event's time is out of range")?;
    let window = Window::closing_at_step(due, app.step()).context("the event's time cannot be checked")?;
    if !request.dry_run {
        figures.phase = "reading the rows that changed";
        let hours = poll(&app, &window).await?;
        if hours > 0 {
            tracing::info!(source.name = app.catalog.name(), hours, "hours that changed were read again");
        }
    }
    figures.phase = "counting the entities";
    let since = u32::try_from((window.end() - MONTH).as_second().max(0))?;
    let overflowing = match app.usage.overflowing(&app.catalog, since, &format!("{run_id}-entities")).await {
        Ok(overflowing) => overflowing,
        Err(error) => {
            tracing::warn!(
                error = error_chain(&error),
                "the entities were not counted, so all are judged one by one"
            );
            return Ok(app);
        }
    };
    if overflowing.is_empty() {
        return Ok(app);
    }
    for of in &overflowing {
        figures.entities_in_other += of.entities.saturating_sub(entities.most.into());
        tracing::warn!(
            customer.id = of.customer,
            source.name = app.catalog.name(),
            entities = of.entities,
            limit = entities.most,
            "a customer has more entities than the source judges one by one, so the newest are judged together as `other`: is \
             there an id in the expression `entity`? If not, raise `max_entities`"
        );
    }
    let overflow = Overflow { customers: overflowing.into_iter().map(|of| of.customer).collect(), since };
    Ok(App { catalog: app.catalog.clone().with_overflow(&overflow), ..app })
}

/// Refuses the only address if its server is too far behind.
async fn ask_whether_fresh(app: &App, run_id: &str) -> anyhow::Result<()> {
    let query_id = format!("{run_id}-replicas");
    let asked = app.usage.seconds_behind(&app.catalog, &query_id);
    match tokio::time::timeout(app.longest_question, asked).await {
        Ok(Ok(seconds)) => require_fresh(seconds)?,
        Ok(Err(error)) => unknown(&error),
        // The errors of the queries of the run say more.
        Err(_) => tracing::info!("the server does not say whether it is behind its replicas"),
    }
    Ok(())
}

/// Everybody's usage would seem to have fallen.
fn require_fresh(seconds: u64) -> anyhow::Result<()> {
    if seconds > MOST_BEHIND {
        bail!(
            "the ClickHouse server is {seconds} s behind its replicas, so usage would seem to have fallen: let `clickhouse_url` \
             lead to another replica, or wait until this one has caught up (system.replicas tells why it is late)"
        );
    }
    Ok(())
}

/// Reads the rows that changed, with the patience of a run.
async fn poll(app: &App, window: &Window) -> anyhow::Result<usize> {
    let mut pauses = PAUSES.into_iter();
    loop {
        match (app.usage.poll(&app.catalog, window).await, pauses.next()) {
            (Ok(hours), _) => return Ok(hours),
            (Err(error), None) => return Err(error.into()),
            (Err(error), Some(pause)) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "the rows that changed were not read: another try follows"
                );
                tokio::time::sleep(pause).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_may_be_five_minutes_behind() {
        assert!(require_fresh(0).is_ok() && require_fresh(300).is_ok());
        let error = require_fresh(301).expect_err("a late replica").to_string();
        assert!(error.starts_with("the ClickHouse server is 301 s behind its replicas"), "{error}");
    }
}
