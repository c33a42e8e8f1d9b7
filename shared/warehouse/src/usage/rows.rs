//! The rows of one query: with time limits, and with proof that none is missing.

use std::time::{Duration, Instant};

use clickhouse::RowRead;
use clickhouse::query::RowCursor;
use platform::traces;
use tokio::time::timeout_at;
use tracing::Span;

use super::error::{QueryContext, UsageError, classify};

/// A row that says how many rows the whole answer has.
pub(super) trait Declaring {
    fn declared(&self) -> u64;
}

/// The rows of one query.
pub(super) struct Rows<R> {
    cursor: RowCursor<R>,
    context: QueryContext,
    read_timeout: Duration,
    deadline: Instant,
    received: u64,
    declared: u64,
    /// Ends with the rows.
    span: Span,
}

impl<R> Rows<R>
where
    R: RowRead,
    for<'a> R::Value<'a>: Declaring,
{
    /// Each wait for a row ends after `read_timeout`, and all waiting ends at `deadline`.
    pub(super) fn new(
        cursor: RowCursor<R>,
        context: QueryContext,
        (read_timeout, deadline): (Duration, Instant),
    ) -> Self {
        let span = traces::clickhouse_query(&context.host);
        Self { cursor, context, read_timeout, deadline, received: 0, declared: 0, span }
    }

    /// Sets the declared number of rows, in case all rows are missing.
    pub(super) fn declaring(self, declared: u64) -> Self {
        Self { declared, ..self }
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// The next row, or `None` at a clean and complete end.
    pub(super) async fn next(&mut self) -> Result<Option<R::Value<'_>>, UsageError> {
        let span = &self.span;
        let failed = |error: UsageError| {
            traces::fail(span, error.kind().as_str());
            Err(error)
        };
        let patience = Instant::now() + self.read_timeout;
        let row = match timeout_at(self.deadline.min(patience).into(), self.cursor.next()).await {
            Ok(Ok(row)) => row,
            Ok(Err(source)) => return failed(classify(&self.context, source)),
            Err(_) if self.deadline <= patience => {
                let answered = self.received > 0;
                return failed(UsageError::OutOfTime { context: self.context.clone(), answered });
            }
            Err(_) => {
                let seconds = self.read_timeout.as_secs();
                return failed(UsageError::Stalled { context: self.context.clone(), seconds });
            }
        };
        let Some(row) = row else {
            let (received, declared) = (self.received, self.declared);
            return match received < declared {
                true => failed(UsageError::Truncated { context: self.context.clone(), received, declared }),
                false => Ok(None),
            };
        };
        self.received += 1;
        self.declared = row.declared();
        Ok(Some(row))
    }

    /// The error of rows that are not as asked for.
    pub(super) fn shape(&self, detail: String) -> UsageError {
        UsageError::Shape { context: self.context.clone(), detail }
    }
}
