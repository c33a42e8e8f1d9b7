//! `meterflow failures list` and `show`: what the queues hold. Nothing leaves them.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use platform::telemetry::error_chain;

use super::letter::Letter;
use super::redrive::{collect, hand_back, messages as number_of};
use super::{Aws, parked};
use crate::output::say;

/// Most messages of a queue that are looked at for the oldest, and for a list.
const LOOK: usize = 200;

pub(super) async fn list(aws: &Aws) -> anyhow::Result<()> {
    say!("{:26} {:>8}  {:>8}  holds", "queue", "messages", "oldest");
    for queue in aws.find(None).await? {
        let name = queue.kind.name();
        let count = aws.queues.count(&queue.url).await.with_context(|| format!("{name} was not counted"))?;
        let mut oldest = None;
        if count > 0 {
            let seen = collect(&aws.queues, &queue, LOOK).await;
            let seen = seen.with_context(|| format!("the queue {name} could not be read"))?;
            oldest = seen.iter().filter_map(|message| message.sent_at).min();
            hand_back(&aws.queues, &queue, &seen).await;
        }
        say!("{name:26} {count:>8}  {:>8}  {}", age(oldest, aws.now), queue.kind.holds());
    }
    let alerts = parked::all(&aws.store).await;
    let alerts = alerts.with_context(|| format!("the table {} was not read (check --table)", aws.table))?;
    let oldest = alerts.iter().map(|alert| alert.detected_at()).min();
    let oldest = oldest.and_then(|at| Timestamp::from_millisecond(at).ok());
    let (name, count) = (parked::NAME, alerts.len());
    say!("{name:26} {count:>8}  {:>8}  alerts that SNS refused, in the table", age(oldest, aws.now));
    Ok(())
}

pub(super) async fn messages(aws: &Aws, name: &str) -> anyhow::Result<()> {
    if name == parked::NAME {
        return parked::take_up(&aws.store, aws.now, true, u64::MAX).await;
    }
    for queue in aws.find(Some(name)).await? {
        let seen = collect(&aws.queues, &queue, LOOK).await;
        let seen = seen.with_context(|| format!("the queue {name} could not be read"))?;
        let mut letters = Vec::new();
        for message in &seen {
            match Letter::read(&queue.kind, message) {
                Ok(letter) => letters.push(letter),
                Err(error) => say!("a message that cannot be read: {}", error_chain(error.as_ref())),
            }
        }
        letters.sort_by_key(Letter::order);
        letters.iter().for_each(|letter| say!("{}", letter.line()));
        hand_back(&aws.queues, &queue, &seen).await;
        let count = aws.queues.count(&queue.url).await.with_context(|| format!("{name} was not counted"))?;
        say!("{} of {}", number_of(seen.len() as u64), count.max(seen.len() as u64));
    }
    Ok(())
}

/// "3 h", or "-" for no message.
fn age(oldest: Option<Timestamp>, now: Timestamp) -> String {
    let Some(oldest) = oldest else { return "-".to_owned() };
    let age = now.duration_since(oldest).max(SignedDuration::ZERO);
    match (age.as_hours(), age.as_mins()) {
        (hours @ 48.., _) => format!("{} d", hours / 24),
        (hours @ 1.., _) => format!("{hours} h"),
        (_, minutes) => format!("{minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_short() {
        let now: Timestamp = "2026-11-21T13:00:00Z".parse().unwrap();
        for (minutes, expected) in
            [(-5, "0 min"), (0, "0 min"), (59, "59 min"), (60, "1 h"), (2_879, "47 h"), (2_880, "2 d")]
        {
            assert_eq!(age(Some(now - SignedDuration::from_mins(minutes)), now), expected);
        }
        assert_eq!(age(None, now), "-");
    }
}
