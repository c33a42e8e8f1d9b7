//! Examples of the events behind the anomalies of an hour: those that failed, or whose value is beyond the limit.
//!
//! They are read from people's own table, for the entities with an anomaly alone. An anomaly is as true without them. So a
//! run goes on if they cannot be read.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use detection::{CustomerId, Detail, Direction, Example, Finding, Severity, Window};
use platform::telemetry::error_chain;
use warehouse::usage::{ExamplesRequest, Wanted};

use crate::candidate::Candidate;
use crate::pass::Pass;

/// Most entities of a metric whose events are read. A storm has more than anybody reads.
const MOST_ENTITIES: usize = 100;

/// Longest wait for the examples of a metric.
const TIME: Duration = Duration::from_secs(20);

/// Which events of a window show what a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Failed,
    Above,
    Below,
    Newest,
}

/// An entity with an anomaly.
struct Found {
    severity: Severity,
    key: CustomerId,
    /// The value from which on an event is beyond what is usual.
    limit: f64,
}

/// Adds examples to the anomalies among the candidates of a window.
pub(crate) async fn add(pass: Pass<'_>, window: Window, candidates: &mut [Candidate]) {
    let catalog = &pass.app.catalog;
    let mut wanted: BTreeMap<(usize, Kind), Vec<Found>> = BTreeMap::new();
    for candidate in candidates.iter().filter(|candidate| candidate.about.is_some()) {
        let Some(finding) = candidate.finding() else { continue };
        // The newest events need not have the new texts.
        if matches!(finding.comparison.opinion.detail, Detail::Novelty { .. }) {
            continue;
        }
        let (kind, limit) = kind_of(&finding);
        let found = Found { severity: finding.severity, key: candidate.customer_id.clone(), limit };
        wanted.entry((candidate.metric, kind)).or_default().push(found);
    }
    for ((metric, kind), mut found) in wanted {
        // The most severe ones come first.
        found.sort_by(|a, b| (b.severity, &a.key).cmp(&(a.severity, &b.key)));
        found.truncate(MOST_ENTITIES);
        let keys: Vec<_> = found.iter().map(|found| found.key.clone()).collect();
        let limits: Vec<_> = found.iter().map(|found| found.limit).collect();
        let request = ExamplesRequest {
            catalog,
            metric: &catalog.metrics()[metric],
            window,
            keys: &keys,
            wanted: match kind {
                Kind::Failed => Wanted::Failed,
                Kind::Above => Wanted::Above(&limits),
                Kind::Below => Wanted::Below(&limits),
                Kind::Newest => Wanted::Newest,
            },
            query_id: &format!("{}-examples-{metric}-{kind:?}", pass.writer.run_id),
            deadline: pass.deadline.min(Instant::now() + TIME),
        };
        let mut of_key: HashMap<Vec<u8>, Vec<Example>> = HashMap::new();
        match pass.app.usage.examples(&request).await {
            Ok(all) => all.into_iter().for_each(|(key, one)| of_key.entry(key).or_default().push(one)),
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(error, metric = %request.metric.name, "anomalies are stored without examples");
            }
        }
        let is_it = |candidate: &&mut Candidate| {
            candidate.metric == metric && candidate.finding().is_some_and(|found| kind_of(&found).0 == kind)
        };
        for candidate in candidates.iter_mut().filter(is_it) {
            let examples = of_key.remove(candidate.customer_id.as_str().as_bytes());
            if let (Some(about), Some(examples)) = (&mut candidate.about, examples) {
                **about = std::mem::take(&mut **about).with_examples(examples);
            }
        }
    }
}

/// Which events show a finding, and the limit of their values.
fn kind_of(finding: &Finding) -> (Kind, f64) {
    let opinion = finding.comparison.opinion;
    let beyond = match finding.direction {
        Direction::Spike => (Kind::Above, opinion.expected.high),
        Direction::Drop => (Kind::Below, opinion.expected.low),
    };
    match opinion.detail {
        Detail::Rate { .. } | Detail::Streak { .. } => (Kind::Failed, 0.0),
        Detail::Percentile { .. } | Detail::Ratio { .. } => beyond,
        _ => (Kind::Newest, 0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use detection::rules::{Percentile, Rate, Ratio, Threshold};
    use detection::{Counts, Histogram, Verdict};

    fn of(verdict: Verdict) -> (Kind, f64) {
        kind_of(verdict.finding().unwrap())
    }

    #[test]
    fn each_rule_is_shown_by_the_events_that_it_judges() {
        let values: Histogram = [(Histogram::key(100.0), 40)].into_iter().collect();
        let slow = of(Percentile::default().judge_event(900.0, &values, 100.0));
        assert_eq!(slow, (Kind::Above, 150.0));
        assert_eq!(of(Ratio::default().judge(0.0, &values, 100.0)), (Kind::Below, 10.0));
        let rate = Rate::default().judge(Counts { events: 40, bad: 14 }, Counts { events: 98, bad: 1 });
        assert_eq!(of(rate).0, Kind::Failed);
        let limit = Threshold { warning: Some(90.0), ..Threshold::default() };
        assert_eq!(of(limit.judge(95.0)).0, Kind::Newest);
    }
}
