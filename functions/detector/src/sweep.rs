//! Reads and judges usage. The stream of usage goes in, and the spool of candidates comes out.

use detection::{CustomerId, Hour, MetricName, Verdict, Window};
use platform::emf::UsageFigures;
use warehouse::usage::UsageError;

use crate::candidate::{Candidate, Judged};
use crate::pass::Pass;

mod hours;
mod screen;
mod whole;

pub(crate) use hours::collect;

/// Quarantined series and broken windows that are logged one by one. All of them are counted.
const LOGGED: u64 = 20;

/// The reason why reading ended too early.
enum Failure {
    Usage(UsageError),
    Spool(anyhow::Error),
}

/// The customer of a row. `None` for an id that is no text of a customer: its series are set aside.
fn customer_id(pass: Pass<'_>, id: &[u8], figures: &mut UsageFigures) -> Option<CustomerId> {
    let customer_id = std::str::from_utf8(id).ok().and_then(|id| CustomerId::new(id).ok());
    if customer_id.is_none() {
        let series = pass.app.catalog.metrics().len() as u64;
        quarantine(figures, "invalid_customer_id", series, id, "*");
    }
    customer_id
}

/// The newest hour of a window.
fn newest(window: &Window) -> Hour {
    Hour::holding(window.end()).plus(-1)
}

/// Counts a verdict.
fn note_verdict(
    pass: Pass<'_>,
    customer_id: &CustomerId,
    metric: &MetricName,
    judged: &Judged,
    figures: &mut UsageFigures,
) {
    match &judged.verdict {
        Verdict::Normal(_) => {}
        Verdict::Anomalous(finding) => {
            let key = (metric.to_string(), finding.severity.as_str());
            *figures.anomalies.entry(key).or_default() += 1;
            let is_muted = |of: &Candidate| of.direction == finding.direction && of.mute(pass).is_some();
            figures.muted += u64::from(judged.candidates.iter().any(is_muted));
        }
        Verdict::Undetermined(reason) if reason.is_quarantine() => {
            quarantine(figures, reason.as_str(), 1, customer_id.as_str().as_bytes(), metric.as_str());
        }
        Verdict::Undetermined(reason) => {
            *figures.undetermined.entry(reason.as_str()).or_default() += 1;
        }
    }
}

/// Sets series with broken data aside. They are counted and logged, and all other series go on.
fn quarantine(figures: &mut UsageFigures, reason: &'static str, series: u64, customer: &[u8], metric: &str) {
    if figures.quarantined < LOGGED {
        let customer = String::from_utf8_lossy(customer);
        tracing::warn!(customer.id = %customer, usage.metric = metric, reason, "a series is quarantined");
    }
    figures.quarantined += series;
    *figures.undetermined.entry(reason).or_default() += series;
}
