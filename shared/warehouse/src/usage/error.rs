//! Errors of reading usage, and what a caller can do about each.

use crate::credentials::CredentialsError;

/// The query and its server.
#[derive(Clone, Debug)]
pub struct QueryContext {
    pub host: String,
    pub query_id: String,
}

/// The meaning of an error for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageErrorKind {
    /// ClickHouse cannot be reached, does not answer, or gives a broken answer. The question is not at fault.
    Unavailable,
    /// ClickHouse has too much to do. The same question may be answered in a moment.
    Overloaded,
    /// The question takes more time or memory than allowed. A smaller one may be answered.
    TooExpensive,
}

#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error("the usage query {} on {} failed", .context.query_id, .context.host)]
    Query {
        context: QueryContext,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error("{} refused the credentials of the usage query {}", .context.host, .context.query_id)]
    Authentication {
        context: QueryContext,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error(
        "the usage query {} on {} found no usage rollup: has `meterflow migrate` been run on this database?",
        .context.query_id, .context.host
    )]
    NotMigrated {
        context: QueryContext,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error(
        "the query {} on {} found no table {table}, where runs keep samples for the rule `unseen_shape`, or one of another version: run \
         `meterflow migrate`",
        .context.query_id, .context.host
    )]
    NoSamples {
        context: QueryContext,
        table: String,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error(
        "the query {} on {} may not use the table {table}, where runs keep samples for the rule `unseen_shape`: give the detector's user \
         the right by `GRANT SELECT, INSERT ON {table}`, as at the end of infra/clickhouse/users.sql",
        .context.query_id, .context.host
    )]
    SamplesForbidden {
        context: QueryContext,
        table: String,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error("the usage query {} on {} sent nothing for {seconds} s", .context.query_id, .context.host)]
    Stalled { context: QueryContext, seconds: u64 },
    #[error("the usage query {} on {} takes more than it may", .context.query_id, .context.host)]
    TooExpensive {
        context: QueryContext,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error("{} has too much to do for the usage query {}", .context.host, .context.query_id)]
    Overloaded {
        context: QueryContext,
        #[source]
        source: clickhouse::error::Error,
    },
    #[error("the usage query {} on {} ran out of time", .context.query_id, .context.host)]
    OutOfTime {
        context: QueryContext,
        /// Whether a part of the answer had come.
        answered: bool,
    },
    #[error(
        "the usage query {} on {} ended early: {received} of {declared} customers arrived",
        .context.query_id, .context.host
    )]
    Truncated { context: QueryContext, received: u64, declared: u64 },
    #[error("the usage query {} on {} answered in an unexpected shape: {detail}", .context.query_id, .context.host)]
    Shape { context: QueryContext, detail: String },
    #[error("cannot get the ClickHouse credentials")]
    Credentials(#[source] CredentialsError),
}

impl UsageErrorKind {
    /// The kind as a word for spans.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::TooExpensive => "too_expensive",
        }
    }
}

impl UsageError {
    pub fn kind(&self) -> UsageErrorKind {
        match self {
            // The server is told to give up earlier, and then says so. A server that said nothing does not answer.
            Self::OutOfTime { answered: true, .. } | Self::TooExpensive { .. } => {
                UsageErrorKind::TooExpensive
            }
            Self::Overloaded { .. } => UsageErrorKind::Overloaded,
            _ => UsageErrorKind::Unavailable,
        }
    }

    /// Whether the server answers, and the user may not ask this question.
    pub fn is_forbidden(&self) -> bool {
        // ACCESS_DENIED
        matches!(self, Self::Query { source, .. } if exception_code(source) == Some(497))
    }

    /// The same error of a query of the table of samples, which says what to do about the table.
    pub(super) fn of_samples(self, table: &str) -> Self {
        let table = table.to_owned();
        match self {
            Self::NotMigrated { context, source } => Self::NoSamples { context, table, source },
            Self::Query { context, source } => match exception_code(&source) {
                // NO_SUCH_COLUMN_IN_TABLE, UNKNOWN_IDENTIFIER
                Some(16 | 47) => Self::NoSamples { context, table, source },
                // ACCESS_DENIED
                Some(497) => Self::SamplesForbidden { context, table, source },
                _ => Self::Query { context, source },
            },
            other => other,
        }
    }

    /// Whether the same query may succeed in a moment.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Query { source, .. } => !is_permanent(source),
            // A run may find a server with less to do in a moment.
            Self::Stalled { .. }
            | Self::Truncated { .. }
            | Self::TooExpensive { .. }
            | Self::Overloaded { .. } => true,
            Self::Authentication { .. }
            | Self::NotMigrated { .. }
            | Self::NoSamples { .. }
            | Self::SamplesForbidden { .. }
            | Self::OutOfTime { .. }
            | Self::Shape { .. }
            | Self::Credentials(_) => false,
        }
    }
}

