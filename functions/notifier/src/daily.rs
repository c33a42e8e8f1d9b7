//! The daily digest: an e-mail to the operators about the incidents of the last 24 hours. It also comes on a day
//! without incidents. So silence always means a fault.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, bail};
use detection::feedback::Precisions;
use detection::incident::IncidentState;
use detection::{Severity, units};
use jiff::{SignedDuration, Timestamp};
use platform::telemetry::error_chain;
use store::IncidentItem;
use store::deliveries::{Delivery, DeliveryClaim, Ended};
use tokio::time::Instant;
use uuid::Uuid;

use crate::App;
use crate::text::{cut, unlinked};

mod count;
mod precision;

use count::Count;

/// The e-mail of the digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub subject: String,
    pub text: String,
}

/// An incident as the digest shows it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub customer_id: String,
    pub severity: Severity,
    pub state: IncidentState,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub anomalies: u64,
    pub peak_z_score: f64,
    pub description: String,
}

/// The incidents of a day: their number, and the largest of them. A storm has more than memory holds.
#[derive(Debug)]
pub struct Day {
    from: Timestamp,
    to: Timestamp,
    opened: Count,
    open: Count,
    resolved: Count,
    accepted: Count,
    /// Shown only if it is not zero.
    stale: Count,
    /// Incidents of the day: they changed in it or are active.
    told: u64,
    /// The entries that are shown, the largest first.
    largest: Vec<Entry>,
    /// How often people confirm what was found.
    precisions: Precisions,
}

/// A channel and its undelivered alerts. None if their number is unknown.
pub type Undelivered = (String, Option<u64>);

/// Entries that are shown. All are counted.
const LARGEST: usize = 10;

/// Length of a claim. The mail must be sent within it.
const TIME: Duration = Duration::from_secs(40);

/// Sends the digest of the day that ends at `to`. Returns `false` if it was sent before.
pub(crate) async fn send(app: &App, to: Timestamp, deadline: Instant) -> anyhow::Result<bool> {
    let topic = app.config.ops_topic_arn.as_deref();
    let topic = topic.context("OPS_TOPIC_ARN is not set: the daily digest has nowhere to go")?;
    let (alert_id, attempt) = (format!("daily-digest.{to}"), Uuid::new_v4().to_string());
    // No channel can have this name.
    let delivery = Delivery { alert_id: &alert_id, channel: "E-MAIL", attempt: &attempt };
    match app.deliveries.claim(delivery, app.now()?, TIME, false).await? {
        DeliveryClaim::Won => {}
        DeliveryClaim::Done => return Ok(false),
        DeliveryClaim::Held => bail!("another invocation has the daily digest in hand"),
    }
    let end = deadline.min(Instant::now() + TIME);
    let sent = match tokio::time::timeout_at(end, compose_and_publish(app, topic, to)).await {
        Ok(sent) => sent,
        Err(_) => Err(anyhow::anyhow!("time ran out at the daily digest")),
    };
    if let Err(error) = sent {
        // The next try need not wait for the end of the claim.
        let _ = app.deliveries.release(delivery).await;
        return Err(error);
    }
    if let Err(error) = app.deliveries.end(delivery, Ended::Sent, app.now()?).await {
        tracing::warn!(
            error = error_chain(&error),
            "a further copy of the event would send the digest again"
        );
    }
    Ok(true)
}

/// How long an active incident may be unchanged and still count: a month, like a baseline.
const STANDING: SignedDuration = SignedDuration::from_hours(31 * 24);

async fn compose_and_publish(app: &App, topic: &str, to: Timestamp) -> anyhow::Result<()> {
    let from = day_before(to)?;
    let mut day = Day::new(from, to);
    app.store.incidents_since(from - STANDING, to, |item| day.add(Entry::from(item))).await?;
    let mut undelivered = Vec::new();
    for channel in &app.channels.channels {
        let waiting = app.deliveries.waiting(&channel.name).await.inspect_err(|error| {
            tracing::warn!(
                channel = channel.name,
                error = error_chain(error),
                "the alerts that wait cannot be read"
            );
        });
        undelivered.push((channel.name.clone(), waiting.ok().map(|waiting| waiting.len() as u64)));
    }
    match app.store.feedback().await {
        Ok(feedback) => day.precisions = Precisions::of(&feedback, to),
        Err(error) => tracing::warn!(error = error_chain(&error), "the feedback cannot be read"),
    }
    let mail = compose(&day, &undelivered);
    app.sender.topics.publish(topic, Some(&mail.subject), &mail.text).await?;
    tracing::info!(digest.incidents = day.told, digest.to = %to, "daily digest sent");
    Ok(())
}

fn day_before(to: Timestamp) -> anyhow::Result<Timestamp> {
    to.checked_sub(SignedDuration::from_hours(24)).context("the event's time is out of range")
}

