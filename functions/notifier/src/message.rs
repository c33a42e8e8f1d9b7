//! What a message says, whatever the channel: a title, facts, sentences. Channels differ in how they write it.
//!
//! Nothing here is escaped for a channel, and text of customers is as it came but for what [`clean`] takes out.

use detection::units;
use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::alert::{Alert, Event, Severity};
use crate::text::{clean, cut};

/// An alert on its way to one channel.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub alert: &'a Alert,
    /// Pages of the same metric and severity that this channel's throttle held back before this one.
    pub held_back: u64,
    /// The configured address of incidents.
    pub link: Option<&'a str>,
}

/// A label and what it stands for.
pub(crate) type Fact = (&'static str, String);

/// A customer id in a title and in facts: long enough to know it by.
const TITLE_CUSTOMER: usize = 60;
const FACT_CUSTOMER: usize = 300;

/// Longest description and step; ours are shorter.
const DESCRIPTION: usize = 1_000;
const STEP: usize = 400;
const STEPS: usize = 8;

/// Entries of a storm that are shown.
const LARGEST: usize = 10;

/// Browsers and Slack take addresses of about this length.
const LINK: usize = 2_000;

impl Message<'_> {
    /// What happened in one line, without the customer: "Critical: bandwidth spike".
    pub(crate) fn headline(&self) -> String {
        let alert = self.alert;
        if let Some(storm) = &alert.storm {
            return format!("Critical: {} incidents at once", units::amount(storm.pages as f64));
        }
        let severity = match alert.severity {
            Severity::Critical => "Critical",
            Severity::Warning => "Warning",
        };
        let metric = cut(&clean(alert.metric.as_deref().unwrap_or("usage")), 64);
        let what = match alert.direction.as_deref() {
            Some("spike") => format!("{metric} spike"),
            Some("drop") => format!("{metric} drop"),
            _ => format!("{metric} anomaly"),
        };
        match alert.event {
            Event::Opened | Event::Digest => format!("{severity}: {what}"),
            Event::Escalated => format!("{severity}, escalated: {what}"),
            Event::Reopened => format!("{severity}, again: {what}"),
            Event::Reminder => format!("{severity}, still open: {what}"),
            Event::Acknowledged => format!("Acknowledged: {what}"),
            Event::Resolved => format!("Resolved: {what}"),
            Event::Accepted => format!("New normal: {what}"),
            Event::Stale => format!("Closed without a verdict: {what}"),
        }
    }

    /// The customer, short enough for a title.
    pub(crate) fn title_customer(&self) -> Option<String> {
        self.alert.customer_id.as_deref().map(|customer| cut(&clean(customer), TITLE_CUSTOMER))
    }

    /// The customer, as long as a fact may be.
    pub(crate) fn customer(&self) -> Option<String> {
        self.alert.customer_id.as_deref().map(|customer| cut(&clean(customer), FACT_CUSTOMER))
    }

    /// Headline and customer as one line of at most `limit`.
    pub(crate) fn title(&self, limit: usize) -> String {
        match self.title_customer() {
            Some(customer) => cut(&format!("{} · {customer}", self.headline()), limit),
            None => cut(&self.headline(), limit),
        }
    }

    /// Figures and times, without the customer.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let alert = self.alert;
        let mut facts = Vec::new();
        let amount = |value: f64| cut(&clean(units::humanize(value, &alert.unit).trim_end()), 60);
        if let Some(current) = alert.current_value {
            facts.push(("Current", amount(current)));
        }
        if let Some(mean) = alert.baseline_mean {
            let usual = match alert.baseline_stddev {
                Some(deviation) => format!("{} ± {}", amount(mean), amount(deviation)),
                None => amount(mean),
            };
            facts.push(("Usual", usual));
        }
        if let Some(z_score) = alert.z_score {
            facts.push(("z-score", format!("{z_score:.1}")));
        }
        if let Some((start, end)) = alert.window {
            facts.push(("Window", format!("{start} to {end}")));
        }
        if let Some(incident) = &alert.incident {
            if let Some(opened_at) = incident.opened_at {
                let until = incident.closed_at.or(incident.last_seen);
                let lasted =
                    until.map(|until| until.duration_since(opened_at)).filter(|time| time.is_positive());
                let since = lasted.map_or_else(
                    || opened_at.to_string(),
                    |lasted| format!("{opened_at}, for {}", hours(lasted)),
                );
                facts.push(("Since", since));
            }
            if incident.anomalies > 1 {
                let count = units::amount(incident.anomalies as f64);
                let peak =
                    incident.peak_z_score.map(|z| format!(", peak z-score {z:.1}")).unwrap_or_default();
                facts.push(("Anomalies", format!("{count}{peak}")));
            }
        } else if let (None, Some(detected_at)) = (alert.window, alert.detected_at) {
            facts.push(("Detected", detected_at.to_string()));
        }
        if let Some(storm) = &alert.storm {
            let count = |count: u64| units::amount(count as f64);
            let anomalies = format!("{}, {} of them critical", count(storm.anomalies), count(storm.critical));
            facts.push(("Incidents", count(storm.pages)));
            facts.push(("Only in this digest", count(storm.held_back)));
            facts.push(("Anomalies", anomalies));
        }
        facts
    }

    pub(crate) fn description(&self) -> String {
        cut(&clean(&self.alert.description), DESCRIPTION)
    }

    /// What to do. Nothing once it is over.
    pub(crate) fn steps(&self) -> Vec<String> {
        if matches!(self.alert.event, Event::Resolved | Event::Accepted | Event::Stale | Event::Acknowledged)
        {
            return Vec::new();
        }
        self.alert.investigation_steps.iter().take(STEPS).map(|step| cut(&clean(step), STEP)).collect()
    }

    /// Customer and description of the largest of a storm.
    pub(crate) fn largest(&self) -> Vec<(String, String)> {
        let entries = self.alert.storm.iter().flat_map(|storm| &storm.largest).take(LARGEST);
        entries
            .map(|(customer, description)| {
                (cut(&clean(customer), TITLE_CUSTOMER), cut(&clean(description), 200))
            })
            .collect()
    }

    /// That others were held back, if they were.
    pub(crate) fn held_back(&self) -> Option<String> {
        let severity = self.alert.severity.as_str();
        let metric = cut(&clean(self.alert.metric.as_deref().unwrap_or_default()), 64);
        match self.held_back {
            0 => None,
            1 => Some(format!("1 other {severity} page of {metric} was held back here before this one.")),
            count => {
                let count = units::amount(count as f64);
                Some(format!(
                    "{count} other {severity} pages of {metric} were held back here before this one."
                ))
            }
        }
    }

    /// Where people look at the incident. A storm is of many, and an address that is too long leads nowhere.
    pub(crate) fn link(&self) -> Option<String> {
        let template = self.link.filter(|_| self.alert.storm.is_none())?;
        let id = percent_encode(self.alert.incident_id.as_bytes(), NON_ALPHANUMERIC).to_string();
        // These are safe everywhere, and all that ids of this stack have besides letters and digits.
        let id = id.replace("%2E", ".").replace("%5F", "_").replace("%2D", "-");
        Some(template.replace("{incident_id}", &id)).filter(|link| link.len() <= LINK)
    }
}

