use detection::{Direction, MetricName};
use serde_json::json;

use super::*;

/// Half past one.
const NOW: i64 = 1_795_267_800_000;

fn run(finished_at: i64, summary: Option<Value>) -> LastRun {
    LastRun {
        run_id: "r".to_owned(),
        source: "jobs".to_owned(),
        shard: catalog::Shard::WHOLE,
        completed: summary.is_some(),
        finished_at,
        window_end: summary.as_ref().map(|_| NOW - 1_800_000),
        summary: summary.map(|summary| summary.to_string()),
    }
}

fn seen(severity: Severity, detector: Option<&str>, confidence: Option<f64>) -> CountedAnomaly {
    CountedAnomaly {
        detected_at: NOW,
        customer_id: detection::CustomerId::new("secret").unwrap(),
        metric: MetricName::new("failures").unwrap(),
        severity,
        direction: Direction::Spike,
        kind: "high_error_rate".to_owned(),
        detector: detector.map(str::to_owned),
        confidence,
    }
}

fn jobs() -> Catalog {
    let text = "[[source]]\nname = \"jobs\"\ntable = \"runs\"\nentity = \"job\"\nbad = \"failed\"\n[[metric]]\nname = \"failures\"\n\
                source = \"jobs\"\nunit = \"ratio\"\naggregate = \"rate\"\nmissing = \"gap\"\nmin_change = 0.05\n[[metric.rule]]\ntype = \
                \"rate\"\n[[metric.rule]]\ntype = \"streak\"\n";
    Catalog::parse(text, "a").unwrap()
}

/// The lines that are not comments, without those of buckets.
fn lines(figures: &Exposition) -> Vec<String> {
    let text = figures.text().unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_bucket{"));
    lines.map(str::to_owned).collect()
}

fn has(figures: &Exposition, expected: &str) {
    let lines = lines(figures);
    assert!(lines.iter().any(|line| line == expected), "{expected} is not in:\n{}", lines.join("\n"));
}

#[test]
fn series_that_can_rise_begin_with_zero() {
    let figures = Exposition::new().unwrap();
    let catalog = jobs();
    let source = catalog.of("jobs").unwrap();
    figures.source(source, &DetectionConfig::default());
    for detector in ["rate", "streak"] {
        for severity in ["critical", "warning"] {
            has(
                &figures,
                &format!(
                    "meterflow_anomalies_total{{detector=\"{detector}\",metric=\"failures\",severity=\"{severity}\",source=\"jobs\"}} 0"
                ),
            );
        }
    }
    has(&figures, "meterflow_runs_total{result=\"failed\",source=\"jobs\"} 0");
    has(&figures, "meterflow_detection_latency_seconds_count{source=\"jobs\"} 0");
    let usage = Catalog::built_in().unwrap();
    figures.source(&usage, &DetectionConfig::default());
    has(
        &figures,
        "meterflow_anomalies_total{detector=\"seasonal\",metric=\"api_calls\",severity=\"warning\",source=\"usage\"} 0",
    );
}

#[test]
fn a_part_of_the_anomalies_is_no_fall_of_a_counter() {
    let figures = Exposition::new().unwrap();
    figures.source(jobs().of("jobs").unwrap(), &DetectionConfig::default());
    figures.anomaly("jobs", &seen(Severity::Critical, Some("rate"), Some(0.93)));
    figures.without_anomalies();
    let text = figures.text().unwrap();
    assert!(!text.contains("meterflow_anomal"), "{text}");
    assert!(text.contains("meterflow_runs_total"), "{text}");
}

#[test]
fn anomalies_and_runs_are_counted() {
    let figures = Exposition::new().unwrap();
    figures.anomaly("jobs", &seen(Severity::Critical, Some("rate"), Some(0.93)));
    figures.anomaly("jobs", &seen(Severity::Critical, Some("rate"), None));
    figures.anomaly("jobs", &seen(Severity::Warning, None, Some(f64::NAN)));
    let summary = json!({ "checked": 40, "alerts_published": 2, "duration_ms": 1_500, "reading_ms": 900,
                          "undetermined": { "insufficient_data": 3 } });
    let runs = [run(NOW, None), run(NOW - 60_000, Some(summary))];
    runs.iter().for_each(|run| figures.run(run));
    figures.newest_runs("jobs", &runs);
    figures.newest_runs("idle", &[]);
    figures.pending(1, Some(NOW - 120_000), Timestamp::from_millisecond(NOW).unwrap());
    let health = ChannelHealth { waiting: 2, failed: 1, ..ChannelHealth::default() };
    figures.channel("on-call", "pagerduty", &health);
    figures.complete(false);
    figures.build("c1");
    let found = lines(&figures);
    insta::assert_snapshot!(found.join("\n"), @r#"
    meterflow_alerts_pending 1
    meterflow_alerts_published_total{source="jobs"} 2
    meterflow_anomalies_total{detector="rate",metric="failures",severity="critical",source="jobs"} 2
    meterflow_anomalies_total{detector="unknown",metric="failures",severity="warning",source="jobs"} 1
    meterflow_anomaly_confidence_sum{source="jobs"} 0.93
    meterflow_anomaly_confidence_count{source="jobs"} 1
    meterflow_build_info{catalog_version="c1",version="0.1.0"} 1
    meterflow_channel_alerts_failed{channel="on-call",type="pagerduty"} 1
    meterflow_channel_alerts_waiting{channel="on-call",type="pagerduty"} 2
    meterflow_channel_disabled{channel="on-call",type="pagerduty"} 0
    meterflow_counts_complete 0
    meterflow_detection_latency_seconds_sum{source="jobs"} 1740
    meterflow_detection_latency_seconds_count{source="jobs"} 1
    meterflow_judged_until_timestamp_seconds{source="jobs"} 1795266000
    meterflow_last_run_duration_seconds{source="jobs"} 1.5
    meterflow_last_run_success{source="jobs"} 0
    meterflow_last_run_timestamp_seconds{source="jobs"} 1795267800
    meterflow_oldest_pending_alert_age_seconds 120
    meterflow_run_duration_seconds_sum{source="jobs"} 1.5
    meterflow_run_duration_seconds_count{source="jobs"} 1
    meterflow_run_reading_seconds_sum{source="jobs"} 0.9
    meterflow_run_reading_seconds_count{source="jobs"} 1
    meterflow_runs_total{result="completed",source="jobs"} 1
    meterflow_runs_total{result="failed",source="jobs"} 1
    meterflow_series_checked_total{source="jobs"} 40
    meterflow_series_undetermined_total{reason="insufficient_data",source="jobs"} 3
    "#);
    let text = figures.text().unwrap();
    assert!(!text.contains("secret"), "no label names a customer: {text}");
    assert!(text.contains("meterflow_anomaly_confidence_bucket{source=\"jobs\",le=\"0.95\"} 1"), "{text}");
    assert!(text.contains("meterflow_anomaly_confidence_bucket{source=\"jobs\",le=\"0.9\"} 0"), "{text}");
    // The run ended 29 minutes after its window.
    assert!(
        text.contains("meterflow_detection_latency_seconds_bucket{source=\"jobs\",le=\"1800\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("meterflow_detection_latency_seconds_bucket{source=\"jobs\",le=\"600\"} 0"),
        "{text}"
    );
}
