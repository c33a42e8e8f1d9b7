//! Policies in runs and checks.

use super::*;

#[tokio::test]
async fn the_next_run_and_the_next_check_judge_by_the_policies() -> Result<()> {
    let world = World::new().await?;
    // About five and a half deviations above the mean, and below the default floor of a tenth of it.
    for customer in ["a", "b", "c", "d"] {
        world.insert(&steady_then(customer, at(END), 7.8e6)).await?;
    }
    let plain = [("MIN_RELATIVE_SPREAD", "0")];
    let (api, app) = (world.api_with(&plain, &world.aws).await?, world.app_with(&plain, &world.aws).await?);
    assert_eq!(run(&app, &hourly(END)).await?.anomalies_found, 0);
    set(&api, GLOBAL, 0, compute(json!({ "min_relative_change": 0 }))).await?;
    set(&api, OF_B, 0, compute(json!({ "critical_threshold": 6 }))).await?;
    set(&api, "/v1/config/customers/c", 0, compute(json!({ "threshold": 6, "critical_threshold": 7 })))
        .await?;
    set(&api, "/v1/config/customers/d", 0, compute(json!({ "min_change": 480_001 }))).await?;
    set(&api, "/v1/config/customers/d", 1, compute(json!({ "min_change": 500_000 }))).await?;

    let summary = run(&app, &hourly(END)).await?;
    assert_eq!((summary.anomalies_found, summary.critical), (2, 1));
    let items = world.items().await?;
    let mut found: Vec<_> = items
        .iter()
        .map(|item| ["customer_id", "severity", "config_version"].map(|name| text(item, name)).join(" "))
        .collect();
    found.sort();
    assert_eq!(found, ["a critical 1", "b warning 1.1"]);
    let checks = json!({ "customer_ids": ["a", "b", "c", "d"], "metrics": ["compute_time"] });
    let answer = api.post("/v1/anomalies/check", &checks).await?;
    let verdicts: Vec<_> = answer.json["results"]
        .as_array()
        .context("results")?
        .iter()
        .map(|check| (check["severity"].as_str().unwrap_or_default(), check["threshold"].as_f64()))
        .collect();
    let three = Some(3.0);
    assert_eq!(verdicts, [("critical", three), ("warning", three), ("normal", Some(6.0)), ("normal", three)]);
    assert_eq!(api.read("/v1/status").await?["config_version"], 1);

    // Stored anomalies keep their verdict.
    set(&api, GLOBAL, 1, json!({})).await?;
    run(&world.later_app().await?, &hourly(END)).await?;
    assert_eq!(world.items().await?, items);
    Ok(())
}

#[tokio::test]
async fn a_muted_anomaly_is_stored_and_notifies_nobody() -> Result<()> {
    type Case = (&'static str, Value, u64, &'static [(&'static str, &'static str)]);
    let of = |mute: Value| json!({ "mutes": [mute] });
    let cases: [Case; 6] = [
        (OF_C1, of(json!({ "reason": "load test" })), 1, &[]),
        (
            OF_C1,
            of(json!({ "metric": "compute_time", "from": "2026-11-21T12:59:59Z", "reason": "x" })),
            1,
            &[],
        ),
        // Another metric, and an event that is over when the window begins.
        (OF_C1, of(json!({ "metric": "bandwidth", "reason": "x" })), 0, &[]),
        (GLOBAL, of(json!({ "until": "2026-11-20T13:00:00Z", "reason": "x" })), 0, &[]),
        (GLOBAL, of(json!({ "reason": "maintenance" })), 4, &[]),
        (OF_C1, of(json!({ "reason": "load test" })), 1, &[("MAX_PAGES_PER_RUN", "0")]),
    ];
    for (path, policy, muted, overrides) in cases {
        let case = format!("{path} {policy} {overrides:?}");
        let world = World::new().await?;
        world.insert_spikes(4).await?;
        set(&world.api().await?, path, 0, policy.clone()).await?;
        let summary = run(&world.app_with(overrides, &world.aws).await?, &hourly(END)).await?;
        let sent = if overrides.is_empty() { 4 - muted } else { 1 };
        assert_eq!((summary.critical, figures(&summary)), (4, (4, 0, sent)), "{case}");
        let (api, mut quiet) = (world.api().await?, 0);
        let anomalies = api.read("/v1/anomalies?limit=100").await?["anomalies"].take();
        // A customer does not see why operators mute something.
        let own = api.as_customer("c00001").read("/v1/anomalies").await?;
        assert_eq!(own["anomalies"][0]["mute_reason"], Value::Null, "{case}");
        for anomaly in anomalies.as_array().context("anomalies")? {
            if anomaly["mute_reason"] == Value::Null {
                assert_eq!(anomaly["alert_state"] == "sent", overrides.is_empty(), "{case}: {anomaly}");
                continue;
            }
            quiet += 1;
            assert_eq!(anomaly["mute_reason"], policy["mutes"][0]["reason"], "{case}");
            assert_eq!(anomaly["alert_state"], "none", "{case}");
            assert!(path == GLOBAL || anomaly["customer_id"] == "c00001", "{case}: {anomaly}");
        }
        assert_eq!(quiet, muted, "{case}");
        let alerts = world.alerts().await?;
        assert_eq!(alerts.len() as u64, sent, "{case}");
        for alert in &alerts {
            let is_quiet = muted > 0 && alert.to_string().contains("c00001");
            assert!(!is_quiet, "{case}: {alert}");
            assert!(alert["event"] != "digest" || alert["held_back"] == json!(4 - muted), "{case}: {alert}");
        }
    }
    Ok(())
}
