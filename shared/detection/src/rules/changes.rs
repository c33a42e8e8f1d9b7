//! Other parameters of the rules of a metric, as operators write them into a policy.
//!
//! A change names the type of a rule and the numbers that replace those of the catalog. A metric may have two rules of a type.
//! Then both change. The changed rule is validated like one of the catalog.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::{Rule, RuleError};

/// By the type of a rule, its parameters with their values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleChanges(pub BTreeMap<String, BTreeMap<String, f64>>);

/// A change that makes no sense. The message names the rule and the parameter.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RuleChangeError {
    #[error("the rule `{rule}` has no number `{parameter}`; it has {known}", parameter = .parameter.escape_debug())]
    Unknown { rule: &'static str, parameter: String, known: String },
    #[error("the rule `{rule}` cannot be changed by a policy: {reason}")]
    Fixed { rule: &'static str, reason: &'static str },
    #[error("the rule `{rule}` cannot have these numbers: {reason}")]
    Form { rule: &'static str, reason: String },
    #[error(transparent)]
    Parameter(#[from] RuleError),
}

/// Numbers up to here are exact.
const LARGEST_WHOLE: f64 = 9_007_199_254_740_992.0;

impl RuleChanges {
    /// The types of the rules that it changes.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there is no change.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeMap::is_empty)
    }

    /// The rule with its changes, or as it is without any.
    ///
    /// # Errors
    ///
    /// When a parameter is unknown, or the numbers do not fit together.
    pub fn applied(&self, rule: &Rule) -> Result<Rule, RuleChangeError> {
        let name = rule.name();
        let Some(changes) = self.0.get(name).filter(|changes| !changes.is_empty()) else {
            return Ok(*rule);
        };
        if matches!(rule, Rule::Novelty(_)) {
            let reason = "its numbers are a part of the query that finds new texts";
            return Err(RuleChangeError::Fixed { rule: name, reason });
        }
        let wrong =
            |error: serde_json::Error| RuleChangeError::Form { rule: name, reason: error.to_string() };
        let mut fields: Map<String, Value> =
            serde_json::to_value(rule).and_then(serde_json::from_value).map_err(wrong)?;
        for (parameter, value) in changes {
            if !fields.get(parameter).is_some_and(|field| is_number(parameter, field)) {
                let known = fields.iter().filter(|(name, field)| is_number(name, field));
                let known: Vec<_> = known.map(|(name, _)| name.as_str()).collect();
                let (parameter, known) = (parameter.clone(), known.join(", "));
                return Err(RuleChangeError::Unknown { rule: name, parameter, known });
            }
            fields.insert(parameter.clone(), number(*value));
        }
        let changed: Rule = serde_json::from_value(Value::Object(fields)).map_err(wrong)?;
        changed.validate()?;
        Ok(changed)
    }
}

/// Whether a field of a rule is a number, or a number that is left out. Of those that may be left out only the side is none.
fn is_number(name: &str, field: &Value) -> bool {
    field.is_number() || (field.is_null() && name != "direction")
}

/// Some parameters are whole numbers, and JSON tells them apart.
fn number(value: f64) -> Value {
    let is_whole = value.fract() == 0.0 && (0.0..=LARGEST_WHOLE).contains(&value);
    // The value is whole and not negative, so nothing is lost.
    let number = if is_whole { Some(Number::from(value as u64)) } else { Number::from_f64(value) };
    number.map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{
        Burst, Deviation, Novelty, OffHours, Percentile, Rate, Ratio, Streak, Threshold, UnseenShape, Vote,
    };

    fn changes(text: &str) -> RuleChanges {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_change_replaces_what_it_names() {
        let all = changes(
            r#"{"deviation": {"z": 4, "min_samples": 9}, "rate": {"absolute": 0.1, "min_events": 50}, "threshold": {"critical": 7.5},
                "percentile": {"factor": 1.5}}"#,
        );
        let deviation = Deviation { direction: Some(crate::rules::Side::Above), ..Deviation::default() };
        assert_eq!(
            all.applied(&Rule::Deviation(deviation)),
            Ok(Rule::Deviation(Deviation { z: 4.0, min_samples: 9, ..deviation }))
        );
        let rate = Rate { absolute: 0.1, min_events: 50, ..Rate::default() };
        assert_eq!(all.applied(&Rule::Rate(Rate::default())), Ok(Rule::Rate(rate)));
        let limit = Threshold { warning: Some(5.0), ..Threshold::default() };
        let changed = Threshold { critical: Some(7.5), ..limit };
        assert_eq!(all.applied(&Rule::Threshold(limit)), Ok(Rule::Threshold(changed)));
        let window = Percentile { of: crate::rules::Of::Window, ..Percentile::default() };
        let changed = Percentile { factor: Some(1.5), ..window };
        assert_eq!(all.applied(&Rule::Percentile(window)), Ok(Rule::Percentile(changed)));
        assert_eq!(all.applied(&Rule::Burst(Burst::default())), Ok(Rule::Burst(Burst::default())));
    }

    #[test]
    fn every_rule_can_be_written_and_read_again() {
        for rule in [
            Rule::Rate(Rate::default()),
            Rule::Streak(Streak::default()),
            Rule::Percentile(Percentile::default()),
            Rule::Ratio(Ratio::default()),
            Rule::Burst(Burst::default()),
            Rule::OffHours(OffHours::default()),
            Rule::Deviation(Deviation::default()),
            Rule::Vote(Vote::default()),
            Rule::UnseenShape(UnseenShape::default()),
        ] {
            let written = serde_json::to_value(rule).unwrap();
            assert_eq!(written["type"], rule.name());
            assert_eq!(serde_json::from_value::<Rule>(written).unwrap(), rule);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let of = |text: &str, rule: Rule| changes(text).applied(&rule).unwrap_err().to_string();
        let deviation = Rule::Deviation(Deviation::default());
        for (text, expected) in [
            (
                r#"{"deviation": {"zz": 4}}"#,
                "the rule `deviation` has no number `zz`; it has critical_z, min_change",
            ),
            (r#"{"deviation": {"direction": 4}}"#, "has no number `direction`"),
            (r#"{"deviation": {"type": 4}}"#, "has no number `type`"),
            (r#"{"deviation": {"z": 6}}"#, "`critical_z` of a rule of type deviation is 5"),
            (r#"{"deviation": {"z": -1}}"#, "`z` of a rule of type deviation is -1"),
            (r#"{"deviation": {"min_samples": 7.5}}"#, "invalid type: floating point `7.5`"),
            (r#"{"deviation": {"min_samples": -7}}"#, "the rule `deviation` cannot have these numbers"),
        ] {
            let refusal = of(text, deviation);
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
        let refusal = of(r#"{"novelty": {"min_events": 3}}"#, Rule::Novelty(Novelty::default()));
        assert!(refusal.starts_with("the rule `novelty` cannot be changed by a policy"), "{refusal}");
        let vote = Rule::Vote(Vote::default());
        let stricter = changes(r#"{"vote": {"threshold": 0.7}}"#).applied(&vote);
        assert_eq!(stricter, Ok(Rule::Vote(Vote { threshold: 0.7, ..Vote::default() })));
        assert!(of(r#"{"vote": {"rolling_z": 0.3}}"#, vote).contains("sum of the weights"));
        assert!(of(r#"{"vote": {"peaks": 0}}"#, vote).contains("has no number `peaks`"));
        assert!(serde_json::from_str::<RuleChanges>(r#"{"rate": {"tail": "1e-4"}}"#).is_err());
    }
}
