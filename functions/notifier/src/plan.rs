//! The messages that go to a channel now, from all alerts that wait for it. Pure: alerts and times in, messages out.
//!
//! * Alerts of one incident keep their order. A later alert never overtakes a waiting one.
//! * In a chat, all waiting alerts go into one message. A throttle delays pages of its metric and severity until it
//!   opens.
//! * On a pager, each customer's incidents of one window are one page. An incident that ended before its page was sent
//!   pages nobody.
//! * A program gets each alert by itself.

use std::collections::HashSet;

use messaging::channels::ChannelKind;
use store::deliveries::{Lead, Waiting};

use crate::alert::{Alert, Event};

/// An alert that waits.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) waiting: Waiting,
    pub(crate) alert: Alert,
}

/// How a channel takes several alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Chat,
    Pager,
    Program,
}

/// The next steps for the waiting alerts.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Each becomes one message.
    pub(crate) batches: Vec<Vec<Entry>>,
    /// Pages of incidents that ended before anybody was paged.
    pub(crate) over: Vec<Entry>,
    /// Ends of incidents whose page was given up. They are given up too, because nobody has read of the beginning.
    pub(crate) given_up: Vec<Entry>,
}

/// Alerts in one message. Every chat shows so many in full.
const MOST: usize = 15;

impl Style {
    pub(crate) fn of(kind: &ChannelKind) -> Self {
        match kind {
            ChannelKind::SlackWebhook { .. }
            | ChannelKind::SlackBot { .. }
            | ChannelKind::Teams { .. }
            | ChannelKind::Discord { .. }
            | ChannelKind::GoogleChat { .. }
            | ChannelKind::Telegram { .. }
            | ChannelKind::AmazonQ { .. } => Self::Chat,
            ChannelKind::PagerDuty { .. } | ChannelKind::Opsgenie { .. } => Self::Pager,
            ChannelKind::Webhook { .. } | ChannelKind::EventBus { .. } | ChannelKind::Broken { .. } => {
                Self::Program
            }
        }
    }
}

impl Entry {
    /// Metric and severity, by which throttles work. None for an alert that no throttle delays.
    pub(crate) fn series(&self) -> Option<String> {
        let metric = self.alert.metric.as_deref().unwrap_or("unknown");
        let series = || format!("{metric:.100}#{}", self.alert.severity.as_str());
        self.alert.event.is_throttled().then(series)
    }

    /// The subject whose alerts keep their order: the incident, or a storm by itself.
    pub(crate) fn subject(&self) -> &str {
        if self.alert.storm.is_some() { &self.alert.id } else { &self.alert.incident_id }
    }

    /// The pager's page of an alert: one per customer and window in which the incident opened.
    pub(crate) fn page(&self) -> Option<String> {
        let customer = self.alert.customer_id.as_deref()?;
        let opened_at = self.alert.incident.as_ref()?.opened_at?;
        Some(format!("{}#{customer}", opened_at.as_millisecond()))
    }

    /// Whether it is a page of the same incident, from before `end`.
    pub(crate) fn is_page_before(&self, end: &Self) -> bool {
        self.alert.event.is_page() && self.subject() == end.subject() && self.place() < end.place()
    }

    /// The detector's order: by the newest window that the incident had seen, then by its number of anomalies, then by
    /// the time of the event. A late window adds an anomaly and leaves the newest window unchanged.
    fn place(&self) -> (i64, u64, i64, bool, i64) {
        let detected_at = self.alert.detected_at.map_or(self.waiting.since, |at| at.as_millisecond());
        let newest_window = self.alert.incident.as_ref().and_then(|incident| incident.last_window);
        let newest_window = newest_window.map_or(detected_at, |at| at.as_millisecond());
        let anomalies = self.alert.incident.as_ref().map_or(0, |incident| incident.anomalies);
        (newest_window, anomalies, detected_at, self.alert.event.is_closing(), self.waiting.since)
    }
}

