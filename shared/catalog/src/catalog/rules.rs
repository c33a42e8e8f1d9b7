//! Whether the rules of a metric can be judged: by what its source says, and by what its rollup holds.

use detection::rules::{Burst, Rule};

use super::MetricSpec;

impl MetricSpec {
    /// Rules need the figures that only the rollup of a source with entities holds.
    pub(super) fn validate_rules(&self) -> Result<(), String> {
        let has_entities = self.entities.is_some();
        if !self.rules.is_empty() && !has_entities {
            return Err(
                "a [[metric.rule]] needs a `source` that has an `entity`: models judge the usage of customers"
                    .to_owned(),
            );
        }
        if self.kind.is_some() && !has_entities {
            return Err("`type` has no use for a metric of customers: its verdict says the type".to_owned());
        }
        if self.aggregate.needs_rules() && self.rules.is_empty() {
            return Err(format!(
                "`aggregate = \"{}\"` needs a [[metric.rule]]: models judge no such metric",
                self.aggregate.as_str()
            ));
        }
        let has_bad = self.entities.as_ref().is_some_and(|entities| entities.bad.is_some());
        for rule in &self.rules {
            rule.validate().map_err(|error| error.to_string())?;
            if let Rule::Burst(Burst { principals: Some(_), .. }) = rule {
                return Err("`principals` of the rule `burst` cannot be counted by any source yet".to_owned());
            }
            match Need::of(rule) {
                Need::Failures if !has_bad => {
                    return Err(format!(
                        "the rule `{}` needs `bad` in the source: say which events have failed",
                        rule.name()
                    ));
                }
                Need::Values if self.value.is_none() => {
                    return Err(format!("the rule `{}` needs a `value`", rule.name()));
                }
                Need::More => {
                    return Err(format!("no source can be judged by the rule `{}` yet", rule.name()));
                }
                Need::Failures | Need::Values | Need::Nothing => {}
            }
        }
        Ok(())
    }
}

/// What a rule needs of its metric.
enum Need {
    Failures,
    Values,
    Nothing,
    /// Figures that no rollup holds.
    More,
}

impl Need {
    fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Rate(_) | Rule::Streak(_) => Self::Failures,
            Rule::Percentile(_) | Rule::Ratio(_) => Self::Values,
            Rule::Threshold(_) | Rule::Burst(_) => Self::Nothing,
            Rule::Novelty(_) | Rule::DistinctGrowth(_) | Rule::OffHours(_) => Self::More,
        }
    }
}
