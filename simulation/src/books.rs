//! The ledger of a simulated run. Each call goes over the desk, with the planted mistake.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use catalog::{Policies, Shard, StoredPolicy};
use detection::Policy;
use detection::incident::{Incident, Seen, Subject};
use detector::App;
use detector::candidate::{Candidate, of_assessment};
use detector::found::Found;
use detector::known::Known;
use detector::ledger::Ledger;
use detector::looks::Looks;
use detector::months::{Asked, UsedSince};
use detector::pass::Pass;
use jiff::Timestamp;
use messaging::alerts::Outlet;
use platform::emf::RunFigures;
use store::{
    AlertItem, AlertState, AnomalyItem, Change, Changed, Claim, Digest, IncidentItem, Pending, Recorded,
    Writer,
};

use crate::bugs::Bug;
use crate::desk::{Answer, Call, Desk, ask, name};
use crate::table::Wanted;
use crate::world::{World, number};

/// The ledger of one run.
pub(crate) struct Books<'a> {
    pub(crate) app: &'a App,
    pub(crate) world: &'a World,
    pub(crate) desk: &'a RefCell<Desk>,
    pub(crate) run: usize,
    pub(crate) bug: Option<Bug>,
    /// For a run of an hour without a run: it finds that all is as usual.
    pub(crate) blind: bool,
    /// How many customers the run has time to judge. `None` for all.
    pub(crate) time_for: Option<usize>,
    /// The first read of each incident, by subject and version.
    first_read: RefCell<BTreeMap<String, IncidentItem>>,
    /// A digest that is still to be stored.
    digest: RefCell<Option<AlertItem>>,
}

impl<'a> Books<'a> {
    pub(crate) fn new(
        app: &'a App,
        world: &'a World,
        desk: &'a RefCell<Desk>,
        run: usize,
        bug: Option<Bug>,
        blind: bool,
    ) -> Self {
        let (first_read, digest) = (RefCell::default(), RefCell::default());
        Self { app, world, desk, run, bug, blind, time_for: None, first_read, digest }
    }

    async fn ask(&self, call: Call) -> anyhow::Result<Answer> {
        ask(self.desk, self.run, call).await
    }

    async fn record_alert(&self, alert: AlertItem) -> anyhow::Result<Recorded> {
        match self.ask(Call::Record(self.identified(alert))).await? {
            Answer::Recorded(recorded) => Ok(recorded),
            other => unreachable!("{other:?}"),
        }
    }

    /// The series of the window, judged as in the detector, of as many customers as there is time for.
    fn judge(&self, pass: Pass<'_>, known: &Known) -> anyhow::Result<Found> {
        let mut found = Found::default();
        let mut time_for = self.time_for;
        for customer in 0..self.world.customers.len() {
            let (id, candidates) =
                (&self.world.customers[customer], self.judge_customer(pass, known, customer));
            if candidates.is_empty() {
                continue;
            }
            let is_stored = |of: &Candidate| {
                let looks = of.finding().map_or(Looks::Ending, |_| Looks::Odd(of.direction));
                known.of(id.as_str(), of.metric).is_stored(looks)
            };
            if self.time_for.is_some() && candidates.iter().all(is_stored) {
                self.world.metrics.iter().for_each(|metric| {
                    found.left.note_stored(id, known.of(id.as_str(), *metric));
                });
                continue;
            }
            match &mut time_for {
                Some(0) => found.left.unjudged += 1,
                of => {
                    *of = of.map(|customers| customers - 1);
                    candidates.iter().try_for_each(|candidate| found.candidates.push(candidate))?;
                }
            }
        }
        Ok(found)
    }

    fn judge_customer(&self, pass: Pass<'_>, known: &Known, customer: usize) -> Vec<Candidate> {
        let (id, end) = (&self.world.customers[customer], number(pass.window.end()));
        let mut candidates = Vec::new();
        for (place, metric) in self.world.metrics.iter().enumerate() {
            let spec = &self.app.catalog.metrics()[*metric];
            let settings = &pass.policies.settings(id)[*metric];
            let assessment = self.world.assess(customer, place, end, spec, settings);
            let judged = of_assessment(pass, known, id, *metric, assessment);
            candidates.extend(judged.candidates.into_iter().map(|mut candidate| {
                if self.blind {
                    candidate.seen = Seen::Inside;
                }
                if self.bug == Some(Bug::StoriesIgnored) {
                    candidate.explanation = None;
                }
                candidate
            }));
        }
        candidates
    }

    /// The alert with an id that names the run, if that mistake is planted.
    fn identified(&self, mut alert: AlertItem) -> AlertItem {
        if self.bug == Some(Bug::RetryMakesNewId) {
            let run = name(self.run);
            match &mut alert {
                AlertItem::Anomaly(item) => {
                    item.sk += &run;
                    let id = format!("\"{}.{run}\"", item.anomaly_id.as_str());
                    item.anomaly_id = serde_json::from_str(&id).unwrap();
                }
                AlertItem::Notice(item) => {
                    item.sk += &run;
                    item.alert_id += &run;
                }
                AlertItem::Digest(item) => {
                    item.sk += &run;
                    item.anomaly_id += &run;
                }
            }
        }
        alert
    }

