//! Reading all items of many queries, several at the same time, in any order.

use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use futures::stream::{FuturesUnordered, TryStreamExt};

use super::{AnomalyStore, Attributes, StoreError};

/// Queries in flight at once.
const CONCURRENT_QUERIES: usize = 16;

impl AnomalyStore {
    /// Hands every item of these queries to `see`. Returns `false` if the deadline came first.
    pub(crate) async fn see_all(
        &self,
        mut waiting: Vec<QueryFluentBuilder>,
        deadline: Instant,
        mut see: impl FnMut(Attributes) -> Result<(), StoreError>,
    ) -> Result<bool, StoreError> {
        // A part is seen as soon as it arrives. So memory holds only the queries in flight.
        let mut in_flight = FuturesUnordered::new();
        loop {
            while in_flight.len() < CONCURRENT_QUERIES
                && let Some(query) = waiting.pop()
            {
                in_flight.push(self.part_of(query));
            }
            let Some((seen, rest)) = in_flight.try_next().await? else { return Ok(true) };
            seen.into_iter().try_for_each(&mut see)?;
            waiting.extend(rest);
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// One part of a query, and the query for the rest.
    async fn part_of(
        &self,
        query: QueryFluentBuilder,
    ) -> Result<(Vec<Attributes>, Option<QueryFluentBuilder>), StoreError> {
        let answer =
            query.clone().send().await.map_err(|source| self.unread("all items of a list", source))?;
        let rest = answer.last_evaluated_key.map(|key| query.set_exclusive_start_key(Some(key)));
        Ok((answer.items.unwrap_or_default(), rest))
    }
}
