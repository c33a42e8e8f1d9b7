//! A database of the real ClickHouse, for tests that need no AWS.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use catalog::{Catalog, Shard};
use detection::{BaselineDays, Window};
use environment::Env;
use warehouse::ClickHouseConfig;
use warehouse::rollup::{self, MigrationError, Options, Outcome, Place, Tables};
use warehouse::usage::{SweepRequest, UsageReader};

use crate::world::{END, Event, at, clickhouse_client, insert, variable};

/// The values of each customer, by metric and age.
pub type Usage = BTreeMap<Vec<u8>, Vec<Vec<Option<f64>>>>;

pub struct Warehouse {
    pub client: clickhouse::Client,
    pub database: String,
}

impl Warehouse {
    /// A new database with tables for the built-in catalog.
    pub async fn new() -> Result<Self> {
        let warehouse = Self::empty().await?;
        make_tables(&warehouse.client, &warehouse.database, &Catalog::built_in()?).await?;
        Ok(warehouse)
    }

    /// A new database without tables.
    pub async fn empty() -> Result<Self> {
        Self::empty_at(&variable("CLICKHOUSE_URL")?).await
    }

    /// The same on another server.
    pub async fn empty_at(url: &str) -> Result<Self> {
        let database = format!("e2e_{}", uuid::Uuid::new_v4().simple());
        let client = clickhouse_client(url, &database);
        let server = client.clone().with_database("system");
        server.query(&format!("CREATE DATABASE {database}")).execute().await?;
        Ok(Self { client, database })
    }

    /// Where a migration of the database works.
    pub fn place(&self) -> Place {
        Place::at(&self.client, &self.database)
    }

    pub async fn insert(&self, events: &[Event]) -> Result<()> {
        insert(&self.client, events).await
    }

    /// Runs a statement.
    pub async fn run(&self, statement: &str) -> Result<()> {
        Ok(self.client.query_raw(statement).execute().await?)
    }

    /// The only value of a query.
    pub async fn one<T>(&self, query: &str) -> Result<T>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead,
    {
        Ok(self.client.query_raw(query).fetch_one().await?)
    }

    /// Migrates, with consent to all that it deletes.
    pub async fn migrate(&self, catalog: &Catalog) -> Result<Outcome> {
        migrate(&self.client, &self.database, catalog).await
    }

    pub async fn migrate_with(&self, catalog: &Catalog, options: Options) -> Result<Outcome, MigrationError> {
        rollup::migrate(&self.place(), catalog, &options, |_| {}).await
    }

    /// Events of a metric in the rollup.
    pub async fn rolled_events(&self, metric: &str) -> Result<u64> {
        let query = self.client.query("SELECT sum(events) FROM usage_hourly WHERE metric = ?");
        Ok(query.bind(metric).fetch_one().await?)
    }

    /// Names of the views that feed the rollup.
    pub async fn views(&self) -> Result<Vec<String>> {
        let views = rollup::views(&self.client, &self.database, &Tables::of(&Catalog::built_in()?)).await?;
        Ok(views.into_iter().map(|view| view.name).collect())
    }
}

/// Migrates a database, with consent to all that is deleted.
pub async fn migrate(client: &clickhouse::Client, database: &str, catalog: &Catalog) -> Result<Outcome> {
    Ok(rollup::migrate(&Place::at(client, database), catalog, &options(), |_| {}).await?)
}

/// Makes the tables and views of a source in a database where its table is empty.
///
/// This is a migration without its trial of the expressions and without its backfill. Both cost a server some 400 ms of
/// processor time, an empty table has nothing to fill from, and the tests of migrations and expressions cover both.
pub async fn make_tables(client: &clickhouse::Client, database: &str, source: &Catalog) -> Result<()> {
    let place = Place::at(client, database);
    let plan = rollup::plan(&place, source, &options()).await?;
    Ok(rollup::apply(&place, &plan).await?)
}

fn options() -> Options {
    // The tests use hours of a fixed time. These must not expire one day.
    Options { delete: true, keep_days: Some(10_000), ..Options::default() }
}

/// The usage that a run for the window that closes at [`END`] reads, from a server at this address.
pub async fn read_usage(url: &str, database: &str, catalog: &Catalog) -> Result<Usage> {
    let variables = [("CLICKHOUSE_URL", url), ("CLICKHOUSE_DATABASE", database)];
    let config = ClickHouseConfig::from_env(&Env::of(&variables))?;
    let reader = UsageReader::new(&config, &platform::aws::config().await);
    let request = SweepRequest {
        window: Window::closing_at(at(END))?,
        baseline_days: BaselineDays::default(),
        catalog,
        customers: &[],
        shard: Shard::WHOLE,
        query_id: &uuid::Uuid::new_v4().to_string(),
        deadline: Instant::now() + Duration::from_secs(60),
    };
    let (mut sweep, mut usage) = (reader.sweep(&request).await?, Usage::new());
    while let Some(customer) = sweep.next().await? {
        let values = customer.series().map(<[_]>::to_vec).collect();
        usage.insert(customer.customer_id.to_vec(), values);
    }
    Ok(usage)
}
