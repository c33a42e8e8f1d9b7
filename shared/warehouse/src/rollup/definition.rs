//! The definition of a view, kept in its comment for later migrations.
//!
//! A comment has two digests: one of the metric's meaning, and one of the text of the view. If only the text differs,
//! an earlier version of this program made the view. Then the view is rewritten in place, and the rollup keeps its
//! rows. If the meaning differs, the rows of the rollup are useless.

use catalog::{Entities, Feed, MetricSpec};
use sha2::{Digest, Sha256};

use super::events::{minutes_select, rollup_select};

/// The state of a view by its comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewState {
    /// Made by this version from this definition.
    Current,
    /// Made from this definition, with another text.
    OlderText,
    /// Made by a migration, from another definition.
    OtherMeaning,
    /// Made by somebody else.
    Foreign,
}

/// The comment of a metric's view.
pub(super) fn comment(metric: &MetricSpec) -> String {
    format!("{} {}", digest(&meaning(metric)), digest(&rollup_select(metric, "")))
}

/// The comment of a metric's view on minutes.
pub(super) fn comment_of_minutes(metric: &MetricSpec) -> String {
    format!("{} {}", digest(&meaning(metric)), digest(&minutes_select(metric, &metric.table)))
}

/// The state of a view, by its comment and the catalog's entry of its metric.
pub(super) fn state(found: &str, metric: Option<&MetricSpec>) -> ViewState {
    state_beside(found, metric.map(|metric| (metric, comment(metric))))
}

/// The state of a view on minutes.
pub(super) fn state_of_minutes(found: &str, metric: Option<&MetricSpec>) -> ViewState {
    state_beside(found, metric.map(|metric| (metric, comment_of_minutes(metric))))
}

fn state_beside(found: &str, metric: Option<(&MetricSpec, String)>) -> ViewState {
    let parts: Vec<&str> = found.split(' ').collect();
    let is_digest = |part: &&str| part.len() == 16 && part.chars().all(|c| c.is_ascii_hexdigit());
    // The first version wrote one digest, of its text. That text is the meaning.
    if parts.len() > 2 || !parts.iter().all(is_digest) {
        return ViewState::Foreign;
    }
    let Some((metric, comment)) = metric else { return ViewState::OtherMeaning };
    if found == comment {
        ViewState::Current
    } else if parts[0] == digest(&meaning(metric)) {
        ViewState::OlderText
    } else {
        ViewState::OtherMeaning
    }
}

fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}

/// The text that stands for the meaning of a metric: the exact statement from which the first version made views. So no
/// upgrade mistakes a metric for another. Never change this text.
fn meaning(metric: &MetricSpec) -> String {
    if let Some(Entities { names, bad, feed, weight, id, .. }) = &metric.entities {
        let MetricSpec { name, table, customer_column, time_column, filter, value, .. } = metric;
        let usual = format!("{name} {:?}", (table, customer_column, names, time_column, filter, value, bad));
        let weighed = weight.as_ref().map_or_else(String::new, |weight| format!(" weight {weight:?}"));
        let polled = match feed {
            Feed::View if metric.counter => format!(" counter {:?}", (&metric.series, &metric.per)),
            Feed::View => String::new(),
            Feed::Poll => format!(" poll {:?}", (id, metric.counter, &metric.series)),
        };
        // The columns that it fills are those of its aggregate.
        let own = match metric.aggregate.needs_entities() {
            true => format!(" {} {:?}", metric.aggregate.as_str(), metric.per),
            false => String::new(),
        };
        return format!("{usual}{weighed}{polled}{own}");
    }
    let MetricSpec { name, table, customer_column, time_column, .. } = metric;
    let filter = metric.filter.as_deref().unwrap_or("true");
    let value = metric.value.as_deref().unwrap_or("1");
    format!(
        "SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    '{name}' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(assumeNotNull(meterflow_value)) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low
FROM
(
    SELECT
        toString(`{customer_column}`) AS meterflow_customer,
        `{time_column}` AS meterflow_time,
        toFloat64({value}) AS meterflow_value
    FROM {table}
    WHERE ({filter})
        AND `{time_column}` >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND `{time_column}` < toDateTime('2106-01-01 00:00:00', 'UTC')
)
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''
GROUP BY customer_id, hour"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog::Catalog;

    fn metric(name: &str) -> MetricSpec {
        Catalog::built_in().unwrap().get(name).unwrap().clone()
    }

    /// Comments of views that the first version made. They exist in the databases of its users.
    #[test]
    fn the_views_of_the_first_version_are_known() {
        for (name, comment) in [
            ("api_calls", "b8091f3c2ed52f05"),
            ("bandwidth", "122d0d5d79bda511"),
            ("storage_peak", "5719ba8738f2ae73"),
            ("compute_time", "56978d7bfc7dfb46"),
        ] {
            assert_eq!(state(comment, Some(&metric(name))), ViewState::OlderText, "{name}");
        }
    }

    #[test]
    fn an_aggregate_with_a_column_of_its_own_is_a_part_of_the_meaning() {
        let of = |aggregate: &str, more: &str| {
            let text = format!(
                "[[source]]\nname = \"jobs\"\ntable = \"runs\"\nentity = \"job\"\n[[metric]]\nname = \"m\"\n\
                 source = \"jobs\"\nunit = \"ms\"\nmissing = \"gap\"\nmin_change = 1\nvalue = \"ms\"\n\
                 aggregate = \"{aggregate}\"\n{more}"
            );
            Catalog::parse(&text, "a").unwrap().find("m").unwrap().clone()
        };
        let (max, last) = (of("max", ""), of("last", ""));
        assert_eq!(comment(&max).split(' ').next(), Some("8e26dcfa1745e999"), "made by earlier versions");
        let beside = |one: &MetricSpec, other: &MetricSpec| state(&comment(one), Some(other));
        assert_eq!(beside(&max, &of("min", "")), ViewState::Current);
        assert_eq!(beside(&max, &last), ViewState::OtherMeaning);
        let ratio = |per: &str| {
            of("ratio", &format!("per = \"{per}\"\n[[metric.rule]]\ntype = \"threshold\"\nwarning = 1.0"))
        };
        assert_eq!(beside(&ratio("a"), &ratio("a")), ViewState::Current);
        assert_eq!(beside(&ratio("a"), &ratio("b")), ViewState::OtherMeaning);
    }

    #[test]
    fn a_comment_tells_what_a_view_was_made_from() {
        let plain = metric("api_calls");
        let of = |metric: &MetricSpec| state(&comment(&plain), Some(metric));
        assert_eq!(of(&plain), ViewState::Current);
        let changed = MetricSpec { filter: Some("event_type = 'other'".to_owned()), ..plain.clone() };
        assert_eq!(of(&changed), ViewState::OtherMeaning);
        let floors = MetricSpec { min_change: 7.0, ..plain.clone() };
        assert_eq!(of(&floors), ViewState::Current, "floors do not change the rollup");
        assert_eq!(state(&comment(&plain), None), ViewState::OtherMeaning);
        for foreign in ["", "daily usage", "0123456789abcdeg", "0123456789abcdef 0123456789abcdef 0"] {
            assert_eq!(state(foreign, Some(&plain)), ViewState::Foreign, "{foreign}");
        }
    }
}
