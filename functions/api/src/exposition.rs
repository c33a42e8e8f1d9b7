//! What the system did and how it is, in the text format of Prometheus (0.0.4). All of it comes from what the store keeps.
//!
//! Counters and histograms begin at zero at midnight in UTC. A function of Lambda has no memory of its own that could count for longer,
//! and a figure of the last 24 hours would fall by itself, which no counter may. `rate` and `increase` take midnight for the
//! restart of a program, which is right. All copies of the function tell the same.
//!
//! Series that can rise are there from the beginning, with zero. Otherwise Prometheus would miss the first anomaly of each day.
//! No label names a customer.

use catalog::{Catalog, DetectionConfig};
use detection::{Detector, Severity};
use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{
    Error, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TEXT_FORMAT, TextEncoder,
};
use serde_json::Value;
use store::deliveries::ChannelHealth;
use store::{CountedAnomaly, LastRun};

/// The type of the text.
pub(crate) const CONTENT_TYPE: &str = TEXT_FORMAT;

/// From a second to a day: runs of minutes tell within seconds, and the usage of a customer may arrive two days late.
const SECONDS: [f64; 14] =
    [1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0];

/// Of how long runs and their reading take.
const SHORT: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// .70 is that of three spreads, and .90 that of five.
const CONFIDENCES: [f64; 8] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];

/// How the runs of a source ended.
const RESULTS: [&str; 2] = ["completed", "failed"];

/// The figures as they are being collected.
pub(crate) struct Exposition {
    registry: Registry,
    build: GaugeVec,
    anomalies: IntCounterVec,
    confidence: HistogramVec,
    runs: IntCounterVec,
    duration: HistogramVec,
    reading: HistogramVec,
    latency: HistogramVec,
    checked: IntCounterVec,
    undetermined: IntCounterVec,
    published: IntCounterVec,
    last_run: GaugeVec,
    last_success: GaugeVec,
    last_duration: GaugeVec,
    judged_until: GaugeVec,
    pending: GaugeVec,
    oldest: GaugeVec,
    waiting: GaugeVec,
    failed: GaugeVec,
    disabled: GaugeVec,
    complete: GaugeVec,
}

/// Makes families of figures and registers them.
struct Families(Registry);

impl Families {
    fn counter(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, Error> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, Error> {
        self.registered(GaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// By source.
    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<HistogramVec, Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.registered(HistogramVec::new(options, &["source"])?)
    }

    fn registered<T: Collector + Clone + 'static>(&self, family: T) -> Result<T, Error> {
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }
}

impl Exposition {
    pub(crate) fn new() -> Result<Self, Error> {
        let of = Families(Registry::new());
        let (source, channel) = (&["source"][..], &["channel", "type"][..]);
        Ok(Self {
            build: of.gauge(
                "meterflow_build_info",
                "Always 1. Its labels are the version of the API's program, and that of the catalog.",
                &["version", "catalog_version"],
            )?,
            anomalies: of.counter(
                "meterflow_anomalies_total",
                "Anomalies of windows that ended today (UTC), by the detector or rule that decided.",
                &["source", "metric", "severity", "detector"],
            )?,
            confidence: of.histogram(
                "meterflow_anomaly_confidence",
                "How sure the anomalies of windows that ended today (UTC) are, from 0 to 1.",
                &CONFIDENCES,
            )?,
            runs: of.counter(
                "meterflow_runs_total",
                "Runs of all customers or a shard that ended today (UTC).",
                &["source", "result"],
            )?,
            duration: of.histogram(
                "meterflow_run_duration_seconds",
                "How long the runs took that completed today (UTC).",
                &SHORT,
            )?,
            reading: of.histogram(
                "meterflow_run_reading_seconds",
                "How long the queries of ClickHouse took in the runs that completed today (UTC), with the judging meanwhile.",
                &SHORT,
            )?,
            latency: of.histogram(
                "meterflow_detection_latency_seconds",
                "From the end of a window to the end of the run that judged it, of runs that completed today (UTC).",
                &SECONDS,
            )?,
            checked: of.counter(
                "meterflow_series_checked_total",
                "Series that the runs of today (UTC) judged: customers or entities, times metrics.",
                source,
            )?,
            undetermined: of.counter(
                "meterflow_series_undetermined_total",
                "Series that the runs of today (UTC) could not judge.",
                &["source", "reason"],
            )?,
            published: of.counter(
                "meterflow_alerts_published_total",
                "Alerts that the runs of today (UTC) published.",
                source,
            )?,
            last_run: of.gauge(
                "meterflow_last_run_timestamp_seconds",
                "When the last run ended, in Unix seconds.",
                source,
            )?,
            last_success: of.gauge(
                "meterflow_last_run_success",
                "Whether the last run completed: 1 or 0.",
                source,
            )?,
            last_duration: of.gauge(
                "meterflow_last_run_duration_seconds",
                "How long the last run took that completed.",
                source,
            )?,
            judged_until: of.gauge(
                "meterflow_judged_until_timestamp_seconds",
                "The end of the newest window that a completed run judged, in Unix seconds.",
                source,
            )?,
            pending: of.gauge("meterflow_alerts_pending", "Alerts that are not known to be published.", &[])?,
            oldest: of.gauge(
                "meterflow_oldest_pending_alert_age_seconds",
                "Time since the end of the window of the oldest such alert. 0 without any.",
                &[],
            )?,
            waiting: of.gauge(
                "meterflow_channel_alerts_waiting",
                "Alerts that wait for a channel.",
                channel,
            )?,
            failed: of.gauge(
                "meterflow_channel_alerts_failed",
                "Alerts of the last 30 days that a channel did not take and that are in its queue of failures.",
                channel,
            )?,
            disabled: of.gauge(
                "meterflow_channel_disabled",
                "Whether the receiver of a channel is gone: 1 or 0.",
                channel,
            )?,
            complete: of.gauge(
                "meterflow_counts_complete",
                "Whether all anomalies, pending alerts and alerts of channels were counted in time: 1 or 0.",
                &[],
            )?,
            registry: of.0,
        })
    }

