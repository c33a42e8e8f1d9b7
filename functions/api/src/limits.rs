//! Limits of work: the requests of one caller must not slow down the others.
//!
//! Instances of the function share no memory, so the count is in the table: one item per caller and minute, changed by
//! atomic additions under a condition. It holds across all instances and needs no server. It costs one small write per
//! request that reads usage, and two for an expensive one. A quota in ClickHouse would count only finished work. A
//! dozen expensive checks that begin together would all pass. So the expected cost is taken before the work, and
//! replaced by the true cost afterwards.
//!
//! A caller is the customer of the token, or the operator in it. Operators act for all customers and may use ten times
//! as much. If the table does not answer, requests pass. The limits of the ClickHouse user still hold.

use std::time::{Duration, Instant};

use detection::{BaselineDays, Window};
use futures::try_join;
use jiff::Timestamp;
use platform::telemetry::error_chain;
use store::{Allowance, StoreError};
use tokio::time::timeout;

use crate::App;
use crate::access::Caller;
use crate::error::Problem;

/// ClickHouse's time for a day of one customer, in the rollup and in the events themselves.
const DAY_OF_ROLLUP: Duration = Duration::from_millis(2);
const DAY_OF_EVENTS: Duration = Duration::from_millis(100);

/// Work from this cost on is expensive.
const DEAR: Duration = Duration::from_secs(1);

/// This many further customers cost as much as one alone.
const CUSTOMERS_AT_ONE_COST: u32 = 10;

/// How much more an operator may use than a customer.
const OPERATOR_FACTOR: u32 = 10;

/// Longest wait for a count. A broken count must not delay requests.
const COUNT_TIME: Duration = Duration::from_secs(1);

/// Does work with this expected cost, unless the caller has used up its share of this minute.
///
/// Expensive work waits for the count, and its true cost replaces the expected one. Cheap work runs beside the count,
/// so it takes no longer.
pub(crate) async fn within_limits<T>(
    app: &App,
    caller: &Caller,
    now: Timestamp,
    cost: Duration,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let (account, allowance) = (caller.account(), allowance(app, caller));
    let taken = cost.min(allowance.work);
    let count = async {
        match in_time(app.store.take_work(&account, taken, allowance, now)).await {
            Some(false) => Err(used_up(&allowance, now)),
            counted => Ok(counted.is_some()),
        }
    };
    if cost < DEAR {
        return try_join!(count, work).map(|(_, done)| done);
    }
    let is_counted = count.await?;
    let begun = Instant::now();
    let result = work.await;
    if is_counted {
        in_time(app.store.settle_work(&account, taken, begun.elapsed(), now)).await;
    }
    result
}

/// The expected cost of reading a window and its baseline for some customers.
pub(crate) fn cost_of_window(window: &Window, baseline_days: BaselineDays, customers: usize) -> Duration {
    let read = window.end().duration_since(window.baseline_start(baseline_days));
    let day = if window.is_on_the_hour() { DAY_OF_ROLLUP } else { DAY_OF_EVENTS };
    let customers = u32::try_from(customers).unwrap_or(u32::MAX) / CUSTOMERS_AT_ONE_COST;
    day.saturating_mul(days(read)).saturating_mul(1 + customers)
}

/// The expected cost of reading a customer's hours.
pub(crate) fn cost_of_hours(from: Timestamp, until: Timestamp) -> Duration {
    DAY_OF_ROLLUP.saturating_mul(days(until.duration_since(from)))
}

fn days(length: jiff::SignedDuration) -> u32 {
    u32::try_from(length.as_hours() / 24 + 1).unwrap_or(0)
}

fn allowance(app: &App, caller: &Caller) -> Allowance {
    let Allowance { requests, work } = app.config.allowance;
    match caller.is_customer() {
        true => Allowance { requests, work },
        false => Allowance {
            requests: requests.saturating_mul(OPERATOR_FACTOR.into()),
            work: work.saturating_mul(OPERATOR_FACTOR),
        },
    }
}

fn used_up(allowance: &Allowance, now: Timestamp) -> Problem {
    let seconds = 60 - u32::try_from(now.as_second().rem_euclid(60)).unwrap_or(0);
    Problem::too_many_requests(
        format!(
            "this token has used its {} requests or {} seconds of reading usage in this minute; \
             try again in {seconds} seconds, or ask for shorter periods on full hours",
            allowance.requests,
            allowance.work.as_secs()
        ),
        seconds,
    )
}

/// `None` if the count failed or took too long.
async fn in_time<T>(count: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
    match timeout(COUNT_TIME, count).await {
        Ok(Ok(counted)) => Some(counted),
        Ok(Err(error)) => {
            tracing::warn!(error = error_chain(&error), "the work of a caller was not counted");
            None
        }
        Err(_) => {
            tracing::warn!("the work of a caller was not counted in time");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, end: &str) -> Window {
        Window::between(start.parse().unwrap(), end.parse().unwrap()).unwrap()
    }

    #[test]
    fn reading_events_over_a_long_time_is_dear() {
        let hourly = window("2026-11-20T13:00:00Z", "2026-11-21T13:00:00Z");
        let off_the_hour = window("2026-11-20T13:10:00Z", "2026-11-21T13:10:00Z");
        let milliseconds = |window, days, customers| {
            cost_of_window(window, BaselineDays::new(days).unwrap(), customers).as_millis()
        };
        assert_eq!(milliseconds(&hourly, 30, 1), 64);
        assert_eq!(milliseconds(&hourly, 90, 100), 92 * 2 * 11);
        assert_eq!(milliseconds(&off_the_hour, 30, 1), 3_200);
        assert_eq!(milliseconds(&off_the_hour, 90, 1), 9_200);
    }

    #[test]
    fn a_refusal_names_the_end_of_the_minute() {
        let allowance = Allowance { requests: 120, work: Duration::from_secs(20) };
        for (now, expected) in [("2026-11-21T13:30:00Z", 60), ("2026-11-21T13:30:59.9Z", 1)] {
            let problem = used_up(&allowance, now.parse().unwrap());
            assert_eq!(problem.status(), 429);
            let answer = problem.answer("id");
            assert_eq!(answer.headers()["retry-after"], expected.to_string().as_str(), "{now}");
        }
    }
}
