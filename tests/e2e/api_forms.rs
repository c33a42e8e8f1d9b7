//! The forms of answers: times as texts, and lists as CSV.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use e2e::World;
use e2e::world::{END, at, hourly, run, steady_then};
use serde_json::{Value, json};

/// Every number in an answer that is a time.
fn times_of(json: &Value) -> Vec<i64> {
    let parts: Vec<&Value> = match json {
        Value::Array(parts) => parts.iter().collect(),
        Value::Object(parts) => parts.values().collect(),
        _ => Vec::new(),
    };
    let own = json.as_i64().filter(|number| *number > 1_000_000_000_000);
    own.into_iter().chain(parts.into_iter().flat_map(times_of)).collect()
}

#[tokio::test]
async fn times_come_as_texts_where_the_request_says_so() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("cust_1", at(END), 5e7)).await?;
    run(&world.app().await?, &hourly(END)).await?;
    let api = world.api().await?;
    let anomaly = world.attribute("anomaly_id").await?.remove(0);
    api.post(&format!("/v1/anomalies/{anomaly}/acknowledge"), &json!({})).await?;
    api.put("/v1/config", "\"0\"", &json!({})).await?;
    let started = api.read("/v1/anomalies").await?["anomalies"][0]["incident_id"].clone();
    let incident = started.as_str().context("an incident")?;
    for path in [
        "/v1/anomalies?limit=5".to_owned(),
        format!("/v1/anomalies/{anomaly}?"),
        "/v1/anomalies/trends?top=5".to_owned(),
        "/v1/anomalies/check?customer_id=cust_1&metric=compute_time".to_owned(),
        "/v1/incidents?limit=5".to_owned(),
        format!("/v1/incidents/{incident}?"),
        "/v1/customers/cust_1/baselines?".to_owned(),
        "/v1/customers/cust_1/usage?metric=compute_time&interval=day".to_owned(),
        "/v1/config?".to_owned(),
    ] {
        let numbers = api.read(&path).await?;
        assert!(!times_of(&numbers).is_empty(), "{path}: {numbers}");
        assert_eq!(api.read(&format!("{path}&times=milliseconds")).await?, numbers);
        let mut texts = api.read(&format!("{path}&times=rfc3339")).await?;
        if let Some(link) = texts.get_mut("anomalies_link") {
            *link = Value::Null;
        }
        assert!(times_of(&texts).is_empty(), "{path}: {texts}");
        assert!(texts.to_string().contains("2026-11-"), "{path}: {texts}");
    }
    api.get("/v1/anomalies?times=iso").await?.assert_invalid("times", "one of milliseconds, rfc3339", "iso");
    Ok(())
}

#[tokio::test]
async fn lists_come_as_csv_where_the_request_prefers_it() -> Result<()> {
    let world = World::new().await?;
    let hostile = "=cmd(\"x\"),客\n";
    for customer in [hostile, "cust_1"] {
        world.insert(&steady_then(customer, at(END), 5e7)).await?;
    }
    run(&world.app().await?, &hourly(END)).await?;
    let api = world.api().await?;
    for (path, id, time) in
        [("/v1/anomalies", "anomaly_id", "detected_at"), ("/v1/incidents", "incident_id", "opened_at")]
    {
        let list = api.read(path).await?;
        let items =
            list.as_object().context("a list")?.values().find_map(Value::as_array).context("items")?;
        let (mut cursor, mut rows) = (String::new(), Vec::new());
        loop {
            let query = format!("{path}?limit=1&times=rfc3339{cursor}");
            let page = api.send("GET", &query, &[("accept", "text/csv")], Vec::new()).await?;
            assert_eq!((page.status, page.header("content-type")), (200, "text/csv; charset=utf-8"));
            let mut reader = csv::Reader::from_reader(page.text.as_bytes());
            let names = reader.headers()?.clone();
            for row in reader.records() {
                let row = row?;
                rows.push(
                    names
                        .iter()
                        .map(str::to_owned)
                        .zip(row.iter().map(str::to_owned))
                        .collect::<BTreeMap<_, _>>(),
                );
            }
            match page.header("x-next-cursor") {
                "" => break,
                next => cursor = format!("&cursor={next}"),
            }
        }
        assert_eq!(rows.len(), items.len(), "{path}");
        for (row, item) in rows.iter().zip(items) {
            assert_eq!(row[id], item[id].as_str().unwrap_or_default());
            assert_eq!(row[time], "2026-11-21T13:00:00Z");
            // Each field of an item is a column, or its parts are.
            for (name, value) in item.as_object().context("an item")? {
                let parts = row
                    .keys()
                    .filter(|column| **column == *name || column.starts_with(&format!("{name}.")))
                    .count();
                assert!(parts > 0, "{path}: {name} {value}");
            }
        }
        let customers: Vec<_> = rows.iter().map(|row| row["customer_id"].as_str()).collect();
        assert!(
            customers.contains(&"cust_1") && customers.contains(&format!("'{hostile}").as_str()),
            "{customers:?}"
        );
    }
    Ok(())
}
