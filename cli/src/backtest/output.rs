//! What a backtest prints, as JSON or as tables.

use ::backtest::{Derived, Difference, Flagged, Proposal, Report};
use catalog::Catalog;
use detection::{CustomerId, MetricName};
use serde::Serialize;

/// Where the usage came from.
#[derive(Default, Serialize)]
pub(crate) struct Origin {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// Of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<u64>,
    /// The database of the rollup and its server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
    /// The stack whose settings and policies hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stack: Option<String>,
    /// Full hours since the newest usage of the rollup. Absent for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) newest_hours_ago: Option<i64>,
}

#[derive(Serialize)]
pub(crate) struct Output<'a> {
    #[serde(flatten)]
    pub(crate) origin: Origin,
    /// Where the metrics are described.
    pub(crate) catalog: &'a str,
    /// What was assumed of metrics that no catalog describes.
    pub(crate) derived: &'a [Derived],
    pub(crate) time_zone: String,
    #[serde(flatten)]
    pub(crate) report: &'a Report,
    /// The odd hours of the customer that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hours: Option<Vec<HoursOfSeries<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget: Option<&'a Proposal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) difference: Option<&'a Difference>,
}

#[derive(Serialize)]
pub(crate) struct HoursOfSeries<'a> {
    pub(crate) customer: &'a CustomerId,
    pub(crate) metric: &'a MetricName,
    pub(crate) flagged: &'a [Flagged],
}

impl Origin {
    pub(crate) fn name(&self) -> &str {
        self.file.as_deref().or(self.database.as_deref()).unwrap_or_default()
    }
}

/// The odd hours of a customer, of one metric or of all.
pub(crate) fn hours<'a>(
    report: &'a Report,
    customer: &'a CustomerId,
    metric: Option<usize>,
    catalog: &'a Catalog,
) -> Vec<HoursOfSeries<'a>> {
    let of_series = |judged: &'a ::backtest::Judged| {
        let spec = catalog.metrics().get(judged.metric)?;
        Some(HoursOfSeries { customer: &judged.customer, metric: &spec.name, flagged: &judged.flagged })
    };
    report.of_customer(customer, metric).filter_map(of_series).collect()
}
