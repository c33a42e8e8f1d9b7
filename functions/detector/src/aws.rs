//! The ledger of a real run: ClickHouse, the DynamoDB table and the SNS topic.

use std::time::Duration;

use catalog::{Policies, Said, Shard};
use detection::incident::{Incident, Subject};
use jiff::Timestamp;
use messaging::alerts::{AwsOutlet, Outlet};
use platform::emf::RunFigures;
use store::{AnomalyItem, Change, Changed, Digest, IncidentItem, Pending, Recorded, Writer};

use crate::app::App;
use crate::found::Found;
use crate::known::Known;
use crate::ledger::Ledger;
use crate::months::{Asked, UsedSince};
use crate::pass::Pass;
use crate::rules;
use crate::servers::name_at;
use crate::sweep;

impl Ledger for App {
    fn now(&self) -> anyhow::Result<Timestamp> {
        App::now(self)
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn policies(&self, at: Timestamp) -> anyhow::Result<Policies> {
        let read = futures::future::try_join(self.store.policies(), self.store.feedback());
        let ((global, customers), feedback) = read.await?;
        let policies = Policies::resolve(&self.catalog, &self.settings, global, customers);
        Ok(policies.with_feedback(&self.catalog, &Said { feedback, at }))
    }

    async fn candidates(
        &self,
        pass: Pass<'_>,
        known: &Known,
        figures: &mut RunFigures,
    ) -> anyhow::Result<Found> {
        // Models judge full hours. A source of minutes has windows between them.
        let mut found = match self.catalog.modelled().is_empty() || !pass.window.is_on_the_hour() {
            true => Found::default(),
            false => sweep::collect(pass, known, figures).await?,
        };
        for candidate in rules::candidates(pass, known, figures).await? {
            found.candidates.push(&candidate)?;
        }
        Ok(found)
    }

    async fn used_in_months(&self, pass: Pass<'_>, asked: &Asked<'_>) -> anyhow::Result<Vec<UsedSince>> {
        let mut used = Vec::new();
        for (number, server) in self.each_server().iter().enumerate() {
            let name = format!("{}-budgets", name_at(number, pass.writer.run_id));
            used.extend(server.usage.months(&asked.request(&server.catalog, &name, pass.deadline)).await?);
        }
        // These rows were read after the sweep's own proof.
        let name = format!("{}-budgets", pass.writer.run_id);
        self.servers.ensure_whole(&self.catalog, &name, pass.deadline).await?;
        Ok(used)
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

    async fn closed_incidents(
        &self,
        subject: &Subject,
        since: Timestamp,
        until: Timestamp,
    ) -> anyhow::Result<Vec<IncidentItem>> {
        let now = App::now(self)?.min(until);
        Ok(self.store.closed_incidents(subject, since, until, now).await?)
    }

    async fn judged_until(&self, shard: Shard) -> anyhow::Result<Option<Timestamp>> {
        Ok(self.store.judged_until(self.source(), shard).await?)
    }

    async fn note_judged(&self, shard: Shard, window_end: Timestamp) -> anyhow::Result<()> {
        Ok(self.store.note_judged(self.source(), shard, window_end).await?)
    }

    async fn close_anomalies(&self, incident: &Incident) -> anyhow::Result<()> {
        Ok(self.store.close_anomalies(incident).await?)
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

    fn outlet(&self) -> impl Outlet<Error: Into<anyhow::Error>> {
        AwsOutlet { store: &self.store, alerts: &self.alerts, clock: self.clock, parks: true }
    }
}
