//! Counters: values that only rise and begin again at zero. Their steps count.
//!
//! A poll sees the rows of a counter in the order of their time. What views keep of counters tells the steps in a window and how long they
//! took, and nothing of single events.

use detection::rules::Rule;

use super::{Aggregate, Entities, Feed, MetricSpec};

impl MetricSpec {
    pub(super) fn validate_counter(&self) -> Result<(), String> {
        if !self.counter {
            return match self.series {
                Some(_) => Err("`series` has no use without `counter = true`".to_owned()),
                None => Ok(()),
            };
        }
        let Some(entities) = &self.entities else {
            return refused("needs a `source` that has an `entity`");
        };
        match entities.feed {
            Feed::Poll if self.aggregate == Aggregate::Sum => Ok(()),
            Feed::Poll => refused(
                "needs `aggregate = \"sum\"` in a source with `feed = \"poll\"`: the sum of its steps",
            ),
            Feed::View => self.validate_states(entities),
        }
    }

    /// Views keep states of the counters.
    fn validate_states(&self, entities: &Entities) -> Result<(), String> {
        let is_percentile = self.aggregate.percentile().is_some();
        if !is_percentile && !matches!(self.aggregate, Aggregate::Sum | Aggregate::Ratio) {
            return refused(
                "needs `aggregate = \"sum\"`, the sum of its steps, or \"ratio\", by `per` or by the seconds that they took, or a \
                 percentile",
            );
        }
        match (&entities.weight, is_percentile) {
            (None, true) => {
                return refused(
                    "needs a `weight` in the source for a percentile: the number of events in a bucket of the size `value`",
                );
            }
            (Some(_), false) => {
                return refused("has no use for `weight` in its source: a row is a sample of a counter");
            }
            _ => {}
        }
        for (key, text) in [("id", &entities.id), ("bad", &entities.bad)] {
            if text.is_some() {
                return refused(&format!(
                    "has no use for `{key}` in its source: a row is a sample, and no event"
                ));
            }
        }
        if self.rules.is_empty() {
            return refused("needs a [[metric.rule]]: models judge no counters that views feed");
        }
        let is_of_windows = |rule: &Rule| match rule {
            Rule::Threshold(_) | Rule::Deviation(_) | Rule::Vote(_) | Rule::UnseenShape(_) => true,
            Rule::Percentile(_) | Rule::Ratio(_) => is_percentile,
            _ => false,
        };
        match self.rules.iter().find(|of| !is_of_windows(&of.rule)) {
            None => Ok(()),
            Some(of) => refused(&format!("has no use for the rule `{}`: it looks at events", of.rule.name())),
        }
    }

    /// Views keep other columns of counters than of events, so a source has the one or the other.
    pub(super) fn validate_counters(&self, earlier: &[Self]) -> Result<(), String> {
        let counts_steps =
            |metric: &Self| metric.entities.as_ref().is_some_and(|entities| entities.counts_steps);
        let mut of_source =
            earlier.iter().filter(|other| other.source_of_entities() == self.source_of_entities());
        match of_source.find(|other| counts_steps(other) != counts_steps(self)) {
            None => Ok(()),
            Some(other) => Err(format!(
                "`counter` differs from that of `{}`: give counters a source of their own, which may have the same table",
                other.name
            )),
        }
    }
}

fn refused(reason: &str) -> Result<(), String> {
    Err(format!("`counter = true` {reason}"))
}

#[cfg(test)]
mod tests {
    use crate::Catalog;

    const RULE: &str = "[[metric.rule]]\ntype = \"vote\"";

    fn parse(of_source: &str, of_metric: &str, rule: &str) -> Result<Catalog, String> {
        let text = format!(
            "[[source]]\nname = \"nodes\"\ntable = \"samples\"\nentity = \"host\"\nwindow = \"1m\"\n{of_source}\n[[metric]]\n\
             name = \"traffic\"\nsource = \"nodes\"\nunit = \"bytes/s\"\nvalue = \"bytes\"\nmissing = \"gap\"\nmin_change = 1\n\
             counter = true\n{of_metric}\n{rule}"
        );
        Catalog::parse(&text, "my.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn views_feed_the_steps_of_counters() {
        for (of_source, of_metric, rule) in [
            ("", "aggregate = \"ratio\"", RULE),
            ("", "aggregate = \"ratio\"\nper = \"seconds\"\nseries = \"device\"", RULE),
            ("", "aggregate = \"sum\"", "[[metric.rule]]\ntype = \"deviation\""),
            (
                "weight = \"requests\"",
                "aggregate = \"p95\"",
                "[[metric.rule]]\ntype = \"percentile\"\nof = \"window\"",
            ),
        ] {
            let catalog = parse(of_source, of_metric, rule).unwrap();
            assert!(catalog.of("nodes").unwrap().entities().unwrap().counts_steps, "{of_metric}");
        }
    }

    #[test]
    fn what_states_of_counters_cannot_tell_is_refused() {
        let ratio = "aggregate = \"ratio\"";
        for (of_source, of_metric, rule, expected) in [
            ("", "aggregate = \"avg\"", RULE, "or a percentile"),
            ("", "aggregate = \"p95\"", RULE, "needs a `weight`"),
            ("weight = \"n\"", ratio, RULE, "has no use for `weight`"),
            ("id = \"id\"", ratio, RULE, "has no use for `id`"),
            ("bad = \"failed\"", ratio, RULE, "has no use for `bad`"),
            ("", "aggregate = \"sum\"", "", "needs a [[metric.rule]]"),
            ("", ratio, "[[metric.rule]]\ntype = \"burst\"", "has no use for the rule `burst`"),
            (
                "",
                "aggregate = \"sum\"",
                "[[metric.rule]]\ntype = \"percentile\"",
                "the rule `percentile`: it looks at events",
            ),
        ] {
            let refusal = parse(of_source, of_metric, rule).unwrap_err();
            assert!(
                refusal.contains("`counter = true`") && refusal.contains(expected),
                "{of_metric}: {refusal}"
            );
        }
        let events = "\n[[metric]]\nname = \"samples\"\nsource = \"nodes\"\nunit = \"samples\"\naggregate = \"count\"\n\
                      missing = \"gap\"\nmin_change = 1";
        let refusal = parse("", ratio, &format!("{RULE}\n{events}")).unwrap_err();
        assert!(refusal.contains("`counter` differs from that of `traffic`"), "{refusal}");
    }
}
