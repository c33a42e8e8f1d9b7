//! The columns of the rollup that only some aggregates of a source with entities need.
//!
//! A view fills the columns that its metric needs. In all other rows they are empty: a column of states then takes a byte.

use catalog::{Aggregate, MetricSpec};

use super::sql::{number, number_of_events};
use super::versions;

/// The columns with their types, as the tables have them.
pub(super) const COLUMNS: [(&str, &str); 3] = [
    ("per", "SimpleAggregateFunction(sum, Float64)"),
    ("newest", "AggregateFunction(argMax, Float64, DateTime64(3, 'UTC'))"),
    ("texts", "AggregateFunction(uniqCombined(12), String)"),
];

/// The most characters of a text that is kept.
const LENGTH: usize = 200;

/// The column that a metric needs.
pub(super) fn column(metric: &MetricSpec) -> Option<&'static str> {
    needed(metric, "").map(|(column, _)| column)
}

/// The column that a metric needs, and the expression of its view.
///
/// * `times`: what a sum multiplies the value of a row by.
pub(super) fn needed(metric: &MetricSpec, times: &str) -> Option<(&'static str, String)> {
    let value = "assumeNotNull(meterflow_value)";
    match metric.aggregate {
        // Of a metric with rules one broken value hides no other.
        Aggregate::Ratio => Some(("per", format!("sumIf(meterflow_per{times}, isFinite(meterflow_per))"))),
        Aggregate::Last if metric.rules.is_empty() => {
            Some(("newest", format!("argMaxState({value}, {TIME})")))
        }
        Aggregate::Last => Some(("newest", format!("argMaxStateIf({value}, {TIME}, isFinite({value}))"))),
        Aggregate::Distinct => {
            Some(("texts", "uniqCombinedState(12)(assumeNotNull(meterflow_text))".to_owned()))
        }
        _ => None,
    }
}

/// The SELECT that makes rows of the table of texts from the events that count.
pub(super) fn seen_select(metric: &MetricSpec, events: &str) -> String {
    format!(
        "SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    '{name}' AS metric,
    substringUTF8(ifNull(meterflow_text, ''), 1, {LENGTH}) AS value,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    {number} AS events{digest}
{events}
GROUP BY customer_id, value, hour",
        name = metric.name,
        number = number_of_events(metric),
        digest = versions::digest_column(metric),
    )
}

/// Further columns of the events that count: the divisor of a ratio, or a text.
pub(super) fn of_events(metric: &MetricSpec) -> String {
    let per = metric
        .per
        .as_deref()
        .map_or_else(String::new, |per| format!(",\n        ifNull({}, 0) AS meterflow_per", number(per)));
    let text = metric.value.as_deref().filter(|_| metric.aggregate.is_of_texts());
    // The cast also takes the dictionary from a LowCardinality.
    let text = text.map_or_else(String::new, |text| {
        format!(",\n        CAST(toString({text}), 'Nullable(String)') AS meterflow_text")
    });
    per + &text
}

/// A condition on the events that count. Where new texts are looked for, an event without one tells how long its entity is
/// known.
pub(super) fn is_counted(metric: &MetricSpec) -> &'static str {
    if metric.aggregate == Aggregate::Distinct { " AND ifNull(meterflow_text, '') != ''" } else { "" }
}

/// The time of an event, as states of the newest value compare it.
const TIME: &str = "toDateTime64(assumeNotNull(meterflow_time), 3, 'UTC')";

#[cfg(test)]
mod tests {
    use catalog::Catalog;

    use crate::rollup::events::columns;
    use crate::rollup::statements::{create_view, fill};

    fn view(aggregate: &str, more: &str) -> String {
        let text = format!(
            "[[source]]\nname = \"jobs\"\ntable = \"runs\"\ntenant = \"team\"\nentity = \"job\"\ntime = \"at\"\n\
             [[metric]]\nname = \"m\"\nsource = \"jobs\"\nunit = \"runs\"\nmissing = \"gap\"\nmin_change = 1\n\
             aggregate = \"{aggregate}\"\nvalue = \"v\"\n{more}"
        );
        let catalog = Catalog::parse(&text, "a").unwrap();
        let metric = catalog.of("jobs").unwrap().get("m").unwrap();
        let filled = fill(metric, &[(0, 3_600)], (0, 3_600));
        assert!(filled.contains(&format!("({})", columns(metric))), "{filled}");
        create_view(metric, &metric.table)
    }

    #[test]
    fn each_aggregate_fills_its_column() {
        let rule = "[[metric.rule]]\ntype = \"threshold\"\nwarning = 1.0";
        insta::assert_snapshot!(view("ratio", &format!("per = \"w\"\n{rule}")));
        for (aggregate, more, part) in [
            (
                "ratio",
                format!("per = \"w\"\n{rule}").as_str(),
                "sumIf(meterflow_per, isFinite(meterflow_per)) AS per",
            ),
            ("last", "", "argMaxState(assumeNotNull(meterflow_value), toDateTime64("),
            ("last", rule, "argMaxStateIf(assumeNotNull(meterflow_value), toDateTime64("),
            ("distinct", rule, "uniqCombinedState(12)(assumeNotNull(meterflow_text)) AS texts"),
            ("distinct", rule, "AND ifNull(meterflow_text, '') != ''"),
        ] {
            let view = view(aggregate, more);
            assert!(view.contains(part) && view.contains("TO jobs_hourly AS"), "{view}");
        }
        assert!(!view("max", "").contains("meterflow_text"));
    }

    #[test]
    fn new_texts_have_a_table_of_their_own() {
        insta::assert_snapshot!(view("novel", "[[metric.rule]]\ntype = \"novelty\""));
    }
}
