//! Reading all items of many queries until a deadline, several at the same time. No item is kept.

use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use futures::stream::{FuturesUnordered, TryStreamExt};
use tokio::time::timeout_at;

use super::{AnomalyStore, Attributes, StoreError};

/// Queries in flight at once.
const CONCURRENT_QUERIES: usize = 16;

/// How much was read before the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The queries that came first, which are those of the newest items.
    Part,
    /// No answer came in time.
    Nothing,
}

impl Extent {
    /// The extent at the deadline.
    pub(crate) fn at_deadline(has_read: bool) -> Self {
        if has_read { Self::Part } else { Self::Nothing }
    }
}

impl AnomalyStore {
    /// Hands every item of these queries to `see`. The queries that come first are read first.
    ///
    /// * `rest`: the queries for what a query has left behind the key of its last item, what is to be read first in front.
    pub(crate) async fn see_all(
        &self,
        mut waiting: Vec<QueryFluentBuilder>,
        rest: impl Fn(QueryFluentBuilder, Attributes) -> Vec<QueryFluentBuilder>,
        deadline: Instant,
        mut see: impl FnMut(Attributes) -> Result<(), StoreError>,
    ) -> Result<Extent, StoreError> {
        waiting.reverse();
        let mut has_read = false;
        // A part is seen as soon as it arrives. So memory holds only the queries in flight.
        let mut in_flight = FuturesUnordered::new();
        loop {
            while in_flight.len() < CONCURRENT_QUERIES
                && let Some(query) = waiting.pop()
            {
                in_flight.push(self.part_of(query));
            }
            let Ok(part) = timeout_at(deadline.into(), in_flight.try_next()).await else {
                return Ok(Extent::at_deadline(has_read));
            };
            let Some(Part { items, query, last }) = part? else { return Ok(Extent::Whole) };
            has_read = true;
            items.into_iter().try_for_each(&mut see)?;
            let left = last.map(|key| rest(query, key)).unwrap_or_default();
            waiting.extend(left.into_iter().rev());
        }
    }

    async fn part_of(&self, query: QueryFluentBuilder) -> Result<Part, StoreError> {
        let answer =
            query.clone().send().await.map_err(|source| self.unread("all items of a list", source))?;
        Ok(Part { items: answer.items.unwrap_or_default(), query, last: answer.last_evaluated_key })
    }
}

/// What one request reads of a query.
struct Part {
    items: Vec<Attributes>,
    query: QueryFluentBuilder,
    /// The key of the last item. `None` at the end of the query.
    last: Option<Attributes>,
}

/// The same query from behind this key on.
pub(crate) fn behind(query: QueryFluentBuilder, key: Attributes) -> Vec<QueryFluentBuilder> {
    vec![query.set_exclusive_start_key(Some(key))]
}
