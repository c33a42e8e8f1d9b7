//! The message of an anomaly or of a notice.

use detection::incident::{Event, Incident};
use detection::related::OneCause;
use detection::text::money;
use detection::units::humanize;
use detection::{
    About, AnomalyId, Cost, CustomerId, Direction, EntityPath, Figures, Mark, MetricName, Severity, Why,
    describe,
};
use serde_json::json;
use store::{AnomalyItem, Notice};

use super::message::Message;
use super::text::{capitalized, inert, numbered, printable, subject, time, with_capital};

pub(super) fn of_anomaly(item: &AnomalyItem) -> Message {
    Report::of_anomaly(item).message()
}

pub(super) fn of_notice(notice: &Notice) -> Message {
    Report::of_notice(notice).message()
}

/// The content of a message about an incident, for an anomaly or a notice.
struct Report<'a> {
    alert_id: &'a str,
    event: Event,
    /// Unknown for anomalies that were stored before there were incidents.
    incident: Option<&'a Incident>,
    customer_id: &'a CustomerId,
    entity: Option<&'a EntityPath>,
    metric: &'a MetricName,
    severity: Severity,
    direction: Direction,
    unit: &'a str,
    figures: Figures,
    /// The expected range, if the message is about an anomaly.
    expected: Option<(f64, f64)>,
    /// Why a model calls the window an anomaly, if the message is about one.
    why: Option<&'a Why>,
    confidence: Option<f64>,
    /// What the window of the anomaly costs.
    cost: Option<Cost>,
    /// The events behind it, if it is about an anomaly of a source with entities.
    about: Option<&'a About>,
    anomaly_id: AnomalyId,
    detected_at: i64,
    window: (i64, i64),
    description: String,
    /// The incidents that probably have the same cause.
    one_cause: Option<&'a OneCause>,
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
            entity: item.entity_path.as_ref(),
            metric: &item.metric,
            // People who were notified of a critical incident must be notified of its end, even if its last anomaly was
            // mild.
            severity: match alert.filter(|alert| alert.event.is_closing()) {
                Some(alert) => alert.incident.severity,
                None => item.severity,
            },
            direction: item.direction,
            unit: &item.unit,
            figures: item.evidence.figures,
            expected: Some((item.evidence.expected_low, item.evidence.expected_high)),
            why: item.why.as_ref(),
            confidence: item.confidence,
            cost: item.cost,
            about: item.about.as_ref(),
            anomaly_id: item.anomaly_id.clone(),
            detected_at: item.detected_at,
            window: (item.window_start, item.window_end),
            description,
            one_cause: alert.and_then(|alert| alert.one_cause.as_ref()),
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
            entity: incident.subject.entity.as_ref(),
            metric: &incident.subject.metric,
            severity: incident.severity,
            direction: incident.subject.direction,
            unit: &notice.unit,
            figures: incident.latest,
            expected: None,
            why: None,
            confidence: None,
            cost: None,
            about: None,
            anomaly_id: notice.anomaly_id(),
            detected_at: notice.detected_at,
            window: (window_end - detection::window::HOURS * 3_600_000, window_end),
            description: notice.description.clone(),
            one_cause: None,
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
        if let Some(entity) = self.entity {
            body["entity"] = json!(entity.to_string());
            body["entity_path"] = json!(entity);
        }
        if let Some(why) = self.why {
            body["score"] = json!(why.score);
            if let Some(chart) = self.chart() {
                body["sparkline"] = json!(chart);
            }
            if let Some(chart) = &why.chart {
                body["chart"] = json!(chart);
            }
        }
        if let Some(confidence) = self.confidence {
            body["confidence"] = json!(confidence);
        }
        if let Some((month, mark)) = self.budget() {
            let mark = mark.to_string();
            body["budget"] =
                json!({ "month": month, "mark": mark, "used": current_value, "limit": baseline_mean });
        }
        if let Some(cost) = self.cost {
            body["cost"] = json!(cost);
        }
        if let Some(About { examples, example_ids, affected_entities, .. }) = self.about {
            body["affected_entities"] = json!(affected_entities);
            body["examples"] = json!(examples);
            if !example_ids.is_empty() {
                body["example_ids"] = json!(example_ids);
            }
        }
        if let Some(one_cause) = self.one_cause {
            body["one_cause"] = json!(one_cause);
            body["one_cause"]["text"] = one_cause.sentence().into();
        }
        if let Some(incident) = self.incident {
            body["incident_id"] = json!(incident.id());
            body["incident"] = json!({
                "state": incident.state,
                "opened_at": incident.opened_at,
                "last_seen": incident.last_seen,
                "last_window": incident.last_window,
                "anomalies": incident.anomalies,
                "peak_z_score": incident.peak_z_score,
            });
            if let Some(closed_at) = incident.closed_at {
                body["incident"]["closed_at"] = json!(closed_at);
            }
            if let Some(costs) = incident.costs {
                body["incident"]["cost"] = json!(costs);
            }
        }
        Message {
            subject: subject(&format!("[MeterFlow] {}: {} - {}", self.headline(), self.who(), self.metric)),
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

    /// The customer, with the entity if it is about one.
    fn who(&self) -> String {
        match self.entity {
            None => self.customer_id.to_string(),
            Some(entity) => format!("{} / {entity}", self.customer_id),
        }
    }

    /// The month and the mark, if it is about a budget.
    fn budget(&self) -> Option<(&str, Mark)> {
        Mark::of_entity(self.entity?)
    }

    /// The last 24 hours in one line, the newest hour last.
    fn chart(&self) -> Option<&str> {
        self.why.map(|why| why.sparkline.as_str()).filter(|chart| !chart.is_empty())
    }

    fn headline(&self) -> String {
        let anomaly = match (self.budget(), self.severity) {
            (Some(_), _) => "Budget",
            (None, Severity::Critical) => "Critical anomaly",
            (None, Severity::Warning) => "Warning",
        };
        match self.event {
            Event::Opened => anomaly.to_owned(),
            Event::Escalated => format!("{anomaly}, escalated"),
            Event::Reopened => format!("{anomaly}, again"),
            Event::Reminder => format!("{anomaly}, still open"),
            Event::Accepted => "New normal".to_owned(),
            Event::Stale => "Closed without a verdict".to_owned(),
            Event::Resolved => "Resolved".to_owned(),
            Event::Acknowledged => "Acknowledged".to_owned(),
            Event::Confirmed => "Confirmed".to_owned(),
        }
    }

    fn email(&self) -> String {
        let mut lines = vec![format!("{}.", inert(&capitalized(&self.description)))];
        lines.extend(self.one_cause.map(|one_cause| format!("{}.", inert(&one_cause.sentence()))));
        lines.push(String::new());
        let mut fact = |name: &str, value: String| lines.push(format!("{:<11}{value}", format!("{name}:")));
        let noun = |of: fn(&About) -> &Option<String>, usual: &str| {
            let own = self.about.and_then(|about| of(about).as_deref());
            with_capital(&inert(own.unwrap_or(usual)))
        };
        fact(&noun(|about| &about.tenant_noun, "customer"), inert(self.customer_id.as_str()));
        if let Some(entity) = self.entity {
            fact(&noun(|about| &about.entity_noun, "entity"), inert(&entity.to_string()));
        }
        fact("Metric", self.metric.to_string());
        fact("Severity", format!("{} ({})", self.severity.as_str(), self.direction.as_str()));
        fact("Window", format!("{} to {}", time(self.window.0), time(self.window.1)));
        if let Some((low, high)) = self.expected.filter(|_| self.budget().is_none()) {
            fact("Expected", format!("{} to {}", humanize(low, self.unit), humanize(high, self.unit)));
        }
        if let Some(costs) = self.incident.and_then(|incident| incident.costs.as_ref()) {
            let (label, text) = money::fact(costs, self.event.is_closing());
            fact(label, text);
        }
        if let Some(chart) = self.chart() {
            fact("Last 24 h", chart.to_owned());
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