impl From<IncidentItem> for Entry {
    fn from(item: IncidentItem) -> Self {
        let incident = item.incident;
        Self {
            customer_id: incident.subject.customer_id.into(),
            severity: incident.severity,
            state: incident.state,
            opened_at: incident.opened_at,
            closed_at: incident.closed_at,
            anomalies: incident.anomalies,
            peak_z_score: incident.peak_z_score,
            description: item.description,
        }
    }
}

impl Day {
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        let [opened, open, resolved, accepted, stale] = [Count::default(); 5];
        let precisions = Precisions::default();
        Self { from, to, opened, open, resolved, accepted, stale, told: 0, largest: Vec::new(), precisions }
    }

    pub fn add(&mut self, entry: Entry) {
        // The end belongs to the next day. Otherwise an incident of that moment would be in both digests.
        let within = |at: Timestamp| self.from <= at && at < self.to;
        let closed = |state| entry.state == state && entry.closed_at.is_some_and(within);
        let mut is_told = false;
        for (applies, count) in [
            (within(entry.opened_at), &mut self.opened),
            (entry.is_open(), &mut self.open),
            (closed(IncidentState::Resolved), &mut self.resolved),
            (closed(IncidentState::Accepted), &mut self.accepted),
            (closed(IncidentState::Stale), &mut self.stale),
        ] {
            if applies {
                count.add(entry.severity);
                is_told = true;
            }
        }
        if is_told {
            self.told += 1;
            let place = self.largest.partition_point(|other| other.rank() <= entry.rank());
            if place < LARGEST {
                self.largest.truncate(LARGEST - 1);
                self.largest.insert(place, entry);
            }
        }
    }
}

/// Writes the digest of the incidents of a day.
pub fn compose(day: &Day, undelivered: &[Undelivered]) -> Mail {
    let Day { to, opened, open, resolved, accepted, stale, told, largest, precisions, .. } = day;
    let (undelivered, precision) = (undelivered_text(undelivered), precision::lines(precisions));
    if *told == 0 && undelivered.is_none() {
        return Mail {
            subject: "[MeterFlow] Daily digest: nothing to report".to_owned(),
            text: format!("No usage anomalies in the 24 hours to {to}: nothing to report.\n{precision}"),
        };
    }
    let mut text = format!("Incidents of the 24 hours to {to}\n\n");
    for (label, count) in
        [("Opened", opened), ("Still open", open), ("Resolved", resolved), ("Accepted", accepted)]
    {
        let _ = writeln!(text, "{label:<12}{count}");
    }
    if stale.total() > 0 {
        let _ = writeln!(text, "{:<12}{stale}", "Stale");
    }
    if let Some(undelivered) = undelivered {
        let _ = writeln!(text, "{:<12}{undelivered}", "Undelivered");
    }
    text.push_str(&precision);
    if *told > 0 {
        let title = if *told > LARGEST as u64 { "The ten largest" } else { "All of them, the largest first" };
        let _ = writeln!(text, "\n{title}\n");
    }
    for (i, entry) in largest.iter().enumerate() {
        let _ = writeln!(text, "{}", entry.lines(i + 1));
    }
    Mail {
        subject: format!("[MeterFlow] Daily digest: {} opened, {} still open", opened.total(), open.total()),
        text,
    }
}

impl Entry {
    fn is_open(&self) -> bool {
        matches!(self.state, IncidentState::Open | IncidentState::Acknowledged)
    }

    /// The largest first.
    fn rank(&self) -> (bool, Reverse<Ordered>, Reverse<u64>, &str) {
        let peak = Ordered(self.peak_z_score.abs());
        (self.severity != Severity::Critical, Reverse(peak), Reverse(self.anomalies), &self.customer_id)
    }

    fn lines(&self, number: usize) -> String {
        let state = match self.state {
            IncidentState::Open => "open",
            IncidentState::Acknowledged => "acknowledged",
            IncidentState::Resolved => "resolved",
            IncidentState::Accepted => "accepted",
            IncidentState::Stale => "stale",
        };
        format!(
            "{number:>2}. {customer} ({severity}, {state})\n    {description}\n    \
             since {since}, {anomalies}, peak z-score {peak:.1}\n",
            customer = cut(&unlinked(&self.customer_id), 100),
            severity = self.severity.as_str(),
            description = cut(&unlinked(&self.description), 400),
            since = self.opened_at,
            anomalies = plural(self.anomalies, "anomaly", "anomalies"),
            peak = self.peak_z_score,
        )
    }
}

/// A number with an order. NaN does not occur here.
#[derive(PartialEq, PartialOrd)]
struct Ordered(f64);

