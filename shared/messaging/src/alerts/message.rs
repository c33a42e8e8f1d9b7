//! What an alert says: to machines as a JSON object, to people as a text.

use detection::incident::{Event, Figures, Incident};
use detection::units::humanize;
use detection::{AnomalyId, CustomerId, Direction, MetricName, Severity, describe};
use jiff::Timestamp;
use serde_json::json;

use store::{AlertItem, AnomalyItem, Digest, Notice};

/// An alert as SNS takes it.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    pub(super) subject: String,
    pub(super) body: serde_json::Value,
    pub(super) email: String,
    pub(super) attributes: Vec<(&'static str, String)>,
}

/// SNS allows 99 characters of a subject.
const SUBJECT_CHARACTERS: usize = 99;

impl Message {
    pub(super) fn of(alert: &AlertItem) -> Self {
        match alert {
            AlertItem::Anomaly(item) => Report::of_anomaly(item).message(),
            AlertItem::Notice(notice) => Report::of_notice(notice).message(),
            AlertItem::Digest(digest) => digest_message(digest),
        }
    }

    /// The JSON without the two characters that SQS refuses in a message: an alert that cannot be delivered would wait
    /// for ever.
    pub(super) fn portable_body(&self) -> String {
        self.body.to_string().replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
    }
}

/// What a message about an incident says, wherever it comes from.
struct Report<'a> {
    alert_id: &'a str,
    event: Event,
    /// Unknown for anomalies that were stored before there were incidents.
    incident: Option<&'a Incident>,
    customer_id: &'a CustomerId,
    metric: &'a MetricName,
    severity: Severity,
    direction: Direction,
    unit: &'a str,
    figures: Figures,
    /// What is expected, where the message is about an anomaly.
    expected: Option<(f64, f64)>,
    anomaly_id: AnomalyId,
    detected_at: i64,
    window: (i64, i64),
    description: String,
    investigation_steps: &'a [String],
}

impl<'a> Report<'a> {
    fn of_anomaly(item: &'a AnomalyItem) -> Self {
        let alert = item.alert.as_ref();
        let event = alert.map_or(Event::Opened, |alert| alert.event);
        let description = match alert {
            Some(alert) => describe::alert(&item.description, event, &alert.incident),
            None => item.description.clone(),
        };
        Self {
            alert_id: item.anomaly_id.as_str(),
            event,
            incident: alert.map(|alert| &alert.incident),
            customer_id: &item.customer_id,
            metric: &item.metric,
            // Who was told of a critical incident must be told of its end, however mild the last anomaly was.
            severity: match alert.filter(|alert| alert.event.is_closing()) {
                Some(alert) => alert.incident.severity,
                None => item.severity,
            },
            direction: item.direction,
            unit: &item.unit,
            figures: Figures {
                current_value: item.current_value,
                baseline_mean: item.baseline_mean,
                baseline_stddev: item.baseline_stddev,
                z_score: item.z_score,
            },
            expected: Some((item.expected_low, item.expected_high)),
            anomaly_id: item.anomaly_id.clone(),
            detected_at: item.detected_at,
            window: (item.window_start, item.window_end),
            description,
            investigation_steps: &item.investigation_steps,
        }
    }

    fn of_notice(notice: &'a Notice) -> Self {
        let incident = &notice.incident;
        let window_end = incident.last_window.as_millisecond();
        Self {
            alert_id: &notice.alert_id,
            event: notice.event,
            incident: Some(incident),
            customer_id: &incident.subject.customer_id,
            metric: &incident.subject.metric,
            severity: incident.severity,
            direction: incident.subject.direction,
            unit: &notice.unit,
            figures: incident.latest,
            expected: None,
            anomaly_id: notice.anomaly_id(),
            detected_at: notice.detected_at,
            window: (window_end - detection::window::HOURS * 3_600_000, window_end),
            description: notice.description.clone(),
            investigation_steps: &[],
        }
    }

