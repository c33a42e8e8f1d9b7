//! The tries of one query. No other loop repeats queries of usage.

use std::time::{Duration, Instant};

use platform::telemetry::error_chain;

use super::error::{UsageError, UsageErrorKind};
use super::reader::UsageReader;

/// How often a query is tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    tries: u32,
    /// Pause before the second try. The pause before the third is twice as long.
    pause: Duration,
    /// Whether a query that was too expensive is repeated.
    repeats_what_is_expensive: bool,
}

impl Patience {
    /// For a run. The server may have less to do in a moment.
    pub const OF_A_RUN: Self =
        Self { tries: 3, pause: Duration::from_millis(500), repeats_what_is_expensive: true };

    /// For a request that somebody waits for. A second try helps after a closed connection or rotated credentials.
    pub const OF_A_REQUEST: Self = Self { tries: 2, pause: Duration::ZERO, repeats_what_is_expensive: false };
}

/// The tries of one query.
pub struct Tries<'a> {
    reader: &'a UsageReader,
    name: String,
    patience: Patience,
    deadline: Instant,
    failed: u32,
    /// Whether credentials were refused before. The ones that were fetched since are wrong then.
    refused: bool,
}

impl<'a> Tries<'a> {
    pub fn new(
        reader: &'a UsageReader,
        name: impl Into<String>,
        patience: Patience,
        deadline: Instant,
    ) -> Self {
        Self { reader, name: name.into(), patience, deadline, failed: 0, refused: false }
    }

    /// The number of this try, from 1 on.
    pub fn number(&self) -> u32 {
        self.failed + 1
    }

    /// The name of this try in ClickHouse's own logs. ClickHouse refuses a second query with the same id.
    pub fn query_id(&self) -> String {
        format!("{}-{}", self.name, self.number())
    }

    /// Waits for the next try. Returns the error if another try makes no sense. An error that would last does not count
    /// if the next try makes another query.
    pub async fn again(&mut self, error: UsageError, asks_another: bool) -> Result<(), UsageError> {
        let (query_id, number) = (self.query_id(), self.number());
        let is_expensive = error.kind() == UsageErrorKind::TooExpensive;
        let is_over = number >= self.patience.tries
            || Instant::now() >= self.deadline
            || (is_expensive && !self.patience.repeats_what_is_expensive);
        if is_over || !(asks_another || self.reader.prepare_retry(&error, self.refused)) {
            return Err(error);
        }
        self.refused |= matches!(error, UsageError::Authentication { .. });
        tracing::warn!(
            db.query_id = query_id,
            attempt = number,
            error = error_chain(&error),
            "reading usage failed: trying again"
        );
        tokio::time::sleep(self.patience.pause * number).await;
        self.failed += 1;
        Ok(())
    }
}
