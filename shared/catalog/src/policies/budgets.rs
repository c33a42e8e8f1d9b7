//! The budgets that hold for each customer.
//!
//! A customer's own budget of a metric takes the place of that of all customers. Both are of one customer each: a budget in the
//! policy for all is not shared.

use detection::{Budget, CustomerId, Policy, PolicyError, Quota, Settings, TimeZone};

use super::{Policies, PolicyRefusal, Resolved};
use crate::catalog::ADDS_UP;
use crate::{Catalog, MetricSpec};

impl Policies {
    /// Whether anybody has a budget.
    pub fn has_budgets(&self) -> bool {
        let has_one = |resolved: &Resolved| resolved.budgets.iter().any(Option::is_some);
        has_one(&self.global) || self.customers.values().any(has_one)
    }

    /// The budget of a customer for the metric at this place of the catalog.
    pub fn budget(&self, customer: &CustomerId, metric: usize) -> Option<&Quota> {
        self.of(customer).budget(metric)
    }

    /// The budget of customers without a policy of their own.
    pub fn budget_of_all(&self, metric: usize) -> Option<&Quota> {
        self.global.budget(metric)
    }

    /// The time zone of customers without a policy of their own.
    pub fn zone_of_all(&self) -> Option<&TimeZone> {
        self.global.policy.time_zone.as_ref()
    }

    /// The customers whose budgets, or the zone of whose months, are their own, in the order of their ids.
    pub fn with_own_budgets(&self) -> Vec<&CustomerId> {
        let has_own = |own: &Resolved| {
            let zone = own.policy.time_zone.as_ref();
            let has_zone = zone.is_some() && zone != self.zone_of_all();
            own.budgets != self.global.budgets || (has_zone && own.budgets.iter().any(Option::is_some))
        };
        let own = self.customers.iter().filter(|(_, own)| has_own(own)).map(|(customer, _)| customer);
        let mut own: Vec<_> = own.collect();
        own.sort_unstable();
        own
    }
}

impl Resolved {
    fn budget(&self, metric: usize) -> Option<&Quota> {
        self.budgets.get(metric)?.as_ref()
    }
}

/// The budgets under a policy, in the order of the catalog. Nothing without any budget. One that contradicts the catalog is left
/// out, and the log says so.
///
/// * `settings`: those under the policy.
/// * `wider`: the policy for all customers, of a customer's own one.
pub(super) fn resolve(
    catalog: &Catalog,
    settings: &[Settings],
    policy: &Policy,
    wider: Option<&Policy>,
    of: &str,
) -> Vec<Option<Quota>> {
    let has_none = |policy: &Policy| policy.budgets.is_empty();
    if catalog.entities().is_some() || (has_none(policy) && wider.is_none_or(has_none)) {
        return Vec::new();
    }
    let quota = |(spec, settings): (&MetricSpec, &Settings)| {
        let wider = wider.and_then(|wider| wider.budgets.get(&spec.name));
        let budget = policy.budgets.get(&spec.name).or(wider)?;
        if is_free(budget, settings) {
            return None;
        }
        let fault = match budget.quota(settings.price()) {
            Ok(quota) if spec.adds_up() => return quota,
            Ok(_) => format!("a budget {ADDS_UP}"),
            Err(fault) => fault.to_string(),
        };
        tracing::error!(policy.of = of, metric = %spec.name, fault, "a budget cannot hold: it is not applied");
        None
    };
    catalog.metrics().iter().zip(settings).map(quota).collect()
}

/// Whether a budget in money has nothing to count, because the customer pays nothing.
fn is_free(budget: &Budget, settings: &Settings) -> bool {
    budget.cost.is_some() && settings.thresholds().price == Some(0.0)
}

