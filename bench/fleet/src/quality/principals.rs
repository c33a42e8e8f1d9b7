//! Who calls a cloud's API: which principals call more operations in an hour than a fixed limit.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use catalog::Catalog;
use detection::Verdict;
use detection::rules::{Rule, Threshold};
use jiff::Timestamp;

/// A call of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub time: Timestamp,
    pub principal: String,
    pub operation: String,
}

/// A principal, and the most operations of an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub name: String,
    pub operations: usize,
    pub is_told: bool,
}

/// The fixed limit for the paths of a client in the preset `traces_otel`. It needs no past, and the records have none.
///
/// # Errors
///
/// When the preset lacks the rule.
pub fn rule_of_preset() -> Result<Threshold> {
    let catalog = Catalog::from_files("preset:traces_otel")?;
    let metric = catalog.find("client_paths").context("the preset has no metric client_paths")?;
    let found = metric.rules.iter().find_map(|of| match &of.rule {
        Rule::Threshold(threshold) => Some(*threshold),
        _ => None,
    });
    found.context("the metric client_paths of the preset has no threshold rule")
}

/// All principals, those with the most operations first.
pub fn judged(calls: &[Call], rule: &Threshold) -> Vec<Principal> {
    let mut hours: BTreeMap<(&str, i64), BTreeSet<&str>> = BTreeMap::new();
    for call in calls {
        let hour = call.time.as_second().div_euclid(3_600);
        hours.entry((&call.principal, hour)).or_default().insert(&call.operation);
    }
    let mut most: BTreeMap<&str, usize> = BTreeMap::new();
    for ((principal, _), operations) in &hours {
        let before = most.entry(principal).or_default();
        *before = operations.len().max(*before);
    }
    let mut all: Vec<Principal> = most
        .into_iter()
        .map(|(name, operations)| Principal {
            name: name.to_owned(),
            operations,
            is_told: matches!(rule.judge(operations as f64), Verdict::Anomalous(_)),
        })
        .collect();
    all.sort_by(|one, other| other.operations.cmp(&one.operations).then_with(|| one.name.cmp(&other.name)));
    all
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn who_walks_through_operations_in_an_hour_is_told() {
        let begin = Timestamp::constant(1_795_478_400, 0);
        let call = |principal: &str, number: i64, seconds: i64| Call {
            time: begin + SignedDuration::from_secs(number * seconds),
            principal: principal.to_owned(),
            operation: format!("operation {number}"),
        };
        let attacker = (0..230).map(|number| call("attacker", number, 10));
        // As many, but over five hours.
        let patient = (0..230).map(|number| call("patient", number, 78));
        let busy = (0..500).map(|number| Call { operation: String::from("read"), ..call("busy", number, 1) });
        let calls: Vec<Call> = attacker.chain(patient).chain(busy).collect();
        let judged = judged(&calls, &rule_of_preset().unwrap());
        let told: Vec<_> =
            judged.iter().map(|one| (one.name.as_str(), one.operations, one.is_told)).collect();
        assert_eq!(told, [("attacker", 230, true), ("patient", 47, false), ("busy", 1, false)]);
    }
}
