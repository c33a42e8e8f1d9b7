//! Judges the budgets of customers: what they used in the month so far, beside the quotas of the policies.
//!
//! Only a whole run of the newest hour does this, after its own findings: what is used so far has no past to judge later. Of
//! several shards the first one does it for all customers, because the incidents of other shards say nothing of their bucket.
//! One query of the rollup reads the sums, and only those that matter. Without any budget there is no query.
//!
//! Marks that are reached become incidents in the list of all others ([`detection::budget`] says how). A run that was killed is
//! simply repeated: the incident of a mark is written once with its page, as one item of the outbox, and a second run finds it.
//! Severity and mutes do not hold a page of a budget back. People asked for it. The limit of single pages of a run holds, and a
//! digest counts the others.

use std::collections::HashSet;

use anyhow::Context;
use detection::budget::{Level, decide};
use detection::incident::{Incident, Step, Subject};
use detection::{CustomerId, Mark, Month, Quota, TimeZone, Used, Window};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use store::IncidentItem;

use crate::known::Known;
use crate::ledger::Ledger;
use crate::months::{Asked, newest, zone};
use crate::outbox::Outbox;
use crate::pass::Pass;
use crate::record::Counts;

mod pages;
mod settle;

/// Incidents of budgets are read from so long ago: a month, and some days in which no run may have ended them.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(40 * 24);

/// Writes in flight at once.
const CONCURRENT_WRITES: usize = 64;

/// A mark of a budget whose incident may change.
struct Marked<'a> {
    subject: Subject,
    mark: Mark,
    /// The place of the metric in the catalog.
    metric: usize,
    /// `None` if the month is over, or the budget is gone.
    reading: Option<Reading<'a>>,
    is_over: bool,
}

/// What a mark comes to, and why.
#[derive(Clone)]
struct Reading<'a> {
    quota: &'a Quota,
    used: Used,
    level: Level,
    month: Month,
    zone: TimeZone,
}

/// Whether a pass judges budgets.
pub(crate) fn are_for(pass: Pass<'_>) -> bool {
    pass.app.source().is_none() && pass.request.shard.number() == 0
}

/// The time from which on incidents must be known.
pub(crate) fn since(window: &Window) -> Timestamp {
    window.end().saturating_sub(KNOWN_FOR).unwrap_or(Timestamp::MIN)
}

/// Judges all budgets, stores what changes, and publishes its pages.
pub(crate) async fn judge(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    known: &Known,
    outbox: &mut Outbox,
) -> anyhow::Result<Counts> {
    if !pass.policies.has_budgets() && !known.budgets().values().any(|item| item.incident.is_open()) {
        return Ok(Counts::default());
    }
    let marked = marked(ledger, pass, known).await?;
    let plan = pages::plan(pass, known, &marked);
    let mut pending = Vec::new();
    // The digest is first. If a run died before it stored the digest, people would not be told of what it counts.
    if let Some(digest) = plan.digest {
        let recorded =
            ledger.record_digest(digest, pass.writer).await.context("the digest was not stored")?;
        pending.extend(recorded.pending);
    }
    let mut counts = Counts::default();
    let single = &plan.single;
    let mut writes =
        stream::iter(&marked)
            .map(|marked| async move {
                settle::settle(ledger, pass, marked, single.contains(&marked.subject)).await
            })
            .buffer_unordered(CONCURRENT_WRITES);
    while let Some(settled) = writes.try_next().await? {
        pending.extend(settled.pending);
        counts.recorded += u64::from(settled.is_anomaly);
        if let Some(became) = settled.became {
            *counts.incidents.entry(became).or_default() += 1;
        }
    }
    outbox.publish(ledger, pending, pass.writer.run_id, pass.deadline).await;
    Ok(counts)
}

/// The marks whose incident may change, as far as the run knows, with the most used budget first.
async fn marked<'a>(ledger: &impl Ledger, pass: Pass<'a>, known: &Known) -> anyhow::Result<Vec<Marked<'a>>> {
    let newest = newest(pass);
    let asked = Asked::of(pass, known);
    let rows = match asked.metrics.is_empty() {
        true => Vec::new(),
        false => ledger.used_in_months(pass, &asked).await?,
    };
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for row in &rows {
        let metrics = pass.app.catalog.metrics();
        let Some(metric) = metrics.iter().position(|spec| spec.name.as_str() == row.metric) else { continue };
        let Some((quota, month, zone)) = budget(pass, &row.customer_id, metric) else { continue };
        let used = asked.used(row, month.first);
        for mark in quota.marks() {
            let name = metrics[metric].name.clone();
            let Some(subject) = mark.subject(row.customer_id.clone(), name, &month) else { continue };
            seen.insert(subject.clone());
            let Some(used) = used.filter(Used::is_known) else { continue };
            let level = quota.level(*mark, &used, &month, newest);
            let reading = Reading { quota, used, level, month: month.clone(), zone: zone.clone() };
            all.push(Marked { subject, mark: *mark, metric, reading: Some(reading), is_over: false });
        }
    }
    let open = known.budgets().values().filter(|item| item.incident.is_open());
    let unseen = open.filter(|item| !seen.contains(&item.incident.subject));
    all.extend(unseen.filter_map(|item| without_row(pass, item)));
    all.retain(|marked| !matches!(marked.step(known, pass), Step::Stay));
    all.sort_by(|a, b| b.share().total_cmp(&a.share()).then_with(|| a.name().cmp(&b.name())));
    Ok(all)
}

/// The mark of an open incident that the query told nothing of: its month is over, its budget is gone, or nothing is used.
fn without_row<'a>(pass: Pass<'a>, item: &IncidentItem) -> Option<Marked<'a>> {
    let subject = item.incident.subject.clone();
    let (name, mark) = Mark::of_subject(&subject)?;
    let metrics = pass.app.catalog.metrics();
    let metric = metrics.iter().position(|spec| spec.name == subject.metric)?;
    let zone = zone(pass, &subject.customer_id);
    let present = Month::holding(newest(pass), &zone)?;
    let is_over = present.name != name;
    let budget =
        budget(pass, &subject.customer_id, metric).filter(|(quota, ..)| quota.marks().contains(&mark));
    let reading = budget.filter(|_| !is_over).map(|(quota, month, zone)| {
        let used = Used::default();
        let level = quota.level(mark, &used, &month, newest(pass));
        Reading { quota, used, level, month, zone }
    });
    Some(Marked { subject, mark, metric, reading, is_over })
}

/// The budget of a customer, and the present month of it.
fn budget<'a>(pass: Pass<'a>, customer: &CustomerId, metric: usize) -> Option<(&'a Quota, Month, TimeZone)> {
    let quota = pass.policies.budget(customer, metric)?;
    let zone = zone(pass, customer);
    Some((quota, Month::holding(newest(pass), &zone)?, zone))
}

impl Marked<'_> {
    /// The effect on the incident as the run knows it.
    fn step(&self, known: &Known, pass: Pass<'_>) -> Step {
        let latest = known.budgets().get(&self.subject).map(|item| &item.incident);
        self.decide(latest, pass)
    }

    fn decide(&self, latest: Option<&Incident>, pass: Pass<'_>) -> Step {
        let level = self.reading.as_ref().map(|reading| &reading.level);
        decide(latest, &self.subject, self.mark, level, pass.window.end())
    }

    /// The share of the quota that is used.
    fn share(&self) -> f64 {
        self.reading.as_ref().map_or(0.0, |reading| reading.used.in_month / reading.quota.amount)
    }

    fn name(&self) -> (&CustomerId, usize, Mark) {
        (&self.subject.customer_id, self.metric, self.mark)
    }
}
