//! Bulk data: random events, and anomalies as a run stores them, without their usage.

use std::collections::HashMap;

use anyhow::Result;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{
    Anomaly, Baseline, Comparison, CustomerId, Detail, Direction, Expected, Finding, MetricName, Opinion,
    Severity, Window,
};
use jiff::{SignedDuration, Timestamp};
use store::StoreConfig;
use store::{AnomalyItem, AnomalyStore, JudgedBy, Writer};

use crate::World;
use crate::world::{at, timestamp};

/// An anomaly to be stored.
#[derive(Clone, Debug)]
pub struct Made {
    pub customer: String,
    pub metric: &'static str,
    pub detected_at: Timestamp,
    pub severity: Severity,
    pub direction: Direction,
}

/// The ids of the first customers of [`World::insert_random`].
pub fn customers(count: u32) -> Vec<String> {
    (0..count).map(|number| format!("customer {number}")).collect()
}

/// The ids of 22 random customers and, after them, of three of [`World::insert_spikes`].
pub fn with_spikes() -> Vec<String> {
    customers(22).into_iter().chain((0..3).map(|number| format!("c{number:05}"))).collect()
}

impl Made {
    /// The anomaly's id, spelled out.
    pub fn id(&self) -> Result<String> {
        Ok(self.anomaly()?.id().to_string())
    }

    fn anomaly(&self) -> Result<Anomaly> {
        let window = Window::between(self.detected_at - SignedDuration::from_hours(24), self.detected_at)?;
        let values = (0..30).map(|age| f64::from(1_000 + age));
        let baseline = Baseline::of(values).ok_or_else(|| anyhow::anyhow!("no baseline"))?;
        let current = if self.direction == Direction::Spike { 9_000.0 } else { 0.0 };
        let score = if self.direction == Direction::Spike { 100.0 } else { -100.0 };
        let opinion = Opinion {
            score,
            expected: Expected { low: 980.0, high: 1_050.0 },
            detail: Detail::ZScore { constant_baseline: false },
        };
        let comparison = Comparison { current, baseline, z_score: score, excluded_windows: 0, opinion };
        let finding = Finding { comparison, severity: self.severity, direction: self.direction };
        let (customer, metric) = (CustomerId::new(&*self.customer)?, MetricName::new(self.metric)?);
        Ok(Anomaly::new((customer, None), metric, "units", Vec::new(), window, &finding, None))
    }
}

/// The hours of a customer who calls, from `start` on, as the views make them of the calls with 100 bytes each: the calls
/// themselves would be hundreds of thousands of events. `calls` is the number of calls of an hour in SQL, by `at`, the start of the
/// hour, and `n`, the number of the hour.
pub async fn insert_calls(
    client: &clickhouse::Client,
    customer: &str,
    start: Timestamp,
    hours: u32,
    calls: &str,
) -> Result<()> {
    let text = format!(
        "INSERT INTO usage_hourly (customer_id, metric, hour, events, total, peak, low, corrections)
         SELECT '{customer}', metric, toStartOfHour(at), calls, calls * value, value, value, 0
         FROM (SELECT number AS n, toDateTime64({} + 3600 * number, 3, 'UTC') AS at, toUInt32({calls}) AS calls
               FROM numbers({hours}))
         ARRAY JOIN ['api_calls', 'bandwidth'] AS metric, [1., 100.] AS value
         WHERE calls > 0",
        start.as_second()
    );
    Ok(client.query_raw(&text).execute().await?)
}

impl World {
    /// Stores anomalies as a run does.
    pub async fn record(&self, made: &[Made]) -> Result<()> {
        let store = AnomalyStore::new(&StoreConfig::of_table(self.table.clone(), 90), &self.aws);
        let judged_by = JudgedBy {
            catalog_version: "catalog",
            config_version: "0",
            mute: None,
            detector: "seasonal",
            excess: None,
        };
        let writer = Writer { run_id: "made", now: timestamp() };
        for made in made {
            let item = AnomalyItem::new(&made.anomaly()?, None, &judged_by, store.retention(), writer.run_id);
            store.record(item, writer).await?;
        }
        Ok(())
    }

    /// `count` anomalies of `from` and the hours after it. Ten share each hour. They are of all metrics and kinds, and
    /// of seven customers.
    pub async fn record_many(&self, count: u32, from: &str) -> Result<Vec<Made>> {
        const METRICS: [&str; 4] = ["api_calls", "bandwidth", "storage_peak", "compute_time"];
        let made: Vec<_> = (0..count)
            .map(|number| Made {
                customer: format!("c{}", (number % 10) / 4 + number / 10 % 5),
                metric: METRICS[number as usize % 10 % 4],
                detected_at: at(from) + SignedDuration::from_hours(i64::from(number / 10)),
                severity: if number % 3 == 0 { Severity::Critical } else { Severity::Warning },
                direction: if number % 5 < 2 { Direction::Drop } else { Direction::Spike },
            })
            .collect();
        self.record(&made).await?;
        Ok(made)
    }

    /// Lets an anomaly expire at this time, in Unix seconds.
    pub async fn expire(&self, made: &Made, ttl: i64) -> Result<()> {
        let sk = format!("ANOMALY#{}#{}", made.detected_at.as_millisecond(), made.metric);
        aws_sdk_dynamodb::Client::new(&self.aws)
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(format!("CUSTOMER#{}", made.customer)))
            .key("sk", AttributeValue::S(sk))
            .update_expression("SET #ttl = :ttl")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":ttl", AttributeValue::N(ttl.to_string()))
            .send()
            .await?;
        Ok(())
    }

    /// The items of one partition of the table, by sort key.
    pub async fn partition(&self, pk: &str) -> Result<Vec<HashMap<String, AttributeValue>>> {
        let answer = aws_sdk_dynamodb::Client::new(&self.aws)
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .send()
            .await?;
        Ok(answer.items.unwrap_or_default())
    }

    /// Random events with random values, made by the engine: this many per customer, over some days up to `end`. Each
    /// customer has a rhythm of its own. So many windows and whole months are empty for some.
    pub async fn insert_random(&self, customers: u32, events: u32, days: u32, end: Timestamp) -> Result<()> {
        let sql = format!(
            "INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
             WITH
                 number % {customers} AS customer,
                 cityHash64(number, 'time') % ({days} * 86400000) AS back,
                 cityHash64(number, 'kind') % 10 AS kind,
                 multiIf(kind < 5, 'api_request', kind < 8, 'compute', 'storage') AS type,
                 exp10(cityHash64(customer) % 13) * (0.5 + (cityHash64(number, 'value') % 1000000) / 1000000) AS amount
             SELECT
                 toString(number),
                 concat('customer ', toString(customer)),
                 type,
                 fromUnixTimestamp64Milli(toInt64({end} - 1 - back)),
                 concat('{{\"', multiIf(type = 'api_request', 'bytes', type = 'compute', 'cpu_ms', 'gb_stored'),
                        '\": ', toString(amount), '}}')
             FROM numbers({rows})
             WHERE customer % 7 != 0 OR back < (customer % {days}) * 86400000",
            end = end.as_millisecond(),
            rows = customers * events,
        );
        Ok(self.clickhouse.query_raw(&sql).execute().await?)
    }
}
