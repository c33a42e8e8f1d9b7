//! Reading all items of many queries, several at the same time, in any order.

use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use futures::stream::{FuturesUnordered, TryStreamExt};
use serde::de::DeserializeOwned;

use super::{AnomalyStore, StoreError};

/// Queries in flight at once.
const CONCURRENT_QUERIES: usize = 16;

impl AnomalyStore {
    /// Hands every item of these queries to `see`. Returns `false` if the deadline came first.
    pub(crate) async fn see_all<T: DeserializeOwned>(
        &self,
        mut waiting: Vec<QueryFluentBuilder>,
        deadline: Instant,
        mut see: impl FnMut(T),
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
            seen.into_iter().for_each(&mut see);
            waiting.extend(rest);
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// One part of a query, and the query for the rest.
    async fn part_of<T: DeserializeOwned>(
        &self,
        query: QueryFluentBuilder,
    ) -> Result<(Vec<T>, Option<QueryFluentBuilder>), StoreError> {
        let answer = query.clone().send().await.map_err(|source| self.unread("what a count reads", source))?;
        let seen = answer.items.unwrap_or_default().into_iter().map(serde_dynamo::from_item);
        let seen = seen.collect::<Result<_, _>>().map_err(|source| self.unreadable(source))?;
        let rest = answer.last_evaluated_key.map(|key| query.set_exclusive_start_key(Some(key)));
        Ok((seen, rest))
    }
}