/// Plans what is sent at `now`, in Unix milliseconds.
pub(crate) fn plan(mut entries: Vec<Entry>, style: Style, lead: &Lead, now: i64) -> Plan {
    let mut plan = Plan::default();
    entries.sort_by_key(Entry::place);
    let (parked, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.waiting.parked);
    let parked: HashSet<_> = parked.iter().map(|entry| entry.subject().to_owned()).collect();
    // A waiting page goes first. Then its end has a beginning.
    let mut paged = HashSet::new();
    let (given_up, mut entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| {
        if entry.alert.event.is_page() {
            paged.insert(entry.subject().to_owned());
        }
        !paged.contains(entry.subject()) && parked.contains(entry.subject())
    });
    plan.given_up = given_up;
    if style == Style::Pager {
        let ends: HashSet<_> = ends(&entries);
        let places = entries.into_iter().enumerate();
        let (over, rest): (Vec<_>, Vec<_>) = places.partition(|(place, entry)| {
            ends.iter().any(|(end, subject)| end > place && subject == entry.subject())
        });
        plan.over = over.into_iter().map(|(_, entry)| entry).collect();
        entries = rest.into_iter().map(|(_, entry)| entry).collect();
    }
    if lead.paused_until > now {
        return plan;
    }
    let is_throttled = |entry: &Entry| {
        let opens = entry.series().and_then(|series| lead.throttles.get(&series).copied());
        style == Style::Chat && opens.is_some_and(|opens| opens > now)
    };
    // In a chat, all alerts go with the first that is due. Elsewhere each has its own time.
    let is_any_due = entries.iter().any(|entry| entry.waiting.due_at <= now && !is_throttled(entry));
    let is_due = |entry: &Entry| match style {
        Style::Chat => is_any_due,
        Style::Pager | Style::Program => entry.waiting.due_at <= now,
    };
    let mut held = HashSet::new();
    for entry in entries {
        if held.contains(entry.subject()) || !is_due(&entry) || is_throttled(&entry) {
            held.insert(entry.subject().to_owned());
            continue;
        }
        let joins = |batch: &&mut Vec<Entry>| {
            batch.len() < MOST && batch.first().is_some_and(|first| belong_together(first, &entry, style))
        };
        match plan.batches.iter_mut().find(joins) {
            Some(batch) => batch.push(entry),
            None => plan.batches.push(vec![entry]),
        }
    }
    plan
}

/// The ends of incidents, with their places.
fn ends(entries: &[Entry]) -> HashSet<(usize, String)> {
    let ends = entries.iter().enumerate().filter(|(_, entry)| entry.alert.event.is_closing());
    ends.map(|(place, entry)| (place, entry.subject().to_owned())).collect()
}

/// Whether two alerts go into one message.
fn belong_together(first: &Entry, other: &Entry, style: Style) -> bool {
    if first.alert.storm.is_some() || other.alert.storm.is_some() {
        return false;
    }
    match style {
        Style::Chat => true,
        Style::Pager => {
            first.page().is_some()
                && first.page() == other.page()
                && action(first.alert.event) == action(other.alert.event)
        }
        Style::Program => false,
    }
}

