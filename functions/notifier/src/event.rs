//! The events of the notifier: alerts from the topic, a schedule, or an operator.

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// One task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Messages of the alert topic.
    Deliver(Vec<String>),
    /// The digest of the 24 hours before this time.
    Digest(Timestamp),
    /// The waiting alerts that are due.
    SendWaiting,
    /// An alert that was parked.
    Redrive { channel: String, message: String },
    /// A test page and its end, for one channel or all.
    Test { channel: Option<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Redrive {
    channel: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    channel: Option<String>,
}

impl Task {
    /// # Errors
    ///
    /// When the event has none of these forms.
    pub fn from_event(event: &Value) -> anyhow::Result<Self> {
        if let Some(records) = event["Records"].as_array() {
            let message = |record: &Value| record["Sns"]["Message"].as_str().map(str::to_owned);
            let messages: Option<Vec<_>> = records.iter().map(message).collect();
            return messages.map(Self::Deliver).context("a record of the event is not one of SNS");
        }
        if let Some(redrive) = event.get("redrive") {
            let redrive = Redrive::deserialize(redrive).context("the redrive cannot be understood")?;
            return Ok(Self::Redrive { channel: redrive.channel, message: redrive.message });
        }
        if let Some(test) = event.get("test") {
            let test = Test::deserialize(test).context("the test cannot be understood")?;
            return Ok(Self::Test { channel: test.channel });
        }
        if event["send_waiting"] == true {
            return Ok(Self::SendWaiting);
        }
        if event["detail-type"] == "Scheduled Event" {
            let time = event["time"].as_str().context("the scheduled event has no `time`")?;
            let time = time.parse().with_context(|| format!("the event's time {time} is not valid"))?;
            return Ok(Self::Digest(time));
        }
        bail!("the event is no SNS event, no scheduled event, no redrive and no test");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_of_the_notifier() {
        let sns = json!({ "Records": [{ "Sns": { "Message": "a" } }, { "Sns": { "Message": "b" } }] });
        assert_eq!(Task::from_event(&sns).unwrap(), Task::Deliver(vec!["a".to_owned(), "b".to_owned()]));
        let redrive = json!({ "redrive": { "channel": "slack", "message": "{}" } });
        let expected = Task::Redrive { channel: "slack".to_owned(), message: "{}".to_owned() };
        assert_eq!(Task::from_event(&redrive).unwrap(), expected);
        let test = json!({ "test": { "channel": "slack" } });
        assert_eq!(Task::from_event(&test).unwrap(), Task::Test { channel: Some("slack".to_owned()) });
        assert_eq!(Task::from_event(&json!({ "test": {} })).unwrap(), Task::Test { channel: None });
        assert_eq!(Task::from_event(&json!({ "send_waiting": true })).unwrap(), Task::SendWaiting);
        let scheduled = json!({ "detail-type": "Scheduled Event", "time": "2026-11-21T08:00:00Z" });
        assert_eq!(
            Task::from_event(&scheduled).unwrap(),
            Task::Digest("2026-11-21T08:00:00Z".parse().unwrap())
        );
    }

    #[test]
    fn what_cannot_be_understood() {
        for (event, expected) in [
            (json!({}), "no SNS event"),
            (json!("hello"), "no SNS event"),
            (json!({ "Records": [{ "s3": {} }] }), "not one of SNS"),
            (json!({ "redrive": { "chanel": "a", "message": "" } }), "unknown field `chanel`"),
            (json!({ "test": true }), "the test cannot be understood"),
            (json!({ "test": { "chanel": "a" } }), "unknown field `chanel`"),
            (json!({ "redrive": { "channel": "a" } }), "missing field `message`"),
            (json!({ "detail-type": "Scheduled Event" }), "no `time`"),
            (json!({ "detail-type": "Scheduled Event", "time": "now" }), "the event's time now is not valid"),
        ] {
            let error = format!("{:#}", Task::from_event(&event).unwrap_err());
            assert!(error.contains(expected), "{event}: {error}");
        }
    }
}
