//! Reads what a source knows of its entities: which ones there are, and how the events of some were distributed.

use catalog::Catalog;
use detection::{CustomerId, EntityPath};
use jiff::Timestamp;
use serde_bytes::ByteBuf;

use super::entities::EventFigures;
use super::error::UsageError;
use super::reader::UsageReader;
use super::sql;

/// Whose entities are asked for, and of which time.
#[derive(Clone, Copy, Debug)]
pub struct SeenRequest<'a> {
    /// A source with entities.
    pub catalog: &'a Catalog,
    /// Full hours, `[from, until)`.
    pub from: Timestamp,
    pub until: Timestamp,
    /// The name of the query in ClickHouse's own logs.
    pub query_id: &'a str,
}

/// An entity with events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenEntity {
    pub customer_id: CustomerId,
    pub entity: EntityPath,
    /// The start of the newest hour with an event of it.
    pub last_hour: Timestamp,
}

/// The events of one metric of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityEvents {
    pub entity: EntityPath,
    /// The place of the metric in the catalog.
    pub metric: usize,
    pub figures: EventFigures,
}

/// Entities of a customer: one of them, or all below some names.
#[derive(Clone, Copy, Debug)]
pub enum Chosen<'a> {
    One(&'a CustomerId, &'a EntityPath),
    /// The entities whose first name this is, at most so many.
    Below(&'a CustomerId, &'a str, u32),
}

/// Key, place of the metric, events, failed events, sum and histogram of their values.
type EventsRow = (ByteBuf, u16, u64, u64, f64, Vec<(i16, u64)>);

impl UsageReader {
    /// At most `limit` entities, those with the newest events first.
    ///
    /// * `customer`: only those of this customer.
    /// * `search`: only those with this text in their names, whatever its case. The names have ` / ` between them.
    pub async fn entities_seen(
        &self,
        request: &SeenRequest<'_>,
        customer: Option<&CustomerId>,
        search: &str,
        limit: u32,
    ) -> Result<Vec<SeenEntity>, UsageError> {
        let SeenRequest { catalog, from, until, query_id } = *request;
        let text = sql::entities_seen(catalog);
        let prefix = customer.map_or_else(String::new, |id| format!("{id}{}", EntityPath::SEPARATOR));
        let query = self.query(&text, (from, until), catalog, &[], query_id).await?;
        let query = query.param("prefix", prefix).param("search", search).param("limit", limit);
        let rows = self.within(&self.context(query_id), query.fetch_one::<Vec<(ByteBuf, u32)>>()).await?;
        let seen = |(key, seconds): (ByteBuf, u32)| {
            let (customer_id, entity) = named(key)?;
            let last_hour = Timestamp::from_second(seconds.into()).ok()?;
            Some(SeenEntity { customer_id, entity, last_hour })
        };
        Ok(rows.into_iter().filter_map(seen).collect())
    }

    /// The events of the chosen entities, by metric. Metrics without an event are left out.
    pub async fn entity_events(
        &self,
        request: &SeenRequest<'_>,
        chosen: Chosen<'_>,
    ) -> Result<Vec<EntityEvents>, UsageError> {
        let SeenRequest { catalog, from, until, query_id } = *request;
        let separator = EntityPath::SEPARATOR;
        let (key, limit) = match chosen {
            // A key that is too long is in no rollup.
            Chosen::One(customer, entity) => match customer.with_entity(entity) {
                Some(key) => (key.to_string(), 1),
                None => return Ok(Vec::new()),
            },
            Chosen::Below(customer, name, limit) => {
                (format!("{customer}{separator}{name}{separator}"), limit)
            }
        };
        let text = sql::entity_events(catalog, matches!(chosen, Chosen::One(..)));
        let query = self.query(&text, (from, until), catalog, &[], query_id).await?;
        let query = query.param("key", key).param("limit", limit);
        let rows = self.within(&self.context(query_id), query.fetch_one::<Vec<EventsRow>>()).await?;
        let events = |(key, metric, events, bad, total, shape): EventsRow| {
            let figures = EventFigures { events, bad, total, shape, ..EventFigures::default() };
            Some(EntityEvents { entity: named(key)?.1, metric: metric.into(), figures })
        };
        Ok(rows.into_iter().filter_map(events).collect())
    }
}

/// The customer and the entity of a key. `None` for bytes that name none.
fn named(key: ByteBuf) -> Option<(CustomerId, EntityPath)> {
    let key = CustomerId::new(String::from_utf8(key.into_vec()).ok()?).ok()?;
    let (customer, entity) = key.split();
    Some((customer, entity?))
}
