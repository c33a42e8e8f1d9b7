//! The ledger of a replayed run: usage comes from the month, and everything else goes to the simulation's model of table
//! and topic, which answers at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use catalog::{Policies, Shard, StoredPolicy};
use detection::incident::{Page, Subject};
use detection::{ALL_CUSTOMERS, CustomerId, Direction, MetricName, Policy, TimeZone};
use detector::App;
use detector::candidate::Judged;
use detector::found::Found;
use detector::known::Known;
use detector::ledger::Ledger;
use detector::months::{Asked, UsedSince};
use detector::pass::Pass;
use detector::spool::Spool;
use detector::stopped;
use fleet::pager::messages;
use fleet::record::{IncidentKey, Notification, Record};
use fleet::usage::{self, Customer, SeriesKey};
use jiff::Timestamp;
use messaging::alerts::Outlet;
use platform::emf::RunFigures;
use simulation::table::{By, Table, Wanted};
use store::{
    AlertItem, AnomalyItem, Change, Changed, Claim, Digest, IncidentItem, Pending, Recorded, Writer,
};

use super::judging::Usage;

pub(super) struct Books<'a> {
    app: &'a App,
    pub(super) usage: &'a Usage<'a>,
    table: RefCell<Table>,
    notifications: RefCell<Vec<Notification>>,
    policies: Policies,
    places: HashMap<&'a CustomerId, usize>,
    end: usize,
    now: Timestamp,
}

impl<'a> Books<'a> {
    pub(super) fn new(app: &'a App, usage: &'a Usage<'a>) -> anyhow::Result<Self> {
        let own = usage.month.customers.iter().filter_map(policy).collect::<anyhow::Result<_>>()?;
        let customers = usage.month.customers.iter().enumerate();
        Ok(Self {
            app,
            usage,
            table: RefCell::default(),
            notifications: RefCell::default(),
            policies: Policies::resolve(&app.catalog, &app.settings, StoredPolicy::default(), own),
            places: customers.map(|(place, customer)| (&customer.id, place)).collect(),
            end: 0,
            now: usage.month.start,
        })
    }

    /// The next run is for the window that ends with this hour, and takes place at this time.
    pub(super) fn begin(&mut self, end: usize, now: Timestamp) {
        (self.end, self.now) = (end, now);
    }

    pub(super) fn run_id(&self) -> String {
        format!("run {}", self.end)
    }

    /// What the runs so far have done. A customer's alerts of a run are one message in a chat.
    pub(super) fn record(self) -> Record {
        let notifications = self.notifications.take();
        Record { messages: messages(&notifications), notifications }
    }

    fn series(&self, customer: &CustomerId, metric: &MetricName, direction: Direction) -> Option<SeriesKey> {
        let subject = match customer.as_str() {
            ALL_CUSTOMERS => usage::Subject::All,
            _ => usage::Subject::Customer(*self.places.get(customer)?),
        };
        let metric = self.usage.month.metrics.iter().position(|of| of.name == *metric)?;
        Some(SeriesKey { subject, metric, direction })
    }

    fn incident(&self, incident: &detection::Incident) -> Option<IncidentKey> {
        let Subject { customer_id, metric, direction, .. } = &incident.subject;
        let opened = self.usage.month.number(incident.opened_at)?;
        Some(IncidentKey { series: self.series(customer_id, metric, *direction)?, opened })
    }

    /// Notes of what people are notified by a change of this run.
    fn note(&self, before: Option<Page>, to: &detection::Incident) {
        let page = to.last_page.filter(|page| before != Some(*page));
        if let (Some(page), Some(incident)) = (page, self.incident(to)) {
            let notification = Notification { incident, event: page.event, end: self.end };
            self.notifications.borrow_mut().push(notification);
        }
    }

    fn by(&self) -> By {
        By { run: self.run_id(), now: self.now.as_millisecond(), lag: 0 }
    }
}

