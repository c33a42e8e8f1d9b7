//! `meterflow alerts redrive`: sends alerts again that channels did not take, and alerts that SNS refused (`topic`).
//! `meterflow alerts test` is in `test`.
//!
//! A message leaves its queue only after the notifier says that it was delivered. A message that fails again stays. A
//! message that cannot be read stays too.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

mod test;
mod topic;

use crate::notifier_function::NotifierFunction;
use anyhow::{Context, bail};
use clap::Subcommand;
use jiff::Timestamp;
use messaging::failures::{Failure, FailureQueues, Received};
use platform::telemetry::error_chain;
use serde_json::json;

use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct AlertsArgs {
    #[command(subcommand)]
    command: AlertsCommand,
}

#[derive(Subcommand)]
enum AlertsCommand {
    /// Send undelivered alerts again: each message in the queues of the channels. Without --channel, alerts that SNS
    /// refused are sent too, by the next run of the detector.
    Redrive(RedriveArgs),
    /// Send a test page and its end to the channels, and say which of them took both.
    Test(test::TestArgs),
}

/// AWS is found as other tools find it: by AWS_PROFILE, AWS_REGION and the like.
#[derive(clap::Args)]
struct RedriveArgs {
    /// Only this channel. Default: all channels with a queue.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,

    /// Show the waiting messages, and send nothing.
    #[arg(long)]
    dry_run: bool,

    /// Most messages to send, over all channels.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Start of the stack's names: `name_prefix` of its Terraform.
    #[arg(long, env = "METERFLOW_NAME_PREFIX", default_value = "meterflow")]
    name_prefix: String,

    /// The table of the stack. Default: PREFIX-anomalies.
    #[arg(long, env = "ANOMALIES_TABLE", value_name = "NAME")]
    table: Option<String>,
}

/// A channel and its queue.
struct Queue {
    channel: String,
    url: String,
}

/// The results by channel.
#[derive(Default)]
struct Tally {
    /// By channel.
    sent: BTreeMap<String, u64>,
    failed: BTreeMap<String, u64>,
    shown: u64,
}

/// Queues whose names begin like the queues of channels. They hold events that the notifier failed on or never got.
const OTHERS: [&str; 2] = ["dlq", "failures"];

/// How long a message is hidden from other readers. SQS gives ten at once, and the notifier has a minute for each.
const HOLD: Duration = Duration::from_secs(900);

pub(crate) async fn run(args: AlertsArgs, now: Timestamp) -> anyhow::Result<()> {
    let args = match args.command {
        AlertsCommand::Redrive(args) => args,
        AlertsCommand::Test(args) => return test::run(args).await,
    };
    let aws = platform::aws::config().await;
    platform::aws::ensure_account(&aws).await.context("cannot look for parked alerts")?;
    let function = format!("{}-anomaly-notifier", args.name_prefix);
    let (queues, notifier) = (FailureQueues::new(&aws), NotifierFunction::new(&function, &aws));
    let found = find(&queues, &function, args.channel.as_deref()).await?;
    let (mut tally, mut left) = (Tally::default(), args.limit.unwrap_or(u64::MAX));
    for queue in &found {
        redrive(&queues, &notifier, queue, args.dry_run, &mut left, &mut tally).await?;
    }
    if args.channel.is_none() {
        let table = args.table.unwrap_or_else(|| format!("{}-anomalies", args.name_prefix));
        let taken_up = topic::take_up(&topic::store(table.clone(), &aws), now, args.dry_run, left).await;
        taken_up.with_context(|| match found.is_empty() {
            true => format!(
                "there is neither a queue whose name begins with {function}- nor a table {table} that can be read \
                 (check --name-prefix and AWS_REGION)"
            ),
            false => format!("the alerts that SNS refused are not known: the table {table} was not read (check --table)"),
        })?;
    }
    tally.finish(args.dry_run)
}

/// The queues of all channels, or of the requested one.
async fn find(queues: &FailureQueues, function: &str, channel: Option<&str>) -> anyhow::Result<Vec<Queue>> {
    let prefix = format!("{function}-");
    let listed = queues.list(&prefix).await.context("cannot look for the queues (check AWS_REGION)")?;
    let all: Vec<_> = listed
        .into_iter()
        .map(|(name, url)| Queue { channel: name[prefix.len()..].to_owned(), url })
        .filter(|queue| !OTHERS.contains(&queue.channel.as_str()))
        .collect();
    let Some(channel) = channel else { return Ok(all) };
    let names: Vec<_> = all.iter().map(|queue| queue.channel.clone()).collect();
    match all.into_iter().find(|queue| queue.channel == channel) {
        Some(queue) => Ok(vec![queue]),
        None if names.is_empty() => bail!("there is no queue {prefix}{channel}, nor one of another channel"),
        None => bail!("there is no queue {prefix}{channel}; there are those of: {}", names.join(", ")),
    }
}

