//! The rows of the hours before a window that further figures of rules are made of.

use catalog::{Catalog, MetricSpec, Shard};

use super::source::{are_chosen, bucket, of_shard};

/// Rows of some metrics that rules judge.
pub(super) struct Ruled {
    /// `FROM` and `WHERE`: the hours from `{from}` until `{end}`.
    pub(super) rows: String,
    /// The expression of a metric's place among those that rules judge.
    pub(super) place: String,
    /// The expression of a row's bucket.
    pub(super) bucket: String,
}

/// The condition that a row is of the window.
pub(super) const IS_NOW: &str = "hour >= toDateTime(intDiv({start:Int64}, 1000), 'UTC')";

impl Ruled {
    /// The rows of the metrics that a condition chooses. `None` if there is no such metric.
    pub(super) fn of(
        catalog: &Catalog,
        table: &str,
        (shard, some_entities): (Shard, bool),
        is_chosen: impl Fn(&MetricSpec) -> bool,
    ) -> Option<Self> {
        let chosen: Vec<_> = catalog.ruled().iter().enumerate().filter(|(_, spec)| is_chosen(spec)).collect();
        if chosen.is_empty() {
            return None;
        }
        let metrics: Vec<String> = chosen.iter().map(|(_, spec)| format!("'{}'", spec.name)).collect();
        let places: Vec<String> = chosen.iter().map(|(place, _)| place.to_string()).collect();
        let (metrics, places, bucket) = (metrics.join(", "), places.join(", "), bucket());
        let (names, keys) = if some_entities { are_chosen(catalog) } else { Default::default() };
        Some(Self {
            rows: format!(
                "FROM {table}{names}
    WHERE hour >= toDateTime(intDiv({{from:Int64}}, 1000), 'UTC')
        AND hour < toDateTime(intDiv({{end:Int64}}, 1000), 'UTC') AND metric IN ({metrics}){keys}{}",
                of_shard(shard, &bucket)
            ),
            place: format!("toUInt16(transform(metric, [{metrics}], [{places}], 0))"),
            bucket,
        })
    }
}