    fn message(&self) -> Message {
        let Figures { current_value, baseline_mean, baseline_stddev, z_score } = self.figures;
        let mut body = json!({
            "alert_id": self.alert_id,
            "event": self.event,
            "customer_id": self.customer_id,
            "metric": self.metric,
            "current_value": current_value,
            "baseline_mean": baseline_mean,
            "baseline_stddev": baseline_stddev,
            "z_score": z_score,
            "detected_at": time(self.detected_at),
            "anomaly_id": self.anomaly_id,
            "severity": self.severity,
            "direction": self.direction,
            "unit": self.unit,
            "window": { "start": time(self.window.0), "end": time(self.window.1) },
            "description": self.description,
            "investigation_steps": self.investigation_steps,
        });
        if let Some(incident) = self.incident {
            body["incident_id"] = json!(incident.id());
            body["incident"] = json!({
                "state": incident.state,
                "opened_at": incident.opened_at,
                "last_seen": incident.last_seen,
                "anomalies": incident.anomalies,
                "peak_z_score": incident.peak_z_score,
            });
            if let Some(closed_at) = incident.closed_at {
                body["incident"]["closed_at"] = json!(closed_at);
            }
        }
        Message {
            subject: subject(&format!(
                "[MeterFlow] {}: {} - {}",
                self.headline(),
                self.customer_id,
                self.metric
            )),
            body,
            email: self.email(),
            attributes: vec![
                ("severity", self.severity.as_str().to_owned()),
                ("metric", self.metric.to_string()),
                ("customer_id", printable(self.customer_id.as_str())),
                ("event", self.event.as_str().to_owned()),
            ],
        }
    }

    fn headline(&self) -> String {
        let anomaly = match self.severity {
            Severity::Critical => "Critical anomaly",
            Severity::Warning => "Warning",
        };
        match self.event {
            Event::Opened => anomaly.to_owned(),
            Event::Escalated => format!("{anomaly}, escalated"),
            Event::Reopened => format!("{anomaly}, again"),
            Event::Reminder => format!("{anomaly}, still open"),
            Event::Accepted => "New normal".to_owned(),
            Event::Resolved => "Resolved".to_owned(),
            Event::Acknowledged => "Acknowledged".to_owned(),
        }
    }

    fn email(&self) -> String {
        let mut lines = vec![format!("{}.", inert(&capitalized(&self.description))), String::new()];
        let mut fact = |name: &str, value: String| lines.push(format!("{:<11}{value}", format!("{name}:")));
        fact("Customer", inert(self.customer_id.as_str()));
        fact("Metric", self.metric.to_string());
        fact("Severity", format!("{} ({})", self.severity.as_str(), self.direction.as_str()));
        fact("Window", format!("{} to {}", time(self.window.0), time(self.window.1)));
        if let Some((low, high)) = self.expected {
            fact("Expected", format!("{} to {}", humanize(low, self.unit), humanize(high, self.unit)));
        }
        if let Some(incident) = self.incident {
            fact("Incident", format!("{} since {}", incident.state.as_str(), incident.opened_at));
        }
        if !self.investigation_steps.is_empty() {
            lines.extend([String::new(), "What to do".to_owned()]);
            lines.extend(numbered(self.investigation_steps));
        }
        lines.extend([String::new(), format!("Alert id: {}", self.alert_id)]);
        if let Some(incident) = self.incident {
            lines.push(format!("Incident id: {}", incident.id()));
        }
        lines.join("\n") + "\n"
    }
}

