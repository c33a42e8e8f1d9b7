//! The reader: one client of ClickHouse, its login and its time limits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::Catalog;
use clickhouse::RowRead;
use detection::CustomerId;
use jiff::Timestamp;
use platform::traces;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::error::{QueryContext, UsageError, classify};
use super::hours::HoursOfCustomers;
use super::request::{HoursRequest, StepsRequest, SweepRequest, UsageStep};
use super::rows::{Declaring, Rows};
use super::sql;
use super::sweep::Sweep;
use crate::addresses::{Addresses, host_of};
use crate::client;
use crate::config::ClickHouseConfig;
use crate::credentials::{Credentials, Login};

/// Reads usage from ClickHouse.
pub struct UsageReader {
    pub(super) client: clickhouse::Client,
    pub(super) database: String,
    credentials: Arc<Credentials>,
    addresses: Addresses,
    pub(super) host: String,
    read_timeout: Duration,
    query_timeout: Duration,
}

impl UsageReader {
    pub fn new(config: &ClickHouseConfig, aws: &aws_config::SdkConfig) -> Self {
        let url = config.addresses.first();
        let client = client(url, &config.database)
            // ClickHouse ends a zstd frame with a checksum of its content. So a changed byte is an error, and so is a
            // cut answer. An LZ4 frame has no checksum. Without compression, an exception that is split between two
            // reads can be taken for rows.
            .with_compression(clickhouse::Compression::zstd());
        Self {
            client,
            database: config.database.clone(),
            credentials: Credentials::new(config, aws).into(),
            host: host_of(url),
            addresses: config.addresses.clone(),
            read_timeout: config.read_timeout,
            query_timeout: config.query_timeout,
        }
    }

    /// The addresses of the configuration. A new reader asks the first one.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The same reader, which asks the server at this address.
    pub fn at(&self, url: &str) -> Self {
        Self {
            client: self.client.clone().with_url(url),
            database: self.database.clone(),
            credentials: Arc::clone(&self.credentials),
            host: host_of(url),
            addresses: self.addresses.clone(),
            ..*self
        }
    }

    /// Lets the next query read the secret again, because the password may have been rotated.
    pub fn forget_credentials(&self) {
        self.credentials.forget();
    }

    /// The host and port of the server that the reader asks.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Starts the sweep of a window, from the hours of the rollup. A refusal by the server shows at the first
    /// [`Sweep::next`].
    pub async fn sweep(&self, request: &SweepRequest<'_>) -> Result<Sweep, UsageError> {
        let SweepRequest { catalog, window, baseline_days, shard, customers, .. } = *request;
        let text = sql::sweep(catalog, &window, baseline_days, shard, !customers.is_empty());
        let query = self.query_of_sweep(&text, request).await?;
        let rows = self.start(query, request.query_id, request.deadline)?;
        Ok(Sweep::new(rows, request))
    }

    /// Starts to read hours of customers, one by one.
    pub async fn hours(&self, request: &HoursRequest<'_>) -> Result<HoursOfCustomers, UsageError> {
        let HoursRequest { period, catalog, customers, shard, in_order, query_id, deadline } = *request;
        let text = sql::hours(catalog, &period, shard, !customers.is_empty(), in_order);
        let query = self.query(&text, (period.start(), period.end()), catalog, customers, query_id).await?;
        let rows = self.start(query, query_id, deadline)?;
        let hours = usize::try_from(period.length().as_hours()).unwrap_or(0);
        Ok(HoursOfCustomers::new(rows, hours, catalog))
    }

