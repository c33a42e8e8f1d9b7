//! Counting incidents: a few attributes of each.

use std::time::Instant;

use detection::{CustomerId, EntityPath, IncidentState, MetricName, Severity};
use jiff::Timestamp;
use serde::Deserialize;

use super::counting::behind;
use super::search::Searched;
use super::{AnomalyStore, Attributes, Extent, IncidentFilter, StoreError};

/// The attributes that a count reads.
#[derive(Clone, Debug, Deserialize)]
pub struct CountedIncident {
    pub customer_id: CustomerId,
    #[serde(default)]
    pub entity_path: Option<EntityPath>,
    pub metric: MetricName,
    pub state: IncidentState,
    pub severity: Severity,
    /// Unix milliseconds.
    pub last_window: i64,
    #[serde(default)]
    description: String,
}

impl AnomalyStore {
    /// Hands the incidents of the filter to `see` until the deadline, those of all customers roughly newest first.
    pub async fn count_incidents(
        &self,
        filter: &IncidentFilter,
        now: Timestamp,
        deadline: Instant,
        mut see: impl FnMut(CountedIncident),
    ) -> Result<Extent, StoreError> {
        let (from, until) = filter.bounds();
        let is_asked_for = |seen: &CountedIncident| {
            (from..until).contains(&seen.last_window)
                && filter.text.as_ref().is_none_or(|text| seen.says(text))
        };
        let read = |item: Attributes| {
            let seen = serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?;
            if is_asked_for(&seen) {
                see(seen);
            }
            Ok(())
        };
        let queries = self.queries_of(filter, now).into_iter().map(|query| {
            query
                .projection_expression(
                    "customer_id, entity_path, metric, #state, severity, last_window, description",
                )
                .expression_attribute_names("#state", "state")
        });
        self.see_all(queries.collect(), behind, deadline, read).await
    }
}

impl Searched for CountedIncident {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let entity = self.entity_path.iter().flat_map(|entity| entity.names().iter().map(String::as_str));
        [self.customer_id.as_str(), self.metric.as_str(), &self.description].into_iter().chain(entity)
    }
}
