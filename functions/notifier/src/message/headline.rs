//! The headline of an alert or a group, in one line.

use super::Message;
use crate::alert::{Alert, Event, Severity};
use crate::text::{clean, cut};
use detection::units;

/// Metrics in a headline.
const HEADLINE_METRICS: usize = 64;

/// Longest mark of a budget. Our own are shorter.
const MARK: usize = 20;

impl Message<'_> {
    /// The headline without the customer: "Critical: bandwidth spike".
    pub(crate) fn headline(&self) -> String {
        if self.is_group() { self.headline_of_group() } else { headline(self.alert) }
    }

    /// "Critical: api_calls, bandwidth drop" of one customer, otherwise "Critical: 3 incidents opened, 1 resolved".
    fn headline_of_group(&self) -> String {
        let alert = self.alert;
        let is_alike =
            self.alerts().all(|other| other.event == alert.event && other.direction == alert.direction);
        if is_alike && self.customer_id().is_some() {
            let mut metrics: Vec<_> = self.alerts().map(metric).collect();
            metrics.dedup();
            let metric = cut(&metrics.join(", "), HEADLINE_METRICS);
            let first = Alert { metric: Some(metric), severity: self.severity(), ..alert.clone() };
            return headline(&first);
        }
        let mut counts: Vec<(Event, usize)> = Vec::new();
        for alert in self.alerts() {
            match counts.iter_mut().find(|(event, _)| *event == alert.event) {
                Some((_, count)) => *count += 1,
                None => counts.push((alert.event, 1)),
            }
        }
        let is_page = counts.iter().any(|(event, _)| event.is_page());
        let parts: Vec<_> = counts
            .iter()
            .enumerate()
            .map(|(place, (event, count))| match (place, count) {
                (0, 1) => format!("1 incident {}", happened(*event)),
                (0, count) => format!("{count} incidents {}", happened(*event)),
                (_, count) => format!("{count} {}", happened(*event)),
            })
            .collect();
        match (is_page, self.severity()) {
            (false, _) => parts.join(", "),
            (true, Severity::Critical) => format!("Critical: {}", parts.join(", ")),
            (true, Severity::Warning) => format!("Warning: {}", parts.join(", ")),
        }
    }
}

/// The headline of one alert.
pub(super) fn headline(alert: &Alert) -> String {
    if let Some(storm) = &alert.storm {
        return format!("Critical: {} incidents at once", units::amount(storm.pages as f64));
    }
    let severity = match alert.severity {
        Severity::Critical => "Critical",
        Severity::Warning => "Warning",
    };
    let metric = metric(alert);
    let what = match (&alert.budget, alert.direction.as_deref()) {
        (Some(budget), _) => format!("{metric} budget, {}", cut(&clean(&budget.mark), MARK)),
        (None, Some("spike")) => format!("{metric} spike"),
        (None, Some("drop")) => format!("{metric} drop"),
        (None, _) => format!("{metric} anomaly"),
    };
    match alert.event {
        Event::Opened | Event::Digest => format!("{severity}: {what}"),
        Event::Escalated => format!("{severity}, escalated: {what}"),
        Event::Reopened => format!("{severity}, again: {what}"),
        Event::Reminder => format!("{severity}, still open: {what}"),
        Event::Acknowledged => format!("Acknowledged: {what}"),
        Event::Confirmed => format!("Confirmed: {what}"),
        Event::Resolved => format!("Resolved: {what}"),
        Event::Accepted => format!("New normal: {what}"),
        Event::Stale => format!("Closed without a verdict: {what}"),
    }
}

fn metric(alert: &Alert) -> String {
    cut(&clean(alert.metric.as_deref().unwrap_or("usage")), HEADLINE_METRICS)
}

/// The event of incidents in a word.
fn happened(event: Event) -> &'static str {
    match event {
        Event::Opened | Event::Digest => "opened",
        Event::Escalated => "escalated",
        Event::Reopened => "reopened",
        Event::Reminder => "still open",
        Event::Acknowledged => "acknowledged",
        Event::Confirmed => "confirmed",
        Event::Resolved => "resolved",
        Event::Accepted => "accepted as the new normal",
        Event::Stale => "closed without a verdict",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::message::Message;
    use crate::message::tests::{alert, of};

    #[test]
    fn headlines() {
        for (fields, expected) in [
            (json!({ "event": "opened" }), "Critical: bandwidth spike"),
            (json!({ "event": "opened", "severity": "warning" }), "Warning: bandwidth spike"),
            (json!({ "event": "opened", "direction": "drop" }), "Critical: bandwidth drop"),
            (json!({ "event": "escalated" }), "Critical, escalated: bandwidth spike"),
            (json!({ "event": "reopened" }), "Critical, again: bandwidth spike"),
            (json!({ "event": "reminder" }), "Critical, still open: bandwidth spike"),
            (json!({ "event": "acknowledged" }), "Acknowledged: bandwidth spike"),
            (json!({ "event": "confirmed" }), "Confirmed: bandwidth spike"),
            (json!({ "event": "resolved" }), "Resolved: bandwidth spike"),
            (json!({ "event": "accepted" }), "New normal: bandwidth spike"),
            (
                json!({ "event": "digest", "pages": 1_250, "critical": 9 }),
                "Critical: 1,250 incidents at once",
            ),
            (json!({ "metric": null, "direction": null }), "Critical: usage anomaly"),
        ] {
            assert_eq!(of(&alert(fields)).headline(), expected);
        }
    }

    #[test]
    fn a_group_says_what_happened_to_how_many() {
        let of = |fields: &[Value]| {
            let alerts: Vec<_> = fields.iter().cloned().map(alert).collect();
            let others: Vec<_> = alerts[1..].iter().collect();
            let message = Message { others: &others, ..of(&alerts[0]) };
            let list = message.list().unwrap().1;
            assert_eq!(list.len(), alerts.len(), "all are listed");
            message.title(150)
        };
        let with = |customer: &str, metric: &str, event: &str, severity: &str| json!({ "customer_id": customer, "metric": metric, "event": event, "severity": severity });
        for (fields, expected) in [
            (
                [with("a", "api_calls", "opened", "warning"), with("a", "bandwidth", "opened", "critical")],
                "Critical: api_calls, bandwidth spike · a",
            ),
            (
                [
                    with("a", "api_calls", "resolved", "critical"),
                    with("a", "bandwidth", "resolved", "critical"),
                ],
                "Resolved: api_calls, bandwidth spike · a",
            ),
            (
                [with("a", "api_calls", "opened", "warning"), with("b", "api_calls", "opened", "warning")],
                "Warning: 2 incidents opened",
            ),
            (
                [
                    with("a", "api_calls", "opened", "critical"),
                    with("a", "api_calls", "resolved", "critical"),
                ],
                "Critical: 1 incident opened, 1 resolved · a",
            ),
            (
                [
                    with("a", "api_calls", "resolved", "critical"),
                    with("b", "api_calls", "accepted", "critical"),
                ],
                "1 incident resolved, 1 accepted as the new normal",
            ),
        ] {
            assert_eq!(of(&fields), expected);
        }
    }
}
