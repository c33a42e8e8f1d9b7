//! Hands one message over to the next in line.
//!
//! A page whose incident has ended calls nobody any more: such a message is over. The table decides that, and not the
//! queue, because the end may have been sent long ago.

use anyhow::{Context, ensure};
use detection::incident::IncidentId;
use messaging::failures::Received;
use serde_json::{Value, json};
use store::deliveries::{Delivery, DeliveryStore, Finished};

use super::letter::{Alert, Letter, Step, function_of};
use super::queues::{Kind, Queue};
use super::{Aws, rule};
use crate::functions::Functions;

pub(super) struct HandOver<'a> {
    aws: &'a Aws,
    functions: Functions,
    rules: aws_sdk_eventbridge::Client,
    deliveries: DeliveryStore,
}

impl<'a> HandOver<'a> {
    pub(super) fn new(aws: &'a Aws) -> Self {
        Self {
            aws,
            functions: Functions::new(&aws.sdk),
            rules: aws_sdk_eventbridge::Client::new(&aws.sdk),
            deliveries: DeliveryStore::new(&aws.table, &aws.sdk),
        }
    }

    /// Whether all alerts of a message call people to incidents that have ended.
    pub(super) async fn is_over(&self, letter: &Letter) -> anyhow::Result<bool> {
        let mut is_over = !letter.alerts.is_empty();
        for alert in &letter.alerts {
            is_over &= self.has_ended(alert).await?;
        }
        Ok(is_over)
    }

    async fn has_ended(&self, alert: &Alert) -> anyhow::Result<bool> {
        let id = alert.incident.as_ref().filter(|_| alert.is_page);
        let Some((_, opened_at, subject)) = id.and_then(|id| IncidentId::parse(id.as_str())) else {
            return Ok(false);
        };
        let incident = self.aws.store.incident(&subject, opened_at, self.aws.now).await;
        let incident = incident.context("it is not known whether the incident has ended (check --table)")?;
        Ok(incident.is_some_and(|found| !found.incident.is_open()))
    }

    /// Hands a message over. Returns how that went, in words.
    ///
    /// # Errors
    ///
    /// When the next in line has not taken it.
    pub(super) async fn one(
        &self,
        queue: &Queue,
        message: &Received,
        letter: &Letter,
    ) -> anyhow::Result<&'static str> {
        if self.is_over(letter).await? {
            self.note_over(queue, letter).await?;
            return Ok("given up: its incident has ended");
        }
        match &letter.step {
            Step::Start { function, event } => {
                self.start(function, event).await?;
                Ok("taken by Lambda")
            }
            Step::OfRule { rule, target, event } => {
                for event in rule::inputs(&self.rules, rule, target, event).await? {
                    self.start(&function_of(target)?, &event).await?;
                }
                Ok("taken by Lambda")
            }
            Step::Finished => {
                let name = format!("{}-anomaly-finished", self.aws.prefix);
                let listed = self.aws.queues.list(&name).await?;
                let url = listed.into_iter().find(|(found, _)| *found == name).map(|(_, url)| url);
                self.aws
                    .queues
                    .send(&url.with_context(|| format!("there is no queue {name}"))?, &message.body)
                    .await?;
                Ok("in the queue of finished events")
            }
            Step::Notify(event) => {
                let event = self.without_pages_that_are_over(event, letter).await?;
                let function = format!("{}-anomaly-notifier", self.aws.prefix);
                let answer = self.functions.call(&function, &event).await?;
                Ok(match (answer["already"].as_u64(), answer["waiting"].as_u64()) {
                    (Some(1), _) => "delivered before, or over",
                    (_, Some(1..)) => "waits for its channel",
                    _ => "sent",
                })
            }
        }
    }

    /// Starts a function of the stack. No message may start any other.
    async fn start(&self, function: &str, event: &Value) -> anyhow::Result<()> {
        let ours = format!("{}-anomaly-", self.aws.prefix);
        ensure!(function.starts_with(&ours), "{function} is no function of this stack (check --name-prefix)");
        Ok(self.functions.start(function, event).await?)
    }

    /// An event of SNS may have several alerts.
    async fn without_pages_that_are_over(&self, event: &Value, letter: &Letter) -> anyhow::Result<Value> {
        let Some(records) = event["Records"].as_array() else { return Ok(event.clone()) };
        let mut kept = Vec::new();
        for (record, alert) in records.iter().zip(&letter.alerts) {
            if !self.has_ended(alert).await? {
                kept.push(record.clone());
            }
        }
        Ok(json!({ "Records": kept }))
    }

    /// The channel does not count the alert as failed any more.
    async fn note_over(&self, queue: &Queue, letter: &Letter) -> anyhow::Result<()> {
        let (Kind::Channel(channel), Step::Notify(event)) = (&queue.kind, &letter.step) else {
            return Ok(());
        };
        let message = event["redrive"]["message"].as_str().unwrap_or_default();
        let alert: Value = serde_json::from_str(message).unwrap_or_default();
        let id = ["alert_id", "anomaly_id"].into_iter().find_map(|name| alert[name].as_str());
        let Some(alert_id) = id else { return Ok(()) };
        let delivery = Delivery { alert_id, channel, attempt: "" };
        Ok(self.deliveries.finish(delivery, Finished::Over, self.aws.now).await?)
    }
}
