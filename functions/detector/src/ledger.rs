//! The engines of a run, behind one trait.
//!
//! Two types implement the trait. One is ClickHouse with the table and the topic of AWS. The other is the simulation's
//! model of all three, which loses answers, ends runs and lets them overlap at every call.

use std::time::Duration;

use catalog::{Policies, Shard};
use detection::incident::{Incident, Subject};
use jiff::Timestamp;
use messaging::alerts::Outlet;
use platform::emf::RunFigures;
use store::{AnomalyItem, Change, Changed, Digest, IncidentItem, Pending, Recorded, Writer};

use crate::found::Found;
use crate::known::Known;
use crate::months::{Asked, UsedSince};
use crate::pass::Pass;

#[allow(async_fn_in_trait)] // Nobody outside the workspace implements it, and no run leaves its thread.
pub trait Ledger {
    /// The time of day, for expiry only.
    fn now(&self) -> anyhow::Result<Timestamp>;
    async fn pause(&self, duration: Duration);
    /// The policies of operators, and the feedback in force in a window that ends `at`.
    async fn policies(&self, at: Timestamp) -> anyhow::Result<Policies>;
    /// The candidates of the window. The usage that they are of has proved complete before they are returned.
    async fn candidates(
        &self,
        pass: Pass<'_>,
        known: &Known,
        figures: &mut RunFigures,
    ) -> anyhow::Result<Found>;
    /// What customers used in the month so far, of metrics that have budgets.
    async fn used_in_months(&self, pass: Pass<'_>, asked: &Asked<'_>) -> anyhow::Result<Vec<UsedSince>>;
    /// Hands over incidents one by one, so that memory never holds all of them as they are stored.
    ///
    /// For an old window, `now` is that window's end. Items of such a run are born expired, and the run must find them
    /// again.
    async fn incidents_since(
        &self,
        from: Timestamp,
        now: Timestamp,
        see: impl FnMut(IncidentItem),
    ) -> anyhow::Result<()>;
    async fn latest_incident(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> anyhow::Result<Option<IncidentItem>>;
    /// The closed incidents of a subject that were opened from `since` on and before `until`.
    async fn closed_incidents(
        &self,
        subject: &Subject,
        since: Timestamp,
        until: Timestamp,
    ) -> anyhow::Result<Vec<IncidentItem>>;
    /// The end of the last window before which every hour is judged.
    async fn judged_until(&self, shard: Shard) -> anyhow::Result<Option<Timestamp>>;
    async fn note_judged(&self, shard: Shard, window_end: Timestamp) -> anyhow::Result<()>;
    /// Resolves the anomalies of an incident that ends. A repetition changes nothing.
    async fn close_anomalies(&self, incident: &Incident) -> anyhow::Result<()>;
    async fn change(&self, change: Change<'_>, writer: Writer<'_>) -> anyhow::Result<Changed>;
    async fn record(&self, item: AnomalyItem, writer: Writer<'_>) -> anyhow::Result<Recorded>;
    async fn record_digest(&self, digest: Digest, writer: Writer<'_>) -> anyhow::Result<Recorded>;
    async fn pending(&self, limit: usize) -> anyhow::Result<Pending>;
    /// By which alerts are sent.
    fn outlet(&self) -> impl Outlet<Error: Into<anyhow::Error>>;
}
