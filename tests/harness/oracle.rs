//! The check of the README, computed a second time and in the plainest way: raw events, one window after the other,
//! two passes over the values. Nothing of the code under test is used here.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use clickhouse::Row;
use serde::Deserialize;
use serde_json::Value;

const DAY_MS: i64 = 86_400_000;

/// What should come out for one series.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    Undetermined(&'static str),
    Judged(Judged),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub current: f64,
    pub mean: f64,
    pub stddev: f64,
    pub z_score: f64,
    pub samples: usize,
    /// `None` is normal.
    pub severity: Option<&'static str>,
}

#[derive(Row, Deserialize)]
struct RawEvent {
    customer_id: String,
    event_type: String,
    ms: i64,
    properties: String,
}

/// The verdict on every customer and metric, for the window that closes at `end_ms` (Unix ms, a full hour).
pub async fn recompute(
    client: &clickhouse::Client,
    end_ms: i64,
) -> Result<BTreeMap<(String, &'static str), Expected>> {
    let events: Vec<RawEvent> = client
        .query(
            "SELECT customer_id, event_type, toUnixTimestamp64Milli(timestamp) AS ms, properties FROM events",
        )
        .fetch_all()
        .await?;
    let start_ms = end_ms - 31 * DAY_MS;
    let events: Vec<_> = events.into_iter().filter(|event| (start_ms..end_ms).contains(&event.ms)).collect();
    let customers: BTreeSet<_> = events.iter().map(|event| event.customer_id.clone()).collect();

    let mut expected = BTreeMap::new();
    for customer in customers {
        let own: Vec<_> = events.iter().filter(|event| event.customer_id == customer).collect();
        let first_ms = own.iter().map(|event| event.ms).min().unwrap_or(end_ms);
        for metric in ["api_calls", "bandwidth", "storage_peak", "compute_time"] {
            let value = |age: i64| {
                let window = end_ms - (age + 1) * DAY_MS..end_ms - age * DAY_MS;
                value_of(metric, &own, &window)
            };
            let first_age = (end_ms - 1 - first_ms) / DAY_MS;
            let counted = if first_age == 30 { 1..=30 } else { 1..=first_age - 1 };
            let baseline: Vec<f64> = counted.filter_map(value).collect();
            expected.insert((customer.clone(), metric), judge(metric, value(0), &baseline));
        }
    }
    Ok(expected)
}

fn value_of(metric: &str, events: &[&RawEvent], window: &std::ops::Range<i64>) -> Option<f64> {
    let numbers = |event_type: &str, property: &str| -> Vec<f64> {
        events
            .iter()
            .filter(|event| event.event_type == event_type && window.contains(&event.ms))
            .filter_map(|event| {
                serde_json::from_str::<Value>(&event.properties).ok()?.get(property)?.as_f64()
            })
            .collect()
    };
    match metric {
        "api_calls" => {
            let calls = events.iter().filter(|e| e.event_type == "api_request" && window.contains(&e.ms));
            Some(calls.count() as f64)
        }
        "bandwidth" => Some(numbers("api_request", "bytes").iter().sum()),
        "compute_time" => Some(numbers("compute", "cpu_ms").iter().sum()),
        _ => numbers("storage", "gb_stored").into_iter().reduce(f64::max),
    }
}

fn judge(metric: &str, current: Option<f64>, baseline: &[f64]) -> Expected {
    let Some(current) = current else { return Expected::Undetermined("no_data") };
    if baseline.len() < 7 {
        return Expected::Undetermined("insufficient_data");
    }
    let n = baseline.len() as f64;
    let mean = baseline.iter().sum::<f64>() / n;
    let stddev = (baseline.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let min_change = match metric {
        "api_calls" => 100.0,
        "bandwidth" => 1e6,
        "storage_peak" => 1.0,
        _ => 60_000.0,
    };
    let change = (current - mean).abs();
    let large = change >= min_change && change >= 0.1 * mean.abs();
    let (z_score, severity) = if stddev <= 1e-9 * mean.abs() {
        let critical = change >= mean.abs() && change >= 10.0 * min_change;
        match large {
            false => (0.0, None),
            true => (100.0_f64.copysign(current - mean), Some(if critical { "critical" } else { "warning" })),
        }
    } else {
        let z = (current - mean) / stddev;
        let severity = if z.abs() >= 5.0 { "critical" } else { "warning" };
        (z.clamp(-100.0, 100.0), (large && z.abs() >= 3.0).then_some(severity))
    };
    Expected::Judged(Judged { current, mean, stddev, z_score, samples: baseline.len(), severity })
}
