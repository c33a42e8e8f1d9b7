//! The records of services (PetShop): windows of five minutes, and the faults around which they were taken.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use detection::Histogram;

use super::{Issue, Services, Shows, Window, rows, time};

const METRICS: &str = "petshop/metrics.csv";
const LABELS: &str = "petshop/labels.csv";

/// The part of a scenario without a fault.
const USUAL: &str = "noissue";

/// The only scenario whose usual windows are there. They are the baseline for the faults of all scenarios.
const SCENARIO: &str = "low_traffic";

/// Quantiles that are known of a window, and the share of its requests that each stands for.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 1.0)];

/// Scenario and part.
type Part = (String, String);

/// By service and time.
type Raw = BTreeMap<(String, i64), Figures>;

#[derive(Default)]
struct Figures {
    requests: f64,
    availability: Option<f64>,
    /// In seconds, in the order of [`QUANTILES`].
    quantiles: [Option<f64>; QUANTILES.len()],
}

/// Usual windows by service, and faults.
pub(super) fn read(folder: &Path) -> Result<(Services, Vec<Issue>)> {
    let mut parts = parts(folder).context(METRICS)?;
    let usual = parts.remove(&(SCENARIO.to_owned(), USUAL.to_owned()));
    let usual = usual.with_context(|| format!("{METRICS} has no part {USUAL} of {SCENARIO}"))?;
    let labels = rows(folder, LABELS, ["scenario", "part", "alarm_metric"])?;
    let mut issues = Vec::new();
    for [scenario, part, metric] in labels {
        let shows = match metric.as_str() {
            "latency" => Shows::InLatency,
            "availability" => Shows::InFailures,
            _ => bail!("{LABELS} has the alarm_metric {metric:?}, but it is latency or availability"),
        };
        let name = (scenario, part);
        let windows =
            parts.remove(&name).with_context(|| format!("{METRICS} has no part {} of {}", name.1, name.0))?;
        issues.push(Issue { shows, services: services(windows) });
    }
    Ok((services(usual), issues))
}

fn parts(folder: &Path) -> Result<BTreeMap<Part, Raw>> {
    let mut parts: BTreeMap<Part, Raw> = BTreeMap::new();
    let columns = ["scenario", "part", "time", "service", "metric", "stat", "value"];
    for [scenario, part, at, service, metric, stat, value] in rows(folder, METRICS, columns)? {
        let value: f64 = value.parse().with_context(|| format!("{value:?} is no number"))?;
        let window = (service, time(&at)?.as_second());
        let figures = parts.entry((scenario, part)).or_default().entry(window).or_default();
        match (metric.as_str(), QUANTILES.iter().position(|(name, _)| *name == stat)) {
            ("requests", _) => figures.requests = value,
            ("availability", _) => figures.availability = Some(value),
            ("latency", Some(place)) => figures.quantiles[place] = Some(value),
            _ => {}
        }
    }
    Ok(parts)
}

fn services(raw: Raw) -> Services {
    let mut services = Services::new();
    for ((service, _), figures) in raw {
        services.entry(service).or_default().push(figures.window());
    }
    services
}

impl Figures {
    fn window(&self) -> Window {
        let requests = self.requests.max(0.0).round();
        let failed = self.availability.map_or(0.0, |percent| (requests * (1.0 - percent / 100.0)).round());
        let mut latency = Histogram::default();
        let mut before = 0.0;
        for ((_, share), seconds) in QUANTILES.iter().zip(self.quantiles) {
            // The nearest rank is rounded up, and so is this. Otherwise a quantile of the histogram would be the next one of the record.
            let until = (share * requests).ceil();
            if let Some(seconds) = seconds {
                latency.extend([(Histogram::key(1_000.0 * seconds), (until - before) as u64)]);
            }
            before = until;
        }
        Window { requests: requests as u64, failed: failed as u64, latency }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_make_a_histogram_with_the_same_percentiles() {
        let quantiles = [0.2, 0.4, 0.8, 2.0].map(Some);
        let window = Figures { requests: 200.0, availability: Some(99.0), quantiles }.window();
        assert_eq!((window.requests, window.failed, window.latency.count()), (200, 2, 200));
        for requests in [1.0, 20.0, 33.0, 200.0, 1_001.0] {
            let window = Figures { requests, availability: None, quantiles }.window();
            for (share, milliseconds) in [(0.5, 200.0), (0.9, 400.0), (0.95, 800.0), (0.99, 2_000.0)] {
                // One request has one latency.
                let wanted = if requests == 1.0 { 200.0 } else { milliseconds };
                let percentile = window.latency.percentile(share).unwrap();
                assert!((percentile / wanted - 1.0).abs() < 0.03, "{share} of {requests}: {percentile}");
            }
        }
        assert_eq!(Figures::default().window(), Window::default());
    }
}