/// Checks the budgets of a policy before it is kept.
///
/// * `settings`: those under the policy.
pub(super) fn validate(
    catalog: &Catalog,
    settings: &[Settings],
    policy: &Policy,
    known: impl Fn() -> String,
) -> Result<(), PolicyRefusal> {
    for (metric, budget) in &policy.budgets {
        let place = catalog.metrics().iter().position(|spec| spec.name == *metric);
        let Some((spec, settings)) =
            place.and_then(|place| catalog.metrics().get(place).zip(settings.get(place)))
        else {
            return Err(PolicyRefusal::UnknownBudget { metric: metric.clone(), known: known() });
        };
        if !spec.adds_up() {
            return Err(PolicyRefusal::Budget { metric: metric.clone(), needs: ADDS_UP });
        }
        let of_metric = |source| PolicyError::Budget { metric: metric.clone(), source };
        budget.quota(settings.price()).map_err(of_metric)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DetectionConfig, StoredPolicy};

    fn stored(text: &str) -> StoredPolicy {
        StoredPolicy { version: 1, policy: serde_json::from_str(text).unwrap(), ..StoredPolicy::default() }
    }

    fn id(text: &str) -> CustomerId {
        CustomerId::new(text).unwrap()
    }

    fn policies(global: &str, customers: &[(&str, &str)]) -> Policies {
        let catalog = Catalog::built_in().unwrap();
        let settings = catalog.settings(&DetectionConfig::default()).unwrap();
        let customers = customers.iter().map(|(name, text)| (id(name), stored(text))).collect();
        Policies::resolve(&catalog, &settings, stored(global), customers)
    }

    #[test]
    fn the_narrowest_budget_holds() {
        let all = r#"{"metrics": {"api_calls": {"price": 0.5}}, "budgets": {"api_calls": {"cost": 500}}}"#;
        let policies = policies(
            all,
            &[
                ("own", r#"{"budgets": {"bandwidth": {"quota": 7}}}"#),
                ("dear", r#"{"metrics": {"api_calls": {"price": 1}}}"#),
                ("free", r#"{"metrics": {"api_calls": {"price": 0}}}"#),
                ("none", r#"{"budgets": {"api_calls": {"unlimited": true}}}"#),
                ("abroad", r#"{"time_zone": "Asia/Tokyo"}"#),
                ("same", r#"{"metrics": {"api_calls": {"threshold": 4}}}"#),
                ("wrong", r#"{"budgets": {"api_calls": {"quota": -1}, "storage_peak": {"quota": 1}}}"#),
            ],
        );
        let amount =
            |customer: &str, metric| policies.budget(&id(customer), metric).map(|quota| quota.amount);
        assert_eq!((amount("other", 0), amount("other", 1)), (Some(1_000.0), None));
        assert_eq!((amount("own", 0), amount("own", 1)), (Some(1_000.0), Some(7.0)));
        assert_eq!((amount("dear", 0), amount("free", 0), amount("none", 0)), (Some(500.0), None, None));
        assert_eq!((amount("wrong", 0), amount("wrong", 2)), (None, None));
        let own: Vec<_> = policies.with_own_budgets().into_iter().map(CustomerId::as_str).collect();
        assert_eq!(own, ["abroad", "dear", "free", "none", "own", "wrong"]);
        assert!(policies.has_budgets());
    }

    #[test]
    fn without_budgets_nothing_is_kept() {
        let policies = policies("{}", &[("own", r#"{"time_zone": "Asia/Tokyo"}"#)]);
        assert!(!policies.has_budgets() && policies.with_own_budgets().is_empty());
        assert!(policies.global.budgets.is_empty());
    }

    #[test]
    fn a_budget_that_cannot_hold_is_refused() {
        let catalog = Catalog::built_in().unwrap();
        let base = catalog.settings(&DetectionConfig::default()).unwrap();
        for (text, expected) in [
            (
                r#"{"budgets": {"api_cals": {"quota": 1}}}"#,
                "budgets.api_cals: the catalog has no such metric",
            ),
            (
                r#"{"budgets": {"storage_peak": {"quota": 1}}}"#,
                "budgets.storage_peak: a budget needs a metric",
            ),
            (r#"{"budgets": {"api_calls": {"quota": 0}}}"#, "budgets.api_calls.quota: an amount above 0"),
            (
                r#"{"budgets": {"api_calls": {"cost": 9}}}"#,
                "budgets.api_calls.cost: only for a metric with a price",
            ),
        ] {
            let refusal = crate::validate(&catalog, &base, &serde_json::from_str(text).unwrap());
            let refusal = refusal.unwrap_err().to_string();
            assert!(refusal.starts_with(expected), "{refusal}");
        }
        let priced = r#"{"metrics": {"api_calls": {"price": 0.1}}, "budgets": {"api_calls": {"cost": 9}}}"#;
        assert!(crate::validate(&catalog, &base, &serde_json::from_str(priced).unwrap()).is_ok());
    }
}
