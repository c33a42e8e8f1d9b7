//! Reads the events of one metric of one entity hour by hour: what its rules compared with at any time.

use catalog::MetricSpec;
use detection::{CustomerId, Hour};
use jiff::Timestamp;

use super::entities::EventFigures;
use super::error::UsageError;
use super::reader::UsageReader;
use super::seen::SeenRequest;
use super::sql;

/// The events of an hour.
#[derive(Clone, Debug, PartialEq)]
pub struct EventsOfHour {
    pub hour: Hour,
    pub figures: EventFigures,
}

/// The start of an hour in Unix seconds, and its figures.
type HourRow = (u32, EventFigures);

impl UsageReader {
    /// The events of a metric of an entity, by hour, in any order. Hours without events are left out.
    ///
    /// * `key`: that of the entity in the rollup.
    pub async fn hours_of_events(
        &self,
        request: &SeenRequest<'_>,
        metric: &MetricSpec,
        key: &CustomerId,
    ) -> Result<Vec<EventsOfHour>, UsageError> {
        let SeenRequest { catalog, from, until, query_id } = *request;
        let text = sql::hours_of_events(metric);
        let query = self.query(&text, (from, until), catalog, &[], query_id).await?;
        let query = query.param("key", key.as_str());
        let rows = self.within(&self.context(query_id), query.fetch_one::<Vec<HourRow>>()).await?;
        let of_hour = |(seconds, figures): HourRow| {
            let at = Timestamp::from_second(seconds.into()).unwrap_or(Timestamp::UNIX_EPOCH);
            EventsOfHour { hour: Hour::holding(at), figures }
        };
        Ok(rows.into_iter().map(of_hour).collect())
    }
}
