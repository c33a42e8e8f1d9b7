//! Parts of statements that several of them share.

use catalog::{Entities, MetricSpec};
use jiff::SignedDuration;

/// A value as a number, or NULL if it is none. The condition depends only on the type, so ClickHouse decides it once
/// per query. `accurateCastOrNull` would drop whole numbers that a Float64 cannot hold exactly, so numbers are
/// converted without it.
pub(crate) fn number(value: &str) -> String {
    format!(
        "if(match(toTypeName({value}), '^(Nullable\\\\(|LowCardinality\\\\()*(U?Int|Float|Decimal|Bool)'), \
         toFloat64({value}), accurateCastOrNull({value}, 'Float64'))"
    )
}

/// Whether a row stands for other than one event.
pub(super) fn has_weight(metric: &MetricSpec) -> bool {
    // The weight of a counter is its value.
    metric.entities.as_ref().is_some_and(|entities| {
        (entities.weight.is_some() || entities.sample.is_some()) && !entities.counts_steps
    })
}

/// The number of events of a group of rows.
pub(super) fn number_of_events(metric: &MetricSpec) -> &'static str {
    if has_weight(metric) { "sum(toUInt64(assumeNotNull(meterflow_weight)))" } else { "count()" }
}

/// What a sum multiplies the value of a row by.
pub(super) fn times_weight(metric: &MetricSpec) -> &'static str {
    if has_weight(metric) { " * assumeNotNull(meterflow_weight)" } else { "" }
}

/// The condition that a time is between any of these, in Unix seconds.
pub(super) fn within(time: &str, spans: &[(u32, u32)]) -> String {
    let span = |(from, to): &(u32, u32)| {
        format!("({time} >= toDateTime({from}, 'UTC') AND {time} < toDateTime({to}, 'UTC'))")
    };
    spans.iter().map(span).collect::<Vec<_>>().join(" OR ")
}

/// A text between quotes.
pub(super) fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

/// The time that a row of a rollup is of.
#[derive(Clone, Copy)]
pub(super) struct Grain {
    pub(super) column: &'static str,
    length: SignedDuration,
}

impl Grain {
    pub(super) const HOUR: Self = Self { column: "hour", length: SignedDuration::from_hours(1) };

    /// Of the rollup of minutes.
    pub(super) fn of_minutes(entities: Option<&Entities>) -> Self {
        let pace = entities.map(|entities| entities.pace).unwrap_or_default();
        Self { column: "minute", length: pace.slot() }
    }

    /// The first instant of the row that a time is of.
    pub(super) fn start(self, time: &str) -> String {
        match self.length.as_secs() {
            3_600 => format!("toStartOfHour({time})"),
            60 => format!("toStartOfMinute({time})"),
            seconds => format!("toStartOfInterval({time}, toIntervalSecond({seconds}))"),
        }
    }
}

/// The place of a value in a logarithmic histogram, as `detection::Histogram` counts them.
pub(super) fn key_of_shape(value: &str) -> String {
    format!(
        "toInt16(multiIf(NOT isFinite({value}), 32767, {value} < 0, -32768, {value} = 0, -32767, \
         floor(log({value}) / log(1.05))))"
    )
}

/// The comment on tables of sources with entities. Their names come from people, so somebody else may have such tables.
pub(super) const MARK: &str = "Made by meterflow migrate";
