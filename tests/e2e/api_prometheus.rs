//! What Prometheus reads of the system.

use std::time::SystemTime;

use anyhow::{Context, Result};
use detector::Request;
use e2e::World;
use e2e::prometheus::Figures;
use e2e::world::{END, at, hourly, run};
use jiff::SignedDuration;
use serde_json::json;
use store::deliveries::{Delivery, DeliveryStore};

/// When the runs end, before the time of the API.
const RUN_AT: &str = "2026-11-21T13:05:00Z";

/// Two critical anomalies of a run five minutes after its window, a run that failed, and a channel with alerts.
pub(crate) async fn world() -> Result<World> {
    let world = World::new().await?;
    world.insert_spikes(2).await?;
    let mut app = world.app().await?;
    app.clock = || SystemTime::from(at(RUN_AT));
    run(&app, &hourly(END)).await?;
    // A run for some customers says nothing of the system.
    let some = json!({ "time": END, "detail": { "customer_ids": ["c00001"] } });
    run(&app, &Request::from_event(some)?).await?;
    let store = DeliveryStore::new(&world.table, &world.aws);
    let attempt = |alert_id| Delivery { alert_id, channel: "chat", attempt: "1" };
    for alert in ["first", "second"] {
        store.accept(attempt(alert), "{}", at(END)).await?;
    }
    store.park(attempt("second"), at(END)).await?;
    Ok(world)
}

fn channels() -> String {
    let secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s";
    json!({ "channels": { "chat": { "type": "slack", "webhook_url_secret_arn": secret } } }).to_string()
}

/// The figures as they are at the time of the API.
pub(crate) async fn figures(world: &World) -> Result<Figures> {
    let channels = channels();
    let api = world.api_with(&[("NOTIFIER_CONFIG", channels.as_str())], &world.aws).await?;
    let answer = api.get("/metrics").await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
    assert!(!answer.text.contains("c00001"), "no customer is named: {}", answer.text);
    Figures::parse(&answer.text).with_context(|| answer.text.clone())
}

#[tokio::test]
async fn prometheus_reads_what_the_runs_found_and_did() -> Result<()> {
    let world = world().await?;
    let figures = figures(&world).await?;
    let usage = ("source", "usage");
    let anomalies = |severity: &str, metric: &str| -> f64 {
        let family = &figures.families["meterflow_anomalies_total"];
        let is_alike = |sample: &&e2e::prometheus::Sample| {
            sample.labels["severity"] == severity && sample.labels["metric"] == metric
        };
        family.samples.iter().filter(is_alike).map(|sample| sample.value).sum()
    };
    assert_eq!(anomalies("critical", "compute_time"), 2.0);
    assert_eq!((anomalies("warning", "compute_time"), anomalies("critical", "api_calls")), (0.0, 0.0));
    let of = |name: &str, labels: &[(&str, &str)]| figures.value(name, labels);
    assert_eq!(of("meterflow_anomaly_confidence_count", &[usage]), Some(2.0));
    assert_eq!(of("meterflow_runs_total", &[usage, ("result", "completed")]), Some(1.0));
    assert_eq!(of("meterflow_runs_total", &[usage, ("result", "failed")]), Some(0.0));
    assert_eq!(of("meterflow_series_checked_total", &[usage]), Some(8.0));
    assert_eq!(of("meterflow_alerts_published_total", &[usage]), Some(2.0));
    let latency = |limit: &str| of("meterflow_detection_latency_seconds_bucket", &[usage, ("le", limit)]);
    assert_eq!([latency("120"), latency("300"), latency("+Inf")], [Some(0.0), Some(1.0), Some(1.0)]);
    assert_eq!(of("meterflow_detection_latency_seconds_sum", &[usage]), Some(300.0));
    for name in ["meterflow_run_duration_seconds", "meterflow_run_reading_seconds"] {
        assert_eq!(of(&format!("{name}_count"), &[usage]), Some(1.0), "{name}");
        let took = of(&format!("{name}_sum"), &[usage]).context("a sum")?;
        assert!(took > 0.0 && took < 60.0, "{name}: {took}");
    }
    let seconds = |time: &str| Some(at(time).as_second() as f64);
    assert_eq!(of("meterflow_last_run_timestamp_seconds", &[usage]), seconds(RUN_AT));
    assert_eq!(of("meterflow_last_run_success", &[usage]), Some(1.0));
    assert_eq!(of("meterflow_judged_until_timestamp_seconds", &[usage]), seconds(END));
    assert_eq!(of("meterflow_alerts_pending", &[]), Some(0.0));
    let chat = [("channel", "chat"), ("type", "slack")];
    assert_eq!(of("meterflow_channel_alerts_waiting", &chat), Some(1.0));
    assert_eq!(of("meterflow_channel_alerts_failed", &chat), Some(1.0));
    assert_eq!(of("meterflow_channel_disabled", &chat), Some(0.0));
    Ok(())
}

#[tokio::test]
async fn counters_begin_at_zero_at_midnight() -> Result<()> {
    let world = world().await?;
    let tomorrow = || SystemTime::from(at(END) + SignedDuration::from_hours(12));
    let text = world.api_at(tomorrow, &[], &world.aws).await?.get("/metrics").await?.text;
    let figures = Figures::parse(&text)?;
    for (name, family) in &figures.families {
        let is_counted = family.kind != "gauge";
        let rest: Vec<_> = family.samples.iter().filter(|sample| is_counted && sample.value != 0.0).collect();
        assert!(rest.is_empty(), "{name}: {rest:?}");
    }
    let usage = ("source", "usage");
    assert_eq!(figures.value("meterflow_runs_total", &[usage, ("result", "completed")]), Some(0.0));
    assert_eq!(figures.value("meterflow_last_run_success", &[usage]), Some(1.0), "the last run is known");
    // A deployment may tell the API of no channels.
    let api = world.api_with(&[("NOTIFIER_CONFIG", "")], &world.aws).await?;
    assert_eq!(api.get("/metrics").await?.status, 200);
    api.get("/metrics?day=1").await?.assert_invalid("day", "there is no parameter", "a day");
    Ok(())
}
