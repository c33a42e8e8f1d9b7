//! Verdicts that are stored or may change an incident.

use detection::incident::{Observation, Seen};
use detection::{Comparison, CustomerId, Direction, Finding, Series, Verdict, check};
use serde::{Deserialize, Serialize};

use crate::known::Known;
use crate::pass::Pass;

/// A finding, or a series that is back inside while an incident is active. A first use is a finding without an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub customer_id: CustomerId,
    /// Place of the metric in the catalog.
    pub metric: usize,
    /// The direction of the incident.
    pub direction: Direction,
    pub seen: Seen,
    /// None without a verdict.
    pub comparison: Option<Comparison>,
}

impl Candidate {
    /// The anomaly, if it is one.
    pub fn finding(&self) -> Option<Finding> {
        match self.seen {
            Seen::Anomalous(severity) => {
                Some(Finding { comparison: self.comparison?, severity, direction: self.direction })
            }
            Seen::Inside | Seen::Between | Seen::Undetermined => None,
        }
    }

    /// The anomaly, if it is a first use. It is stored and belongs to no incident, so it pages nobody. An incident of the
    /// same series and direction cannot be active: its usage would be in the time read.
    pub fn first_use(&self) -> Option<Finding> {
        self.finding().filter(|finding| finding.comparison.is_new_usage())
    }
}

/// The verdict on one series, and its candidates by direction.
pub struct Judged {
    pub verdict: Verdict,
    pub candidates: [Option<Candidate>; 2],
}

/// Checks one series of the metric at this place of the catalog.
pub fn judge_series(
    pass: Pass<'_>,
    known: &Known,
    customer_id: &CustomerId,
    metric: usize,
    series: Series<'_>,
) -> Judged {
    let Pass { window, policies, .. } = pass;
    let settings = &policies.settings(customer_id)[metric];
    let incidents = known.of(customer_id.as_str(), metric);
    let verdict = check(&series.excluding(incidents.excluded()), settings);
    let comparison = match verdict {
        Verdict::Normal(comparison) | Verdict::Anomalous(Finding { comparison, .. }) => Some(comparison),
        Verdict::Undetermined(_) => None,
    };
    let candidates = Direction::BOTH.map(|direction| {
        let seen = Observation::of(&verdict, window.end(), settings, direction).seen;
        let matters = matches!(seen, Seen::Anomalous(_)) || incidents.is_active(direction);
        matters.then(|| Candidate { customer_id: customer_id.clone(), metric, direction, seen, comparison })
    });
    Judged { verdict, candidates }
}
