//! The rules of metrics under the policies: those of the catalog with the numbers that operators changed.

use std::collections::BTreeMap;

use detection::{MetricName, Policy, RuleChanges};

use super::PolicyRefusal;
use crate::{Catalog, MetricRule, MetricSpec};

/// The rules of the metrics whose rules differ from those of the catalog.
pub(super) type Changed = BTreeMap<MetricName, Vec<MetricRule>>;

/// The rules under a policy. A change that contradicts the catalog is left out, and the log says so.
///
/// * `wider`: those of the next wider scope.
pub(super) fn resolve(catalog: &Catalog, policy: &Policy, wider: &Changed, of: &str) -> Changed {
    let mut changed = wider.clone();
    for spec in catalog.ruled() {
        let Some(changes) = policy.rules.get(&spec.name) else { continue };
        let base = wider.get(&spec.name).unwrap_or(&spec.rules);
        match under(changes, spec, base) {
            Ok(rules) => drop(changed.insert(spec.name.clone(), rules)),
            Err(reason) => left_out(of, &refused(&spec.name, reason)),
        }
    }
    if let Err(refusal) = agree(catalog, &changed) {
        left_out(of, &refusal);
        let is_of_vote = |spec: &&MetricSpec| spec.vote().is_some();
        for spec in catalog.ruled().iter().filter(is_of_vote) {
            match wider.get(&spec.name) {
                Some(rules) => changed.insert(spec.name.clone(), rules.clone()),
                None => changed.remove(&spec.name),
            };
        }
    }
    changed
}

fn left_out(of: &str, refusal: &PolicyRefusal) {
    tracing::error!(policy.of = of, error = %refusal, "a policy contradicts the catalog: it is not applied");
}

/// Detectors vote on all metrics of an entity together. So weights and threshold must be the same in all of them.
fn agree(catalog: &Catalog, changed: &Changed) -> Result<(), PolicyRefusal> {
    for source in catalog.all() {
        let rules = |spec: &'_ MetricSpec| changed.get(&spec.name).unwrap_or(&spec.rules).clone();
        let mut votes =
            source.ruled().iter().filter_map(|spec| Some((spec, *MetricRule::vote(&rules(spec))?)));
        let Some((first, vote)) = votes.next() else { continue };
        if let Some((other, _)) = votes.find(|(_, other)| !vote.goes_with(other)) {
            let reason = format!(
                "its rule `vote` would have other weights or another threshold than that of `{}`: change them in all metrics \
                 of the source",
                first.name
            );
            return Err(refused(&other.name, reason));
        }
    }
    Ok(())
}

/// Checks the changes of rules of any source.
pub(super) fn validate(catalog: &Catalog, policy: &Policy) -> Result<(), PolicyRefusal> {
    let mut changed = Changed::new();
    for (metric, changes) in &policy.rules {
        let Some(spec) = catalog.find(metric.as_str()).filter(|spec| !spec.rules.is_empty()) else {
            let known =
                catalog.all().flat_map(Catalog::ruled).map(|spec| spec.name.as_str()).collect::<Vec<_>>();
            let reason = match known.as_slice() {
                [] => "no metric of the catalog has rules".to_owned(),
                _ => {
                    format!("the catalog has no metric of this name with rules; it has {}", known.join(", "))
                }
            };
            return Err(refused(metric, reason));
        };
        let rules = under(changes, spec, &spec.rules).map_err(|reason| refused(metric, reason))?;
        changed.insert(metric.clone(), rules);
    }
    agree(catalog, &changed)
}

/// The rules of a metric with the changes. Each change must be of a rule that the metric has.
fn under(changes: &RuleChanges, spec: &MetricSpec, base: &[MetricRule]) -> Result<Vec<MetricRule>, String> {
    let has = |kind: &str| base.iter().any(|of| of.rule.name() == kind);
    if let Some(missing) = changes.types().find(|kind| !has(kind)) {
        let mut known: Vec<_> = base.iter().map(|of| of.rule.name()).collect();
        known.dedup();
        return Err(format!(
            "the metric has no rule `{}`; it has {}",
            missing.escape_debug(),
            known.join(", ")
        ));
    }
    let changed = base.iter().map(|of| Ok(MetricRule { rule: changes.applied(&of.rule)?, ..*of }));
    let rules =
        changed.collect::<Result<Vec<_>, detection::RuleChangeError>>().map_err(|error| error.to_string())?;
    let changed = MetricSpec { rules, ..spec.clone() };
    changed.validate_rules()?;
    Ok(changed.rules)
}

