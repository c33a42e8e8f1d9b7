//! The deployed function: the event of EventBridge, the answer, and the stored items.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use e2e::deployed::{DETECTOR, Deployed, event, hour_ago};
use e2e::world::{at, insert, steady_then};
use serde_json::{Value, json};

#[tokio::test]
async fn every_event_of_the_detector_does_what_its_name_says() -> Result<()> {
    // No other test has usage in the 31 days before. A whole run would check that usage, too.
    let (deployed, hour) = (Deployed::new().await?, hour_ago(40));
    let completed_before = completed_runs(&deployed.log_lines(DETECTOR, "").await?);
    let spiking = ["cust_0001", "cust_0002", "cust_0003"];
    for customer in spiking {
        deployed.forget(customer, &hour).await?;
        insert(&deployed.clickhouse, &steady_then(customer, at(&hour), 90_000_000.0)).await?;
    }

    let dry_run = deployed.invoke(&event("detector-dry-run", &hour)?).await?;
    assert_eq!(dry_run["findings"].as_array().map(Vec::len), Some(3), "{dry_run}");
    assert_eq!(dry_run["window"]["end"], hour.as_str());
    assert!(deployed.anomalies("cust_0001", &hour).await?.is_empty(), "a dry run writes nothing");

    let some = deployed.invoke(&event("detector-customers", &hour)?).await?;
    assert_eq!((&some["checked"], &some["recorded"]), (&json!(8), &json!(2)), "{some}");
    assert!(deployed.anomalies("cust_0003", &hour).await?.is_empty(), "only the customers of the event");

    let whole = deployed.invoke(&event("detector-scheduled", &hour)?).await?;
    assert_eq!(whole["checked"], 12, "{whole}");
    assert_eq!((&whole["anomalies_found"], &whole["critical"]), (&json!(3), &json!(3)), "{whole}");
    assert_eq!((&whole["recorded"], &whole["already_recorded"]), (&json!(1), &json!(2)), "{whole}");
    // A run also sends alerts that the runs of other tests left behind.
    assert!(whole["alerts_published"].as_u64() >= Some(1), "{whole}");
    for customer in spiking {
        let items = deployed.anomalies(customer, &hour).await?;
        assert_eq!(items.len(), 1, "{customer}");
        assert_eq!(items[0]["alert_state"], AttributeValue::S("sent".to_owned()), "{customer}");
    }

    let again = deployed.invoke(&event("detector-scheduled", &hour)?).await?;
    assert_eq!((&again["recorded"], &again["already_recorded"]), (&json!(0), &json!(3)), "{again}");

    // The shards together are the whole, each customer in one of them.
    let mut shard = event("detector-shard", &hour)?;
    let of = shard["detail"]["shards"].as_u64().context("`shards`")?;
    let (mut checked, mut found) = (0, 0);
    for number in 0..of {
        shard["detail"]["shard"] = number.into();
        let part = deployed.invoke(&shard).await?;
        assert_eq!(part["shard"], json!({ "number": number, "of": of }), "{part}");
        assert_eq!(part["recorded"], 0, "{part}");
        checked += part["checked"].as_u64().context("`checked`")?;
        found += part["already_recorded"].as_u64().context("`already_recorded`")?;
    }
    assert_eq!((checked, found), (12, 3));

    // A failed run gives its cause to its caller.
    let refusal = deployed.invoke(&json!({ "detail": {} })).await.expect_err("an event without a time");
    assert!(refusal.to_string().contains("no `time`"), "{refusal}");

    let lines = deployed.log_lines(DETECTOR, "").await?;
    logs_and_metrics_are_lines_of_json(&lines, &whole);
    // They completed, and are for an old hour. None may hide a dead schedule.
    assert_eq!(completed_runs(&lines), completed_before);
    Ok(())
}

fn completed_runs(lines: &[Value]) -> usize {
    let completed = |line: &&Value| line["RunCompleted"] == 1 || line["ShardCompleted"] == 1;
    lines.iter().filter(completed).count()
}

fn logs_and_metrics_are_lines_of_json(lines: &[Value], whole: &Value) {
    let completed = lines.iter().filter(|line| line["message"] == "run completed");
    let runs: BTreeSet<_> = completed.filter_map(|line| line["run.id"].as_str()).collect();
    assert!(runs.contains(whole["run_id"].as_str().unwrap_or_default()), "{runs:?}");
    let emf: Vec<_> = lines.iter().filter(|line| line["_aws"].is_object()).collect();

    assert!(emf.iter().any(|line| line["RunDuration"].is_number()), "{emf:?}");
}

#[test]
fn every_event_file_is_used_by_a_test() -> Result<()> {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../events"))?;
    let names: Result<BTreeSet<_>, _> = folder.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let detector = ["detector-customers", "detector-dry-run", "detector-scheduled", "detector-shard"];
    let used = detector.into_iter().chain(crate::gateway_events::EVENTS).chain(crate::notifier::EVENTS);
    let used = used.chain([e2e::finished::EVENT]);
    assert_eq!(names?, used.map(|name| format!("{name}.json").into()).collect());
    Ok(())
}
