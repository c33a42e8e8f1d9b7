//! Who gets an alert of its own when many things happen at once. Pure, and decided in the order of the findings, so
//! that a repeated run decides the same.

use std::collections::HashMap;

use adapters::store::{AlertState, DigestEntry};
use detection::{Anomaly, CustomerId, Severity};

/// The largest anomalies that a digest shows.
const LARGEST: usize = 10;

/// Hands out the alerts of one run.
pub(crate) struct AlertPlan {
    max_per_run: usize,
    max_per_customer: usize,
    alerts: usize,
    by_customer: HashMap<CustomerId, usize>,
    pub(crate) critical: u64,
    pub(crate) held_back: u64,
    largest: Vec<(f64, f64, DigestEntry)>,
}

impl AlertPlan {
    pub(crate) fn new(max_per_run: usize, max_per_customer: usize) -> Self {
        Self {
            max_per_run,
            max_per_customer,
            alerts: 0,
            by_customer: HashMap::new(),
            critical: 0,
            held_back: 0,
            largest: Vec::new(),
        }
    }

    /// The state in which an anomaly's alert begins.
    pub(crate) fn decide(&mut self, anomaly: &Anomaly) -> AlertState {
        if anomaly.severity != Severity::Critical {
            return AlertState::None;
        }
        self.critical += 1;
        if self.alerts < self.max_per_run {
            // At most `max_per_run` customers ever get in here, so the map stays small.
            let of_customer = self.by_customer.entry(anomaly.customer_id.clone()).or_default();
            if *of_customer < self.max_per_customer {
                *of_customer += 1;
                self.alerts += 1;
                return AlertState::Pending;
            }
        }
        self.hold_back(anomaly);
        AlertState::None
    }

    /// The largest of the anomalies held back, by |z| and then by relative change.
    pub(crate) fn into_largest(self) -> Vec<DigestEntry> {
        self.largest.into_iter().map(|(_, _, entry)| entry).collect()
    }

    fn hold_back(&mut self, anomaly: &Anomaly) {
        self.held_back += 1;
        let score = anomaly.z_score.abs();
        let change =
            (anomaly.current_value - anomaly.baseline_mean).abs() / anomaly.baseline_mean.abs().max(1.0);
        let place = self.largest.partition_point(|(s, c, _)| (*s, *c) >= (score, change));
        if place < LARGEST {
            let entry = DigestEntry {
                anomaly_id: anomaly.id().to_string(),
                customer_id: anomaly.customer_id.to_string(),
                description: anomaly.description.clone(),
            };
            self.largest.insert(place, (score, change, entry));
            self.largest.truncate(LARGEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use detection::{Direction, MetricName, Window};

    use super::*;

    fn anomaly(customer: &str, severity: Severity, z_score: f64) -> Anomaly {
        Anomaly {
            customer_id: CustomerId::new(customer).unwrap(),
            metric: MetricName::new("api_calls").unwrap(),
            unit: "calls".to_owned(),
            window: Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap(),
            severity,
            direction: Direction::Spike,
            current_value: 100.0,
            baseline_mean: 10.0,
            baseline_stddev: 1.0,
            sample_count: 30,
            z_score,
            expected_low: 7.0,
            expected_high: 13.0,
            constant_baseline: false,
            description: format!("{customer} {z_score}"),
            investigation_steps: Vec::new(),
        }
    }

    #[test]
    fn warnings_are_stored_without_an_alert() {
        let mut plan = AlertPlan::new(10, 10);
        assert_eq!(plan.decide(&anomaly("a", Severity::Warning, 4.0)), AlertState::None);
        assert_eq!((plan.critical, plan.held_back), (0, 0));
    }

    #[test]
    fn caps_hold_for_the_run_and_for_a_customer() {
        let mut plan = AlertPlan::new(3, 2);
        let states: Vec<_> = ["a", "a", "a", "b", "c"]
            .iter()
            .map(|customer| plan.decide(&anomaly(customer, Severity::Critical, 9.0)) == AlertState::Pending)
            .collect();
        assert_eq!(states, [true, true, false, true, false]);
        assert_eq!((plan.critical, plan.held_back), (5, 2));
    }

    #[test]
    fn the_digest_shows_the_largest_of_those_held_back() {
        let mut plan = AlertPlan::new(0, 0);
        for n in 0..1_000 {
            plan.decide(&anomaly(&format!("c{n}"), Severity::Critical, -f64::from(n % 97)));
        }
        assert_eq!(plan.held_back, 1_000);
        let largest = plan.into_largest();
        assert_eq!(largest.len(), LARGEST);
        assert!(largest.iter().all(|entry| entry.description.ends_with("-96")), "{largest:?}");
    }

    #[test]
    fn memory_stays_flat_when_everybody_is_anomalous() {
        let mut plan = AlertPlan::new(5, 5);
        for n in 0..50_000 {
            plan.decide(&anomaly(&format!("c{n}"), Severity::Critical, 9.0));
        }
        assert!(plan.by_customer.len() <= 5 && plan.largest.len() <= LARGEST);
    }
}