/// Checks the changes of a customer's policy on top of those of the policy for all customers. What that policy cannot change is as
/// in the catalog, as in the runs.
///
/// # Errors
///
/// When the rule that both make is not valid.
pub fn validate_rules(catalog: &Catalog, global: &Policy, own: &Policy) -> Result<(), PolicyRefusal> {
    let mut changed = Changed::new();
    for (metric, changes) in &global.rules {
        let Some(spec) = catalog.find(metric.as_str()) else { continue };
        if let Ok(rules) = under(changes, spec, &spec.rules) {
            changed.insert(metric.clone(), rules);
        }
    }
    for (metric, changes) in &own.rules {
        let Some(spec) = catalog.find(metric.as_str()) else { continue };
        let base = changed.get(metric).unwrap_or(&spec.rules);
        let rules = under(changes, spec, base).map_err(|reason| refused(metric, reason))?;
        changed.insert(metric.clone(), rules);
    }
    agree(catalog, &changed)
}

fn refused(metric: &MetricName, reason: String) -> PolicyRefusal {
    PolicyRefusal::Rules { metric: metric.clone(), reason }
}

#[cfg(test)]
mod tests {
    use detection::CustomerId;
    use detection::rules::Rule;

    use super::*;
    use crate::{Policies, StoredPolicy};

    fn traces() -> Catalog {
        Catalog::from_files("preset:traces_otel").unwrap()
    }

