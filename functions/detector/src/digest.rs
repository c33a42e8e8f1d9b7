//! The digest of a run: one alert for all pages that the run holds back.

use anyhow::Context;
use detection::Costs;
use detection::text::money;
use store::{AlertItem, Digest, DigestEntry};

use crate::anomaly::anomaly;
use crate::candidate::Candidate;
use crate::ledger::Ledger;
use crate::pass::Pass;
use crate::plan::PagePlan;

/// Stores the digest of a run that holds pages back. Returns its alert, if the alert is pending.
pub(crate) async fn record(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    plan: &PagePlan,
) -> anyhow::Result<Vec<AlertItem>> {
    if plan.totals.held_back == 0 {
        return Ok(Vec::new());
    }
    let largest = plan.largest.iter().filter_map(|candidate| entry(pass, candidate)).collect();
    let digest = Digest::new(pass.window, pass.request.shard, plan.totals, largest);
    let digest = match pass.delay_hours {
        0 => digest,
        hours => digest.of_late(hours, pass.number),
    };
    let digest = match pass.app.source() {
        None => digest,
        Some(source) => digest.of_source(source),
    };
    let recorded = ledger.record_digest(digest, pass.writer).await.context("the digest was not stored")?;
    Ok(recorded.pending.into_iter().collect())
}

fn entry(pass: Pass<'_>, candidate: &Candidate) -> Option<DigestEntry> {
    let Pass { app, window, policies, .. } = pass;
    let anomaly = anomaly(app, window, candidate, &candidate.finding()?, policies);
    Some(DigestEntry {
        anomaly_id: anomaly.id().to_string(),
        description: match &candidate.cost {
            Some(cost) => format!("{}; {}", anomaly.description, money::rate(&Costs::of(cost))),
            None => anomaly.description,
        },
        customer_id: match &anomaly.entity {
            None => anomaly.customer_id.into(),
            Some(entity) => format!("{} / {entity}", anomaly.customer_id),
        },
    })
}
