//! The documented check, computed a second time in the plainest way: raw events, one window after the other, two passes
//! over the values. It uses nothing of the code under test.

use std::collections::BTreeMap;

use anyhow::Result;
use clickhouse::Row;
use serde::Deserialize;
use serde_json::Value;

const DAY_MS: i64 = 86_400_000;

/// The expected result for one series.
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
    /// `None` means normal.
    pub severity: Option<&'static str>,
}

/// The judged period, and the settings.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    /// Unix ms, like all times here.
    pub start: i64,
    pub end: i64,
    pub baseline_days: i64,
    pub threshold: f64,
}

/// All events of a database.
pub struct Oracle {
    events: BTreeMap<String, Vec<RawEvent>>,
}

#[derive(Row, Deserialize)]
struct EventRow {
    customer_id: String,
    event_type: String,
    ms: i64,
    properties: String,
}

struct RawEvent {
    event_type: String,
    ms: i64,
    properties: Value,
}

pub const METRICS: [&str; 4] = ["api_calls", "bandwidth", "storage_peak", "compute_time"];

/// The verdict on every customer and metric, for the window that closes at `end_ms` (Unix ms, a full hour).
pub async fn recompute(
    client: &clickhouse::Client,
    end_ms: i64,
) -> Result<BTreeMap<(String, &'static str), Expected>> {
    Ok(Oracle::new(client).await?.verdicts(&Period::day(end_ms)))
}

impl Period {
    /// The window of the hourly run that closes at `end`.
    pub fn day(end: i64) -> Self {
        Self { start: end - DAY_MS, end, baseline_days: 30, threshold: 3.0 }
    }

    /// The time from one window to the window before it: whole days, so that both hold the same time of day.
    fn stride(&self) -> i64 {
        let length = self.end - self.start;
        (length / DAY_MS + i64::from(length % DAY_MS > 0)) * DAY_MS
    }

    fn earlier_windows(&self) -> i64 {
        self.baseline_days / (self.stride() / DAY_MS)
    }

    /// First instant of the time read.
    fn reach(&self) -> i64 {
        self.end - self.stride() * (self.earlier_windows() + 1)
    }
}

impl Oracle {
    pub async fn new(client: &clickhouse::Client) -> Result<Self> {
        let sql =
            "SELECT customer_id, event_type, toUnixTimestamp64Milli(timestamp) AS ms, properties FROM events";
        let mut events: BTreeMap<String, Vec<RawEvent>> = BTreeMap::new();
        for row in client.query(sql).fetch_all::<EventRow>().await? {
            let properties = serde_json::from_str(&row.properties).unwrap_or_default();
            let event = RawEvent { event_type: row.event_type, ms: row.ms, properties };
            events.entry(row.customer_id).or_default().push(event);
        }
        Ok(Self { events })
    }

    /// The verdict on every metric of every customer with an event in the time read.
    pub fn verdicts(&self, period: &Period) -> BTreeMap<(String, &'static str), Expected> {
        let mut expected = BTreeMap::new();
        for (customer, events) in &self.events {
            let read = period.reach()..period.end;
            let own: Vec<_> = events.iter().filter(|event| read.contains(&event.ms)).collect();
            let Some(first) = own.iter().map(|event| event.ms).min() else { continue };
            for metric in METRICS {
                let value = |age: i64| {
                    let back = age * period.stride();
                    value_of(metric, &own, &(period.start - back..period.end - back))
                };
                let of_customer = counted(period, first);
                let first_use = own.iter().filter(|event| is_of(metric, event)).map(|event| event.ms).min();
                // A level has gaps and not zeros, so its first use decides nothing.
                let of_series = match first_use {
                    Some(first) if metric != "storage_peak" => counted(period, first).min(of_customer),
                    _ => of_customer,
                };
                let baseline: Vec<f64> = (1..=of_series).filter_map(value).collect();
                let is_first_use = of_customer >= 7 && first_use.is_some_and(|first| first >= period.start);
                let verdict = judge(metric, value(0), &baseline, is_first_use, period.threshold);
                expected.insert((customer.clone(), metric), verdict);
            }
        }
        expected
    }

