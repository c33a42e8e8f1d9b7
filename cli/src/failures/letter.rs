//! What a message of each queue says, and how it is handed over again.

use anyhow::{Context, bail};
use detection::incident::{Event, IncidentId};
use jiff::Timestamp;
use messaging::failures::{Failure, Received};
use serde::Deserialize;
use serde_json::{Value, json};

use super::queues::Kind;

/// A message that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Letter {
    /// Such as "opened of api_calls, cust_1", safe for a terminal.
    pub(super) what: String,
    pub(super) failed_at: Option<Timestamp>,
    pub(super) error: String,
    /// How often it was tried, if the queue knows.
    pub(super) tries: Option<u64>,
    /// The alerts in it.
    pub(super) alerts: Vec<Alert>,
    pub(super) step: Step,
    /// Its place among the messages of the queue.
    order: Order,
}

/// How a message is handed over.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Lambda starts the function with this event.
    Start { function: String, event: Value },
    /// The targets of the rule that go to this function add something to the event.
    OfRule { rule: String, target: String, event: Value },
    /// The queue of finished events takes it.
    Finished,
    /// The notifier takes the event, and answers.
    Notify(Value),
}

/// The part of an alert that the order and the decision need.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alert {
    what: String,
    pub(super) incident: Option<IncidentId>,
    /// Whether it calls people.
    pub(super) is_page: bool,
    order: Order,
}

/// The newest window of the incident, its anomalies, the time of the event, and whether it ends the incident.
type Order = (Option<Timestamp>, u64, Option<Timestamp>, bool);

/// An event with its failure, as Lambda puts it into a queue.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailedEvent {
    timestamp: Option<Timestamp>,
    request_context: RequestContext,
    request_payload: Value,
    #[serde(default)]
    response_payload: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    function_arn: String,
    #[serde(default)]
    condition: String,
    approximate_invoke_count: Option<u64>,
}

impl Letter {
    /// # Errors
    ///
    /// When the message is none that this queue gets.
    pub(super) fn read(kind: &Kind, message: &Received) -> anyhow::Result<Self> {
        let body: Value = serde_json::from_str(&message.body).context("the message is not JSON")?;
        let mut letter = match kind {
            Kind::Schedule => Self::of_rule(message, body)?,
            Kind::Runs => Self::of_run(body)?,
            Kind::Finished => Self::finished(message, &body)?,
            Kind::Notifier => Self::of_notifier(body)?,
            Kind::Undelivered => Self::undelivered(message, body)?,
            Kind::Channel(channel) => Self::of_channel(channel, body)?,
        };
        letter.failed_at = letter.failed_at.or(message.sent_at);
        if letter.order.2.is_none() {
            letter.order.2 = message.sent_at;
        }
        Ok(letter)
    }

    /// The place among the messages of a queue: older windows go first, and the end of an incident goes after its pages.
    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// All that people want to know of it.
    pub(super) fn line(&self) -> String {
        let Self { what, error, .. } = self;
        let at = self.failed_at.map_or_else(|| "an unknown time".to_owned(), |at| at.to_string());
        let tries = self.tries.map_or_else(String::new, |tries| format!(" after {tries} tries"));
        format!("{what}, failed at {at}{tries}: {error}")
    }

    /// The incidents of its alerts.
    pub(super) fn incidents(&self) -> impl Iterator<Item = &IncidentId> {
        self.alerts.iter().filter_map(|alert| alert.incident.as_ref())
    }

    fn of_run(body: Value) -> anyhow::Result<Self> {
        let failed = FailedEvent::deserialize(body).context("the message is no failed event of Lambda")?;
        let function = function_of(&failed.request_context.function_arn)?;
        let (what, at) = (run_in(&failed.request_payload), time_of(&failed.request_payload["time"]));
        let step = Step::Start { function, event: failed.request_payload.clone() };
        Ok(failed.letter(what, Vec::new(), step, (at, 0, at, false)))
    }

    fn of_notifier(body: Value) -> anyhow::Result<Self> {
        let failed = FailedEvent::deserialize(body).context("the message is no failed event of Lambda")?;
        let event = failed.request_payload.clone();
        let (what, alerts) = in_event(&event)?;
        let order = alerts.first().map_or((None, 0, time_of(&event["time"]), false), |alert| alert.order);
        Ok(failed.letter(what, alerts, Step::Notify(event), order))
    }

    fn of_rule(message: &Received, event: Value) -> anyhow::Result<Self> {
        let attribute = |name: &str| message.attributes.get(name).map(String::as_str);
        let rule = attribute("RULE_ARN").context("the message has no attribute RULE_ARN")?;
        let target = attribute("TARGET_ARN").context("the message has no attribute TARGET_ARN")?;
        let rule = rule.rsplit('/').next().unwrap_or_default().to_owned();
        let at = time_of(&event["time"]).context("the event has no time")?;
        let step = Step::OfRule { rule: rule.clone(), target: target.to_owned(), event };
        let what = format!("event of the rule {} at {at}", shown(&rule));
        Ok(Self::with(what, of_event_bridge(message), step, (Some(at), 0, Some(at), false)))
    }

    fn finished(message: &Received, event: &Value) -> anyhow::Result<Self> {
        let detail = &event["detail"];
        let (source, id) = (detail["source"].as_str(), detail["id"].as_str());
        let (source, id) = source.zip(id).context("the message names no source and no id")?;
        let what = format!("finished event {} of {}", shown(id), shown(source));
        let error = match of_event_bridge(message) {
            (error, tries) if error.is_empty() => {
                ("not judged in five tries: the log says why".to_owned(), tries)
            }
            known => known,
        };
        Ok(Self::with(what, error, Step::Finished, (None, 0, time_of(&event["time"]), false)))
    }

