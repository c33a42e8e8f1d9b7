//! The content of a message for any channel: a title, facts, sentences. Channels write it in different ways.
//!
//! Nothing here is escaped for a channel. Text of customers is unchanged except for the characters that [`clean`]
//! replaces.

use detection::text::money;
use detection::{Costs, units};
use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::alert::{Alert, Budget, Severity};
use crate::picture;
use crate::text::{clean, cut};

mod headline;

use headline::headline;

/// An alert on its way to one channel, alone or as the first of a group.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub alert: &'a Alert,
    /// The rest of the group: alerts of the same time, or of the time that the channel had to wait.
    pub others: &'a [&'a Alert],
    /// The configured address of incidents.
    pub link: Option<&'a str>,
    /// The key of a pager's page that stands for several incidents.
    pub page_key: Option<&'a str>,
}

/// A label and its value.
pub(crate) type Fact = (&'static str, String);

/// Length of a customer id in a title and in facts. People recognise the id by that much.
const TITLE_CUSTOMER: usize = 60;
const FACT_CUSTOMER: usize = 300;

/// Longest chart: a bar for each hour of a day.
const CHART: usize = 24;

/// Longest description and step. Our own are shorter.
const DESCRIPTION: usize = 1_000;

/// Longest sentence about other incidents. Ours has less, whatever the customers are called.
const ONE_CAUSE: usize = 400;
const STEP: usize = 400;
const STEPS: usize = 8;

/// Entries of a storm that are shown.
const LARGEST: usize = 10;

/// Descriptions in a list.
const LISTED: usize = 200;
const LISTED_OF_GROUP: usize = 80;

/// Browsers and Slack take addresses of about this length.
const LINK: usize = 2_000;

impl<'a> Message<'a> {
    /// A single alert.
    pub fn of(alert: &'a Alert, link: Option<&'a str>) -> Self {
        Self { alert, others: &[], link, page_key: None }
    }

    /// All alerts of the group, or the one.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = &'a Alert> {
        std::iter::once(self.alert).chain(self.others.iter().copied())
    }

    pub(crate) fn is_group(&self) -> bool {
        !self.others.is_empty()
    }

    /// The chart of the one page as a PNG. A group has a chart of each alert in its text, and an end has none.
    pub(crate) fn picture(&self) -> Option<Vec<u8>> {
        let is_page = !self.is_group() && self.alert.event.is_page();
        is_page.then(|| picture::png(self.alert)).flatten()
    }

    /// The highest severity of the group.
    pub(crate) fn severity(&self) -> Severity {
        let is_critical = self.alerts().any(|alert| alert.severity == Severity::Critical);
        if is_critical { Severity::Critical } else { Severity::Warning }
    }

    /// The customer that the whole message is about, with the entity.
    fn customer_id(&self) -> Option<&'a str> {
        let customer = self.alert.who.as_deref();
        customer.filter(|_| self.alerts().all(|alert| alert.who.as_deref() == customer))
    }

    /// The customer, short enough for a title.
    pub(crate) fn title_customer(&self) -> Option<String> {
        self.customer_id().map(|customer| cut(&clean(customer), TITLE_CUSTOMER))
    }

    /// The customer, cut to the length of a fact.
    pub(crate) fn customer(&self) -> Option<String> {
        self.customer_id().map(|customer| cut(&clean(customer), FACT_CUSTOMER))
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
        if self.is_group() {
            let window = alert.window.filter(|_| self.alerts().all(|other| other.window == alert.window));
            facts.extend(window.map(|(start, end)| ("Window", format!("{start} to {end}"))));
            return facts;
        }
        let amount = |value: f64| cut(&clean(units::humanize(value, &alert.unit).trim_end()), 60);
        if let Some(budget) = &alert.budget {
            let Budget { used, limit, .. } = *budget;
            facts.push(("Used", format!("{} this month, told from {} on", amount(used), amount(limit))));
        }
        let is_usual = alert.budget.is_none();
        if let Some(current) = alert.current_value.filter(|_| is_usual) {
            facts.push(("Current", amount(current)));
        }
        if let Some(mean) = alert.baseline_mean.filter(|_| is_usual) {
            let usual = match alert.baseline_stddev {
                Some(deviation) => format!("{} ± {}", amount(mean), amount(deviation)),
                None => amount(mean),
            };
            facts.push(("Usual", usual));
        }
        if let Some(z_score) = alert.z_score.filter(|_| is_usual) {
            facts.push(("z-score", format!("{z_score:.1}")));
        }
        if let Some(costs) = costs(alert) {
            facts.push(money::fact(costs, alert.event.is_closing()));
        }
        if let Some((start, end)) = alert.window {
            facts.push(("Window", format!("{start} to {end}")));
        }
        if let Some(chart) = &alert.sparkline {
            facts.push(("Last 24 h", cut(&clean(chart), CHART)));
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
            if incident.anomalies > 1 && is_usual {
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

    /// One sentence, and one about the incidents that probably have the same cause. A group has a sentence for each of its
    /// alerts instead of the first one.
    pub(crate) fn description(&self) -> String {
        let causes = self.alerts().filter_map(|alert| alert.one_cause.as_ref());
        // In a group each alert names the others. The one with the most says the most.
        let one_cause = causes.max_by_key(|(incidents, _)| *incidents);
        let one_cause = one_cause.map(|(_, sentence)| cut(&clean(sentence), ONE_CAUSE));
        if self.is_group() {
            return one_cause.unwrap_or_default();
        }
        let description = cut(&clean(&self.alert.description), DESCRIPTION);
        match one_cause {
            Some(one_cause) if !description.is_empty() => format!("{description}. {one_cause}"),
            Some(one_cause) => one_cause,
            None => description,
        }
    }

    /// The next steps. Empty after the end, and empty if each alert needs something else.
    pub(crate) fn steps(&self) -> Vec<String> {
        let is_common = self.customer_id().is_some() || !self.is_group();
        if !self.alert.event.is_page() || !is_common {
            return Vec::new();
        }
        self.alert.investigation_steps.iter().take(STEPS).map(|step| cut(&clean(step), STEP)).collect()
    }

    /// Title and entries of a list: the largest of a storm, or all of a group, each with its customer. Entries of a group
    /// end with the chart of their last 24 hours.
    pub(crate) fn list(&self) -> Option<(&'static str, Vec<(String, String)>)> {
        let entry = |customer: &str, text: &str, limit| {
            (cut(&clean(customer), TITLE_CUSTOMER), cut(&clean(text), limit))
        };
        if self.is_group() {
            let of = |alert: &Alert| {
                let headline = headline(alert);
                let limit = LISTED_OF_GROUP + headline.len() + 2;
                let text = match costs(alert).filter(|_| !alert.event.is_closing()) {
                    Some(costs) => format!("{headline}: {}; {}", money::rate(costs), alert.description),
                    None => format!("{headline}: {}", alert.description),
                };
                let (customer, text) = entry(alert.who.as_deref().unwrap_or("unknown"), &text, limit);
                match &alert.sparkline {
                    Some(chart) => (customer, format!("{text} {}", cut(&clean(chart), CHART))),
                    None => (customer, text),
                }
            };
            let mut alerts: Vec<_> = self.alerts().collect();
            // The most expensive month comes first. Without prices the order stays.
            alerts.sort_by(|a, b| a_month(b).total_cmp(&a_month(a)));
            return Some(("All of them", alerts.into_iter().map(of).collect()));
        }
        let largest = self.alert.storm.iter().flat_map(|storm| &storm.largest).take(LARGEST);
        let largest: Vec<_> = largest.map(|(customer, text)| entry(customer, text, LISTED)).collect();
        (!largest.is_empty()).then_some(("The largest", largest))
    }

    /// The incident's page for people. A storm or a group concerns many incidents, so it has no link. An address that
    /// is too long is left out.
    pub(crate) fn link(&self) -> Option<String> {
        let template = self.link.filter(|_| self.alert.storm.is_none() && !self.is_group())?;
        let id = percent_encode(self.alert.incident_id.as_bytes(), NON_ALPHANUMERIC).to_string();
        // These characters are safe everywhere. Ids of this stack have no others besides letters and digits.
        let id = id.replace("%2E", ".").replace("%5F", "_").replace("%2D", "-");
        Some(template.replace("{incident_id}", &id)).filter(|link| link.len() <= LINK)
    }
}

/// What the incident of an alert costs.
fn costs(alert: &Alert) -> Option<&Costs> {
    alert.incident.as_ref()?.costs.as_ref()
}

/// The size of the cost of a month. Incidents of unknown cost come last.
fn a_month(alert: &Alert) -> f64 {
    costs(alert).map_or(-1.0, |costs| costs.a_month.abs())
}

fn hours(time: SignedDuration) -> String {
    match time.as_hours() {
        0 => format!("{} min", time.as_mins()),
        hours if hours < 48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn alert(fields: Value) -> Alert {
        let mut message = json!({
            "alert_id": "1", "metric": "bandwidth", "customer_id": "cust_1", "severity": "critical",
            "direction": "spike", "incident_id": "1.m.YQ",
        });
        message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Alert::parse(&message.to_string()).unwrap()
    }

    pub(crate) fn of(alert: &Alert) -> Message<'_> {
        Message::of(alert, None)
    }

    #[test]
    fn facts_of_an_incident() {
        let alert = alert(json!({
            "current_value": 9.14e9, "baseline_mean": 2.2e9, "baseline_stddev": 2.08e8, "z_score": 33.36,
            "unit": "bytes", "window": { "start": "2026-11-20T13:00:00Z", "end": "2026-11-21T13:00:00Z" },
            "sparkline": "▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▅██",
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
        Last 24 h: ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▅██
        Since: 2026-11-21T10:00:00Z, for 3 h
        Anomalies: 4, peak z-score 40.0
        ");
    }

    #[test]
    fn money_is_one_fact_and_the_order_of_a_group() {
        let of_cost = |customer: &str, a_month: f64| {
            let cost = json!({ "so_far": a_month / 24.0, "a_month": a_month, "currency": "USD" });
            alert(
                json!({ "customer_id": customer, "description": "usage was odd", "incident": { "cost": cost } }),
            )
        };
        let [small, large, drop] = [of_cost("a", 240.0), of_cost("b", 9_900.0), of_cost("c", -2_400.0)];
        let fact = |alert: &Alert| of(alert).facts().pop().unwrap();
        let expected = "about 412 USD so far, about 9,900 USD a month at this rate".to_owned();
        assert_eq!(fact(&large), ("Costs", expected));
        assert_eq!(fact(&drop).0, "Misses");
        let unknown = alert(json!({ "customer_id": "d", "description": "usage was odd" }));
        let message = Message { others: &[&unknown, &large, &drop], ..of(&small) };
        let list = message.list().unwrap().1;
        let customers: Vec<_> = list.iter().map(|(customer, _)| customer.as_str()).collect();
        assert_eq!(customers, ["b", "c", "a", "d"]);
        assert_eq!(
            list[0].1,
            "Critical: bandwidth spike: costs about 9,900 USD a month at this rate; usage was odd"
        );
        let broken = alert(json!({ "incident": { "cost": { "so_far": "much", "currency": "usd" } } }));
        assert!(of(&broken).facts().is_empty());
    }

    #[test]
    fn a_budget_has_facts_of_its_own() {
        let budget = json!({ "month": "2026-11", "mark": "80 %", "used": 812_400.0, "limit": 800_000.0 });
        let alert = alert(json!({
            "metric": "api_calls", "unit": "calls", "severity": "warning", "budget": budget,
            "current_value": 812_400.0, "baseline_mean": 800_000.0, "baseline_stddev": 0.0, "z_score": 0.0,
        }));
        let message = of(&alert);
        let used = "812,400 calls this month, told from 800,000 calls on".to_owned();
        assert_eq!(message.facts(), [("Used", used)]);
        assert_eq!(message.headline(), "Warning: api_calls budget, 80 %");
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
    fn links_hold_the_id_and_nothing_else() {
        let template = Some("https://app.example.com/i/{incident_id}?tab=1");
        let of = |id: &str, template| {
            let alert = alert(json!({ "incident_id": id }));
            Message::of(&alert, template).link()
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
        assert_eq!(Message::of(&storm, template).link(), None);
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
