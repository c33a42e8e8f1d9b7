//! Lists of incidents in another order than that of their newest windows. All incidents of the filter are read and sorted, so
//! their number is limited.

use std::cmp::Ordering;
use std::time::Instant;

use detection::Incident;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::counting::behind;
use super::search::Searched;
use super::{AnomalyStore, Attributes, Extent, IncidentFilter, IncidentItem, StoreError};

/// What a list is sorted by. The greatest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentOrder {
    OpenedAt,
    /// The more severe first, and of one severity those that changed last.
    Severity,
    /// The number of anomalies.
    Anomalies,
    /// What they cost in a month at the present rate, or what is missing. Those without a price come last.
    Cost,
}

/// A place in a sorted list: right after this incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SortedPosition {
    pub rank: f64,
    pub last_window: i64,
    pub incident_id: String,
}

/// The result of reading a sorted list.
#[derive(Debug)]
pub enum Sorted {
    Page {
        items: Vec<IncidentItem>,
        next: Option<SortedPosition>,
    },
    /// There are more incidents than are sorted.
    TooMany,
    /// The deadline came first.
    OutOfTime,
}

impl IncidentOrder {
    fn rank(self, incident: &Incident) -> f64 {
        match self {
            // Milliseconds since 1970 are exact in a float.
            Self::OpenedAt => incident.opened_at.as_millisecond() as f64,
            Self::Severity => f64::from(incident.severity as u8),
            Self::Anomalies => incident.anomalies as f64,
            Self::Cost => incident.costs.map_or(-1.0, |costs| costs.a_month.abs()),
        }
    }
}

impl AnomalyStore {
    /// Most incidents that are sorted.
    pub const MOST_SORTED: usize = 5_000;

    /// At most `limit` incidents after a position of the list in this order.
    pub async fn sorted_incidents(
        &self,
        filter: &IncidentFilter,
        order: IncidentOrder,
        after: Option<&SortedPosition>,
        limit: usize,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Sorted, StoreError> {
        let (from, until) = filter.bounds();
        let is_asked_for = |item: &IncidentItem| {
            (from..until).contains(&item.incident.last_window.as_millisecond())
                && filter.text.as_ref().is_none_or(|text| item.says(text))
        };
        let (mut found, mut too_many) = (Vec::new(), false);
        let see = |item: Attributes| {
            if let Some(item) = self.incident_of(item).filter(is_asked_for) {
                too_many = too_many || found.len() == Self::MOST_SORTED;
                if !too_many {
                    found.push((SortedPosition::of(order, &item), item));
                }
            }
            Ok(())
        };
        let extent = self.see_all(self.queries_of(filter, now), behind, deadline, see).await?;
        if too_many {
            return Ok(Sorted::TooMany);
        }
        if extent != Extent::Whole {
            return Ok(Sorted::OutOfTime);
        }
        found.retain(|(place, _)| after.is_none_or(|after| place.order(after).is_gt()));
        found.sort_by(|(a, _), (b, _)| a.order(b));
        let next = (found.len() > limit).then(|| limit.checked_sub(1)).flatten();
        let next = next.and_then(|last| found.get(last)).map(|(place, _)| place.clone());
        let items = found.into_iter().take(limit).map(|(_, item)| item).collect();
        Ok(Sorted::Page { items, next })
    }
}

impl SortedPosition {
    fn of(order: IncidentOrder, item: &IncidentItem) -> Self {
        Self {
            rank: order.rank(&item.incident),
            last_window: item.incident.last_window.as_millisecond(),
            incident_id: item.id().to_string(),
        }
    }

    /// The greatest comes first. The order is total, so the last incident of a list page is all that the next one needs.
    fn order(&self, other: &Self) -> Ordering {
        let by = |place: &Self| (place.rank, place.last_window);
        let ((rank, window), (other_rank, other_window)) = (by(self), by(other));
        other_rank
            .total_cmp(&rank)
            .then(other_window.cmp(&window))
            .then_with(|| self.incident_id.cmp(&other.incident_id))
    }
}
