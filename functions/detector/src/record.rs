//! Stores the findings of a window, many writes in flight at once, and collects the alerts that wait.

use adapters::store::{AlertItem, AlertState, Digest, DigestEntry, JudgedBy, Recorded};
use anyhow::Context;
use detection::{Anomaly, Mute, Window};
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::plan::{AlertPlan, LARGEST};
use crate::spool::Spool;
use crate::sweep::Candidate;
use crate::{App, Pass, ensure_time_left};

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
pub(crate) async fn all(pass: Pass<'_>, findings: &mut Spool<Candidate>) -> anyhow::Result<Records> {
    let Pass { app, window, writer, .. } = pass;
    let alerting = &app.alerting;
    // What is muted is stored like all else, and no alert, single or in a digest, tells of it.
    let loud =
        findings.read()?.filter(|found| found.as_ref().map_or(true, |found| mute(pass, found).is_none()));
    let plan = AlertPlan::of(loud, alerting.max_per_run, alerting.max_per_customer)?;
    let (mut records, overtaken) = store(pass, findings, &plan).await?;
    let held_back = plan.held_back + overtaken.count;
    if held_back > 0 {
        let held: Vec<_> = overtaken.largest.into_iter().chain(plan.largest).take(LARGEST).collect();
        let largest = held.into_iter().map(|candidate| entry(app, window, candidate)).collect();
        let digest = Digest::new(window, plan.anomalies, plan.critical, held_back, largest);
        let recorded = app.store.record_digest(digest, writer).await.context("the digest was not stored")?;
        records.pending.extend(recorded.pending);
    }
    Ok(records)
}

/// Findings that are to be alerted singly now, and that an earlier run of the window, which saw other data, had stored
/// without an alert. Nobody may have been told of them, so the digest tells.
#[derive(Default)]
struct Overtaken {
    count: u64,
    largest: Vec<Candidate>,
}

async fn store(
    pass: Pass<'_>,
    findings: &mut Spool<Candidate>,
    plan: &AlertPlan,
) -> anyhow::Result<(Records, Overtaken)> {
    let Pass { app, window, policies, writer, deadline, .. } = pass;
    let total = findings.len();
    let mut records = Records { counts: Counts::default(), pending: Vec::new() };
    let mut overtaken = Overtaken::default();
    let mut writes = stream::iter(findings.read()?)
        .map(|candidate| async move {
            let candidate = candidate?;
            let planned = plan.state(&candidate);
            let judged_by = JudgedBy {
                catalog_version: app.catalog.version(),
                config_version: policies.version(&candidate.customer_id),
                mute: mute(pass, &candidate),
            };
            let anomaly = anomaly(app, window, candidate.clone());
            let recorded = app.store.record(&anomaly, planned, &judged_by, writer).await?;
            let lost = planned == AlertState::Pending && recorded.alert_state == AlertState::None;
            Ok::<_, anyhow::Error>((recorded, lost.then_some(candidate)))
        })
        .buffer_unordered(CONCURRENT_WRITES);
    while let Some((recorded, lost)) = writes.try_next().await? {
        records.add(recorded);
        if let Some(candidate) = lost {
            overtaken.count += 1;
            overtaken.largest.push(candidate);
        }
        let done = records.counts.recorded + records.counts.already_recorded;
        if done < total {
            ensure_time_left(deadline, "storing anomalies", done, total)?;
        }
    }
    Ok((records, overtaken))
}

fn mute<'a>(pass: Pass<'a>, candidate: &Candidate) -> Option<&'a Mute> {
    let metric = &pass.app.catalog.metrics()[candidate.metric].name;
    pass.policies.mute(&candidate.customer_id, metric, &pass.window)
}

fn entry(app: &App, window: Window, candidate: Candidate) -> DigestEntry {
    let anomaly = anomaly(app, window, candidate);
    DigestEntry {
        anomaly_id: anomaly.id().to_string(),
        customer_id: anomaly.customer_id.into(),
        description: anomaly.description,
    }
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