    /// Leaves pages out, if that mistake is planted.
    fn spoil(&self, wanted: &mut Wanted) {
        let now = &mut wanted.to.incident;
        if self.bug == Some(Bug::PageForgotten) && wanted.from.is_none() {
            (now.notified, now.alerting, now.last_page) = (None, false, None);
            if let Some(AlertItem::Anomaly(item)) = &mut wanted.alert {
                (item.alert_state, item.alert) = (AlertState::None, None);
            }
        }
        self.spoil_late(wanted);
        let now = &mut wanted.to.incident;
        if self.bug == Some(Bug::ClosingPageLost) && !now.is_open() {
            wanted.alert.take_if(|alert| matches!(alert, AlertItem::Notice(_)));
        }
    }

    /// Ignores a late window, if that mistake is planted.
    fn spoil_late(&self, wanted: &mut Wanted) {
        let now = &mut wanted.to.incident;
        let Some(AlertItem::Anomaly(item)) = &mut wanted.alert else { return };
        let first_read = self.first_read.borrow();
        let Some(before) = first_read.get(now.id().as_str()).map(|before| &before.incident) else { return };
        if item.window_end >= before.last_window.as_millisecond() {
            return;
        }
        if self.bug == Some(Bug::LateWindowOnlyCounted) {
            *now = Incident { anomalies: now.anomalies, ..before.clone() };
            (item.alert_state, item.pending_alert, item.alert) = (AlertState::None, None, None);
        }
        if self.bug == Some(Bug::LatePeakForgotten) {
            (now.severity, now.peak_z_score) = (before.severity, before.peak_z_score);
        }
    }

    fn forgetful(&self, mut item: IncidentItem) -> IncidentItem {
        if self.bug == Some(Bug::LateRunTakenAsNewest) {
            item.incident.last_window = item.incident.opened_at;
        }
        item
    }
}

