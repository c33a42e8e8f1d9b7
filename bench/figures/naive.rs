//! The naive loop: two queries for each customer and metric, to the events themselves.

use std::time::{Duration, Instant};

use anyhow::Result;
use catalog::DetectionConfig;
use catalog::{Aggregate, Catalog, MetricSpec};
use clickhouse::Row;
use detection::{Series, Settings, Verdict, check};
use e2e::world::{END, at};
use serde::Deserialize;

use crate::usage::{METRICS, Usage};

/// Pairs of customer and metric in the sample.
const SAMPLE: u64 = 200;

/// The time of the loop for all pairs, extrapolated from a sample.
pub(crate) async fn time_for_all(usage: &Usage) -> Result<Duration> {
    let catalog = Catalog::built_in()?;
    let settings = catalog.settings(&DetectionConfig::default())?;
    let customers = SAMPLE / METRICS;
    let started = Instant::now();
    for number in 0..customers {
        let customer = format!("customer_{:07}", number * usage.customers / customers);
        for (spec, settings) in catalog.metrics().iter().zip(&settings) {
            judge(&usage.world.clickhouse, spec, settings, &customer).await?;
        }
    }
    Ok(started.elapsed().mul_f64((usage.customers * METRICS) as f64 / SAMPLE as f64))
}

async fn judge(
    client: &clickhouse::Client,
    spec: &MetricSpec,
    settings: &Settings,
    customer: &str,
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
    let (filter, end) = (spec.filter.as_deref().unwrap_or("true"), at(END).as_second());
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
