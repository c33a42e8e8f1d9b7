//! Whether the rules of a metric can be judged: by what its source says, and by what its rollup holds.

use detection::rules::{Burst, Persistence, Rule, UnseenShape, Vote};
use jiff::SignedDuration;
use serde::Deserialize;

use super::{Aggregate, MetricSpec, SourceWindow};

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

impl MetricRule {
    /// The rule by which detectors vote, among those of a metric.
    pub fn vote(rules: &[Self]) -> Option<&Vote> {
        rules.iter().find_map(|of| match &of.rule {
            Rule::Vote(vote) => Some(vote),
            _ => None,
        })
    }

    /// The rule that looks for shapes never seen, among those of a metric.
    pub fn unseen_shape(rules: &[Self]) -> Option<&UnseenShape> {
        rules.iter().find_map(|of| match &of.rule {
            Rule::UnseenShape(rule) => Some(rule),
            _ => None,
        })
    }
}

impl TryFrom<toml::Table> for MetricRule {
    type Error = toml::de::Error;

    fn try_from(mut entry: toml::Table) -> Result<Self, toml::de::Error> {
        let lasting = entry.remove("for").map(Persistence::deserialize).transpose()?.unwrap_or_default();
        Ok(Self { rule: Rule::deserialize(entry)?, lasting })
    }
}

impl MetricSpec {
    /// Models judge the newest hour, and rules need a past that is longer than their windows.
    fn validate_windows(&self) -> Result<(), String> {
        let Some(pace) = self.entities.as_ref().map(|entities| &entities.pace) else { return Ok(()) };
        if self.rules.is_empty() && pace.window == SourceWindow::Day {
            return Err("a metric without a rule needs a source with a `window` of \"1h\" or less: models judge each hour"
                .to_owned());
        }
        let Some(baseline) = pace.baseline else { return Ok(()) };
        let windows = self.rules.iter().map(|of| of.lasting.windows()).max().unwrap_or(1);
        let days = SignedDuration::from_hours(24 * i64::from(baseline.get()));
        if pace.window.length() * i32::try_from(windows).unwrap_or(i32::MAX) >= days {
            return Err(format!(
                "`baseline` is {baseline} days, but the windows of its rules are as long: take more days, or look at fewer windows"
            ));
        }
        Ok(())
    }

    /// Rules need the figures that only the rollup of a source with entities holds.
    pub(crate) fn validate_rules(&self) -> Result<(), String> {
        let has_entities = self.entities.is_some();
        if !self.rules.is_empty() && !has_entities {
            return Err(
                "a [[metric.rule]] needs a `source` that has an `entity`: models judge the usage of customers"
                    .to_owned(),
            );
        }
        if self.network.is_some() && self.vote().is_none() {
            return Err("`network` needs the rule `vote`: only there networks have a say".to_owned());
        }
        self.validate_windows()?;
        if self.kind.is_some() && !has_entities {
            return Err("`type` has no use for a metric of customers: its verdict says the type".to_owned());
        }
        if self.aggregate.needs_rules() && self.rules.is_empty() {
            return Err(format!(
                "`aggregate = \"{}\"` needs a [[metric.rule]]: models judge no such metric",
                self.aggregate.as_str()
            ));
        }
        for MetricRule { rule, lasting } in &self.rules {
            if lasting.windows() > MOST_WINDOWS {
                return Err(format!(
                    "`for` is `{lasting}`, but it may look at {MOST_WINDOWS} windows at most"
                ));
            }
            if lasting.windows() > 1 {
                self.validate_lasting(rule)?;
            }
            rule.validate().map_err(|error| error.to_string())?;
            if let Rule::Burst(Burst { principals: Some(_), .. }) = rule {
                return Err("`principals` of the rule `burst` cannot be counted by any source yet".to_owned());
            }
            if let Some(missing) = Need::of(rule).missing(self) {
                return Err(format!("the rule `{}` needs {missing}", rule.name()));
            }
            let others = self.rules.iter().filter(|of| !matches!(of.rule, Rule::UnseenShape(_))).count();
            if matches!(rule, Rule::Vote(_)) && others > 1 {
                return Err(
                    "the rule `vote` judges a metric alone, or beside `unseen_shape`: give other rules a metric of their own"
                        .to_owned(),
                );
            }
            if self.rules.len() - others > 1 {
                return Err("a metric has one rule `unseen_shape` at most".to_owned());
            }
            self.validate_window(rule)?;
            if self.aggregate == Aggregate::Novel && !matches!(rule, Rule::Novelty(_)) {
                return Err(format!(
                    "the rule `{}` has no use for `aggregate = \"novel\"`: the rule `novelty` judges it",
                    rule.name()
                ));
            }
        }
        Ok(())
    }

    /// The rule by which detectors vote on all metrics of the entity.
    pub fn vote(&self) -> Option<&Vote> {
        MetricRule::vote(&self.rules)
    }

    /// The rule that looks for shapes never seen.
    pub fn unseen_shape(&self) -> Option<&UnseenShape> {
        MetricRule::unseen_shape(&self.rules)
    }