/// The action of an event on a pager.
fn action(event: Event) -> u8 {
    match event {
        _ if event.is_page() => 0,
        _ if event.is_closing() => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_266_000_000;

    /// An alert of an incident of `customer` and `metric` that came some seconds ago.
    fn entry(customer: &str, metric: &str, event: &str, seconds_ago: i64) -> Entry {
        let at = jiff::Timestamp::from_millisecond(NOW - seconds_ago * 1_000).unwrap();
        let id = format!("{customer}.{metric}.{event}");
        let message = json!({
            "alert_id": id, "incident_id": format!("1.{metric}.{customer}"), "event": event,
            "customer_id": customer, "metric": metric, "severity": "critical", "direction": "drop",
            "detected_at": at.to_string(), "incident": { "opened_at": "2026-11-21T12:00:00Z" },
        })
        .to_string();
        let since = at.as_millisecond();
        let alert = Alert::parse(&message).unwrap();
        let waiting = Waiting { alert_id: id, message, since, due_at: since, tries: 0, parked: false };
        Entry { waiting, alert }
    }

    fn ids(batches: &[Vec<Entry>]) -> Vec<Vec<&str>> {
        batches.iter().map(|batch| batch.iter().map(|entry| entry.alert.id.as_str()).collect()).collect()
    }

    fn all(style: Style, entries: &[Entry]) -> Plan {
        plan(entries.to_vec(), style, &Lead::default(), NOW)
    }

    #[test]
    fn incidents_of_one_run_are_one_message_in_a_chat_and_one_page_per_customer_on_a_pager() {
        let entries = [
            entry("a", "api_calls", "opened", 4),
            entry("b", "api_calls", "opened", 3),
            entry("a", "bandwidth", "opened", 2),
            entry("c", "api_calls", "opened", 1),
        ];
        let together =
            ["a.api_calls.opened", "b.api_calls.opened", "a.bandwidth.opened", "c.api_calls.opened"];
        assert_eq!(ids(&all(Style::Chat, &entries).batches), [together.to_vec()]);
        assert_eq!(
            ids(&all(Style::Pager, &entries).batches),
            [
                vec!["a.api_calls.opened", "a.bandwidth.opened"],
                vec!["b.api_calls.opened"],
                vec!["c.api_calls.opened"]
            ]
        );
        assert_eq!(all(Style::Program, &entries).batches.len(), 4);
        let ends = ["api_calls", "bandwidth"].map(|metric| entry("a", metric, "resolved", 1));
        assert_eq!(all(Style::Pager, &ends).batches.len(), 1, "and so are its ends");
    }

    #[test]
    fn nothing_is_left_out_of_a_large_group() {
        let entries: Vec<_> = (0..40).map(|i| entry(&format!("c{i:02}"), "api_calls", "opened", 5)).collect();
        let batches = all(Style::Chat, &entries).batches;
        let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [MOST, MOST, 10]);
    }

    #[test]
    fn a_throttle_delays_its_series_and_what_follows_in_the_incident() {
        let lead = Lead { throttles: [("api_calls#critical".to_owned(), NOW + 1)].into(), ..Lead::default() };
        let entries = [
            entry("a", "api_calls", "opened", 9),
            entry("a", "api_calls", "resolved", 1),
            entry("b", "api_calls", "resolved", 1),
            entry("b", "bandwidth", "opened", 1),
        ];
        let of = |style, now| plan(entries.to_vec(), style, &lead, now);
        assert_eq!(ids(&of(Style::Chat, NOW).batches), [["b.bandwidth.opened", "b.api_calls.resolved"]]);
        assert_eq!(of(Style::Chat, NOW + 1).batches[0].len(), 4, "all of it when the throttle opens");
        assert_eq!(of(Style::Program, NOW).batches.len(), 4, "a program is not throttled");
    }

    #[test]
    fn no_end_goes_before_its_beginning() {
        let mut entries = [
            entry("a", "api_calls", "resolved", 1),
            entry("a", "api_calls", "opened", 9),
            entry("b", "api_calls", "resolved", 1),
        ];
        entries[1].waiting.due_at = NOW + 60_000;
        assert_eq!(ids(&all(Style::Program, &entries).batches), [["b.api_calls.resolved"]]);
        // In a chat both go with the alert that is due now.
        let chat = all(Style::Chat, &entries);
        assert_eq!(
            ids(&chat.batches),
            [["a.api_calls.opened", "a.api_calls.resolved", "b.api_calls.resolved"]]
        );
        // A pager wakes nobody for an incident that has ended.
        let pager = all(Style::Pager, &entries);
        assert_eq!(ids(&pager.batches), [["a.api_calls.resolved"], ["b.api_calls.resolved"]]);
        assert_eq!(ids(&[pager.over]), [["a.api_calls.opened"]]);
    }

    #[test]
    fn the_end_of_an_incident_whose_page_was_given_up_is_given_up_with_it() {
        let mut entries = vec![entry("a", "api_calls", "opened", 9), entry("a", "api_calls", "resolved", 1)];
        entries[0].waiting.parked = true;
        let given_up = all(Style::Chat, &entries);
        assert_eq!(
            (ids(&[given_up.given_up]), given_up.batches.len()),
            (vec![vec!["a.api_calls.resolved"]], 0)
        );
        // Another page of the incident reaches people, so its end may reach them too.
        entries.push(entry("a", "api_calls", "escalated", 5));
        let sent = all(Style::Chat, &entries);
        assert_eq!(ids(&sent.batches), [["a.api_calls.escalated", "a.api_calls.resolved"]]);
    }

    #[test]
    fn a_receiver_that_asks_for_silence_gets_it() {
        let lead = Lead { paused_until: NOW + 60_000, ..Lead::default() };
        let entries = vec![entry("a", "api_calls", "opened", 9)];
        for style in [Style::Chat, Style::Pager, Style::Program] {
            assert_eq!(plan(entries.clone(), style, &lead, NOW).batches.len(), 0, "{style:?}");
            assert_eq!(plan(entries.clone(), style, &lead, NOW + 60_000).batches.len(), 1, "{style:?}");
        }
    }
}