impl Ledger for Books<'_> {
    fn now(&self) -> anyhow::Result<Timestamp> {
        Ok(Timestamp::from_millisecond(self.desk.borrow().clock)?)
    }

    async fn pause(&self, duration: Duration) {
        // A pause cannot fail. A run that is killed in it never asks for the answer.
        self.ask(Call::Pause(duration)).await.ok();
    }

    async fn policies(&self, _: Timestamp) -> anyhow::Result<Policies> {
        self.ask(Call::Policies).await?;
        let ignored = self.bug == Some(Bug::MutesIgnored);
        let policy = if ignored { Policy::default() } else { self.world.mutes.clone() };
        let stored = StoredPolicy { version: 1, policy, ..StoredPolicy::default() };
        Ok(Policies::resolve(&self.app.catalog, &self.app.settings, stored, Vec::new()))
    }

    async fn candidates(&self, pass: Pass<'_>, known: &Known, _: &mut RunFigures) -> anyhow::Result<Found> {
        self.ask(Call::Usage { end: pass.window.end() }).await?;
        self.judge(pass, known)
    }

    /// Nobody in the simulation has a budget.
    async fn used_in_months(&self, _: Pass<'_>, _: &Asked<'_>) -> anyhow::Result<Vec<UsedSince>> {
        Ok(Vec::new())
    }

    async fn incidents_since(
        &self,
        from: Timestamp,
        now: Timestamp,
        see: impl FnMut(IncidentItem),
    ) -> anyhow::Result<()> {
        let call = Call::IncidentsSince { from, now };
        let Answer::Incidents(incidents) = self.ask(call).await? else { unreachable!() };
        let first_read = incidents.iter().map(|item| (item.id().to_string(), item.clone()));
        self.first_read.borrow_mut().extend(first_read);
        incidents.into_iter().map(|item| self.forgetful(item)).for_each(see);
        Ok(())
    }

    async fn latest_incident(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> anyhow::Result<Option<IncidentItem>> {
        let call = Call::LatestIncident { subject: subject.clone(), now };
        let Answer::Incident(mut incident) = self.ask(call).await? else { unreachable!() };
        if let Some(item) = &mut incident
            && self.bug == Some(Bug::StaleRead)
            && let Some(stale) = self.first_read.borrow().get(item.id().as_str())
        {
            **item = IncidentItem { version: item.version, ..stale.clone() };
        }
        if let Some(item) = &mut incident
            && self.bug == Some(Bug::TextsNotRead)
        {
            (item.description, item.history) = (String::new(), Vec::new());
        }
        Ok(incident.map(|item| self.forgetful(*item)))
    }

    async fn closed_incidents(
        &self,
        subject: &Subject,
        since: Timestamp,
        until: Timestamp,
    ) -> anyhow::Result<Vec<IncidentItem>> {
        let call = Call::ClosedIncidents { subject: subject.clone(), since, until };
        let Answer::Incidents(incidents) = self.ask(call).await? else { unreachable!() };
        Ok(incidents)
    }

    async fn judged_until(&self, _: Shard) -> anyhow::Result<Option<Timestamp>> {
        if !self.world.closes_gaps {
            return Ok(None);
        }
        match self.ask(Call::JudgedUntil).await? {
            Answer::JudgedUntil(end) => Ok(end),
            other => unreachable!("{other:?}"),
        }
    }

    async fn note_judged(&self, _: Shard, window_end: Timestamp) -> anyhow::Result<()> {
        if !self.world.closes_gaps {
            return Ok(());
        }
        self.ask(Call::NoteJudged(window_end)).await.map(drop)
    }

    async fn close_anomalies(&self, incident: &Incident) -> anyhow::Result<()> {
        if self.bug == Some(Bug::AnomaliesLeftOpen) {
            return Ok(());
        }
        self.ask(Call::CloseAnomalies(incident.id())).await.map(drop)
    }

    async fn change(&self, change: Change<'_>, _: Writer<'_>) -> anyhow::Result<Changed> {
        let alert = change.alert.cloned().map(|alert| self.identified(alert));
        let told_by = change.told_by.cloned();
        let mut wanted = Wanted { from: change.from.cloned(), to: change.to.clone(), alert, told_by };
        self.spoil(&mut wanted);
        if let Some(alert) = wanted.alert.clone() {
            if self.bug == Some(Bug::PageBeforePut) && alert.state() == AlertState::Pending {
                self.ask(Call::Publish(alert.clone())).await?;
            }
            if self.bug == Some(Bug::TwoWrites) && matches!(alert, AlertItem::Anomaly(_)) {
                let recorded = self.record_alert(alert).await?;
                if !recorded.new {
                    return Ok(Changed::Already(recorded));
                }
                wanted.alert = None;
            }
        }
        match self.ask(Call::Change(Box::new(wanted))).await? {
            Answer::Changed(changed) => Ok(changed),
            other => unreachable!("{other:?}"),
        }
    }

    async fn record(&self, item: AnomalyItem, _: Writer<'_>) -> anyhow::Result<Recorded> {
        self.record_alert(AlertItem::Anomaly(Box::new(item))).await
    }

    async fn record_digest(&self, digest: Digest, writer: Writer<'_>) -> anyhow::Result<Recorded> {
        let expiry = digest.detected_at / 1_000 + self.app.store.retention().as_secs() as i64;
        let digest = Digest { run_id: writer.run_id.to_owned(), ttl: expiry, ..digest };
        let alert = AlertItem::Digest(Box::new(digest));
        match self.bug {
            Some(Bug::DigestLost) => Ok(Recorded { pending: None, ..Recorded::of(alert) }),
            Some(Bug::DigestLast) => {
                *self.digest.borrow_mut() = Some(alert.clone());
                Ok(Recorded::of(alert))
            }
            _ => self.record_alert(alert).await,
        }
    }

    async fn pending(&self, limit: usize) -> anyhow::Result<Pending> {
        match self.ask(Call::Pending(limit)).await? {
            Answer::Pending(pending) => Ok(pending),
            other => unreachable!("{other:?}"),
        }
    }

    fn outlet(&self) -> impl Outlet<Error: Into<anyhow::Error>> {
        self
    }
}

/// As the outlet of its own alerts.
impl Outlet for &Books<'_> {
    type Error = anyhow::Error;

    fn now(&self) -> anyhow::Result<Timestamp> {
        Ledger::now(*self)
    }

    async fn claim(&self, alert: &AlertItem, _: Duration, _: Writer<'_>) -> anyhow::Result<Claim> {
        let digest = self.digest.borrow_mut().take();
        if let Some(digest) = digest {
            self.record_alert(digest).await?;
        }
        match self.ask(Call::Claim(alert.clone())).await? {
            Answer::Claim(claim) => Ok(claim),
            other => unreachable!("{other:?}"),
        }
    }

    async fn publish(&self, alert: &AlertItem) -> anyhow::Result<()> {
        if self.bug == Some(Bug::MarkBeforePublish) {
            self.ask(Call::MarkSent(alert.clone())).await?;
        }
        self.ask(Call::Publish(alert.clone())).await.map(drop)
    }

    fn is_final(&self, _: &anyhow::Error) -> bool {
        false
    }

    async fn mark_sent(&self, alert: &AlertItem, _: Writer<'_>) -> anyhow::Result<()> {
        if matches!(self.bug, Some(Bug::MarkBeforePublish | Bug::MarkForgotten)) {
            return Ok(());
        }
        self.ask(Call::MarkSent(alert.clone())).await.map(drop)
    }

    async fn park(&self, alert: &AlertItem, _: Writer<'_>) -> anyhow::Result<()> {
        anyhow::bail!("the topic of the simulation refuses nothing for good, and so not {}", alert.id())
    }

    async fn release(&self, alert: &AlertItem, _: Writer<'_>) -> anyhow::Result<()> {
        self.ask(Call::Release(alert.clone())).await.map(drop)
    }
}
