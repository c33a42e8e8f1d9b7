//! The runs that one event of the schedule asks for.
//!
//! Most sources have one. A source with `every` has as many as fit into its window: six of a minute. EventBridge starts a function
//! once a minute at most, so the function stays and waits for the next ten seconds.
//!
//! ```text
//! event at 13:05:00, delay 2 s     13:05:02   13:05:12   13:05:22   13:05:32   13:05:42   13:05:52
//! windows of a minute, which end at 13:05:00   13:05:10   13:05:20   13:05:30   13:05:40   13:05:50
//! ```
//!
//! The windows overlap. Only the whole minutes end incidents and close gaps.

use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use platform::telemetry::error_chain;

use crate::app::App;
use crate::request::Request;
use crate::run::run;
use crate::summary::RunSummary;

/// All runs of an event, in their order, each at its time. A run that fails does not stop those after it.
///
/// A check between two minutes is left out if the next one is due. So a late event, or a slow check, holds nothing up.
///
/// # Errors
///
/// The first failure of a [`run`].
pub async fn run_all(app: &App, request: &Request, deadline: Instant) -> anyhow::Result<Vec<RunSummary>> {
    let times = times(app, request)?;
    if let [_] = times.as_slice() {
        return Ok(vec![run(app, request, deadline).await?]);
    }
    let (mut summaries, mut failed) = (Vec::new(), None);
    for (number, time) in times.iter().enumerate() {
        let now = app.now()?;
        let next_is_due = times.get(number + 1).is_some_and(|next| *next <= now);
        if number > 0 && next_is_due {
            continue;
        }
        tokio::time::sleep(Duration::try_from(time.duration_since(now)).unwrap_or_default()).await;
        match run(app, &Request { time: *time, ..request.clone() }, deadline).await {
            Ok(summary) => summaries.push(summary),
            Err(error) => {
                tracing::error!(time = %time, error = error_chain(error.as_ref()), "a check within the minute failed");
                failed = failed.or(Some(error));
            }
        }
    }
    match failed {
        Some(error) => Err(error).context("a check within the minute failed"),
        None => Ok(summaries),
    }
}

/// When the windows of an event are judged: as soon as their rows have arrived.
fn times(app: &App, request: &Request) -> anyhow::Result<Vec<Timestamp>> {
    let once = || Ok(vec![request.time]);
    let Some(every) = app.every().filter(|_| request.is_of_schedule()) else { return once() };
    let (step, delay) = (every.as_secs(), app.delay());
    let due = request.time.checked_sub(delay).context("the event's time is out of range")?;
    let first = due.as_second().div_euclid(step) * step;
    let first = if first < due.as_second() { first + step } else { first };
    let ends = (0..app.length().as_secs() / step).map(|number| first + number * step);
    ends.map(|end| Ok(Timestamp::from_second(end)?.checked_add(delay)?)).collect()
}