impl Ledger for Books<'_> {
    fn now(&self) -> anyhow::Result<Timestamp> {
        Ok(self.now)
    }

    async fn pause(&self, _: Duration) {}

    async fn policies(&self, _: Timestamp) -> anyhow::Result<Policies> {
        Ok(self.policies.clone())
    }

    async fn candidates(&self, pass: Pass<'_>, known: &Known, _: &mut RunFigures) -> anyhow::Result<Found> {
        let mut candidates = Spool::new();
        let mut keep = |judged: Judged| judged.candidates.iter().try_for_each(|one| candidates.push(one));
        let together = self.usage.judge(pass, known, &mut keep)?;
        if pass.customers.is_empty() {
            stopped::candidate(known, &together).iter().try_for_each(|of_all| candidates.push(of_all))?;
        }
        Ok(candidates.into())
    }

    /// Nobody in a replay has a budget.
    async fn used_in_months(&self, _: Pass<'_>, _: &Asked<'_>) -> anyhow::Result<Vec<UsedSince>> {
        Ok(Vec::new())
    }

    async fn incidents_since(
        &self,
        from: Timestamp,
        now: Timestamp,
        see: impl FnMut(IncidentItem),
    ) -> anyhow::Result<()> {
        let incidents = self.table.borrow_mut().incidents_since(from, now, &self.by());
        incidents.into_iter().for_each(see);
        Ok(())
    }

    async fn latest_incident(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> anyhow::Result<Option<IncidentItem>> {
        Ok(self.table.borrow().latest_incident(subject, now))
    }

    async fn closed_incidents(
        &self,
        subject: &Subject,
        since: Timestamp,
        until: Timestamp,
    ) -> anyhow::Result<Vec<IncidentItem>> {
        Ok(self.table.borrow().closed_incidents(subject, since, until))
    }

    /// No hour is missed here.
    async fn judged_until(&self, _: Shard) -> anyhow::Result<Option<Timestamp>> {
        Ok(None)
    }

    async fn note_judged(&self, _: Shard, _: Timestamp) -> anyhow::Result<()> {
        Ok(())
    }

    async fn close_anomalies(&self, incident: &detection::Incident) -> anyhow::Result<()> {
        self.table.borrow_mut().close_anomalies(&incident.id());
        Ok(())
    }

    async fn change(&self, change: Change<'_>, _: Writer<'_>) -> anyhow::Result<Changed> {
        let Change { from, to, alert, told_by } = change;
        let wanted =
            Wanted { from: from.cloned(), to: to.clone(), alert: alert.cloned(), told_by: told_by.cloned() };
        let table = &mut *self.table.borrow_mut();
        let before = table.incident(&to.id()).and_then(|item| item.incident.last_page);
        let changed = table.change(wanted, &self.by());
        // Nobody looks at them here.
        table.effects.clear();
        if matches!(changed, Changed::Done) {
            self.note(before, &to.incident);
        }
        Ok(changed)
    }

    async fn record(&self, item: AnomalyItem, _: Writer<'_>) -> anyhow::Result<Recorded> {
        Ok(self.table.borrow_mut().record(AlertItem::Anomaly(Box::new(item)), &self.by()))
    }

    async fn record_digest(&self, digest: Digest, writer: Writer<'_>) -> anyhow::Result<Recorded> {
        let expiry = self.now.as_second() + self.app.store.retention().as_secs() as i64;
        let digest = Digest { run_id: writer.run_id.to_owned(), ttl: expiry, ..digest };
        Ok(self.table.borrow_mut().record(AlertItem::Digest(Box::new(digest)), &self.by()))
    }

    async fn pending(&self, limit: usize) -> anyhow::Result<Pending> {
        Ok(self.table.borrow_mut().pending(limit, &self.by()))
    }

    fn outlet(&self) -> impl Outlet<Error: Into<anyhow::Error>> {
        self
    }
}

/// The policy of a customer whose time zone is declared, or whose usage arrives late.
fn policy(customer: &Customer) -> Option<anyhow::Result<(CustomerId, StoredPolicy)>> {
    if customer.time_zone.is_none() && customer.delay == 0 {
        return None;
    }
    let of_customer = || {
        let time_zone = customer.time_zone.map(TimeZone::named).transpose()?;
        let delay = u8::try_from(customer.delay).context("the delay is out of range")?;
        let policy = Policy { time_zone, window_delay_hours: Some(delay), ..Policy::default() };
        Ok((customer.id.clone(), StoredPolicy { version: 1, policy, ..StoredPolicy::default() }))
    };
    Some(of_customer())
}

/// As the outlet of its own alerts.
impl Outlet for &Books<'_> {
    type Error = anyhow::Error;

    fn now(&self) -> anyhow::Result<Timestamp> {
        Ledger::now(*self)
    }

    async fn claim(&self, alert: &AlertItem, _: Duration, _: Writer<'_>) -> anyhow::Result<Claim> {
        Ok(self.table.borrow_mut().claim(alert, &self.by()))
    }

    async fn publish(&self, alert: &AlertItem) -> anyhow::Result<()> {
        self.table.borrow_mut().publish(alert);
        Ok(())
    }

    fn is_final(&self, _: &anyhow::Error) -> bool {
        false
    }

    async fn mark_sent(&self, alert: &AlertItem, _: Writer<'_>) -> anyhow::Result<()> {
        self.table.borrow_mut().mark_sent(alert, &self.by());
        Ok(())
    }

    async fn park(&self, alert: &AlertItem, _: Writer<'_>) -> anyhow::Result<()> {
        anyhow::bail!("the model of the topic refuses nothing, and {} was refused", alert.id())
    }

    async fn release(&self, alert: &AlertItem, _: Writer<'_>) -> anyhow::Result<()> {
        self.table.borrow_mut().release(alert, &self.by());
        Ok(())
    }
}