    /// One customer's usage from `start` to `end`.
    pub fn value(&self, customer: &str, metric: &str, start: i64, end: i64) -> Option<f64> {
        let own: Vec<_> = self.events.get(customer).into_iter().flatten().collect();
        value_of(metric, &own, &(start..end))
    }
}

/// Whether an event is one of this metric.
fn is_of(metric: &str, event: &RawEvent) -> bool {
    let has = |property: &str| event.properties.get(property).is_some_and(Value::is_number);
    match (metric, event.event_type.as_str()) {
        ("api_calls", "api_request") => true,
        ("bandwidth", "api_request") => has("bytes"),
        ("compute_time", "compute") => has("cpu_ms"),
        ("storage_peak", "storage") => has("gb_stored"),
        _ => false,
    }
}

/// How many earlier windows count for a customer or a series with this first event. All count if the event is in the
/// oldest stride. Otherwise the windows after the one with the event count.
fn counted(period: &Period, first: i64) -> i64 {
    let before_end = period.end - 1 - first;
    let (age, offset) = (before_end / period.stride(), before_end % period.stride());
    match age == period.earlier_windows() {
        true => age,
        false if offset < period.end - period.start => age - 1,
        false => age,
    }
}

fn value_of(metric: &str, events: &[&RawEvent], window: &std::ops::Range<i64>) -> Option<f64> {
    let numbers = |event_type: &str, property: &str| -> Vec<f64> {
        events
            .iter()
            .filter(|event| event.event_type == event_type && window.contains(&event.ms))
            .filter_map(|event| event.properties.get(property)?.as_f64())
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

fn judge(
    metric: &str,
    current: Option<f64>,
    baseline: &[f64],
    is_first_use: bool,
    threshold: f64,
) -> Expected {
    let Some(current) = current else { return Expected::Undetermined("no_data") };
    let min_change = match metric {
        "api_calls" => 100.0,
        "bandwidth" => 1e6,
        "storage_peak" => 1.0,
        _ => 60_000.0,
    };
    if baseline.len() < 7 {
        if is_first_use && current >= 10.0 * min_change {
            let severity = Some("warning");
            let (mean, stddev, z_score, samples) = (0.0, 0.0, 0.0, 0);
            return Expected::Judged(Judged { current, mean, stddev, z_score, samples, severity });
        }
        return Expected::Undetermined("insufficient_data");
    }
    let n = baseline.len() as f64;
    let mean = baseline.iter().sum::<f64>() / n;
    let stddev = (baseline.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let change = (current - mean).abs();
    let large = change >= min_change && change >= 0.1 * mean.abs();
    // The least spread is 4 % of the mean.
    let spread = stddev.max(0.04 * mean.abs());
    let (z_score, severity) = if spread == 0.0 {
        let critical = change >= mean.abs() && change >= 10.0 * min_change;
        match large {
            false => (0.0, None),
            true => (100.0_f64.copysign(current - mean), Some(if critical { "critical" } else { "warning" })),
        }
    } else {
        let z = (current - mean) / spread;
        let severity = if z.abs() >= threshold.max(5.0) { "critical" } else { "warning" };
        (z.clamp(-100.0, 100.0), (large && z.abs() >= threshold).then_some(severity))
    };
    Expected::Judged(Judged { current, mean, stddev, z_score, samples: baseline.len(), severity })
}

/// Fails unless both maps hold the same series with the same verdicts, every number to 1e-9 relative.
pub fn assert_same(
    found: &BTreeMap<(String, &'static str), Expected>,
    oracle: &BTreeMap<(String, &'static str), Expected>,
) {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
    assert_eq!(found.keys().collect::<Vec<_>>(), oracle.keys().collect::<Vec<_>>());
    for (key, expected) in oracle {
        let same = match (&found[key], expected) {
            (Expected::Judged(a), Expected::Judged(b)) => {
                near(a.current, b.current)
                    && near(a.mean, b.mean)
                    && near(a.stddev, b.stddev)
                    && (near(a.z_score, b.z_score) || (a.z_score - b.z_score).abs() < 1e-9)
                    && a.samples == b.samples
                    && a.severity == b.severity
            }
            (a, b) => a == b,
        };
        assert!(same, "{key:?}: found {:?}, expected {expected:?}", found[key]);
    }
}
