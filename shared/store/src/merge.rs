//! One list of many: a merge of queries that are sorted by time, newest first, and read as far as they are needed.
//!
//! Of the same time the queries go in the order of their ranks. So the last item of a page is all that the next page
//! needs to know.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use futures::future::try_join_all;

use super::{AnomalyStore, Attributes, StoreError};

/// A part of a list, newest first.
#[derive(Debug)]
pub struct ListPage<T: Listed> {
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<T::Position>,
}

/// An item of a list.
pub trait Listed: Sized {
    /// A place in the list: right after an item.
    type Position: Clone;

    /// What a list of them is called.
    const NAME: &'static str;

    fn position(&self) -> Self::Position;

    /// The time that the list is sorted by, in Unix milliseconds.
    fn time(position: &Self::Position) -> i64;
}

/// How an item of a list is read.
pub(crate) trait Readable: Listed {
    /// `None` for an item that cannot be read, because a newer version wrote it: it must not stop all others.
    fn read(store: &AnomalyStore, item: Attributes) -> Option<Self>;

    /// The place of a key of the table or of an index.
    fn position_of_key(key: &Attributes) -> Result<Self::Position, serde_dynamo::Error>;
}

/// One of the queries that a list is merged from.
pub(crate) struct Source<T: Listed> {
    query: QueryFluentBuilder,
    /// Its place among the queries, which decides between items of the same time.
    rank: usize,
    buffer: VecDeque<T>,
    /// Up to where it was read.
    frontier: Option<T::Position>,
    ended: bool,
}

impl AnomalyStore {
    /// At most `limit` items of these queries.
    ///
    /// A page is filled as far as there are items; at the deadline it ends where reading got to.
    pub(crate) async fn merge<T: Readable>(
        &self,
        mut sources: Vec<Source<T>>,
        limit: usize,
        deadline: Instant,
    ) -> Result<ListPage<T>, StoreError> {
        let mut page = ListPage { items: Vec::new(), next: None };
        let (mut in_time, mut looked_on) = (true, false);
        loop {
            if in_time {
                let starved = sources.iter_mut().filter(|source| source.buffer.is_empty() && !source.ended);
                try_join_all(starved.map(|source| self.read_on(source))).await?;
                in_time = Instant::now() < deadline;
            }
            let newest = sources.iter_mut().filter(|source| !source.is_over()).max_by_key(|s| s.place());
            let Some(source) = newest else { return Ok(page) };
            if page.items.len() == limit {
                // Whether anything follows is known once it was read, and a filter may leave nothing of what is there
                // still. One look is worth it, to spare an empty page; more are the next page's work.
                if source.buffer.is_empty() && in_time && !looked_on {
                    looked_on = true;
                    continue;
                }
                page.next = page.items.last().map(T::position);
                return Ok(page);
            }
            match source.buffer.pop_front() {
                Some(item) => page.items.push(item),
                // Nothing newer is left to show, and what comes next was not read yet.
                None if !in_time => {
                    page.next = source.frontier.clone().or_else(|| page.items.last().map(T::position));
                    return Ok(page);
                }
                None => {}
            }
        }
    }

    /// The next part of a query into its buffer.
    async fn read_on<T: Readable>(&self, source: &mut Source<T>) -> Result<(), StoreError> {
        let answer = source.query.clone().send().await.map_err(|error| self.unread(T::NAME, error))?;
        let items = answer.items.unwrap_or_default().into_iter();
        source.buffer.extend(items.filter_map(|item| T::read(self, item)));
        match answer.last_evaluated_key {
            Some(key) => {
                source.frontier = Some(T::position_of_key(&key).map_err(|source| self.unreadable(source))?);
                source.query = source.query.clone().set_exclusive_start_key(Some(key));
            }
            None => source.ended = true,
        }
        Ok(())
    }
}

impl<T: Listed> Source<T> {
    /// A query that goes on after a place.
    pub(crate) fn new(rank: usize, query: QueryFluentBuilder, after: Option<&T::Position>) -> Self {
        Self { query, rank, buffer: VecDeque::new(), frontier: after.cloned(), ended: false }
    }

    fn is_over(&self) -> bool {
        self.buffer.is_empty() && self.ended
    }

    /// Where its next item stands at best: the greatest place comes first. A query that was not begun could be anywhere.
    fn place(&self) -> (i64, Reverse<usize>) {
        let next = self.buffer.front().map(|item| T::time(&item.position()));
        let at = next.or_else(|| self.frontier.as_ref().map(T::time));
        (at.unwrap_or(i64::MAX), Reverse(self.rank))
    }
}

/// The newest time that a query of this rank may still hold, where a list goes on after an item of time `after` of the
/// query `resumed`: of the same time, the queries before that one were shown, and those after it were not.
pub(crate) fn newest_left(rank: usize, resumed: Option<(usize, i64)>, last: i64) -> i64 {
    match resumed {
        Some((resumed, after)) if rank < resumed => last.min(after - 1),
        Some((resumed, after)) if rank > resumed => last.min(after),
        _ => last,
    }
}

/// An error of a key that is none of ours.
pub(crate) fn broken_key(detail: String) -> serde_dynamo::Error {
    <serde_dynamo::Error as serde::de::Error>::custom(detail)
}