fn hours(time: SignedDuration) -> String {
    match time.as_hours() {
        0 => format!("{} min", time.as_mins()),
        hours if hours < 48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn alert(fields: Value) -> Alert {
        let mut message = json!({
            "alert_id": "1", "metric": "bandwidth", "customer_id": "cust_1", "severity": "critical",
            "direction": "spike", "incident_id": "1.m.YQ",
        });
        message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Alert::parse(&message.to_string()).unwrap()
    }

    fn of(alert: &Alert) -> Message<'_> {
        Message { alert, held_back: 0, link: None }
    }

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
    fn facts_of_an_incident() {
        let alert = alert(json!({
            "current_value": 9.14e9, "baseline_mean": 2.2e9, "baseline_stddev": 2.08e8, "z_score": 33.36,
            "unit": "bytes", "window": { "start": "2026-11-20T13:00:00Z", "end": "2026-11-21T13:00:00Z" },
            "incident": { "opened_at": "2026-11-21T10:00:00Z", "last_seen": "2026-11-21T13:00:00Z",
                          "anomalies": 4, "peak_z_score": 40.04 },
        }));
        let lines: Vec<_> =
            of(&alert).facts().into_iter().map(|(label, text)| format!("{label}: {text}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        Current: 9.14 GB
        Usual: 2.2 GB ± 208 MB
        z-score: 33.4
        Window: 2026-11-20T13:00:00Z to 2026-11-21T13:00:00Z
        Since: 2026-11-21T10:00:00Z, for 3 h
        Anomalies: 4, peak z-score 40.0
        ");
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        assert_eq!(of(&alert(json!({}))).facts(), []);
        let old =
            alert(json!({ "current_value": 5.0, "unit": "calls", "detected_at": "2026-11-21T13:00:00Z" }));
        let expected = [("Current", "5 calls".to_owned()), ("Detected", "2026-11-21T13:00:00Z".to_owned())];
        assert_eq!(of(&old).facts(), expected);
    }

    #[test]
    fn what_was_held_back() {
        let alert = alert(json!({}));
        let of = |held_back| Message { alert: &alert, held_back, link: None }.held_back();
        assert_eq!(of(0), None);
        assert_eq!(of(1).unwrap(), "1 other critical page of bandwidth was held back here before this one.");
        assert_eq!(
            of(4).unwrap(),
            "4 other critical pages of bandwidth were held back here before this one."
        );
    }

    #[test]
    fn links_hold_the_id_and_nothing_else() {
        let template = Some("https://app.example.com/i/{incident_id}?tab=1");
        let of = |id: &str, template| {
            let alert = alert(json!({ "incident_id": id }));
            Message { alert: &alert, held_back: 0, link: template }.link()
        };
        assert_eq!(
            of("1.m_a.spike.YQ-", template).unwrap(),
            "https://app.example.com/i/1.m_a.spike.YQ-?tab=1"
        );
        assert_eq!(
            of("a/../b?c|d>", template).unwrap(),
            "https://app.example.com/i/a%2F..%2Fb%3Fc%7Cd%3E?tab=1"
        );
        assert_eq!(of(&"x".repeat(2_700), template), None);
        assert_eq!(of("1", None), None);
        let storm = alert(json!({ "event": "digest" }));
        assert_eq!(Message { alert: &storm, held_back: 0, link: template }.link(), None);
    }

    #[test]
    fn steps_end_with_the_incident() {
        let steps = json!(["Look.", "Ask."]);
        assert_eq!(of(&alert(json!({ "investigation_steps": steps }))).steps().len(), 2);
        for event in ["resolved", "accepted", "acknowledged"] {
            let alert = alert(json!({ "investigation_steps": steps, "event": event }));
            assert_eq!(of(&alert).steps(), Vec::<String>::new());
        }
    }
}