    pub(super) fn start<R>(
        &self,
        query: clickhouse::query::Query,
        query_id: &str,
        deadline: Instant,
    ) -> Result<Rows<R>, UsageError>
    where
        R: RowRead,
        for<'a> R::Value<'a>: Declaring,
    {
        let context = QueryContext { host: self.host.clone(), query_id: query_id.to_owned() };
        // One deadline for all waiting, exactly the caller's. So this error comes before any error of the caller.
        let now = Instant::now();
        let deadline = deadline.min(now + self.query_timeout);
        let time_left = deadline.saturating_duration_since(now);
        // ClickHouse takes 0 for "no limit". No time left must never mean that.
        if time_left < Duration::from_secs(1) {
            return Err(UsageError::OutOfTime { context, answered: false });
        }
        let cursor = query
            .with_setting("max_execution_time", seconds_for_the_server(time_left))
            .fetch()
            .map_err(|source| classify(&context, source))?;
        Ok(Rows::new(cursor, context, (self.read_timeout, deadline)))
    }

    /// The number of customers with usage in the window and its baseline, by a query of its own.
    ///
    /// A sweep without rows may be an idle service or a stream that was cut before its first row. This query tells them
    /// apart.
    pub async fn count_customers(&self, request: &SweepRequest<'_>) -> Result<u64, UsageError> {
        let query_id = format!("{}-count", request.query_id);
        let request = SweepRequest { query_id: &query_id, ..*request };
        let context = QueryContext { host: self.host.clone(), query_id: query_id.clone() };
        let SweepRequest { catalog, window, shard, customers, .. } = request;
        let text = sql::count_customers(catalog, &window, shard, !customers.is_empty());
        let query = self.query_of_sweep(&text, &request).await?;
        self.within(&context, query.fetch_one::<u64>()).await
    }