/// Goes through a queue once. Remaining messages stay hidden until the end. Otherwise they would come again and again.
async fn redrive(
    queues: &FailureQueues,
    notifier: &NotifierFunction,
    queue: &Queue,
    dry_run: bool,
    left: &mut u64,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let (mut kept, mut seen) = (Vec::new(), HashSet::new());
    let result = async {
        while *left > 0 {
            let most = usize::try_from(*left).unwrap_or(usize::MAX);
            let received = queues.receive(&queue.url, most, HOLD).await?;
            if received.is_empty() {
                break;
            }
            let mut received = received.into_iter();
            while let Some(message) = received.next() {
                // The message failed so long ago that it is visible again. So the whole queue has been read.
                if !seen.insert(message.id.clone()) {
                    kept.push(message);
                    kept.extend(received);
                    return Ok(());
                }
                *left = left.saturating_sub(1);
                match one(notifier, queue, &message, dry_run, tally).await {
                    true => {
                        if let Err(error) = queues.delete(&queue.url, &message).await {
                            kept.extend(received);
                            return Err(error);
                        }
                    }
                    false => kept.push(message),
                }
            }
        }
        Ok(())
    }
    .await;
    for message in &kept {
        if let Err(error) = queues.hand_back(&queue.url, message).await {
            eprintln!(
                "{}: a message comes back by itself in some minutes: {}",
                queue.channel,
                error_chain(&error)
            );
        }
    }
    result.with_context(|| format!("the queue of {} could not be read to its end", queue.channel))
}

/// Sends or shows one message. Returns whether the message is done.
async fn one(
    notifier: &NotifierFunction,
    queue: &Queue,
    message: &Received,
    dry_run: bool,
    tally: &mut Tally,
) -> bool {
    let channel = &queue.channel;
    let failure: Failure = match serde_json::from_str(&message.body) {
        Ok(failure) => failure,
        Err(error) => {
            eprintln!("{channel}: a message is no failed alert, and stays: {error}");
            *tally.failed.entry(channel.clone()).or_default() += 1;
            return false;
        }
    };
    let what = description(&failure);
    if dry_run {
        say!("{channel}: {what}, failed at {}: {}", failure.failed_at, failure.error.escape_debug());
        tally.shown += 1;
        return false;
    }
    // The queue names the channel. The message names the same channel unless somebody moved it.
    let event = json!({ "redrive": { "channel": channel, "message": failure.message } });
    match notifier.call(&event).await {
        Ok(answer) => {
            let how = if answer["already"] == 1 { "delivered before, or over" } else { "sent" };
            say!("{channel}: {what}, {how}");
            *tally.sent.entry(channel.clone()).or_default() += 1;
            true
        }
        Err(error) => {
            eprintln!("{channel}: {what}, failed again: {}", error_chain(&error).escape_debug());
            *tally.failed.entry(channel.clone()).or_default() += 1;
            false
        }
    }
}

/// "opened of api_calls, cust_1", made safe for a terminal.
fn description(failure: &Failure) -> String {
    let alert: serde_json::Value = serde_json::from_str(&failure.message).unwrap_or_default();
    let text = |name: &str| alert[name].as_str().map(|text| text.escape_debug().to_string());
    let event = text("event").unwrap_or_else(|| "alert".to_owned());
    match (text("metric"), text("customer_id")) {
        (Some(metric), Some(customer)) => format!("{event} of {metric}, {customer:.80}"),
        _ => event,
    }
}

impl Tally {
    fn finish(self, dry_run: bool) -> anyhow::Result<()> {
        let total = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        let of = |counts: &BTreeMap<String, u64>| {
            let parts: Vec<_> = counts.iter().map(|(channel, count)| format!("{channel} {count}")).collect();
            if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
        };
        if dry_run {
            say!("{} would be sent again", messages(self.shown));
        } else {
            say!("{} sent{}", messages(total(&self.sent)), of(&self.sent));
        }
        match total(&self.failed) {
            0 => Ok(()),
            failed => bail!("{} failed again, left in the queue{}", messages(failed), of(&self.failed)),
        }
    }
}

fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str) -> Failure {
        Failure {
            channel: "slack".to_owned(),
            message: message.to_owned(),
            error: "HTTP 500".to_owned(),
            failed_at: "2026-11-21T13:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn messages_are_described_safely() {
        let alert = json!({ "event": "opened", "metric": "api_calls", "customer_id": "a\u{1b}[2Jb\r\n" });
        assert_eq!(description(&failure(&alert.to_string())), "opened of api_calls, a\\u{1b}[2Jb\\r\\n");
        assert_eq!(description(&failure(r#"{"event": "digest"}"#)), "digest");
        assert_eq!(description(&failure("?")), "alert");
    }

    #[test]
    fn what_failed_again_is_an_error() {
        let counts = |count| BTreeMap::from([("slack".to_owned(), count)]);
        assert!(Tally { sent: counts(2), ..Tally::default() }.finish(false).is_ok());
        let error = Tally { failed: counts(1), ..Tally::default() }.finish(false).unwrap_err();
        assert_eq!(error.to_string(), "1 message failed again, left in the queue (slack 1)");
    }
}
