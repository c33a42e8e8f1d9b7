//! What a run reads, writes to and reads back, as one seam.
//!
//! Two things stand behind it: ClickHouse with the table and the topic of AWS, and a model of all three in which the
//! simulation loses answers, ends runs and lets them overlap at every single call.

use std::time::Duration;

use catalog::Policies;
use detection::incident::Subject;
use jiff::Timestamp;
use platform::emf::RunFigures;
use store::{
    AlertItem, AnomalyItem, Change, Changed, Claim, Digest, IncidentItem, Pending, Recorded, Writer,
};

use crate::known::Known;
use crate::spool::Spool;
use crate::sweep::{self, Candidate};
use crate::{App, Pass};

pub(crate) trait Ledger {
    /// The time of day, for expiry and claims only.
    fn now(&self) -> anyhow::Result<Timestamp>;
    async fn pause(&self, duration: Duration);
    async fn policies(&self) -> anyhow::Result<Policies>;
    /// All candidates of the window, once its usage has proved complete.
    async fn candidates(
        &self,
        pass: Pass<'_>,
        known: &Known,
        figures: &mut RunFigures,
    ) -> anyhow::Result<Spool<Candidate>>;
    /// Hands over one incident after the other, so that they are never all in memory as they are stored.
    ///
    /// Of a window of long ago, `now` is that window's end: what it finds is born expired, and must be found again.
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
    async fn change(&self, change: Change<'_>, writer: Writer<'_>) -> anyhow::Result<Changed>;
    async fn record(&self, item: AnomalyItem, writer: Writer<'_>) -> anyhow::Result<Recorded>;
    async fn record_digest(&self, digest: Digest, writer: Writer<'_>) -> anyhow::Result<Recorded>;
    async fn pending(&self, limit: usize) -> anyhow::Result<Pending>;
    async fn claim(&self, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<Claim>;
    async fn publish(&self, alert: &AlertItem) -> anyhow::Result<()>;
    async fn mark_sent(&self, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<()>;
    async fn release(&self, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<()>;
}

impl Ledger for App {
    fn now(&self) -> anyhow::Result<Timestamp> {
        App::now(self)
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn policies(&self) -> anyhow::Result<Policies> {
        let (global, customers) = self.store.policies().await?;
        Ok(Policies::resolve(&self.catalog, &self.settings, global, customers))
    }

    async fn candidates(
        &self,
        pass: Pass<'_>,
        known: &Known,
        figures: &mut RunFigures,
    ) -> anyhow::Result<Spool<Candidate>> {
        sweep::collect(pass, known, figures).await
    }

    async fn incidents_since(
        &self,
        from: Timestamp,
        now: Timestamp,
        see: impl FnMut(IncidentItem),
    ) -> anyhow::Result<()> {
        Ok(self.store.incidents_since(from, now, see).await?)
    }

    async fn latest_incident(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> anyhow::Result<Option<IncidentItem>> {
        Ok(self.store.latest_incident(subject, now).await?)
    }

    async fn change(&self, change: Change<'_>, writer: Writer<'_>) -> anyhow::Result<Changed> {
        Ok(self.store.change(change, writer).await?)
    }

    async fn record(&self, item: AnomalyItem, writer: Writer<'_>) -> anyhow::Result<Recorded> {
        Ok(self.store.record(item, writer).await?)
    }

    async fn record_digest(&self, digest: Digest, writer: Writer<'_>) -> anyhow::Result<Recorded> {
        Ok(self.store.record_digest(digest, writer).await?)
    }

    async fn pending(&self, limit: usize) -> anyhow::Result<Pending> {
        Ok(self.store.pending(limit).await?)
    }

    async fn claim(&self, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<Claim> {
        Ok(self.store.claim(alert, writer).await?)
    }

    async fn publish(&self, alert: &AlertItem) -> anyhow::Result<()> {
        Ok(self.alerts.publish(alert).await?)
    }

    async fn mark_sent(&self, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<()> {
        Ok(self.store.mark_sent(alert, writer).await?)
    }

    async fn release(&self, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<()> {
        Ok(self.store.release(alert, writer).await?)
    }
}