    pub(crate) fn build(&self, catalog_version: &str) {
        self.build.with_label_values(&[platform::version(), catalog_version]).set(1.0);
    }

    /// The series of a source that begin with zero.
    pub(crate) fn source(&self, catalog: &Catalog, config: &DetectionConfig) {
        let source = catalog.name();
        for histogram in [&self.confidence, &self.duration, &self.reading, &self.latency] {
            histogram.with_label_values(&[source]);
        }
        for counter in [&self.checked, &self.published] {
            counter.with_label_values(&[source]);
        }
        RESULTS.iter().for_each(|result| drop(self.runs.with_label_values(&[source, result])));
        let chosen = Detector::ALL.into_iter().filter(|detector| config.detectors.holds(*detector));
        let chosen: Vec<_> = chosen.map(Detector::name).collect();
        for spec in catalog.metrics() {
            let rules: Vec<_> = spec.rules.iter().map(|of| of.rule.name()).collect();
            for detector in if rules.is_empty() { &chosen } else { &rules } {
                for severity in [Severity::Warning, Severity::Critical] {
                    let labels = [source, spec.name.as_str(), severity.as_str(), *detector];
                    self.anomalies.with_label_values(&labels);
                }
            }
        }
    }

    /// An anomaly of today.
    pub(crate) fn anomaly(&self, source: &str, seen: &CountedAnomaly) {
        let detector = seen.detector.as_deref().unwrap_or("unknown");
        let labels = [source, seen.metric.as_str(), seen.severity.as_str(), detector];
        self.anomalies.with_label_values(&labels).inc();
        if let Some(confidence) = seen.confidence.filter(|confidence| confidence.is_finite()) {
            self.confidence.with_label_values(&[source]).observe(confidence);
        }
    }

    /// A run of today.
    pub(crate) fn run(&self, run: &LastRun) {
        let source = run.source.as_str();
        let result = if run.completed { RESULTS[0] } else { RESULTS[1] };
        self.runs.with_label_values(&[source, result]).inc();
        let Some(summary) = summary_of(run) else { return };
        let number = |name: &str| summary[name].as_u64().unwrap_or_default();
        self.checked.with_label_values(&[source]).inc_by(number("checked"));
        self.published.with_label_values(&[source]).inc_by(number("alerts_published"));
        for (reason, series) in summary["undetermined"].as_object().into_iter().flatten() {
            let series = series.as_u64().unwrap_or_default();
            self.undetermined.with_label_values(&[source, reason.as_str()]).inc_by(series);
        }
        for (histogram, name) in [(&self.duration, "duration_ms"), (&self.reading, "reading_ms")] {
            // Runs of earlier versions do not say how long they read.
            if let Some(milliseconds) = summary[name].as_u64() {
                histogram.with_label_values(&[source]).observe(milliseconds as f64 / 1e3);
            }
        }
        if let Some(end) = run.window_end {
            let latency = seconds(run.finished_at) - seconds(end);
            self.latency.with_label_values(&[source]).observe(latency.max(0.0));
        }
    }

    /// The newest runs of a source, newest first.
    pub(crate) fn newest_runs(&self, source: &str, runs: &[LastRun]) {
        let Some(last) = runs.first() else { return };
        self.last_run.with_label_values(&[source]).set(seconds(last.finished_at));
        self.last_success.with_label_values(&[source]).set(f64::from(u8::from(last.completed)));
        let completed = || runs.iter().filter(|run| run.completed);
        let took = completed().find_map(|run| summary_of(run)?["duration_ms"].as_u64());
        if let Some(milliseconds) = took {
            self.last_duration.with_label_values(&[source]).set(milliseconds as f64 / 1e3);
        }
        if let Some(end) = completed().filter_map(|run| run.window_end).max() {
            self.judged_until.with_label_values(&[source]).set(seconds(end));
        }
    }

    /// * `oldest`: the end of the window of the oldest pending alert, in Unix milliseconds.
    pub(crate) fn pending(&self, alerts: u64, oldest: Option<i64>, now: Timestamp) {
        let none: [&str; 0] = [];
        self.pending.with_label_values(&none).set(alerts as f64);
        let age = oldest.map_or(0.0, |end| seconds(now.as_millisecond()) - seconds(end));
        self.oldest.with_label_values(&none).set(age.max(0.0));
    }

    pub(crate) fn channel(&self, name: &str, kind: &str, health: &ChannelHealth) {
        let labels = [name, kind];
        self.waiting.with_label_values(&labels).set(health.waiting as f64);
        self.failed.with_label_values(&labels).set(health.failed as f64);
        self.disabled.with_label_values(&labels).set(f64::from(u8::from(health.disabled_at.is_some())));
    }

    /// Leaves out what counts anomalies. A part of them would look like a fall of the counter, which is taken for a restart.
    pub(crate) fn without_anomalies(&self) {
        self.anomalies.reset();
        self.confidence.reset();
    }

    /// * `are_complete`: nothing was left out of the counts for want of time.
    pub(crate) fn complete(&self, are_complete: bool) {
        let none: [&str; 0] = [];
        self.complete.with_label_values(&none).set(f64::from(u8::from(are_complete)));
    }

    pub(crate) fn text(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn summary_of(run: &LastRun) -> Option<Value> {
    serde_json::from_str(run.summary.as_deref()?).ok()
}

fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1e3
}

#[cfg(test)]
mod tests;
