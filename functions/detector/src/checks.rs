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
use detection::Window;
use jiff::{SignedDuration, Timestamp};
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
    let Some(every) = app.every().filter(|_| request.is_of_schedule()) else {
        return Ok(vec![run(app, request, deadline).await?]);
    };
    let delay = app.delay();
    let times = times(request.time, delay, every, app.length())?;
    let (mut summaries, mut failed) = (Vec::new(), None);
    for (number, time) in times.iter().enumerate() {
        let now = app.now()?;
        let next_is_due = times.get(number + 1).is_some_and(|next| *next <= now);
        let window = Window::closing_at_step(time.checked_sub(delay)?, every)?;
        if next_is_due && app.is_between(&window) {
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

/// When the windows of an event are judged: as soon as their rows have arrived, which takes `delay`.
///
/// * `every`: the time from one check to the next.
/// * `length`: of a window. The checks of an event go on for so long.
fn times(
    event: Timestamp,
    delay: SignedDuration,
    every: SignedDuration,
    length: SignedDuration,
) -> anyhow::Result<Vec<Timestamp>> {
    let step = every.as_secs();
    let due = event.checked_sub(delay).context("the event's time is out of range")?;
    let first = due.as_second().div_euclid(step) * step;
    let first = if Timestamp::from_second(first)? < due { first + step } else { first };
    let ends = (0..length.as_secs() / step).map(|number| first + number * step);
    ends.map(|end| Ok(Timestamp::from_second(end)?.checked_add(delay)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_comes_when_its_rows_have_arrived() {
        let [every, length] = [10, 60].map(SignedDuration::from_secs);
        for (event, delay, first) in [
            ("2026-11-21T13:05:00Z", 2, "2026-11-21T13:05:02Z"),
            ("2026-11-21T13:05:00Z", 0, "2026-11-21T13:05:00Z"),
            ("2026-11-21T13:05:00Z", 60, "2026-11-21T13:05:00Z"),
            ("2026-11-21T13:05:03.5Z", 2, "2026-11-21T13:05:12Z"),
        ] {
            let delay = SignedDuration::from_secs(delay);
            let times = times(event.parse().unwrap(), delay, every, length).unwrap();
            let first: Timestamp = first.parse().unwrap();
            let expected: Vec<Timestamp> = (0..6).map(|number| first + every * number).collect();
            assert_eq!(times, expected, "{event} {delay:?}");
            assert!(times.iter().all(|time| (*time - delay).as_second() % 10 == 0));
        }
    }
}