    fn undelivered(message: &Received, body: Value) -> anyhow::Result<Self> {
        // SNS puts its notification, and EventBridge the event itself.
        let event = match body["Message"].as_str() {
            Some(text) => json!({ "Records": [{ "Sns": { "Message": text } }] }),
            None => body,
        };
        let (what, alerts) = in_event(&event)?;
        let order = alerts.first().map_or((None, 0, time_of(&event["time"]), false), |alert| alert.order);
        let letter = Self::with(what, of_event_bridge(message), Step::Notify(event), order);
        Ok(Self { alerts, ..letter })
    }

    fn of_channel(channel: &str, body: Value) -> anyhow::Result<Self> {
        let failure = Failure::deserialize(body).context("the message is no failed alert")?;
        let alert = Alert::read(&failure.message);
        // The queue names the channel. The message names the same channel unless somebody moved it.
        let event = json!({ "redrive": { "channel": channel, "message": failure.message } });
        let error = (shown(&failure.error), None);
        let letter = Self::with(alert.what.clone(), error, Step::Notify(event), alert.order);
        Ok(Self { failed_at: Some(failure.failed_at), alerts: vec![alert], ..letter })
    }

    fn with(what: String, (error, tries): (String, Option<u64>), step: Step, order: Order) -> Self {
        Self { what, failed_at: None, error, tries, alerts: Vec::new(), step, order }
    }
}

impl FailedEvent {
    fn letter(self, what: String, alerts: Vec<Alert>, step: Step, order: Order) -> Letter {
        let RequestContext { condition, approximate_invoke_count: tries, .. } = self.request_context;
        let error = self.response_payload["errorMessage"].as_str().unwrap_or(&condition);
        let letter = Letter::with(what, (shown(error), tries), step, order);
        Letter { failed_at: self.timestamp, alerts, ..letter }
    }
}

impl Alert {
    /// Reads what it can. The notifier refuses what is no alert.
    fn read(message: &str) -> Self {
        let alert: Value = serde_json::from_str(message).unwrap_or_default();
        let text = |name: &str| alert[name].as_str().map(shown);
        let name = text("event").unwrap_or_else(|| "alert".to_owned());
        let event = Event::deserialize(&alert["event"]).ok();
        let what = match (text("metric"), text("customer_id")) {
            (Some(metric), Some(customer)) => format!("{name} of {metric}, {customer:.80}"),
            _ => name,
        };
        let (incident, at) = (&alert["incident"], time_of(&alert["detected_at"]));
        let is_closing = event.is_some_and(Event::is_closing);
        let is_page =
            matches!(event, Some(Event::Opened | Event::Escalated | Event::Reopened | Event::Reminder));
        Self {
            what,
            incident: alert["incident_id"].as_str().and_then(IncidentId::parse).map(|(id, ..)| id),
            is_page,
            order: (
                time_of(&incident["last_window"]).or(at),
                incident["anomalies"].as_u64().unwrap_or(0),
                at,
                is_closing,
            ),
        }
    }
}

/// What an event of the notifier tells, and the alerts in it.
fn in_event(event: &Value) -> anyhow::Result<(String, Vec<Alert>)> {
    if let Some(records) = event["Records"].as_array() {
        let message = |record: &Value| record["Sns"]["Message"].as_str().map(Alert::read);
        let alerts: Option<Vec<Alert>> = records.iter().map(message).collect();
        let alerts = alerts.filter(|alerts| !alerts.is_empty()).context("the event is not one of SNS")?;
        let what: Vec<&str> = alerts.iter().map(|alert| alert.what.as_str()).collect();
        return Ok((what.join("; "), alerts));
    }
    let what = match time_of(&event["time"]) {
        Some(at) if event["detail-type"] == "Scheduled Event" => format!("daily digest of {at}"),
        _ if event["send_waiting"] == true => "call to send what waits".to_owned(),
        _ => bail!("the message is no event of the notifier"),
    };
    Ok((what, Vec::new()))
}

/// "run of executions for 2026-11-21T13:00:00Z".
fn run_in(event: &Value) -> String {
    let detail = &event["detail"];
    let kind = if detail["train"] == true { "training" } else { "run" };
    let source =
        detail["source"].as_str().map_or_else(String::new, |source| format!(" of {}", shown(source)));
    let shard = |of: &Value| Some((of["shard"].as_u64()?, of["shards"].as_u64()?));
    let shard = shard(detail).or_else(|| shard(event));
    let shard = shard.map_or_else(String::new, |(shard, of)| format!(", shard {shard} of {of}"));
    let at = event["time"].as_str().map_or_else(|| "an unknown time".to_owned(), shown);
    format!("{kind}{source} for {at}{shard}")
}

/// The reason that EventBridge attaches, and its number of tries.
fn of_event_bridge(message: &Received) -> (String, Option<u64>) {
    let attribute = |name: &str| message.attributes.get(name).map(|text| shown(text));
    let reason = [attribute("ERROR_CODE"), attribute("ERROR_MESSAGE")].into_iter().flatten();
    let tries = message.attributes.get("RETRY_ATTEMPTS").and_then(|tries| tries.parse().ok());
    (reason.collect::<Vec<_>>().join(": "), tries)
}

/// The name in the ARN of a function, which may end with a version.
pub(super) fn function_of(arn: &str) -> anyhow::Result<String> {
    let name = arn.split(":function:").nth(1).and_then(|name| name.split(':').next());
    name.map(str::to_owned).with_context(|| format!("{} is no function", shown(arn)))
}

fn time_of(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Safe for a terminal.
fn shown(text: &str) -> String {
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
