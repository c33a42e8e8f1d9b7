//! `make bench`: the deployed detector against the loop that one would write first, on the same data in one run.
//!
//! The loop asks ClickHouse two questions for each customer and metric: the current window, and the 30 earlier ones.
//! The detector asks one question for all. Both read 1,000 customers x 4 metrics x 31 days, both judge every series
//! with the same check, and both must find the same anomalies, or the comparison would be worth nothing.

use std::time::{Duration, Instant};

use adapters::catalog::{Aggregate, Catalog, MetricSpec};
use adapters::config::DetectionConfig;
use anyhow::{Context, Result, ensure};
use clickhouse::Row;
use detection::{Series, Settings, Verdict, check};
use e2e::deployed::{Deployed, event};
use e2e::world::END;
use jiff::Timestamp;
use serde::Deserialize;

const CUSTOMERS: u32 = 1_000;
const DETECTOR_RUNS: usize = 5;
/// The loop must take at least so many times as long as the detector.
const GOAL: f64 = 10.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (deployed, end) = (Deployed::new().await?, END.parse::<Timestamp>()?);
    let events = prepare(&deployed, end).await?;
    println!("{CUSTOMERS} customers x 4 metrics x 31 days, {events} events\n");

    let mut event = event("detector-scheduled", END)?;
    event["detail"]["dry_run"] = true.into();
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..=DETECTOR_RUNS {
        let started = Instant::now();
        let summary = deployed.invoke(&event).await?;
        times.push(started.elapsed());
        found = summary["anomalies_found"].as_u64().context("a summary without anomalies_found")?;
        ensure!(summary["checked"] == CUSTOMERS * 4, "{summary}");
    }
    // The first run includes the start of the process.
    let (first, detector) = (times.remove(0), median(times));
    println!("deployed detector, first run      {first:>10.1?}");
    println!("deployed detector, median of {DETECTOR_RUNS}    {detector:>10.1?}");

    let started = Instant::now();
    let found_by_loop = naive_loop(&deployed.clickhouse, end).await?;
    let naive = started.elapsed();
    println!("loop of {} queries            {naive:>10.1?}", CUSTOMERS * 8);
    ensure!(found == found_by_loop, "the detector found {found} anomalies, the loop {found_by_loop}");
    println!("both found {found} anomalies\n");

    let ratio = naive.as_secs_f64() / detector.as_secs_f64();
    println!("the loop takes {ratio:.0} times as long (goal: at least {GOAL:.0})");
    ensure!(ratio >= GOAL, "the goal was missed");
    Ok(())
}

/// Fills the deployed database: per customer and hour one API call, one computation and one storage reading, with a
/// spike of compute time in the current window of every fiftieth customer. Returns the number of events.
async fn prepare(deployed: &Deployed, end: Timestamp) -> Result<u64> {
    let client = &deployed.clickhouse;
    let others = "SELECT count() FROM events WHERE NOT match(customer_id, '^customer_[0-9]+$')";
    let others: u64 = client.query(others).fetch_one().await?;
    ensure!(
        others == 0,
        "this cloud holds other usage, which the bench would delete: run it by `make bench`"
    );
    client.query("TRUNCATE TABLE events").execute().await?;
    client.query("TRUNCATE TABLE usage_hourly").execute().await?;
    let sql = format!(
        "INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
         WITH number % 3 AS kind, intDiv(number, 3) % 744 AS hour, intDiv(number, 3 * 744) AS customer,
             1000 + cityHash64(number) % 200 AS amount
         SELECT
             toString(number),
             concat('customer_', toString(customer)),
             ['api_request', 'compute', 'storage'][kind + 1],
             fromUnixTimestamp64Milli({end} - toInt64(hour) * 3600000 - 1800000),
             concat('{{\"', ['bytes', 'cpu_ms', 'gb_stored'][kind + 1], '\": ',
                 toString(amount * if(kind = 1 AND hour < 24 AND customer % 50 = 0, 100, 1)), '}}')
         FROM numbers({rows})",
        end = end.as_millisecond(),
        rows = u64::from(CUSTOMERS) * 744 * 3,
    );
    client.query_raw(&sql).execute().await?;
    client.query("OPTIMIZE TABLE events FINAL").execute().await?;
    client.query("OPTIMIZE TABLE usage_hourly FINAL").execute().await?;
    Ok(client.query("SELECT count() FROM events").fetch_one().await?)
}

/// Two queries for each customer and metric, one after the other. Returns the number of anomalies.
async fn naive_loop(client: &clickhouse::Client, end: Timestamp) -> Result<u64> {
    let catalog = Catalog::built_in()?;
    let settings = catalog.settings(&DetectionConfig::default())?;
    let mut anomalies = 0;
    for customer in 0..CUSTOMERS {
        let customer = format!("customer_{customer}");
        for (spec, settings) in catalog.metrics().iter().zip(&settings) {
            let verdict = judge_alone(client, spec, settings, &customer, end.as_second()).await?;
            anomalies += u64::from(matches!(verdict, Verdict::Anomalous(_)));
        }
    }
    Ok(anomalies)
}

async fn judge_alone(
    client: &clickhouse::Client,
    spec: &MetricSpec,
    settings: &Settings,
    customer: &str,
    end: i64,
) -> Result<Verdict> {
    #[derive(Row, Deserialize)]
    struct Window {
        age: i64,
        value: f64,
    }
    let value = match spec.aggregate {
        Aggregate::Count => "toFloat64(count())".to_owned(),
        Aggregate::Max => format!("max(assumeNotNull({}))", spec.value.as_deref().unwrap_or("1")),
        _ => format!("sum(assumeNotNull({}))", spec.value.as_deref().unwrap_or("1")),
    };
    let filter = spec.filter.as_deref().unwrap_or("true");
    let ask = async |from: i64, to: i64| -> Result<Vec<Window>> {
        let sql = format!(
            "SELECT intDiv({{end:Int64}} - toUnixTimestamp(timestamp) - 1, 86400) AS age, {value} AS value
             FROM events
             WHERE customer_id = {{customer:String}} AND ({filter})
               AND timestamp >= toDateTime({{from:Int64}}, 'UTC') AND timestamp < toDateTime({{to:Int64}}, 'UTC')
             GROUP BY age"
        );
        let query = client.query_raw(&sql).param("end", end).param("customer", customer);
        Ok(query.param("from", from).param("to", to).fetch_all().await?)
    };
    let mut windows = vec![None; 31];
    let current = ask(end - 86_400, end).await?;
    let baseline = ask(end - 31 * 86_400, end - 86_400).await?;
    for Window { age, value } in current.into_iter().chain(baseline) {
        windows[usize::try_from(age)?] = Some(value);
    }
    Ok(check(&Series::new(&windows, 30, spec.missing, spec.never_negative()), settings))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
