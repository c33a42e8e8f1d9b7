//! A world whose customers have something in each place that the command removes from.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use catalog::Catalog;
use detection::{EntityPath, Policy};
use e2e::warehouse::make_tables;
use e2e::world::{END, at, hourly, run, steady_then, text, timestamp};
use jiff::Timestamp;
use platform::aws::SdkConfig;
use serde_json::json;
use store::deliveries::{Accepted, Delivery, DeliveryStore, Finished, Thread};
use store::{AnomalyStore, DetectionRun, PolicyChange, RunStatus, StoreConfig};

use super::*;

/// Usage, jobs whose errors are texts, and the same with windows of minutes.
const CATALOG: &str = r#"
[[metric]]
name = "compute_time"
unit = "ms"
aggregate = "sum"
missing = "zero"
min_change = 1
filter = "event_type = 'compute'"
value = "JSONExtract(properties, 'cpu_ms', 'Nullable(Float64)')"

[[source]]
name = "jobs"
table = "runs"
tenant = "team"
entity = "job"
time = "at"
bad = "error != ''"

[[metric]]
name = "job_errors"
source = "jobs"
unit = "errors"
aggregate = "novel"
value = "error"
missing = "gap"
min_change = 1
[[metric.rule]]
type = "novelty"

[[source]]
name = "ticks"
table = "runs"
tenant = "team"
entity = "job"
time = "at"
bad = "error != ''"
window = "5m"

[[metric]]
name = "tick_failures"
source = "ticks"
unit = "units"
aggregate = "rate"
missing = "gap"
min_change = 1
[[metric.rule]]
type = "rate"
"#;

/// The tables that hold rows of single customers.
const TABLES: [&str; 5] = ["usage_hourly", "usage_hourly_copy", "jobs_seen", "ticks_hourly", "ticks_minute"];

pub(super) struct Seeded {
    world: World,
    store: AnomalyStore,
    catalog: tempfile::NamedTempFile,
}

impl Seeded {
    /// A world with these customers, and with a run that somebody asked for a customer of each name.
    pub(super) async fn with(customers: impl IntoIterator<Item = &str>) -> Result<Self> {
        let world = World::new().await?;
        let catalog = tempfile::NamedTempFile::new()?;
        std::fs::write(catalog.path(), CATALOG)?;
        let execute = async |statement: &str| world.clickhouse.query_raw(statement).execute().await;
        execute("CREATE TABLE runs (team String, job String, at DateTime64(3, 'UTC'), error String) ENGINE = MergeTree ORDER BY team")
            .await?;
        let parsed = Catalog::parse(CATALOG, "the test")?;
        for source in ["jobs", "ticks"] {
            make_tables(&world.clickhouse, &world.database, parsed.of(source).context(source)?).await?;
        }
        execute("CREATE TABLE usage_hourly_copy AS usage_hourly").await?;
        let store = store_of(&world.table, &world.aws);
        let seeded = Self { world, store, catalog };
        // Entities of another customer that have the names of these customers.
        let other = "INSERT INTO runs SELECT 'other', {customer:String}, now64(3) - 600, 'broken'";
        for customer in SIMILAR.into_iter().filter(|customer| !customer.contains(EntityPath::SEPARATOR)) {
            seeded.world.clickhouse.query_raw(other).param("customer", customer).execute().await?;
        }
        for customer in SIMILAR {
            seeded.ask_for_a_run(customer).await?;
        }
        for customer in customers {
            seeded.add(customer).await?;
        }
        Ok(seeded)
    }

    /// Gives a customer something in each place.
    pub(super) async fn add(&self, customer: &str) -> Result<()> {
        let Self { world, store, .. } = self;
        world.insert(&steady_then(customer, at(END), 5e7)).await?;
        self.add_rows(customer).await?;
        self.add_models(customer).await?;
        run(&world.app().await?, &hourly(END)).await?;
        let incident = self.incident_of(customer).await?;
        let (incident, anomaly) = (text(&incident, "incident_id"), self.anomaly_of(customer).await?);
        let stored = store.put_policy(Some(&id(customer)?), &Policy::default(), 0, "ada", now()).await?;
        assert!(matches!(stored, PolicyChange::Stored(_)), "{stored:?}");
        let feedback = format!("/v1/incidents/{}/feedback", e2e::api::encoded(&incident));
        let answer = world.api().await?.post(&feedback, &json!({ "kind": "confirmed" })).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);

