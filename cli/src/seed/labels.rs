//! The planted anomalies, for comparison with the found ones.

use serde::Serialize;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    ApiCalls,
    Bandwidth,
    StoragePeak,
    ComputeTime,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Spike,
    Drop,
    DropToZero,
    FromZero,
    /// Another shape of the day, at a usual volume.
    Shape,
}

impl Kind {
    pub(crate) fn direction(self) -> Direction {
        match self {
            Kind::Spike | Kind::FromZero | Kind::Shape => Direction::Spike,
            Kind::Drop | Kind::DropToZero => Direction::Drop,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Spike,
    Drop,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    Warning,
    Critical,
}

/// One planted change of one metric.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planted {
    pub(crate) metric: Metric,
    pub(crate) kind: Kind,
    /// `None`: the check cannot find the anomaly, and `why` says so.
    pub(crate) severity: Option<Severity>,
    pub(crate) why: &'static str,
    /// When the same happened before, as hours before the last hour of the usage. Oldest first.
    pub(crate) earlier: &'static [usize],
}

/// The labels file.
#[derive(Serialize)]
pub(crate) struct Labels {
    pub(crate) seed: u64,
    pub(crate) customers: u64,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) days: usize,
    pub(crate) events: u64,
    pub(crate) planted: Vec<Label>,
}

#[derive(Serialize)]
pub(crate) struct Label {
    customer_id: String,
    metric: Metric,
    kind: Kind,
    direction: Direction,
    findable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Severity>,
    why: &'static str,
    /// Ends of the hours in which the same happened before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<String>,
}

impl Label {
    /// * `earlier`: the ends of the hours in which the same happened before.
    pub(crate) fn new(customer_id: &str, planted: Planted, earlier: Vec<String>) -> Self {
        Self {
            customer_id: customer_id.to_owned(),
            metric: planted.metric,
            kind: planted.kind,
            direction: planted.kind.direction(),
            findable: planted.severity.is_some(),
            severity: planted.severity,
            why: planted.why,
            earlier,
        }
    }

    pub(crate) fn findable(&self) -> bool {
        self.findable
    }
}
