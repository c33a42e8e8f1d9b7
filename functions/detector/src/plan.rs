//! Who gets an alert of its own when many things happen at once. Pure, and the same for the same findings in whatever
//! order they come, so that a repeated run decides the same.

use std::cmp::Ordering;
use std::collections::HashSet;

use adapters::store::AlertState;
use detection::{CustomerId, Severity};

use crate::sweep::Candidate;

/// The largest anomalies that a digest shows.
pub(crate) const LARGEST: usize = 10;

/// The alerts of one run.
#[derive(Debug, Default)]
pub(crate) struct AlertPlan {
    chosen: HashSet<(CustomerId, usize)>,
    /// All findings, warnings included.
    pub(crate) anomalies: u64,
    pub(crate) critical: u64,
    pub(crate) held_back: u64,
    /// The largest of those held back.
    pub(crate) largest: Vec<Candidate>,
}

impl AlertPlan {
    /// Chooses the largest critical findings, at most `max_per_run` of all and `max_per_customer` of one customer.
    ///
    /// Looks at every finding once and keeps no more than the chosen and [`LARGEST`] others in memory.
    pub(crate) fn of(
        candidates: impl Iterator<Item = anyhow::Result<Candidate>>,
        max_per_run: usize,
        max_per_customer: usize,
    ) -> anyhow::Result<Self> {
        let mut plan = Self::default();
        let mut kept: Vec<Candidate> = Vec::new();
        for candidate in candidates {
            let candidate = candidate?;
            plan.anomalies += 1;
            if candidate.finding.severity != Severity::Critical {
                continue;
            }
            plan.critical += 1;
            let customer = candidate.customer_id.clone();
            insert(&mut kept, candidate);
            // What a customer has too much of is beyond hope: the better ones that stay would have to go before it.
            let of_customer = |kept: &Candidate| kept.customer_id == customer;
            if kept.iter().filter(|kept| of_customer(kept)).count() > max_per_customer
                && let Some(last) = kept.iter().rposition(of_customer)
            {
                plan.hold_back(kept.remove(last));
            }
            if kept.len() > max_per_run
                && let Some(last) = kept.pop()
            {
                plan.hold_back(last);
            }
        }
        plan.chosen = kept.into_iter().map(|kept| (kept.customer_id, kept.metric)).collect();
        Ok(plan)
    }

    /// The state in which the alert of a finding begins.
    pub(crate) fn state(&self, candidate: &Candidate) -> AlertState {
        match self.chosen.contains(&(candidate.customer_id.clone(), candidate.metric)) {
            true => AlertState::Pending,
            false => AlertState::None,
        }
    }

    fn hold_back(&mut self, candidate: Candidate) {
        self.held_back += 1;
        insert(&mut self.largest, candidate);
        self.largest.truncate(LARGEST);
    }
}

/// Inserts into a list that is sorted, the largest first.
fn insert(list: &mut Vec<Candidate>, candidate: Candidate) {
    let place = list.partition_point(|other| by_size(other, &candidate) == Ordering::Less);
    list.insert(place, candidate);
}

/// The largest |z| first, then the largest relative change, then by name so that no two are equal.
fn by_size(a: &Candidate, b: &Candidate) -> Ordering {
    let size = |candidate: &Candidate| {
        let comparison = &candidate.finding.comparison;
        let mean = comparison.baseline.mean();
        (comparison.z_score.abs(), (comparison.current - mean).abs() / mean.abs().max(1.0))
    };
    let ((z_a, change_a), (z_b, change_b)) = (size(a), size(b));
    let names = (&a.customer_id, a.metric).cmp(&(&b.customer_id, b.metric));
    z_b.total_cmp(&z_a).then(change_b.total_cmp(&change_a)).then(names)
}

#[cfg(test)]
mod tests {
    use detection::{Missing, Series, Settings, Verdict, check};

    use super::*;

    /// A finding whose z-score grows with `spike`, from a baseline of about 1,000 with a deviation of about 100.
    fn candidate(customer: &str, metric: usize, spike: f64) -> Candidate {
        let windows: Vec<_> = (0..31)
            .map(|age| Some(if age == 0 { 1_000.0 + spike } else { 900.0 + 200.0 * f64::from(age % 2) }))
            .collect();
        let settings = Settings::new(3.0, 5.0, 7, 1.0, 0.1).unwrap();
        let Verdict::Anomalous(finding) = check(&Series::new(&windows, 30, Missing::Zero, true), &settings)
        else {
            panic!("a spike of {spike} is no anomaly");
        };
        Candidate { customer_id: CustomerId::new(customer).unwrap(), metric, finding }
    }

    fn plan(
        candidates: &[Candidate],
        max_per_run: usize,
        max_per_customer: usize,
    ) -> (AlertPlan, Vec<String>) {
        let plan = AlertPlan::of(candidates.iter().cloned().map(Ok), max_per_run, max_per_customer).unwrap();
        let mut chosen: Vec<_> =
            plan.chosen.iter().map(|(customer, metric)| format!("{customer}/{metric}")).collect();
        chosen.sort();
        (plan, chosen)
    }

    #[test]
    fn warnings_are_stored_without_an_alert() {
        let warning = candidate("a", 0, 400.0);
        let (plan, chosen) = plan(std::slice::from_ref(&warning), 10, 10);
        assert_eq!((plan.critical, plan.held_back, chosen.len()), (0, 0, 0));
        assert_eq!(plan.state(&warning), AlertState::None);
    }

    #[test]
    fn the_largest_are_chosen_within_both_caps() {
        let candidates = [
            candidate("a", 0, 4_000.0),
            candidate("a", 1, 3_900.0),
            candidate("a", 2, 5_000.0),
            candidate("b", 0, 3_000.0),
            candidate("c", 0, 2_000.0),
        ];
        let (plan_of_three, chosen) = plan(&candidates, 3, 2);
        assert_eq!(chosen, ["a/0", "a/2", "b/0"]);
        assert_eq!((plan_of_three.critical, plan_of_three.held_back), (5, 2));
        let held: Vec<_> = plan_of_three.largest.iter().map(|c| (c.customer_id.as_str(), c.metric)).collect();
        assert_eq!(held, [("a", 1), ("c", 0)]);
        assert_eq!(plan(&candidates, 0, 2).1, [""; 0]);
    }

    #[test]
    fn the_order_of_the_findings_does_not_matter() {
        let mut candidates: Vec<_> = (0..300_u32)
            .map(|n| {
                candidate(&format!("c{}", n % 40), n as usize / 40, 1_000.0 + f64::from(n * 7_919 % 1_000))
            })
            .collect();
        let (first, chosen) = plan(&candidates, 25, 3);
        for turn in 1..20 {
            candidates.rotate_left(turn * 13 % 300);
            candidates.swap(turn, 299 - turn);
            let (again, chosen_again) = plan(&candidates, 25, 3);
            assert_eq!((&chosen_again, &again.largest), (&chosen, &first.largest));
            assert_eq!((again.critical, again.held_back), (300, 275));
        }
    }

    #[test]
    fn memory_stays_flat_when_everybody_is_anomalous() {
        let one = candidate("a", 0, 5_000.0);
        let many = (0..50_000)
            .map(|n| Ok(Candidate { customer_id: CustomerId::new(format!("c{n}")).unwrap(), ..one.clone() }));
        let plan = AlertPlan::of(many, 5, 5).unwrap();
        assert_eq!((plan.chosen.len(), plan.largest.len(), plan.held_back), (5, LARGEST, 49_995));
    }
}
