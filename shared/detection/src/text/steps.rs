//! The next steps, by metric and direction.

use crate::{Direction, Finding};

/// Three to five instructions for the person on call, the most likely cause first.
///
/// The metrics of the built-in catalog have causes of their own; any other metric gets the general ones.
pub fn for_finding(metric: &str, finding: &Finding) -> Vec<String> {
    let stopped = finding.comparison.current == 0.0;
    let specific: &[&str] = match (metric, finding.direction) {
        ("api_calls", Direction::Spike) => &[
            "Look for a leaked or shared API key: new IP addresses, countries or user agents among the callers.",
            "Look for a retry loop: the share of 4xx and 5xx answers, and many identical requests in a row.",
        ],
        ("api_calls", Direction::Drop) if stopped => &[
            "Check whether the customer's API keys are expired, revoked or rate-limited to nothing.",
            "Check the customer's last successful request and the errors right after it.",
        ],
        ("api_calls", Direction::Drop) => &[
            "Check the customer's error rate and the latency of our answers: a broken integration gives up first.",
            "See which endpoints lost traffic: one missing endpoint points to a release on their side.",
        ],
        ("bandwidth", Direction::Spike) => &[
            "Compare bytes per call with last week: larger answers and more calls have different causes.",
            "Look for bulk exports, scraping, or a cache that no longer caches.",
        ],
        ("bandwidth", Direction::Drop) => &[
            "Compare with api_calls: fewer bytes at the same number of calls point to empty or failed answers.",
            "Check recent changes to compression, caching and page sizes.",
        ],
        ("storage_peak", Direction::Spike) => &[
            "Find the largest new objects and who wrote them; look for a backup or a log that is kept for ever.",
            "Check whether retention and clean-up jobs ran.",
        ],
        ("storage_peak", Direction::Drop) => &[
            "Make sure that nothing was deleted by mistake before backups expire.",
            "Ask whether the customer is exporting its data to leave.",
        ],
        ("compute_time", Direction::Spike) => &[
            "Find the jobs with the most CPU time and compare their count and length with last week.",
            "Look for jobs that hang or restart, and for crypto-mining on a stolen credential.",
        ],
        ("compute_time", Direction::Drop) => &[
            "Check the customer's job queue and scheduler: jobs that fail at once use no CPU time.",
            "Check quotas and recent job failures.",
        ],
        _ => &[],
    };
    let general: &[&str] = match finding.direction {
        Direction::Spike => &[
            "Ask the customer whether the increase is planned (launch, migration, load test).",
            "If it is not, limit or pause the source, and hold the affected invoice lines.",
        ],
        Direction::Drop => &[
            "Make sure that usage events still arrive: compare with other customers and with the ingestion lag.",
            "Contact the customer: a silent drop is an outage or the first sign of leaving.",
        ],
    };
    specific.iter().chain(general).map(|step| (*step).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Missing, Series, Settings, Thresholds, Verdict, check};

    fn steps(metric: &str, current: f64) -> Vec<String> {
        let mut windows = [Some(1_000.0); 31];
        windows[0] = Some(current);
        let settings = Settings::new(Thresholds::default()).unwrap();
        match check(&Series::new(&windows, 30, Missing::Zero, true), &settings) {
            Verdict::Anomalous(finding) => for_finding(metric, &finding),
            other => panic!("not anomalous: {other:?}"),
        }
    }

    #[test]
    fn every_built_in_metric_has_steps_of_its_own_for_both_directions() {
        let general = [steps("anything", 9_000.0), steps("anything", 10.0)];
        for metric in ["api_calls", "bandwidth", "storage_peak", "compute_time"] {
            for (direction, current) in [9_000.0, 10.0].into_iter().enumerate() {
                let all = steps(metric, current);
                assert!(all.len() > general[direction].len(), "{metric} {current}");
                assert!(all.ends_with(&general[direction]), "{metric} {current}");
            }
        }
    }

    #[test]
    fn silence_has_other_causes_than_less() {
        assert_ne!(steps("api_calls", 0.0), steps("api_calls", 10.0));
    }
}