    /// One customer's usage of one metric from `start` to `end`, in steps of whole hours.
    pub async fn steps(&self, request: &StepsRequest<'_>) -> Result<Vec<UsageStep>, UsageError> {
        let context = QueryContext { host: self.host.clone(), query_id: request.query_id.to_owned() };
        let seconds = |at: Timestamp| u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX);
        let (start, end, step) =
            (seconds(request.start), seconds(request.end), request.step.as_secs().max(1));
        let query = self
            .bare_query(&sql::steps(request.metric), request.query_id)
            .await?
            .param("start", start)
            .param("end", end)
            .param("step", u32::try_from(step).unwrap_or(u32::MAX))
            .param("customer", request.customer.as_str())
            .param("metric", request.metric.name.as_str())
            .with_setting(
                "max_execution_time",
                seconds_for_the_server(self.query_timeout.min(self.read_timeout)),
            );
        let steps = self.within(&context, query.fetch_one::<Vec<(u32, f64, f64)>>()).await?;
        let count = u64::from(end.saturating_sub(start)).div_ceil(step);
        let mut all = vec![UsageStep::default(); usize::try_from(count).unwrap_or(0)];
        for (number, value, corrections) in steps {
            if let Some(step) = all.get_mut(number as usize) {
                *step = UsageStep { value: Some(value), corrections };
            }
        }
        Ok(all)
    }

    /// The number of customers with usage in a period, by a query of its own.
    pub async fn count_customers_with_hours(&self, request: &HoursRequest<'_>) -> Result<u64, UsageError> {
        let HoursRequest { period, catalog, customers, shard, query_id, .. } = *request;
        let query_id = format!("{query_id}-count");
        let context = QueryContext { host: self.host.clone(), query_id: query_id.clone() };
        let text = sql::count_customers(catalog, &period, shard, !customers.is_empty());
        let query = self.query(&text, (period.start(), period.end()), catalog, customers, &query_id).await?;
        self.within(&context, query.fetch_one::<u64>()).await
    }

    /// The error of an answer without rows although customers exist.
    pub fn truncated(&self, query_id: &str, declared: u64) -> UsageError {
        let context = QueryContext { host: self.host.clone(), query_id: query_id.to_owned() };
        UsageError::Truncated { context, received: 0, declared }
    }

    /// Whether another try makes sense after `error`.
    ///
    /// Refused credentials may have been rotated. They are forgotten, so the next try fetches them again. If the new
    /// ones were `refused_before` in this run, they are wrong.
    pub(super) fn prepare_retry(&self, error: &UsageError, refused_before: bool) -> bool {
        match error {
            UsageError::Authentication { .. } => !refused_before && self.credentials.forget(),
            other => other.is_transient(),
        }
    }

    async fn query_of_sweep(
        &self,
        text: &str,
        request: &SweepRequest<'_>,
    ) -> Result<clickhouse::query::Query, UsageError> {
        let SweepRequest { window, baseline_days, catalog, customers, query_id, .. } = *request;
        self.query(text, (window.baseline_start(baseline_days), window.end()), catalog, customers, query_id)
            .await
    }

    /// A query of usage with all parameters of its text.
    pub(super) async fn query(
        &self,
        text: &str,
        (start, end): (Timestamp, Timestamp),
        catalog: &Catalog,
        customers: &[CustomerId],
        query_id: &str,
    ) -> Result<clickhouse::query::Query, UsageError> {
        let metrics: Vec<&str> = catalog.modelled().iter().map(|metric| metric.name.as_str()).collect();
        let customers: Vec<&str> = customers.iter().map(CustomerId::as_str).collect();
        let query = self.trusted_query(text, query_id).await?;
        Ok(query
            .param("start", start.as_millisecond())
            .param("end", end.as_millisecond())
            .param("metrics", metrics)
            .param("customers", customers))
    }

    pub(super) async fn bare_query(
        &self,
        text: &str,
        query_id: &str,
    ) -> Result<clickhouse::query::Query, UsageError> {
        self.query_of(self.client.clone(), text, query_id).await
    }

    /// A query of many rows. Validation would compare the type of each value of each row with the struct. The types are
    /// those of our own query, and the shape is checked at each row.
    pub(super) async fn trusted_query(
        &self,
        text: &str,
        query_id: &str,
    ) -> Result<clickhouse::query::Query, UsageError> {
        self.query_of(self.client.clone().with_validation(false), text, query_id).await
    }

    /// The client with its login.
    pub(super) async fn authenticated(
        &self,
        client: clickhouse::Client,
    ) -> Result<clickhouse::Client, UsageError> {
        let Login { username, password } = self.credentials.get().await.map_err(UsageError::Credentials)?;
        Ok(client.with_user(username).with_password(password))
    }

    pub(super) fn context(&self, query_id: &str) -> QueryContext {
        QueryContext { host: self.host.clone(), query_id: query_id.to_owned() }
    }

    async fn query_of(
        &self,
        client: clickhouse::Client,
        text: &str,
        query_id: &str,
    ) -> Result<clickhouse::query::Query, UsageError> {
        Ok(self
            .authenticated(client)
            .await?
            .query_raw(text)
            .with_setting("query_id", query_id)
            // Level 1. The default level 3 would take longer than the rest of a sweep.
            .with_setting("enable_http_compression", "1")
            .with_setting("http_zlib_compression_level", "1")
            .with_setting("cancel_http_readonly_queries_on_client_close", "1"))
    }

    /// A small answer as a whole, within the time for any part of an answer.
    pub(super) async fn within<T>(
        &self,
        context: &QueryContext,
        answer: impl Future<Output = Result<T, clickhouse::error::Error>>,
    ) -> Result<T, UsageError> {
        let span = traces::clickhouse_query(&self.host);
        let answer = match timeout(self.read_timeout, answer.instrument(span.clone())).await {
            Ok(answer) => answer.map_err(|source| classify(context, source)),
            Err(_) => {
                Err(UsageError::Stalled { context: context.clone(), seconds: self.read_timeout.as_secs() })
            }
        };
        answer.inspect_err(|error| traces::fail(&span, error.kind().as_str()))
    }
}

/// The time limit of a query on the server, as a setting. It is a little shorter than the wait for the answer. So a
/// live server says that the time is over before it counts as silent.
fn seconds_for_the_server(wait: Duration) -> String {
    wait.as_secs().saturating_sub(2).max(1).to_string()
}