/// Alerts that have not reached their channel. None if all have.
fn undelivered_text(undelivered: &[Undelivered]) -> Option<String> {
    let of = |(channel, count): &Undelivered| match count {
        Some(0) => None,
        Some(count) => Some(format!("{} to {channel}", plural(*count, "alert", "alerts"))),
        None => Some(format!("not known of {channel}")),
    };
    let parts: Vec<_> = undelivered.iter().filter_map(of).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn plural(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", units::amount(count as f64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: &str = "2026-11-20T08:00:00Z";
    const TO: &str = "2026-11-21T08:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn entry(customer: &str, severity: Severity, state: IncidentState, opened_at: &str, peak: f64) -> Entry {
        let closed = matches!(state, IncidentState::Resolved | IncidentState::Accepted);
        Entry {
            customer_id: customer.to_owned(),
            severity,
            state,
            opened_at: at(opened_at),
            closed_at: closed.then(|| at("2026-11-21T05:00:00Z")),
            anomalies: 3,
            peak_z_score: peak,
            description: "bandwidth was 9.14 GB in the last 24 hours, 4.2 times the 30-day mean of 2.2 GB"
                .to_owned(),
        }
    }

    fn day(entries: impl Iterator<Item = Entry>) -> Day {
        let mut day = Day::new(at(FROM), at(TO));
        entries.for_each(|entry| day.add(entry));
        day
    }

    fn mail(entries: &[Entry], undelivered: &[Undelivered]) -> Mail {
        compose(&day(entries.iter().cloned()), undelivered)
    }

    #[test]
    fn a_day_with_incidents() {
        use IncidentState::{Accepted, Acknowledged, Open, Resolved};
        let entries = [
            entry("cust_1", Severity::Warning, Open, "2026-11-20T12:00:00Z", 90.0),
            entry("cust_2", Severity::Critical, Acknowledged, "2026-11-21T03:00:00Z", 12.0),
            entry("cust_3", Severity::Critical, Resolved, "2026-11-18T03:00:00Z", -40.0),
            entry(
                "https://evil.example\r\nBcc: @all",
                Severity::Critical,
                Accepted,
                "2026-11-18T05:00:00Z",
                33.3,
            ),
        ];
        let undelivered =
            [("pagerduty".to_owned(), Some(0)), ("slack".to_owned(), Some(12)), ("x".to_owned(), None)];
        let mail = mail(&entries, &undelivered);
        assert_eq!(mail.subject, "[MeterFlow] Daily digest: 2 opened, 2 still open");
        insta::assert_snapshot!(mail.text);
    }

    #[test]
    fn nothing_to_report_is_one_line() {
        let quiet = mail(&[], &[("slack".to_owned(), Some(0))]);
        assert_eq!(quiet.subject, "[MeterFlow] Daily digest: nothing to report");
        assert_eq!(
            quiet.text,
            "No usage anomalies in the 24 hours to 2026-11-21T08:00:00Z: nothing to report.\n"
        );
        let mut old = entry("a", Severity::Critical, IncidentState::Resolved, "2026-11-10T00:00:00Z", 9.0);
        old.closed_at = Some(at("2026-11-12T00:00:00Z"));
        assert_eq!(mail(&[old], &[]).text, quiet.text);
        assert_ne!(mail(&[], &[("slack".to_owned(), Some(1))]).text, quiet.text);
    }

    #[test]
    fn all_are_counted_and_ten_are_shown() {
        let entries: Vec<_> = (0..1_234)
            .map(|i| {
                entry(
                    &format!("c{i:04}"),
                    Severity::Critical,
                    IncidentState::Open,
                    "2026-11-21T00:00:00Z",
                    f64::from(i),
                )
            })
            .collect();
        let mail = mail(&entries, &[]);
        assert!(mail.text.contains("Opened      1234 (1234 critical, 0 warning)"), "{}", mail.text);
        assert_eq!(mail.text.matches("peak z-score").count(), 10);
        assert!(mail.text.contains(" 1. c1233") && mail.text.contains("10. c1224"), "{}", mail.text);
        assert!(mail.text.contains("The ten largest"));
        let backwards = day(entries.iter().rev().cloned());
        assert_eq!(compose(&backwards, &[]), mail, "in whatever order they come");
        assert_eq!((backwards.told, backwards.largest.len()), (1_234, LARGEST), "no more are kept");
    }

    #[test]
    fn events_at_the_edges_of_the_day() {
        let opened = |time| {
            let mut entry = entry("a", Severity::Warning, IncidentState::Resolved, time, 4.0);
            entry.closed_at = None;
            mail(&[entry], &[]).subject
        };
        assert!(opened("2026-11-20T08:00:00Z").contains("1 opened"));
        assert!(opened("2026-11-20T07:59:59Z").contains("nothing to report"));
        assert!(opened("2026-11-21T07:59:59Z").contains("1 opened"));
        assert!(opened(TO).contains("nothing to report"), "the next day has it");
    }
}
