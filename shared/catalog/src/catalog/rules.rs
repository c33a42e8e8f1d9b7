//! Whether the rules of a metric can be judged: by what its source says, and by what its rollup holds.

use detection::rules::{Burst, Persistence, Rule};
use serde::Deserialize;

use super::{Aggregate, Feed, MetricSpec};

/// A rule of a metric, and in how many windows it must hold.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct MetricRule {
    pub rule: Rule,
    /// `for = "3 of 3"`: the rule tells when it holds in so many of the newest windows.
    pub lasting: Persistence,
}

/// The most windows that `for` looks at. Each is read in each run.
const MOST_WINDOWS: usize = 12;

impl TryFrom<toml::Table> for MetricRule {
    type Error = toml::de::Error;

    fn try_from(mut entry: toml::Table) -> Result<Self, toml::de::Error> {
        let lasting = entry.remove("for").map(Persistence::deserialize).transpose()?.unwrap_or_default();
        Ok(Self { rule: Rule::deserialize(entry)?, lasting })
    }
}

impl MetricSpec {
    /// A counter is made of its rows in the order of their time, which no view sees.
    pub(super) fn validate_counter(&self) -> Result<(), String> {
        let is_polled = self.entities.as_ref().is_some_and(|entities| entities.feed == Feed::Poll);
        match (self.counter, &self.series) {
            (false, Some(_)) => Err("`series` has no use without `counter = true`".to_owned()),
            (true, _) if self.aggregate != Aggregate::Sum => {
                Err("`counter = true` needs `aggregate = \"sum\"`: the sum of its steps".to_owned())
            }
            (true, _) if !is_polled => {
                Err("`counter = true` needs a `source` with `feed = \"poll\"`: a view does not see the row before"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

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
        for MetricRule { rule, lasting } in &self.rules {
            if lasting.windows() > MOST_WINDOWS {
                return Err(format!(
                    "`for` is `{lasting}`, but it may look at {MOST_WINDOWS} windows at most"
                ));
            }
            if lasting.windows() > 1 && matches!(rule, Rule::Streak(_)) {
                return Err(
                    "`for` has no use for the rule `streak`: it looks at the newest events".to_owned()
                );
            }
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
