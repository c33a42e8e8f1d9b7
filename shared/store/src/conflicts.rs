//! Repeats writes that meet another write of the same item. No other file does this.
//!
//! The SDK repeats a call that was throttled or lost. It does not repeat two other refusals: a write of an item that a
//! transaction has in hand, and a transaction with a throttled item. Both pass within milliseconds.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use tokio::time::{Instant, sleep};

/// Longest time of a write of one item, with all its tries. Another write holds an item for milliseconds.
pub(crate) const BRIEFLY: Duration = Duration::from_secs(2);

/// Longest time of a change of an incident, with all its tries against a throttled table. It equals the limit of any
/// other call.
pub(crate) const PATIENTLY: Duration = Duration::from_secs(20);

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Tries a write until it is done, it fails for a lasting reason, or `time` is over.
///
/// Writes that meet at one item would meet again after equal pauses. So each pause is random, up to double its length.
pub(crate) async fn again_after_conflicts<T, E, F>(
    time: Duration,
    passes: impl Fn(&E) -> bool,
    mut write: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + time;
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match write().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let wait = pause + random_part(pause);
        if !passes(&error) || Instant::now() + wait >= deadline {
            return Err(error);
        }
        sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// An error that another write of the same item may have caused.
pub(crate) trait Conflict {
    /// Whether the same write may succeed a little later.
    fn passes(&self) -> bool;
}

impl Conflict for PutItemError {
    fn passes(&self) -> bool {
        matches!(self, Self::TransactionConflictException(_))
    }
}

impl Conflict for UpdateItemError {
    fn passes(&self) -> bool {
        matches!(self, Self::TransactionConflictException(_))
    }
}

impl Conflict for TransactWriteItemsError {
    fn passes(&self) -> bool {
        let Self::TransactionCanceledException(refusal) = self else { return false };
        !is_refused(refusal) && (is_conflict(refusal) || is_throttled(refusal))
    }
}

/// Whether a condition of the transaction did not hold.
pub(crate) fn is_refused(refusal: &TransactionCanceledException) -> bool {
    has_code(refusal, &["ConditionalCheckFailed"])
}

/// Whether another write had an item of the transaction in hand.
pub(crate) fn is_conflict(refusal: &TransactionCanceledException) -> bool {
    has_code(refusal, &["TransactionConflict"])
}

pub(crate) fn is_throttled(refusal: &TransactionCanceledException) -> bool {
    has_code(refusal, &["ThrottlingError", "ProvisionedThroughputExceeded"])
}

fn has_code(refusal: &TransactionCanceledException, codes: &[&str]) -> bool {
    let mut found = refusal.cancellation_reasons().iter().filter_map(|reason| reason.code());
    found.any(|code| codes.contains(&code))
}

/// A random time from zero to almost this.
fn random_part(of: Duration) -> Duration {
    let share = RandomState::new().build_hasher().finish() % 1_000;
    of * u32::try_from(share).unwrap_or(0) / 1_000
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    async fn tries(time: Duration, succeeds_at: u32, passes: bool) -> (Result<u32, &'static str>, u32) {
        let count = Cell::new(0);
        let write = || async {
            count.set(count.get() + 1);
            if count.get() == succeeds_at { Ok(count.get()) } else { Err("in hand") }
        };
        let result = again_after_conflicts(time, |_: &&str| passes, write).await;
        (result, count.get())
    }

    #[tokio::test]
    async fn a_conflict_is_tried_again_until_the_time_is_over() {
        assert_eq!(tries(BRIEFLY, 1, true).await, (Ok(1), 1));
        assert_eq!(tries(BRIEFLY, 3, true).await, (Ok(3), 3));
        assert_eq!(tries(BRIEFLY, 2, false).await, (Err("in hand"), 1), "it does not pass");
        let (begun, time) = (Instant::now(), Duration::from_millis(150));
        let (result, count) = tries(time, u32::MAX, true).await;
        assert_eq!(result, Err("in hand"));
        assert!((2..5).contains(&count), "{count} tries");
        // The machine may be busy.
        assert!(begun.elapsed() < time + Duration::from_secs(5));
    }
}
