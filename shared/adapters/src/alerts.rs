//! Alerts to SNS, from where they reach e-mail, chat and on-call.
//!
//! A message has two bodies: `default`, a JSON object for machines, and `email`, the same for people.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::types::MessageAttributeValue;
use jiff::Timestamp;
use serde_json::json;

use crate::aws;
use crate::config::AlertConfig;
use crate::store::{AlertItem, AnomalyItem, Digest};

/// Publishes alerts.
pub struct AlertPublisher {
    client: Client,
    topic_arn: String,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot publish the alert {id} to {topic_arn}")]
pub struct AlertError {
    pub id: String,
    pub topic_arn: String,
    #[source]
    pub source: Box<aws_sdk_sns::Error>,
}

/// An alert as SNS takes it.
#[derive(Debug, PartialEq)]
struct Message {
    subject: String,
    body: serde_json::Value,
    email: String,
    attributes: Vec<(&'static str, String)>,
}

/// Longest time of a publish with all its tries: well within the claim on its alert.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

/// SNS allows 99 characters of a subject.
const SUBJECT_CHARACTERS: usize = 99;

impl AlertPublisher {
    pub fn new(config: &AlertConfig, sdk: &aws::SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(4))
            .operation_timeout(PUBLISH_TIMEOUT)
            .build();
        let config_of_client = aws_sdk_sns::config::Builder::from(sdk)
            .retry_partition(aws::unlimited_retries("alerts"))
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config_of_client), topic_arn: config.topic_arn.clone() }
    }

    /// Publishes one alert. Its id is the same on every try, so that a receiver can tell a repetition.
    pub async fn publish(&self, alert: &AlertItem) -> Result<(), AlertError> {
        let message = match alert {
            AlertItem::Anomaly(item) => anomaly_message(item),
            AlertItem::Digest(digest) => digest_message(digest),
        };
        let bodies = json!({ "default": portable(&message.body), "email": message.email });
        let mut publish = self
            .client
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(message.subject)
            .message_structure("json")
            .message(bodies.to_string());
        for (name, value) in message.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            publish =
                publish.message_attributes(name, value.map_err(|source| self.failed(alert, source.into()))?);
        }
        publish.send().await.map(drop).map_err(|source| self.failed(alert, source.into()))
    }

    fn failed(&self, alert: &AlertItem, source: aws_sdk_sns::Error) -> AlertError {
        AlertError { id: alert.id().to_owned(), topic_arn: self.topic_arn.clone(), source: Box::new(source) }
    }
}

fn anomaly_message(item: &AnomalyItem) -> Message {
    let detected_at = time(item.detected_at);
    let steps: Vec<String> =
        item.investigation_steps.iter().enumerate().map(|(i, step)| format!("{}. {step}", i + 1)).collect();
    let email = format!(
        "{description}.\n\n\
         Customer:  {customer}\nMetric:    {metric}\nSeverity:  {severity} ({direction})\n\
         Window:    {start} to {end}\nExpected:  {low} to {high}\n\n\
         What to do\n{steps}\n\nAlert id: {id}\n",
        description = item.description,
        customer = printable(item.customer_id.as_str()),
        metric = item.metric,
        severity = item.severity.as_str(),
        direction = item.direction.as_str(),
        start = time(item.window_start),
        end = time(item.window_end),
        low = detection::units::humanize(item.expected_low, &item.unit),
        high = detection::units::humanize(item.expected_high, &item.unit),
        steps = steps.join("\n"),
        id = item.anomaly_id,
    );
    let body = json!({
        "customer_id": item.customer_id,
        "metric": item.metric,
        "current_value": item.current_value,
        "baseline_mean": item.baseline_mean,
        "baseline_stddev": item.baseline_stddev,
        "z_score": item.z_score,
        "detected_at": detected_at,
        "anomaly_id": item.anomaly_id,
        "event": "opened",
        "severity": item.severity,
        "direction": item.direction,
        "unit": item.unit,
        "window": { "start": time(item.window_start), "end": time(item.window_end) },
        "description": item.description,
        "investigation_steps": item.investigation_steps,
    });
    Message {
        subject: subject(&format!("[MeterFlow] Critical anomaly: {} - {}", item.customer_id, item.metric)),
        body,
        email,
        attributes: vec![
            ("severity", item.severity.as_str().to_owned()),
            ("metric", item.metric.to_string()),
            ("customer_id", printable(item.customer_id.as_str())),
            ("event", "opened".to_owned()),
        ],
    }
}

