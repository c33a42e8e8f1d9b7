//! The incidents that a run knows of when it begins: those that may go on or end, and those whose windows baselines leave
//! out. They may have changed by the time they are written; then that is decided anew.

use std::collections::HashMap;

use adapters::store::IncidentItem;
use detection::incident::{self, Incident};
use detection::{CustomerId, Direction, Excluded, MetricName, Window};

use crate::ledger::Ledger;

#[derive(Default)]
pub(crate) struct Known(HashMap<CustomerId, Vec<IncidentItem>>);

/// The known incidents of one customer and metric.
#[derive(Clone, Copy)]
pub(crate) struct OfSeries<'a> {
    of_customer: &'a [IncidentItem],
    metric: &'a MetricName,
}

impl Known {
    /// All that could matter to the windows of a run.
    pub(crate) async fn read(
        ledger: &impl Ledger,
        window: &Window,
        baseline_windows: usize,
    ) -> anyhow::Result<Self> {
        let mut known = Self::default();
        let (from, now) = (window.earlier(baseline_windows).end(), ledger.now()?.min(window.end()));
        for item in ledger.incidents_since(from, now).await? {
            known.0.entry(item.incident.subject.customer_id.clone()).or_default().push(item);
        }
        Ok(known)
    }

    pub(crate) fn of<'a>(&'a self, customer: &CustomerId, metric: &'a MetricName) -> OfSeries<'a> {
        OfSeries { of_customer: self.0.get(customer).map_or(&[], Vec::as_slice), metric }
    }
}

impl<'a> OfSeries<'a> {
    /// The incident of a direction that was opened last.
    pub(crate) fn latest(self, direction: Direction) -> Option<&'a IncidentItem> {
        let of_direction = self.incidents().filter(|item| item.incident.subject.direction == direction);
        of_direction.max_by_key(|item| item.incident.opened_at)
    }

    pub(crate) fn excluded(self, window: &Window, baseline_windows: usize) -> Excluded {
        let incidents = self.incidents().map(|item| -> &Incident { &item.incident });
        incident::excluded(incidents, window, baseline_windows)
    }

    fn incidents(self) -> impl Iterator<Item = &'a IncidentItem> {
        self.of_customer.iter().filter(move |item| item.incident.subject.metric == *self.metric)
    }
}