    /// An entity is judged as a whole, and each of its metrics has a network of its own.
    pub(super) fn validate_vote(&self, earlier: &[Self]) -> Result<(), String> {
        let Some(vote) = self.vote() else { return Ok(()) };
        let shares = |other: &&Self| self.network.is_some() && other.network == self.network;
        if let Some(other) = earlier.iter().find(shares) {
            return Err(format!(
                "its `network` is that of `{}` too: a network is trained on the samples of one metric",
                other.name
            ));
        }
        let of_source =
            earlier.iter().filter(|other| other.source_of_entities() == self.source_of_entities());
        let differs = |other: &&Self| other.vote().is_some_and(|other| !vote.goes_with(other));
        match of_source.into_iter().find(differs) {
            None => Ok(()),
            Some(other) => Err(format!(
                "its rule `vote` has other weights or another threshold than that of `{}`: detectors vote on all metrics of an entity together",
                other.name
            )),
        }
    }

    /// Only some rules look at earlier windows.
    fn validate_lasting(&self, rule: &Rule) -> Result<(), String> {
        let reason = match rule {
            Rule::Streak(_) => "it looks at the newest events",
            Rule::Novelty(_) | Rule::DistinctGrowth(_) | Rule::OffHours(_) => "it looks at the newest window",
            Rule::Vote(_) | Rule::UnseenShape(_) => "it looks at the newest samples",
            _ if self.aggregate.is_of_texts() => "texts are counted in the newest window",
            _ => return Ok(()),
        };
        Err(format!("`for` has no use for the rule `{}`: {reason}", rule.name()))
    }

    /// Texts are kept by the hour, and so are the hours of the day.
    fn validate_window(&self, rule: &Rule) -> Result<(), String> {
        let Some(window) = self.entities.as_ref().map(|entities| entities.pace.window) else { return Ok(()) };
        let is_extreme = matches!(self.aggregate, Aggregate::Max | Aggregate::Min);
        let needed = match rule {
            Rule::OffHours(_) if window != SourceWindow::Hour => "`window = \"1h\"`",
            // The largest value of five minutes is less than that of an hour.
            Rule::Deviation(_) if is_extreme && window.needs_minutes() => "a `window` of \"1h\" or \"24h\"",
            Rule::Vote(_) | Rule::UnseenShape(_) if !window.needs_minutes() => {
                "a `window` of \"1m\" or \"5m\""
            }
            // The largest value of a minute is less than that of an hour, which tells the time of day.
            Rule::Vote(_) if is_extreme => {
                return Err(format!(
                    "the rule `{}` has no use for `aggregate = \"{}\"`: take the mean, a percentile or the newest value",
                    rule.name(),
                    self.aggregate.as_str()
                ));
            }
            _ if self.aggregate.is_of_texts() && window.needs_minutes() => "a `window` of \"1h\" or \"24h\"",
            _ => return Ok(()),
        };
        Err(format!(
            "the rule `{}` of `aggregate = \"{}\"` needs {needed} in the source, which has \"{}\"",
            rule.name(),
            self.aggregate.as_str(),
            window.as_str()
        ))
    }
}

/// What a rule needs of its metric.
enum Need {
    Failures,
    /// Failures, if the metric counts them.
    Attempts,
    /// The value of each event.
    Values,
    /// The value of a window.
    Number,
    /// This aggregate of texts.
    Texts(Aggregate),
    Nothing,
}

impl Need {
    fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Rate(_) | Rule::Streak(_) => Self::Failures,
            Rule::Burst(_) => Self::Attempts,
            Rule::Percentile(_) | Rule::Ratio(_) => Self::Values,
            Rule::Threshold(_) | Rule::OffHours(_) => Self::Nothing,
            Rule::Novelty(_) => Self::Texts(Aggregate::Novel),
            Rule::DistinctGrowth(_) => Self::Texts(Aggregate::Distinct),
            Rule::Deviation(_) | Rule::Vote(_) | Rule::UnseenShape(_) => Self::Number,
        }
    }

    /// What a metric lacks of it.
    fn missing(&self, metric: &MetricSpec) -> Option<String> {
        let has_bad = metric.entities.as_ref().is_some_and(|entities| entities.bad.is_some());
        match self {
            Self::Attempts if metric.aggregate != Aggregate::Rate => None,
            Self::Failures | Self::Attempts if !has_bad => {
                Some("`bad` in the source: say which events have failed".to_owned())
            }
            Self::Values if metric.value.is_none() => Some("a `value`".to_owned()),
            Self::Values if !metric.aggregate.has_sizes() => Some(format!(
                "a number of each event, and `aggregate = \"{}\"` has none",
                metric.aggregate.as_str()
            )),
            Self::Texts(aggregate) if metric.aggregate != *aggregate => {
                Some(format!("`aggregate = \"{}\"`, and a `value` that is a text", aggregate.as_str()))
            }
            Self::Number if metric.aggregate.is_of_texts() => {
                Some(format!("a number, and `aggregate = \"{}\"` is of texts", metric.aggregate.as_str()))
            }
            Self::Failures
            | Self::Attempts
            | Self::Values
            | Self::Number
            | Self::Texts(_)
            | Self::Nothing => None,
        }
    }
}