fn digest_message(digest: &Digest) -> Message {
    let at = time(digest.detected_at);
    let lines: Vec<String> = digest
        .largest
        .iter()
        .map(|entry| format!("- {}: {}", printable(&entry.customer_id), entry.description))
        .collect();
    let description = format!(
        "{critical} critical anomalies in the 24 hours to {at}, more than are alerted singly: \
         {held_back} of them are only in this digest",
        critical = digest.critical,
        held_back = digest.held_back,
    );
    let email = format!(
        "{description}.\n\nThe largest of them:\n{}\n\n\
         So many at once often have one cause: look at the ingestion of usage events first.\n\
         All are stored in the anomalies table. Alert id: {}\n",
        lines.join("\n"),
        digest.anomaly_id,
    );
    let body = json!({
        "anomaly_id": digest.anomaly_id,
        "event": "digest",
        "severity": "critical",
        "detected_at": at,
        "critical": digest.critical,
        "held_back": digest.held_back,
        "anomalies": digest.anomalies,
        "largest": digest.largest,
        "description": description,
    });
    Message {
        subject: subject(&format!("[MeterFlow] Critical anomalies: {} in one run", digest.critical)),
        body,
        email,
        attributes: vec![("severity", "critical".to_owned()), ("event", "digest".to_owned())],
    }
}

/// SNS takes printable ASCII in a subject; a customer id can hold anything.
fn subject(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().map(safe).take(SUBJECT_CHARACTERS).collect()
}

/// Without the control characters that a message attribute and a line of text cannot hold.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '?' } else { c })
        .collect()
}

/// JSON without the two characters that SQS refuses in a message: an alert that cannot be delivered would wait for ever.
fn portable(body: &serde_json::Value) -> String {
    body.to_string().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// Unix milliseconds as RFC 3339.
fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use detection::{Anomaly, CustomerId, MetricName, Missing, Series, Settings, Verdict, Window, check};

    use super::*;
    use crate::store::{AlertState, DigestEntry, JudgedBy};

    fn window() -> Window {
        Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap()
    }

    fn item(customer: &str) -> AnomalyItem {
        let mut windows: Vec<_> = (0..31).map(|i| Some(2.2e9 + f64::from(i % 5) * 1e8)).collect();
        windows[0] = Some(9.14e9);
        let settings = Settings::new(3.0, 5.0, 7, 1e6, 0.1).unwrap();
        let Verdict::Anomalous(finding) = check(&Series::new(&windows, 30, Missing::Zero, true), &settings)
        else {
            panic!("not anomalous");
        };
        let (customer, metric) = (CustomerId::new(customer).unwrap(), MetricName::new("bandwidth").unwrap());
        let anomaly = Anomaly::new(customer, metric, "bytes", window(), &finding);
        let judged_by = JudgedBy { catalog_version: "v1", config_version: "0", mute: None };
        AnomalyItem::new(&anomaly, AlertState::Pending, Duration::from_secs(86_400), &judged_by, "run")
    }

    #[test]
    fn the_json_body() {
        insta::assert_json_snapshot!(anomaly_message(&item("cust_1")).body);
    }

    #[test]
    fn the_e_mail() {
        insta::assert_snapshot!(anomaly_message(&item("cust_1")).email);
    }

    #[test]
    fn the_digest() {
        let entry = |n: u32| DigestEntry {
            anomaly_id: format!("1.m.{n}"),
            customer_id: format!("c{n}"),
            description: format!("api_calls was {n} calls"),
        };
        let digest = Digest::new(window(), 500, 400, 300, vec![entry(1), entry(2)]);
        insta::assert_snapshot!(digest_message(&digest).email);
    }

    #[test]
    fn hostile_customer_ids_stay_inside_subject_and_attributes() {
        for customer in
            ["a\r\nBcc: x@example.com", "客户 <!channel>", "\u{0}\u{7f}\u{85}\u{2028}", &"x".repeat(1_500)]
        {
            let message = anomaly_message(&item(customer));
            assert!(message.subject.len() <= 99, "{}", message.subject);
            assert!(message.subject.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{}", message.subject);
            let attribute = &message.attributes.iter().find(|(name, _)| *name == "customer_id").unwrap().1;
            assert!(!attribute.is_empty() && !attribute.chars().any(char::is_control), "{attribute:?}");
            assert_eq!(message.body["customer_id"], customer, "the body keeps the id exactly");
        }
    }
}
