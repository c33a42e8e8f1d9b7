//! The tries of one question: the only loop that asks ClickHouse again.

use std::time::{Duration, Instant};

use platform::telemetry::error_chain;

use super::error::{UsageError, UsageErrorKind};
use super::reader::UsageReader;

/// How often something is asked.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    tries: u32,
    /// Before the second try; twice as long before the third one.
    pause: Duration,
    /// Whether a question that took too much is asked once more.
    repeats_what_is_expensive: bool,
}

impl Patience {
    /// Of a run: in a moment the server may have less to do.
    pub const OF_A_RUN: Self =
        Self { tries: 3, pause: Duration::from_millis(500), repeats_what_is_expensive: true };

    /// Of a request that somebody waits for. A second try heals a connection that was closed in the meantime, and
    /// credentials that were rotated.
    pub const OF_A_REQUEST: Self = Self { tries: 2, pause: Duration::ZERO, repeats_what_is_expensive: false };
}

/// The tries of one question.
pub struct Tries<'a> {
    reader: &'a UsageReader,
    name: String,
    patience: Patience,
    deadline: Instant,
    failed: u32,
    /// Whether the credentials were refused before: those that were fetched since are wrong.
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

    /// Names this try in ClickHouse's own logs. ClickHouse refuses a second query of the same id.
    pub fn query_id(&self) -> String {
        format!("{}-{}", self.name, self.number())
    }

    /// Whether this is the try before the last one.
    pub fn is_last_but_one(&self) -> bool {
        self.number() + 1 == self.patience.tries
    }

    /// Waits for the next try. Gives the error back where none is worth it. Where the next try asks another question, an
    /// error that would last does not count.
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