        let deliveries = DeliveryStore::new(&world.table, &world.aws);
        for (alert_id, channel) in [(&anomaly, "slack"), (&anomaly, "pagerduty")] {
            let delivery = Delivery { alert_id, channel, attempt: "1" };
            assert_eq!(deliveries.accept(delivery, "{}", now()).await?, Accepted::Waits);
            match channel {
                "slack" => deliveries.finish(delivery, Finished::Sent, now()).await?,
                _ => deliveries.park(delivery, now()).await?,
            }
        }
        let thread = Thread { conversation: "C1".to_owned(), thread: "1.2".to_owned() };
        deliveries.keep_thread("slack", &incident, &thread, now()).await?;
        let page = format!("{}#{customer}", at(END).as_millisecond());
        deliveries.page_of("pagerduty", &page, &incident, true, now()).await?;
        Ok(deliveries.keep_short_name("telegram", &incident, now()).await?)
    }

    /// Jobs of the customer, unless its name cannot be that of one with entities, and a copy of its rollup.
    async fn add_rows(&self, customer: &str) -> Result<()> {
        let insert = "INSERT INTO runs SELECT {customer:String}, concat('job', toString(number)), now64(3) - 600, 'broken' \
                      FROM numbers(3)";
        let copy =
            "INSERT INTO usage_hourly_copy SELECT * FROM usage_hourly WHERE customer_id = {customer:String}";
        for statement in [insert, copy] {
            if statement == copy || !customer.contains(EntityPath::SEPARATOR) {
                self.world.clickhouse.query_raw(statement).param("customer", customer).execute().await?;
            }
        }
        Ok(())
    }

    /// Models of the customer, without a note of their fit.
    pub(super) async fn add_models(&self, customer: &str) -> Result<()> {
        let insert = "INSERT INTO usage_models (hour, bucket, customer_id, fit, zone, expires, numbers) VALUES \
                      (now('UTC'), 1, {customer:String}, 1, '', now('UTC') + INTERVAL 3 DAY, [1])";
        Ok(self.world.clickhouse.query_raw(insert).param("customer", customer).execute().await?)
    }

    /// The note of a run for this customer. It names the customer, and expires by itself.
    async fn ask_for_a_run(&self, customer: &str) -> Result<()> {
        let run = DetectionRun {
            detection_id: uuid::Uuid::new_v4().to_string(),
            status: RunStatus::Completed,
            dry_run: false,
            source: None,
            customer_ids: vec![id(customer)?],
            time: at(END).as_millisecond(),
            requested_by: "ada".to_owned(),
            requested_at: now().as_millisecond(),
            run_id: None,
            started_at: None,
            finished_at: None,
            summary: None,
        };
        Ok(self.store.add_run(&run).await?)
    }

    pub(super) async fn forget(&self, customer: &str, arguments: &[&str]) -> Result<Answer> {
        let catalog = self.catalog.path().to_str().context("a path")?;
        forget(&self.world, customer, arguments, catalog).await
    }

    /// With open incidents and with events nothing is removed, and each reason says what to do.
    pub(super) async fn assert_refused(&self, customer: &str) -> Result<()> {
        let (items, rows) = (self.items().await?, self.rows().await?);
        let incident = text(&self.incident_of(customer).await?, "incident_id");
        let refused = self.forget(customer, &["--yes"]).await?;
        refused.assert(1, &["ALTER TABLE events DELETE", "--keep-events", &incident, "/resolve", "--force"]);
        self.forget(customer, &["--yes", "--keep-events"]).await?.assert(1, &[&incident]);
        self.forget(customer, &["--yes", "--force"]).await?.assert(1, &["ALTER TABLE events DELETE"]);
        assert_eq!((self.items().await?, self.rows().await?), (items, rows), "nothing was removed");
        Ok(())
    }

    /// Ends the incident of the customer. The API publishes its end.
    pub(super) async fn resolve(&self, customer: &str) -> Result<()> {
        let incident = e2e::api::encoded(&text(&self.incident_of(customer).await?, "incident_id"));
        let path = format!("/v1/incidents/{incident}/resolve");
        let answer =
            self.world.api().await?.post(&path, &json!({ "note": "the customer is removed" })).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Ok(())
    }

    /// Deletes the events by the statements that the command names.
    pub(super) async fn delete_events(&self, customer: &str) -> Result<()> {
        let refused = self.forget(customer, &["--yes"]).await?;
        refused.assert(1, &["ALTER TABLE"]);
        for line in refused.text.lines().filter(|line| line.starts_with("  ALTER TABLE")) {
            self.world.clickhouse.query_raw(line.trim()).execute().await?;
        }
        Ok(())
    }

    /// All items but the notes of runs, which change with each run.
    pub(super) async fn items(&self) -> Result<BTreeMap<[String; 2], HashMap<String, AttributeValue>>> {
        let items = self.world.all_items().await?;
        let items = items.into_iter().map(|item| (["pk", "sk"].map(|name| text(&item, name)), item));
        Ok(items.filter(|([pk, _], _)| pk != "STATUS" && !pk.starts_with("RUNS#")).collect())
    }

    /// The events by table and customer.
    pub(super) async fn rows(&self) -> Result<BTreeSet<(String, String, u64)>> {
        let mut rows = BTreeSet::new();
        for table in TABLES {
            let query = format!(
                "SELECT toString(customer_id) AS customer, sum(events) FROM {table} GROUP BY customer"
            );
            let found: Vec<(String, u64)> = self.world.clickhouse.query_raw(&query).fetch_all().await?;
            rows.extend(found.into_iter().map(|(customer, events)| (table.to_owned(), customer, events)));
        }
        Ok(rows)
    }

    /// The number of models, and that of the notes that end all fits.
    pub(super) async fn models(&self) -> Result<(u64, u64)> {
        let count = async |query: &str| self.world.clickhouse.query_raw(query).fetch_one::<u64>().await;
        let models = count("SELECT count() FROM usage_models").await?;
        Ok((models, count("SELECT uniqExact(begun) FROM usage_model_fits").await?))
    }

    async fn incident_of(&self, customer: &str) -> Result<HashMap<String, AttributeValue>> {
        let incidents = self.world.incidents().await?;
        let found = incidents.into_iter().find(|item| text(item, "customer_id") == customer);
        found.with_context(|| format!("no incident of {customer:?}"))
    }

    async fn anomaly_of(&self, customer: &str) -> Result<String> {
        let items = self.world.items().await?;
        let found = items.iter().find(|item| text(item, "customer_id") == customer);
        found.map(|item| text(item, "anomaly_id")).with_context(|| format!("no anomaly of {customer:?}"))
    }
}

fn store_of(table: &str, aws: &SdkConfig) -> AnomalyStore {
    AnomalyStore::new(&StoreConfig::of_table(table, 90), aws)
}

fn now() -> Timestamp {
    timestamp()
}
