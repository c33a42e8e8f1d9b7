//! What feedback has to do with an anomaly: how far it is beyond its threshold, and whether the threshold was raised.

use catalog::{MetricSpec, Policies};
use detection::feedback;
use detection::{Anomaly, Finding, Opinion, Rule, describe};

use crate::candidate::Candidate;

/// The score of an anomaly in thresholds of an anomaly as they are configured, and that threshold. `None` if no threshold
/// has to do with it.
pub(crate) fn excess(
    policies: &Policies,
    candidate: &Candidate,
    spec: &MetricSpec,
    opinion: &Opinion,
) -> Option<(f64, f64)> {
    let raised = policies.raised(&candidate.customer_id, &spec.name).map_or(1.0, |raised| raised.factor);
    let of_metric = policies.rules(&candidate.customer_id, spec);
    let rules: Vec<Rule> = of_metric.iter().map(|of| of.rule).collect();
    feedback::excess(opinion, candidate.explanation.as_deref(), &rules, raised)
}

/// The anomaly with a sentence about its raised threshold, if feedback raised it.
pub(crate) fn with_feedback(
    anomaly: Anomaly,
    candidate: &Candidate,
    finding: &Finding,
    spec: &MetricSpec,
    policies: &Policies,
) -> Anomaly {
    let raised = policies.raised(&candidate.customer_id, &spec.name);
    let excess = excess(policies, candidate, spec, &finding.comparison.opinion);
    match raised.zip(excess) {
        Some((raised, (_, least))) => {
            Anomaly { description: describe::raised(&anomaly.description, least, raised), ..anomaly }
        }
        None => anomaly,
    }
}
