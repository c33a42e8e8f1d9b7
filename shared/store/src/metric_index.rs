//! The index of anomalies by metric, by which the lists of all customers are read.
//!
//! DynamoDB takes 1,000 write units a second for one key of an index, and holds the writes of the table back beyond that. The whole
//! index has one key a metric. The split one has [`PARTS`], so a storm of one metric is stored in an eighth of the time. A table has
//! one of the two: whichever it has costs a write of each anomaly. Each anomaly carries the key of the split one, so a table can get it
//! later.

use detection::{CustomerId, MetricName};

use super::keys::part_of;

/// Keys of a metric in the split index.
const PARTS: u8 = 8;

/// Which index by metric the table has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricIndex {
    #[default]
    Whole,
    Split,
}

impl MetricIndex {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whole => "metric-severity-index",
            Self::Split => "metric-part-index",
        }
    }

    /// The attribute that is its key.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Whole => "metric",
            Self::Split => "metric_part",
        }
    }

    /// Parts of each metric.
    pub(crate) fn parts(self) -> u8 {
        match self {
            Self::Whole => 1,
            Self::Split => PARTS,
        }
    }

    /// The part of a metric that has the anomalies of a customer.
    pub(crate) fn part(self, of: &CustomerId) -> u8 {
        part_of(of, self.parts())
    }

    /// The key of a part of a metric.
    pub(crate) fn key(self, metric: &MetricName, part: u8) -> String {
        match self {
            Self::Whole => metric.to_string(),
            Self::Split => format!("{metric}#{part}"),
        }
    }
}

/// The key of a customer's anomalies of a metric in the split index.
pub(crate) fn metric_part(metric: &MetricName, of: &CustomerId) -> String {
    MetricIndex::Split.key(metric, MetricIndex::Split.part(of))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn customers_spread_over_all_parts_and_stay_where_they_are() {
        let metric = MetricName::new("api_calls").unwrap();
        let keys = |index: MetricIndex| -> BTreeSet<_> {
            let ids = (0..200).map(|number| CustomerId::new(format!("c{number}")).unwrap());
            ids.map(|id| index.key(&metric, index.part(&id))).collect()
        };
        assert_eq!(keys(MetricIndex::Whole).into_iter().collect::<Vec<_>>(), ["api_calls"]);
        let parts: Vec<_> = (0..PARTS).map(|part| format!("api_calls#{part}")).collect();
        assert_eq!(keys(MetricIndex::Split).into_iter().collect::<Vec<_>>(), parts);
        // Items outlive deployments. Another part would hide the stored ones.
        assert_eq!(metric_part(&metric, &CustomerId::new("acme").unwrap()), "api_calls#2");
    }
}
