//! Reads and judges usage. The stream of usage goes in, and the candidates come out.

use detection::{ALL_CUSTOMERS, CustomerId, Hour, Together, Verdict, Window};
use platform::emf::UsageFigures;
use warehouse::usage::UsageError;

use crate::candidate::{Candidate, Judged};
use crate::pass::Pass;

mod full;
mod hours;
mod screen;
mod suspects;
mod whole;

pub(crate) use hours::collect;

/// Quarantined series and broken windows that are logged one by one. All of them are counted.
const LOGGED: u64 = 20;

/// What a sweep counts.
#[derive(Default)]
struct Tally {
    figures: UsageFigures,
    /// By metric of the catalog: the newest hour of all customers.
    together: Vec<Together>,
}

impl Tally {
    /// Adds a series of the metric at this place of the catalog.
    fn join(&mut self, metric: usize, newest: &Together) {
        if self.together.len() <= metric {
            self.together.resize(metric + 1, Together::default());
        }
        self.together[metric].join(newest);
    }

    fn add(&mut self, other: Self) {
        self.figures.add(other.figures);
        other.together.iter().enumerate().for_each(|(metric, newest)| self.join(metric, newest));
    }
}

/// The reason why reading ended too early.
enum Failure {
    Usage(UsageError),
    Spool(anyhow::Error),
}

/// The customer of a row. `None` for an id that is no text of a customer: its series are set aside.
fn customer_id(pass: Pass<'_>, id: &[u8], figures: &mut UsageFigures) -> Option<CustomerId> {
    let customer_id = named(id);
    if customer_id.is_none() {
        let series = pass.app.catalog.modelled().len() as u64;
        quarantine(figures, "invalid_customer_id", series, id, "*");
    }
    customer_id
}

/// The customer with these bytes as its id. `None` for an id that is no text, and for the one that stands for all customers.
pub(crate) fn named(id: &[u8]) -> Option<CustomerId> {
    let id = std::str::from_utf8(id).ok().filter(|id| *id != ALL_CUSTOMERS)?;
    CustomerId::new(id).ok()
}

/// The newest hour of a window.
fn newest(window: &Window) -> Hour {
    Hour::holding(window.end()).plus(-1)
}

/// Counts a verdict on the metric at this place of the catalog.
fn note_verdict(pass: Pass<'_>, customer_id: &CustomerId, metric: usize, judged: &Judged, tally: &mut Tally) {
    tally.join(metric, &judged.newest);
    let (metric, figures) = (&pass.app.catalog.modelled()[metric].name, &mut tally.figures);
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
pub(crate) fn quarantine(
    figures: &mut UsageFigures,
    reason: &'static str,
    series: u64,
    customer: &[u8],
    metric: &str,
) {
    if figures.quarantined < LOGGED {
        let customer = String::from_utf8_lossy(customer);
        tracing::warn!(customer.id = %customer, usage.metric = metric, reason, "a series is quarantined");
    }
    figures.quarantined += series;
    *figures.undetermined.entry(reason).or_default() += series;
}
