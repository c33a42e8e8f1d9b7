//! The queues of a stack that hold what failed. People know each by the name of its alarm.

use anyhow::{Context, bail};
use messaging::failures::FailureQueues;

/// What a queue holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Events that EventBridge could not hand over to a function.
    Schedule,
    /// Events whose runs failed in all tries.
    Runs,
    /// Finished events that were not judged.
    Finished,
    /// Alerts and digests that SNS or EventBridge could not hand over to the notifier.
    Undelivered,
    /// Events that the notifier failed on in all tries.
    Notifier,
    /// Alerts that a channel did not take.
    Channel(String),
}

/// A queue of a stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Queue {
    pub(crate) kind: Kind,
    pub(crate) url: String,
}

impl Kind {
    /// The name of the alarm on the queue, without the prefix of the stack.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Schedule => "schedule-dead-letters".to_owned(),
            Self::Runs => "detector-dead-letters".to_owned(),
            Self::Finished => "finished-dead-letters".to_owned(),
            Self::Undelivered => "notifier-dead-letters".to_owned(),
            Self::Notifier => "notifier-failed-events".to_owned(),
            Self::Channel(channel) => format!("undelivered-{channel}"),
        }
    }

    pub(super) fn holds(&self) -> String {
        match self {
            Self::Schedule => "events of the schedule that no function took".to_owned(),
            Self::Runs => "events whose runs failed".to_owned(),
            Self::Finished => "finished events that were not judged".to_owned(),
            Self::Undelivered => "alerts and digests that never reached the notifier".to_owned(),
            Self::Notifier => "events that the notifier failed on".to_owned(),
            Self::Channel(channel) => format!("alerts that {channel} did not take"),
        }
    }

    /// What a queue of a stack holds. `None` for a queue that holds no failures.
    ///
    /// * `name`: without the beginning that all names of the stack have.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "detection-schedule-dlq" => Self::Schedule,
            "detection-failures" => Self::Runs,
            "finished-dlq" => Self::Finished,
            "notifier-dlq" => Self::Undelivered,
            "notifier-failures" => Self::Notifier,
            other => Self::Channel(other.strip_prefix("notifier-")?.to_owned()),
        })
    }
}

/// All queues of a stack, or the requested one.
pub(super) async fn find(
    queues: &FailureQueues,
    prefix: &str,
    name: Option<&str>,
) -> anyhow::Result<Vec<Queue>> {
    let all = listed(queues, prefix).await?;
    let Some(name) = name else { return Ok(all) };
    let names: Vec<String> = all.iter().map(|queue| queue.kind.name()).collect();
    match all.into_iter().find(|queue| queue.kind.name() == name) {
        Some(queue) => Ok(vec![queue]),
        None if names.is_empty() => {
            bail!(
                "there is no queue whose name begins with {prefix}-anomaly- (check --name-prefix and AWS_REGION)"
            )
        }
        None => bail!("there is no queue {name}; there are: {}", names.join(", ")),
    }
}

/// The names of the channels of a stack, or the requested one.
pub(crate) async fn channels(
    queues: &FailureQueues,
    prefix: &str,
    channel: Option<&str>,
) -> anyhow::Result<Vec<String>> {
    let of_channel = |queue: Queue| match queue.kind {
        Kind::Channel(channel) => Some(channel),
        _ => None,
    };
    let names: Vec<String> = listed(queues, prefix).await?.into_iter().filter_map(of_channel).collect();
    if names.is_empty() {
        bail!("the stack has no channel: see docs/channels.md (or check --name-prefix and AWS_REGION)");
    }
    let Some(channel) = channel else { return Ok(names) };
    if !names.iter().any(|name| name == channel) {
        bail!("there is no channel {channel}; there are: {}", names.join(", "));
    }
    Ok(vec![channel.to_owned()])
}

async fn listed(queues: &FailureQueues, prefix: &str) -> anyhow::Result<Vec<Queue>> {
    let prefix = format!("{prefix}-anomaly-");
    let listed = queues.list(&prefix).await.context("cannot look for the queues (check AWS_REGION)")?;
    let queue =
        |(name, url): (String, String)| Some(Queue { kind: Kind::of(name.strip_prefix(&prefix)?)?, url });
    let mut found: Vec<Queue> = listed.into_iter().filter_map(queue).collect();
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_known_by_its_name() {
        for (name, expected) in [
            ("detection-schedule-dlq", Some("schedule-dead-letters")),
            ("detection-failures", Some("detector-dead-letters")),
            ("finished-dlq", Some("finished-dead-letters")),
            ("notifier-dlq", Some("notifier-dead-letters")),
            ("notifier-failures", Some("notifier-failed-events")),
            ("notifier-slack", Some("undelivered-slack")),
            ("finished", None),
            ("alerts", None),
        ] {
            assert_eq!(Kind::of(name).map(|kind| kind.name()).as_deref(), expected, "{name}");
        }
    }
}
