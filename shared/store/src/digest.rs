//! Digests: one alert that stands for the many pages of a storm.

use std::time::Duration;

use catalog::Shard;
use detection::Window;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AlertState;
use super::anomaly_item::expiry;
use super::keys::{self, Key};

/// The pages of one run beyond its limit of single pages: exact totals, and the largest pages.
///
/// The totals are part of the key. So a repeated run meets its own digest, and a run that finds more has another
/// digest. The shard is part of the key too, because two shards may have equal totals. So is a pass for customers whose
/// usage arrives late: its window is that of an earlier run. And so is the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    pub pk: String,
    pub sk: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub anomaly_id: String,
    pub detected_at: i64,
    /// The shard of the run.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// Incidents that called for a page in the run.
    #[serde(default)]
    pub pages: u64,
    /// Incidents without an alert of their own.
    pub held_back: u64,
    /// Critical anomalies of the run. Anomalies of known incidents count too.
    pub critical: u64,
    /// All anomalies of the run.
    pub anomalies: u64,
    /// The largest incidents without an alert of their own, by |z| and then by change.
    pub largest: Vec<DigestEntry>,
    pub alert_state: AlertState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_alert: Option<String>,
    pub run_id: String,
    pub ttl: i64,
}

/// The totals of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All anomalies, warnings included.
    pub anomalies: u64,
    pub critical: u64,
    /// Incidents that call for a page.
    pub pages: u64,
    /// Incidents that are only counted in a digest.
    pub held_back: u64,
}

impl Totals {
    /// Adds those of other customers.
    pub fn add(&mut self, other: Self) {
        self.anomalies += other.anomalies;
        self.critical += other.critical;
        self.pages += other.pages;
        self.held_back += other.held_back;
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestEntry {
    pub anomaly_id: String,
    pub customer_id: String,
    pub description: String,
}

impl Digest {
    pub fn new(
        window: Window,
        shard: Shard,
        Totals { anomalies, critical, pages, held_back }: Totals,
        largest: Vec<DigestEntry>,
    ) -> Self {
        let detected_at = window.end().as_millisecond();
        let counts = match shard.is_whole() {
            true => format!("{pages}-{held_back}"),
            false => format!("{pages}-{held_back}.{shard}"),
        };
        let (Key { pk, sk }, anomaly_id) = names(detected_at, &counts);
        Self {
            pk,
            sk,
            kind: "alert_digest".to_owned(),
            anomaly_id,
            detected_at,
            shard,
            pages,
            held_back,
            critical,
            anomalies,
            largest,
            alert_state: AlertState::Pending,
            pending_alert: AlertState::Pending.in_outbox(),
            run_id: String::new(),
            ttl: 0,
        }
    }

    /// The same of a pass for customers that are judged some hours later than others.
    ///
    /// * `number`: the number of the pass among those of its delay.
    #[must_use]
    pub fn of_late(self, delay_hours: u8, number: usize) -> Self {
        self.beside(&format!("late-{delay_hours}-{number}"))
    }

    /// The same of a run of a source other than usage.
    #[must_use]
    pub fn of_source(self, source: &str) -> Self {
        self.beside(source)
    }

    /// Gives it a key of its own beside that of another digest with equal totals.
    fn beside(mut self, of: &str) -> Self {
        let former = format!("{}.digest.", self.detected_at);
        let counts = self.anomaly_id.strip_prefix(&former).unwrap_or_default();
        let (Key { pk, sk }, anomaly_id) = names(self.detected_at, &format!("{counts}.{of}"));
        (self.pk, self.sk, self.anomaly_id) = (pk, sk, anomaly_id);
        self
    }

    pub(crate) fn stamped(mut self, retention: Duration, run_id: &str) -> Self {
        let detected_at = Timestamp::from_millisecond(self.detected_at).unwrap_or(Timestamp::UNIX_EPOCH);
        self.ttl = expiry(detected_at, retention);
        run_id.clone_into(&mut self.run_id);
        self
    }
}

/// Key and id of a digest.
fn names(detected_at: i64, counts: &str) -> (Key, String) {
    (keys::digest(detected_at, counts), format!("{detected_at}.digest.{counts}"))
}
