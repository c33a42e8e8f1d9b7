//! Stores the findings of a window, many writes in flight at once, and collects the alerts that wait.

use std::time::Instant;

use adapters::store::{AlertItem, Digest, Recorded, Writer};
use anyhow::Context;
use detection::{Anomaly, Window};
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::plan::AlertPlan;
use crate::spool::Spool;
use crate::sweep::Candidate;
use crate::{App, ensure_time_left};

/// Writes in flight at once: enough to hide the few milliseconds of each, few enough for one small function.
const CONCURRENT_WRITES: usize = 64;

/// What was stored.
pub(crate) struct Records {
    pub(crate) counts: Counts,
    /// Alerts of this window that wait: the plan bounds their number.
    pub(crate) pending: Vec<AlertItem>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Items that this run wrote.
    pub(crate) recorded: u64,
    /// Anomalies that were stored before.
    pub(crate) already_recorded: u64,
}

/// Stores every finding once. Stops with an error at the first write that cannot be completed and at the deadline;
/// what is stored by then is found stored by the next run.
pub(crate) async fn all(
    app: &App,
    window: Window,
    findings: &mut Spool<Candidate>,
    writer: Writer<'_>,
    deadline: Instant,
) -> anyhow::Result<Records> {
    let total = findings.len();
    let mut plan = AlertPlan::new(app.alerting.max_per_run, app.alerting.max_per_customer);
    let mut records = store(app, window, findings, &mut plan, writer, deadline).await?;
    if plan.held_back > 0 {
        let digest = Digest::new(window, total, plan.critical, plan.held_back, plan.into_largest());
        let recorded = app.store.record_digest(digest, writer).await.context("the digest was not stored")?;
        records.pending.extend(recorded.pending);
    }
    Ok(records)
}

async fn store(
    app: &App,
    window: Window,
    findings: &mut Spool<Candidate>,
    plan: &mut AlertPlan,
    writer: Writer<'_>,
    deadline: Instant,
) -> anyhow::Result<Records> {
    let total = findings.len();
    let mut records = Records { counts: Counts::default(), pending: Vec::new() };
    let mut writes = stream::iter(findings.read()?)
        .map(|candidate| {
            let planned = candidate.map(|candidate| {
                let anomaly = anomaly(app, window, candidate);
                (plan.decide(&anomaly), anomaly)
            });
            async move {
                let (alert_state, anomaly) = planned?;
                Ok::<_, anyhow::Error>(app.store.record(&anomaly, alert_state, writer).await?)
            }
        })
        .buffer_unordered(CONCURRENT_WRITES);
    while let Some(recorded) = writes.try_next().await? {
        records.add(recorded);
        let done = records.counts.recorded + records.counts.already_recorded;
        if done < total {
            ensure_time_left(deadline, "storing anomalies", done, total)?;
        }
    }
    Ok(records)
}

impl Records {
    fn add(&mut self, recorded: Recorded) {
        match recorded.new {
            true => self.counts.recorded += 1,
            false => self.counts.already_recorded += 1,
        }
        self.pending.extend(recorded.pending);
    }
}

/// The full record of a finding.
pub(crate) fn anomaly(app: &App, window: Window, candidate: Candidate) -> Anomaly {
    let spec = &app.catalog.metrics()[candidate.metric];
    Anomaly::new(candidate.customer_id, spec.name.clone(), &spec.unit, window, &candidate.finding)
}
