//! One list of many: a merge of queries that are sorted by time, newest first. Each query is read only as far as
//! needed.
//!
//! Within one time, queries come in the order of their ranks. So the last item of a list page is all that the next list
//! page needs.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use futures::future::try_join_all;

use super::search::{SearchText, Searched};
use super::{AnomalyStore, Attributes, StoreError};

/// A part of a list, newest first.
#[derive(Debug)]
pub struct ListPage<T: Listed> {
    pub items: Vec<T>,
    /// The place where the next list page begins. `None` at the end.
    pub next: Option<T::Position>,
}

/// An item of a list.
pub trait Listed: Sized {
    /// A place in the list: right after an item.
    type Position: Clone;

    /// The name of a list of these items.
    const NAME: &'static str;

    fn position(&self) -> Self::Position;

    /// The time that the list is sorted by, in Unix milliseconds.
    fn time(position: &Self::Position) -> i64;
}

/// How a list reads an item.
pub(crate) trait Readable: Listed + Searched {
    /// `None` for an item that cannot be read. A newer version wrote it, and it must not stop all others.
    fn read(store: &AnomalyStore, item: Attributes) -> Option<Self>;

    /// The place of a key of the table or of an index.
    fn position_of_key(key: &Attributes) -> Result<Self::Position, serde_dynamo::Error>;
}

/// One of the queries that a list is merged from.
pub(crate) struct Source<T: Listed> {
    query: QueryFluentBuilder,
    /// The place among the queries. It decides between items of the same time.
    rank: usize,
    /// Only items that say it are shown.
    text: Option<SearchText>,
    buffer: VecDeque<T>,
    /// The place up to which the query was read.
    frontier: Option<T::Position>,
    ended: bool,
}

impl AnomalyStore {
    /// At most `limit` items of these queries.
    ///
    /// A list page is full if there are enough items. At the deadline it ends at the place that reading has reached.
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
                // Only a read tells whether anything follows, and a filter may leave nothing of it. One read is worth
                // it to spare an empty list page. Further reads are left to the next list page.
                if source.buffer.is_empty() && in_time && !looked_on {
                    looked_on = true;
                    continue;
                }
                page.next = page.items.last().map(T::position);
                return Ok(page);
            }
            match source.buffer.pop_front() {
                Some(item) => page.items.push(item),
                // Nothing newer is left to show, and the next items were not read yet.
                None if !in_time => {
                    page.next = source.frontier.clone().or_else(|| page.items.last().map(T::position));
                    return Ok(page);
                }
                None => {}
            }
        }
    }

    /// Reads the next part of a query into its buffer.
    async fn read_on<T: Readable>(&self, source: &mut Source<T>) -> Result<(), StoreError> {
        let answer = source.query.clone().send().await.map_err(|error| self.unread(T::NAME, error))?;
        let items = answer.items.unwrap_or_default().into_iter();
        let items = items.filter_map(|item| T::read(self, item));
        let wanted = source.text.as_ref();
        source.buffer.extend(items.filter(|item| wanted.is_none_or(|text| item.says(text))));
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
    /// A query that continues after a place.
    pub(crate) fn new(rank: usize, query: QueryFluentBuilder, after: Option<&T::Position>) -> Self {
        Self { query, rank, text: None, buffer: VecDeque::new(), frontier: after.cloned(), ended: false }
    }

    /// The same, limited to items that say a text.
    pub(crate) fn saying(self, text: Option<&SearchText>) -> Self {
        Self { text: text.cloned(), ..self }
    }

    fn is_over(&self) -> bool {
        self.buffer.is_empty() && self.ended
    }

    /// The earliest place that the next item of this query can have. The greatest place comes first. A query that has
    /// not begun could be anywhere.
    fn place(&self) -> (i64, Reverse<usize>) {
        let next = self.buffer.front().map(|item| T::time(&item.position()));
        let at = next.or_else(|| self.frontier.as_ref().map(T::time));
        (at.unwrap_or(i64::MAX), Reverse(self.rank))
    }
}

/// The newest time that a query of this rank may still hold. The list continues after an item of time `after` of the
/// query `resumed`. Of that time, queries before `resumed` were shown, and queries after it were not.
pub(crate) fn newest_left(rank: usize, resumed: Option<(usize, i64)>, last: i64) -> i64 {
    match resumed {
        Some((resumed, after)) if rank < resumed => last.min(after - 1),
        Some((resumed, after)) if rank > resumed => last.min(after),
        _ => last,
    }
}

/// The error for a key of another form.
pub(crate) fn broken_key(detail: String) -> serde_dynamo::Error {
    <serde_dynamo::Error as serde::de::Error>::custom(detail)
}