fn digest_message(digest: &Digest) -> Message {
    let at = time(digest.detected_at);
    let lines: Vec<String> = digest
        .largest
        .iter()
        .map(|entry| format!("- {}: {}", inert(&entry.customer_id), entry.description))
        .collect();
    let steps = [
        "So many at once often have one cause: look at the ingestion of usage events first.",
        "List them all by the API: GET /v1/incidents?state=open.",
    ]
    .map(str::to_owned);
    // Each shard has a digest of its own, and none of them knows of the others.
    let part = match digest.shard.of() {
        1 => String::new(),
        of => format!(" in one of {of} parts of the customers"),
    };
    let description = format!(
        "{pages} incidents{part} call for a page in the 24 hours to {at}, more than are paged singly: \
         {held_back} of them are only in this digest",
        pages = digest.pages,
        held_back = digest.held_back,
    );
    let email = format!(
        "{description}.\n\nThe largest of them:\n{}\n\n\
         The run found {} anomalies, {} of them critical.\n\nWhat to do\n{}\n\nAlert id: {}\n",
        lines.join("\n"),
        digest.anomalies,
        digest.critical,
        numbered(&steps).join("\n"),
        digest.anomaly_id,
    );
    let body = json!({
        "alert_id": digest.anomaly_id,
        "anomaly_id": digest.anomaly_id,
        "event": "digest",
        "severity": "critical",
        "detected_at": at,
        "pages": digest.pages,
        "held_back": digest.held_back,
        "critical": digest.critical,
        "anomalies": digest.anomalies,
        "largest": digest.largest,
        "description": description,
        "investigation_steps": steps,
    });
    Message {
        subject: subject(&format!("[MeterFlow] {} incidents at once", digest.pages)),
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

/// Customer's text in a mail: on its line, and nothing in it that a mail program makes a link of.
fn inert(text: &str) -> String {
    printable(text).replace("://", "[://]").replace("www.", "www[.]")
}

fn numbered(steps: &[String]) -> Vec<String> {
    steps.iter().enumerate().map(|(number, step)| format!("{}. {step}", number + 1)).collect()
}

fn capitalized(sentence: &str) -> String {
    // Most begin with a metric's name, which is written as it is.
    match sentence.strip_prefix("the ") {
        Some(rest) => format!("The {rest}"),
        None => sentence.to_owned(),
    }
}

/// Unix milliseconds as RFC 3339.
fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use detection::incident::{Observation, Rules, Seen, Step, Subject, advance};
    use detection::{
        Anomaly, CustomerId, Finding, MetricName, Missing, Series, Settings, Thresholds, Verdict, Window,
        check,
    };
    use jiff::SignedDuration;

    use super::*;
    use catalog::Shard;
    use store::{DigestEntry, JudgedBy, Totals};

    fn window() -> Window {
        Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap()
    }

    fn item(customer: &str) -> AnomalyItem {
        let mut windows: Vec<_> = (0..31).map(|i| Some(2.2e9 + f64::from(i % 5) * 1e8)).collect();
        windows[0] = Some(9.14e9);
        let settings = Settings::new(Thresholds { min_change: 1e6, ..Thresholds::default() }).unwrap();
        let Verdict::Anomalous(finding) = check(&Series::new(&windows, 30, Missing::Zero, true), &settings)
        else {
            panic!("not anomalous");
        };
        let (customer, metric) = (CustomerId::new(customer).unwrap(), MetricName::new("bandwidth").unwrap());
        let anomaly = Anomaly::new(customer, metric, "bytes", window(), &finding);
        let judged_by = JudgedBy { catalog_version: "v1", config_version: "0", mute: None };
        let incident = incident(&anomaly, &finding);
        AnomalyItem::new(&anomaly, Some(&incident), &judged_by, Duration::from_secs(86_400), "run")
            .alerting(Event::Opened, incident)
    }

    fn incident(anomaly: &Anomaly, finding: &Finding) -> Incident {
        let (customer_id, metric) = (anomaly.customer_id.clone(), anomaly.metric.clone());
        let subject = Subject { customer_id, metric, direction: finding.direction };
        let seen = Observation {
            window_end: anomaly.detected_at(),
            seen: Seen::Anomalous(finding.severity),
            figures: Figures::of(&finding.comparison),
        };
        let patience = SignedDuration::from_hours(24);
        let rules = Rules {
            resolve_after: 2,
            reopen_within: patience,
            accept_after: patience,
            repeat_interval: patience,
            min_severity: Severity::Critical,
        };
        match advance(None, &subject, &seen, false, &rules) {
            Step::Become { incident, .. } => *incident,
            other => panic!("{other:?}"),
        }
    }

    fn message(alert: AlertItem) -> Message {
        Message::of(&alert)
    }

    #[test]
    fn the_json_body() {
        insta::assert_json_snapshot!(message(AlertItem::Anomaly(Box::new(item("cust_1")))).body);
    }

    #[test]
    fn the_e_mail() {
        insta::assert_snapshot!(message(AlertItem::Anomaly(Box::new(item("cust_1")))).email);
    }

    #[test]
    fn the_digest() {
        let entry = |n: u32| DigestEntry {
            anomaly_id: format!("1.m.{n}"),
            customer_id: format!("c{n}"),
            description: format!("api_calls was {n} calls"),
        };
        let totals = Totals { anomalies: 500, critical: 400, pages: 325, held_back: 300 };
        let digest = Digest::new(window(), Shard::WHOLE, totals, vec![entry(1), entry(2)]);
        insta::assert_snapshot!(digest_message(&digest).email);
    }

    #[test]
    fn each_shard_has_a_digest_of_its_own() {
        let totals = Totals { anomalies: 500, critical: 400, pages: 325, held_back: 300 };
        let of = |shard| Digest::new(window(), shard, totals, Vec::new());
        let end = window().end().as_millisecond();
        let whole = of(Shard::WHOLE);
        assert_eq!(whole.sk, format!("DIGEST#{end}#325-300"), "as it was before there were shards");
        assert_eq!(whole.anomaly_id, format!("{end}.digest.325-300"));
        let [third, last] = [2, 7].map(|number| of(Shard::new(number, 8).unwrap()));
        assert_eq!(third.sk, format!("DIGEST#{end}#325-300.2-of-8"));
        assert_eq!(third.anomaly_id, format!("{end}.digest.325-300.2-of-8"));
        assert_eq!(AnomalyId::parse(&third.anomaly_id), None, "it is no id of an anomaly");
        assert!(third.sk != last.sk && third.anomaly_id != last.anomaly_id);
        let description = digest_message(&third).body["description"].to_string();
        assert!(
            description.contains("325 incidents in one of 8 parts of the customers call"),
            "{description}"
        );
    }

    #[test]
    fn the_end_of_an_incident() {
        let incident = item("cust_1").alert.unwrap().incident;
        let description = describe::back_to_normal("bytes", &incident);
        let notice = |event, description| {
            let at = "2026-11-22T14:00:00Z".parse().unwrap();
            let notice = Notice::new(event, &incident, "bytes", description, at, Duration::ZERO, "run");
            message(AlertItem::Notice(Box::new(notice)))
        };
        let resolved = notice(Event::Resolved, description);
        assert_eq!(resolved.subject, "[MeterFlow] Resolved: cust_1 - bandwidth");
        insta::assert_json_snapshot!(resolved.body);
        let by_a_person = describe::handled(Event::Acknowledged, "ada@example.com", &incident);
        insta::assert_snapshot!(notice(Event::Acknowledged, by_a_person).email);
    }

    #[test]
    fn each_event_has_a_headline_and_says_what_it_means() {
        let item = item("cust_1");
        let incident = item.alert.clone().unwrap().incident;
        let lines: Vec<_> =
            [Event::Opened, Event::Escalated, Event::Reopened, Event::Reminder, Event::Accepted]
                .map(|event| {
                    let message =
                        message(AlertItem::Anomaly(Box::new(item.clone().alerting(event, incident.clone()))));
                    format!("{}\n  {}", message.subject, message.body["description"].as_str().unwrap())
                })
                .into();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn the_end_of_a_critical_incident_is_critical() {
        let item = AnomalyItem { severity: Severity::Warning, ..item("cust_1") };
        let incident = item.alert.clone().unwrap().incident;
        for (event, severity) in [(Event::Reopened, "warning"), (Event::Accepted, "critical")] {
            let message =
                message(AlertItem::Anomaly(Box::new(item.clone().alerting(event, incident.clone()))));
            assert_eq!(message.attributes[0], ("severity", severity.to_owned()), "{event:?}");
            assert_eq!(message.body["severity"], severity);
        }
    }

    #[test]
    fn hostile_customer_ids_stay_inside_subject_and_attributes() {
        for customer in
            ["a\r\nBcc: x@example.com", "客户 <!channel>", "\u{0}\u{7f}\u{85}\u{2028}", &"x".repeat(1_500)]
        {
            let message = message(AlertItem::Anomaly(Box::new(item(customer))));
            assert!(message.subject.len() <= 99, "{}", message.subject);
            assert!(message.subject.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{}", message.subject);
            let attribute = &message.attributes.iter().find(|(name, _)| *name == "customer_id").unwrap().1;
            assert!(!attribute.is_empty() && !attribute.chars().any(char::is_control), "{attribute:?}");
            assert_eq!(message.body["customer_id"], customer, "the body keeps the id exactly");
            assert!(message.email.lines().any(|line| line.starts_with("Metric:")), "{}", message.email);
        }
        let linked = message(AlertItem::Anomaly(Box::new(item("see https://www.example.com"))));
        assert!(linked.email.contains("Customer:  see https[://]www[.]example.com\n"), "{}", linked.email);
    }
}