    fn policy(rules: &str) -> Policy {
        serde_json::from_str(&format!(r#"{{"rules": {rules}}}"#)).unwrap()
    }

    fn stored(version: u64, rules: &str) -> StoredPolicy {
        StoredPolicy { version, policy: policy(rules), ..StoredPolicy::default() }
    }

    /// z and the least change of the throughput, for this key.
    fn throughput(policies: &Policies, source: &Catalog, key: &str) -> (f64, f64) {
        let spec = source.find("trace_throughput").unwrap();
        match policies.rules(&CustomerId::new(key).unwrap(), spec)[0].rule {
            Rule::Deviation(rule) => (rule.z, rule.min_change),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_customers_changes_come_on_top_of_those_of_all() {
        let all = traces();
        let source = all.of("traces").unwrap();
        let wrong = r#"{"trace_throughput": {"deviation": {"z": 60}}}"#;
        let policies = Policies::resolve(
            source,
            &[],
            stored(2, r#"{"trace_throughput": {"deviation": {"z": 6}}}"#),
            vec![
                (
                    CustomerId::new("own").unwrap(),
                    stored(1, r#"{"trace_throughput": {"deviation": {"min_change": 7}}}"#),
                ),
                (CustomerId::new("wrong").unwrap(), stored(1, wrong)),
            ],
        );
        assert_eq!(throughput(&policies, source, "own\u{1f}cart\u{1f}GET /"), (6.0, 7.0));
        assert_eq!(throughput(&policies, source, "wrong\u{1f}cart\u{1f}GET /"), (6.0, 20.0));
        assert_eq!(throughput(&policies, source, "other\u{1f}cart\u{1f}GET /"), (6.0, 20.0));
        let plain = Policies::resolve(source, &[], StoredPolicy::default(), Vec::new());
        assert_eq!(throughput(&plain, source, "own\u{1f}cart\u{1f}GET /"), (3.0, 20.0));
        let latency = source.find("trace_latency").unwrap();
        assert_eq!(policies.rules(&CustomerId::new("own").unwrap(), latency), latency.rules);
    }

    #[test]
    fn changes_of_a_customer_must_fit_those_of_all() {
        let all = traces();
        let global = policy(r#"{"trace_throughput": {"deviation": {"z": 9}}}"#);
        let own = policy(r#"{"trace_throughput": {"deviation": {"critical_z": 8}}}"#);
        assert!(validate(&all, &own).is_ok() && validate_rules(&all, &Policy::default(), &own).is_ok());
        let refusal = validate_rules(&all, &global, &own).unwrap_err().to_string();
        assert!(refusal.starts_with("rules.trace_throughput: `critical_z` of a rule"), "{refusal}");
    }

    /// The thresholds of two metrics of machines, for customers without a policy of their own.
    fn thresholds(policies: &Policies, source: &Catalog) -> [f64; 2] {
        ["machine_cpu", "machine_memory"].map(|name| {
            let rules = policies.rules_of_all(source.find(name).unwrap());
            MetricRule::vote(rules).unwrap().threshold
        })
    }

    #[test]
    fn a_vote_is_changed_in_all_metrics_of_an_entity() {
        let all = Catalog::from_files("preset:machines").unwrap();
        let source = all.of("machines").unwrap();
        let of_all = |change: &str| {
            let changes: Vec<String> = source
                .ruled()
                .iter()
                .map(|spec| format!(r#""{}": {{"vote": {change}}}"#, spec.name))
                .collect();
            format!("{{{}}}", changes.join(", "))
        };
        let one = r#"{"machine_memory": {"vote": {"threshold": 0.8}}}"#;
        let refusal = validate(&all, &policy(one)).unwrap_err().to_string();
        assert!(
            refusal.starts_with("rules.machine_memory: its rule `vote` would have other weights"),
            "{refusal}"
        );
        assert!(validate_rules(&all, &Policy::default(), &policy(one)).is_err());
        assert!(validate(&all, &policy(r#"{"machine_memory": {"vote": {"min_change": 9}}}"#)).is_ok());
        let stricter = of_all(r#"{"threshold": 0.8}"#);
        assert!(validate(&all, &policy(&stricter)).is_ok());
        let own = policy(&of_all(r#"{"threshold": 0.9}"#));
        assert!(validate_rules(&all, &policy(&stricter), &own).is_ok());
        let resolved = |rules: &str| Policies::resolve(source, &[], stored(1, rules), Vec::new());
        assert_eq!(thresholds(&resolved(&stricter), source), [0.8, 0.8]);
        assert_eq!(thresholds(&resolved(one), source), [0.6, 0.6], "left out");
    }

    #[test]
    fn changes_are_checked_as_a_whole() {
        let all = traces();
        let refusal = |rules: &str| validate(&all, &policy(rules)).map_err(|error| error.to_string());
        assert_eq!(refusal(r#"{"trace_error_rate": {"rate": {"absolute": 0.1}}}"#), Ok(()));
        for (rules, expected) in [
            (
                r#"{"nothing": {}}"#,
                "rules.nothing: the catalog has no metric of this name with rules; it has trace_latency",
            ),
            (r#"{"api_calls": {}}"#, "rules.api_calls: the catalog has no metric of this name with rules"),
            (
                r#"{"trace_error_rate": {"ratio": {"below": 0.1}}}"#,
                "rules.trace_error_rate: the metric has no rule `ratio`; it has rate",
            ),
            (
                r#"{"trace_error_rate": {"rate": {"absolut": 0.1}}}"#,
                "rules.trace_error_rate: the rule `rate` has no number `absolut`",
            ),
            (
                r#"{"trace_error_rate": {"rate": {"absolute": 2}}}"#,
                "rules.trace_error_rate: `absolute` of a rule of type rate is 2",
            ),
            (
                r#"{"refused_logins": {"burst": {"principals": 5}}}"#,
                "rules.refused_logins: `principals` of the rule `burst`",
            ),
            (
                r#"{"new_client": {"novelty": {"min_events": 5}}}"#,
                "rules.new_client: the rule `novelty` cannot be changed",
            ),
        ] {
            let found = refusal(rules).unwrap_err();
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
