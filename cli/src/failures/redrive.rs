//! `meterflow failures redrive`: goes through queues once, and hands their messages over in the order of their incidents.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::{Context, bail};
use detection::incident::IncidentId;
use messaging::failures::{FailureQueues, Received};
use platform::telemetry::error_chain;

use super::hand_over::HandOver;
use super::letter::Letter;
use super::queues::Queue;
use super::{Aws, parked};
use crate::output::say;

/// How long a message is hidden from other readers. Afterwards another reader may see it, and hand it over once more.
/// Receivers know by its id that they have it.
const HOLD: Duration = Duration::from_secs(900);

/// The results by queue.
#[derive(Default)]
struct Tally {
    done: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
    shown: u64,
}

pub(super) async fn run(aws: &Aws, name: Option<&str>, dry_run: bool, limit: u64) -> anyhow::Result<()> {
    let with_parked = name.is_none_or(|name| name == parked::NAME);
    let queues = match name {
        Some(parked::NAME) => Vec::new(),
        name => aws.find(name).await?,
    };
    let (hand_over, mut tally, mut left) = (HandOver::new(aws), Tally::default(), limit);
    // A later message of an incident must not come before one that has failed, in whatever queue they are.
    let mut blocked = HashSet::new();
    for queue in &queues {
        of_queue(aws, &hand_over, queue, dry_run, &mut left, &mut blocked, &mut tally).await?;
    }
    if with_parked {
        let taken_up = parked::take_up(&aws.store, aws.now, dry_run, left).await;
        let (prefix, table) = (&aws.prefix, &aws.table);
        taken_up.with_context(|| match name.is_none() && queues.is_empty() {
            true => format!(
                "there is neither a queue whose name begins with {prefix}-anomaly- nor a table {table} that can be read \
                 (check --name-prefix and AWS_REGION)"
            ),
            false => format!("the alerts that SNS refused are not known: the table {table} was not read (check --table)"),
        })?;
    }
    tally.finish(dry_run)
}

/// The messages of a queue, at most so many. They stay hidden until they are deleted or handed back.
pub(super) async fn collect(
    queues: &FailureQueues,
    queue: &Queue,
    most: usize,
) -> anyhow::Result<Vec<Received>> {
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    while all.len() < most {
        let received = match queues.receive(&queue.url, most - all.len(), HOLD).await {
            Ok(received) => received,
            Err(error) => {
                hand_back(queues, queue, &all).await;
                return Err(error.into());
            }
        };
        let is_read = received.is_empty();
        // A message that comes again has waited so long that it is visible again. So the whole queue has been read.
        let mut is_repeated = false;
        for message in received {
            if seen.insert(message.id.clone()) {
                all.push(message);
            } else {
                is_repeated = true;
            }
        }
        if is_read || is_repeated {
            break;
        }
    }
    Ok(all)
}

/// Makes messages visible again.
pub(super) async fn hand_back(queues: &FailureQueues, queue: &Queue, messages: &[Received]) {
    for message in messages {
        if let Err(error) = queues.hand_back(&queue.url, message).await {
            let name = queue.kind.name();
            eprintln!("{name}: a message comes back by itself in some minutes: {}", error_chain(&error));
        }
    }
}

async fn of_queue(
    aws: &Aws,
    hand_over: &HandOver<'_>,
    queue: &Queue,
    dry_run: bool,
    left: &mut u64,
    blocked: &mut HashSet<IncidentId>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    if *left == 0 {
        return Ok(());
    }
    let name = queue.kind.name();
    let received = collect(&aws.queues, queue, usize::MAX).await;
    let received = received.with_context(|| format!("the queue {name} could not be read to its end"))?;
    let (mut letters, mut kept) = (Vec::new(), Vec::new());
    for message in received {
        match Letter::read(&queue.kind, &message) {
            Ok(letter) => letters.push((letter, message)),
            Err(error) => {
                eprintln!("{name}: a message cannot be read, and stays: {}", error_chain(error.as_ref()));
                *tally.failed.entry(name.clone()).or_default() += 1;
                kept.push(message);
            }
        }
    }
    letters.sort_by_key(|(letter, _)| letter.order());
    let mut letters = letters.into_iter();
    let result = async {
        for (letter, message) in letters.by_ref() {
            if *left == 0 {
                kept.push(message);
                continue;
            }
            *left -= 1;
            let is_blocked = letter.incidents().any(|incident| blocked.contains(incident));
            let outcome = match (dry_run, is_blocked) {
                (true, _) => {
                    let is_over = hand_over.is_over(&letter).await;
                    is_over.map(|is_over| is_over.then_some("would be given up: its incident has ended"))
                }
                (false, true) => Err(anyhow::anyhow!("an earlier message of its incident was not taken")),
                (false, false) => hand_over.one(queue, &message, &letter).await.map(Some),
            };
            match outcome {
                Ok(how) if dry_run => {
                    say!("{name}: {}, {}", letter.line(), how.unwrap_or("would be handed over"));
                    tally.shown += 1;
                    kept.push(message);
                }
                Ok(how) => {
                    say!("{name}: {}, {}", letter.what, how.unwrap_or_default());
                    *tally.done.entry(name.clone()).or_default() += 1;
                    if let Err(error) = aws.queues.delete(&queue.url, &message).await {
                        kept.push(message);
                        return Err(error);
                    }
                }
                Err(error) => {
                    let reason = error_chain(error.as_ref());
                    eprintln!("{name}: {}, failed again: {}", letter.what, reason.escape_debug());
                    *tally.failed.entry(name.clone()).or_default() += 1;
                    blocked.extend(letter.incidents().cloned());
                    kept.push(message);
                }
            }
        }
        Ok(())
    }
    .await;
    kept.extend(letters.map(|(_, message)| message));
    hand_back(&aws.queues, queue, &kept).await;
    result.with_context(|| format!("the queue {name} could not be emptied"))
}

impl Tally {
    fn finish(self, dry_run: bool) -> anyhow::Result<()> {
        let total = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        let of = |counts: &BTreeMap<String, u64>| {
            let parts: Vec<_> = counts.iter().map(|(queue, count)| format!("{queue} {count}")).collect();
            if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
        };
        if dry_run {
            say!("{} would be handed over", messages(self.shown));
        } else {
            say!("{} handed over{}", messages(total(&self.done)), of(&self.done));
        }
        match total(&self.failed) {
            0 => Ok(()),
            failed => bail!("{} failed again, left in the queue{}", messages(failed), of(&self.failed)),
        }
    }
}

pub(super) fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_again_is_an_error() {
        let counts = |count| BTreeMap::from([("undelivered-slack".to_owned(), count)]);
        assert!(Tally { done: counts(2), ..Tally::default() }.finish(false).is_ok());
        let error = Tally { failed: counts(1), ..Tally::default() }.finish(false).unwrap_err();
        assert_eq!(error.to_string(), "1 message failed again, left in the queue (undelivered-slack 1)");
    }
}