pub(super) fn classify(context: &QueryContext, source: clickhouse::error::Error) -> UsageError {
    let context = context.clone();
    if refuses_login(&source) {
        return UsageError::Authentication { context, source };
    }
    match exception_code(&source) {
        // UNKNOWN_TABLE, UNKNOWN_DATABASE
        Some(60 | 81) => UsageError::NotMigrated { context, source },
        // TOO_MANY_ROWS, TIMEOUT_EXCEEDED, TOO_SLOW, TOO_MANY_BYTES
        Some(158 | 159 | 160 | 307) => UsageError::TooExpensive { context, source },
        // TOO_MANY_SIMULTANEOUS_QUERIES, MEMORY_LIMIT_EXCEEDED, CANNOT_SCHEDULE_TASK, SERVER_OVERLOADED
        Some(202 | 241 | 439 | 745) => UsageError::Overloaded { context, source },
        _ => UsageError::Query { context, source },
    }
}

/// Errors that no repetition solves: syntax, an unknown column or setting, missing rights.
fn is_permanent(error: &clickhouse::error::Error) -> bool {
    use clickhouse::error::Error;
    match error {
        Error::BadResponse(_) => {
            matches!(exception_code(error), Some(43 | 46 | 47 | 62 | 115 | 164 | 497))
        }
        Error::Network(_) | Error::TimedOut | Error::Decompression(_) | Error::NotEnoughData => false,
        _ => true,
    }
}

/// Whether ClickHouse does not let the user in.
pub fn refuses_login(error: &clickhouse::error::Error) -> bool {
    // AUTHENTICATION_FAILED, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD
    matches!(exception_code(error), Some(516 | 192 | 193 | 194))
}

/// The number in "Code: 60. DB::Exception: …".
pub(crate) fn exception_code(error: &clickhouse::error::Error) -> Option<u32> {
    let clickhouse::error::Error::BadResponse(text) = error else { return None };
    let rest = text.split("Code: ").nth(1)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_samples_that_cannot_be_used_says_what_to_do() {
        let context = || QueryContext { host: "ch:8123".to_owned(), query_id: "run-1".to_owned() };
        let of = |text: &str| {
            let error = clickhouse::error::Error::BadResponse(text.to_owned());
            classify(&context(), error).of_samples("machines_samples")
        };
        for (text, says) in [
            ("Code: 60. DB::Exception: Unknown table", "run `meterflow migrate`"),
            ("Code: 47. DB::Exception: Unknown identifier `block`", "run `meterflow migrate`"),
            ("Code: 497. DB::Exception: Not enough privileges", "GRANT SELECT, INSERT ON machines_samples"),
        ] {
            let (error, is_again) = (of(text).to_string(), of(text).is_transient());
            assert!(error.contains(says) && error.contains("run-1 on ch:8123") && !is_again, "{error}");
        }
        assert!(of("Code: 202. DB::Exception: Too many simultaneous queries").is_transient());
    }

    #[test]
    fn exception_codes_decide_what_is_tried_again() {
        let error = |text: &str| clickhouse::error::Error::BadResponse(text.to_owned());
        let of = |text: &str| classify(&QueryContext { host: "h".into(), query_id: "q".into() }, error(text));
        assert!(matches!(
            of("Code: 516. DB::Exception: default: Authentication failed"),
            UsageError::Authentication { .. }
        ));
        assert!(!of("Code: 60. DB::Exception: Table usage_hourly does not exist").is_transient());
        assert!(of("Code: 202. DB::Exception: Too many simultaneous queries").is_transient());
        assert!(of("Code: 497. DB::Exception: default: Not enough privileges").is_forbidden());
        assert!(!of("Code: 47. DB::Exception: Unknown identifier").is_forbidden());
        assert!(of("503 Service Unavailable").is_transient());
        for (text, kind) in [
            ("Code: 241. DB::Exception: (total) memory limit exceeded", UsageErrorKind::Overloaded),
            ("Code: 202. DB::Exception: Too many simultaneous queries", UsageErrorKind::Overloaded),
            ("Code: 159. DB::Exception: Timeout exceeded", UsageErrorKind::TooExpensive),
            ("Code: 158. DB::Exception: Limit for rows exceeded", UsageErrorKind::TooExpensive),
            ("Code: 60. DB::Exception: Table usage_hourly does not exist", UsageErrorKind::Unavailable),
            ("503 Service Unavailable", UsageErrorKind::Unavailable),
        ] {
            assert_eq!(of(text).kind(), kind, "{text}");
        }
        let context = QueryContext { host: "h".into(), query_id: "q".into() };
        let out_of_time = |answered| UsageError::OutOfTime { context: context.clone(), answered };
        assert_eq!(out_of_time(false).kind(), UsageErrorKind::Unavailable);
        assert_eq!(out_of_time(true).kind(), UsageErrorKind::TooExpensive);
    }
}
