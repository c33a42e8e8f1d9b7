//! Stored items and sent messages, by the documented contract: names, types and values, expiry, and hostile customer
//! ids.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use e2e::World;
use e2e::world::{END, at, figures, hourly, run, steady_then, text};
use serde_json::{Value, json};

const DAY_SECONDS: i64 = 86_400;

type Item = HashMap<String, AttributeValue>;

/// DynamoDB's name for the type of an attribute.
fn kind(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::S(_) => "S",
        AttributeValue::N(_) => "N",
        AttributeValue::L(_) => "L",
        AttributeValue::Bool(_) => "BOOL",
        _ => "another",
    }
}

fn number(item: &Item, name: &str) -> f64 {
    text(item, name).parse().unwrap_or(f64::NAN)
}

/// The customer of these tests: its values, and their mean and sample standard deviation in the plainest way.
fn usual() -> (f64, f64) {
    let values: Vec<_> = (1..=30).map(|age| 7_200_000.0 + 60_000.0 * f64::from(age % 5)).collect();
    let mean = values.iter().sum::<f64>() / 30.0;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 29.0).sqrt())
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found} is not {expected}");
}

#[tokio::test]
async fn an_item_has_every_attribute_of_the_contract() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("cust_1", at(END), 7.8e6)).await?;
    let summary = run(
        &world.app_with(&[("MIN_RELATIVE_CHANGE", "0.01"), ("MIN_RELATIVE_SPREAD", "0")], &world.aws).await?,
        &hourly(END),
    )
    .await?;
    assert_eq!((summary.anomalies_found, figures(&summary)), (1, (1, 0, 1)));
    let items = world.items().await?;
    let item = items.first().context("an item")?;
    let end = at(END).as_millisecond();
    let ttl = end / 1_000 + 90 * DAY_SECONDS;
    let (mean, stddev) = usual();
    for (name, expected_kind, value) in [
        ("pk", "S", "CUSTOMER#cust_1".to_owned()),
        ("sk", "S", format!("ANOMALY#{end}#compute_time")),
        ("customer_id", "S", "cust_1".to_owned()),
        ("metric", "S", "compute_time".to_owned()),
        ("detected_at", "N", end.to_string()),
        ("window_start", "N", (end - DAY_SECONDS * 1_000).to_string()),
        ("window_end", "N", end.to_string()),
        ("current_value", "N", "7800000".to_owned()),
        ("sample_count", "N", "30".to_owned()),
        ("severity", "S", "critical".to_owned()),
        ("direction", "S", "spike".to_owned()),
        ("ttl", "N", ttl.to_string()),
        ("anomaly_id", "S", format!("{end}.compute_time.Y3VzdF8x")),
        ("unit", "S", "ms".to_owned()),
        ("alert_state", "S", "sent".to_owned()),
        ("catalog_version", "S", summary.catalog_version.clone()),
    ] {
        let found = item.get(name).with_context(|| format!("no attribute {name}"))?;
        assert_eq!((kind(found), text(item, name)), (expected_kind, value), "{name}");
    }
    for (name, value) in [
        ("baseline_mean", mean),
        ("baseline_stddev", stddev),
        ("z_score", (7.8e6 - mean) / stddev),
        ("expected_low", mean - 3.0 * stddev),
        ("expected_high", mean + 3.0 * stddev),
    ] {
        assert_eq!(item.get(name).map(kind), Some("N"), "{name}");
        assert_near(number(item, name), value);
    }
    assert_eq!(item.get("constant_baseline"), Some(&AttributeValue::Bool(false)));
    assert_eq!(item.get("type").map(kind), Some("S"));
    let description = text(item, "description");
    assert!(description.starts_with("compute_time was 2.17 h in the last 24 hours"), "{description}");
    let steps = item.get("investigation_steps").and_then(|steps| steps.as_l().ok()).context("steps")?;
    assert!(!steps.is_empty() && steps.iter().all(|step| step.as_s().is_ok_and(|step| !step.is_empty())));

    // Both indexes show the anomaly correctly: it is listed by metric, and no longer among the pending alerts.
    let by_metric = query(&world, "metric-severity-index", "metric", "compute_time").await?;
    assert_eq!(by_metric, items);
    assert_eq!(query(&world, "pending-alerts-index", "pending_alert", "pending").await?, []);
    Ok(())
}

async fn query(world: &World, index: &str, key: &str, value: &str) -> Result<Vec<Item>> {
    let answer = aws_sdk_dynamodb::Client::new(&world.aws)
        .query()
        .table_name(&world.table)
        .index_name(index)
        .key_condition_expression("#key = :value")
        .expression_attribute_names("#key", key)
        .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
        .send()
        .await?;
    Ok(answer.items.unwrap_or_default())
}

#[tokio::test]
async fn a_message_is_as_the_contract_says() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("cust_1", at(END), 5e7)).await?;
    run(&world.app().await?, &hourly(END)).await?;
    let item = world.items().await?.pop().context("an item")?;
    let envelope = world.messages().await?.pop().context("a message")?;
    assert_eq!(envelope["Subject"], "[MeterFlow] Critical anomaly: cust_1 - compute_time");
    assert_eq!(envelope["TopicArn"], world.topic_arn);
    let attribute = |value: &str| json!({ "Type": "String", "Value": value });
    let attributes = json!({
        "severity": attribute("critical"),
        "metric": attribute("compute_time"),
        "customer_id": attribute("cust_1"),
        "event": attribute("opened"),
    });
    assert_eq!(envelope["MessageAttributes"], attributes);

    let body: Value = serde_json::from_str(envelope["Message"].as_str().context("a body")?)?;
    let (mean, stddev) = usual();
    for (name, value) in
        [("current_value", 5e7), ("baseline_mean", mean), ("baseline_stddev", stddev), ("z_score", 100.0)]
    {
        assert_near(body[name].as_f64().with_context(|| format!("{name} is no number"))?, value);
    }
    let steps: Vec<_> = body["investigation_steps"].as_array().into_iter().flatten().collect();
    assert!(!steps.is_empty() && steps.iter().all(|step| step.is_string()), "{body}");
    for (name, value) in [
        ("customer_id", json!("cust_1")),
        ("metric", json!("compute_time")),
        ("detected_at", json!(END)),
        ("anomaly_id", json!(text(&item, "anomaly_id"))),
        ("event", json!("opened")),
        ("severity", json!("critical")),
        ("direction", json!("spike")),
        ("unit", json!("ms")),
        ("window", json!({ "start": "2026-11-20T13:00:00Z", "end": END })),
        ("description", json!(text(&item, "description"))),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn an_expired_item_makes_room_and_a_living_one_stays() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("expired", at(END), 5e7)).await?;
    world.insert(&steady_then("living", at(END), 5e7)).await?;
    run(&world.app().await?, &hourly(END)).await?;
    // An item as DynamoDB may keep it for days: expired, and with marks of an earlier life.
    let anomaly = format!("ANOMALY#{}#compute_time", at(END).as_millisecond());
    for sk in [&*anomaly, "INCIDENT#compute_time#spike"] {
        aws_sdk_dynamodb::Client::new(&world.aws)
            .update_item()
            .table_name(&world.table)
            .key("pk", AttributeValue::S("CUSTOMER#expired".to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .update_expression("SET #ttl = :past, current_value = :old, earlier_life = :old")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":past", AttributeValue::N("1500000000".to_owned()))
            .expression_attribute_values(":old", AttributeValue::N("1".to_owned()))
            .send()
            .await?;
    }
    world.messages().await?;
    let again = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!(figures(&again), (1, 1, 1));
    assert_eq!(world.attribute("current_value").await?, ["50000000", "50000000"]);
    assert!(world.all_items().await?.iter().all(|item| !item.contains_key("earlier_life")));
    assert_eq!(world.attribute("alert_state").await?, ["sent", "sent"]);
    assert_eq!(figures(&run(&world.app().await?, &hourly(END)).await?), (0, 2, 0));
    let alerted: Vec<_> = world.alerts().await?.iter().map(|alert| alert["customer_id"].clone()).collect();
    assert_eq!(alerted, ["expired"]);
    Ok(())
}

#[tokio::test]
async fn a_window_of_long_ago_is_stored_and_paged_once() -> Result<()> {
    let (world, blizzard) = (World::new().await?, "2013-02-10T00:00:00Z");
    world.insert(&steady_then("late news", at(blizzard), 5e7)).await?;
    assert_eq!(figures(&run(&world.app().await?, &hourly(blizzard)).await?), (1, 0, 1));
    let ttl = at(blizzard).as_second() + 90 * DAY_SECONDS;
    assert_eq!(world.attribute("ttl").await?, [ttl.to_string()], "it is born expired");
    for _ in 0..2 {
        assert_eq!(figures(&run(&world.app().await?, &hourly(blizzard)).await?), (0, 1, 0));
    }
    assert_eq!(world.messages().await?.len(), 1);
    Ok(())
}

/// Some two hundred ids, all of them different.
fn hostile_ids() -> BTreeSet<String> {
    let parts = [
        "'",
        "\"",
        "`",
        "#",
        "\\",
        "\n",
        "\r\n",
        "\t",
        "\0",
        "%s",
        "{a}",
        "{customers:Array(String)}",
        "$(id)",
        "<!channel>",
        "<script>",
        "&amp;",
        ";--",
        "CUSTOMER#x",
        "ANOMALY#1795266000000#compute_time",
        "DIGEST",
        "客户",
        "\u{e9}",
        "e\u{301}",
        "\u{202e}",
        "\u{feff}",
        "\u{2028}",
        "\u{fffe}",
        "\u{ffff}",
        "🦀",
        " ",
        "\u{a0}",
        "null",
        "\u{7f}",
        "\u{85}",
        "\u{1b}[31m",
    ];
    let long = ["x".repeat(1_024), "é".repeat(512), "\n".repeat(1_000), "#".repeat(2_000)];
    parts
        .iter()
        .flat_map(|part| {
            [
                (*part).to_owned(),
                format!("a{part}"),
                format!("{part}a"),
                format!("a{part}b"),
                format!("{part}{part}"),
                format!(" {part} "),
            ]
        })
        .chain(long)
        .collect()
}

#[tokio::test]
async fn hostile_customer_ids_come_through_unchanged_and_apart() -> Result<()> {
    let (world, ids) = (World::new().await?, hostile_ids());
    assert!(ids.len() >= 200, "{} ids", ids.len());
    let events: Vec<_> = ids.iter().flat_map(|id| steady_then(id, at(END), 5e7)).collect();
    world.insert(&events).await?;
    let app = world.app_with(&[("MAX_PAGES_PER_RUN", "1000")], &world.aws).await?;
    let count = ids.len() as u64;
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (count, 0, count));
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (0, count, 0));

    let items = world.items().await?;
    let stored: BTreeSet<_> = items.iter().map(|item| text(item, "customer_id")).collect();
    assert!(stored == ids && items.len() == ids.len(), "ids were changed on their way into the table");
    let mut anomaly_ids = BTreeSet::new();
    for item in &items {
        assert_eq!(text(item, "pk"), format!("CUSTOMER#{}", text(item, "customer_id")));
        anomaly_ids.insert(text(item, "anomaly_id"));
    }
    assert_eq!(anomaly_ids.len(), ids.len());
    let is_safe = |id: &String| id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    assert!(anomaly_ids.iter().all(is_safe), "{anomaly_ids:?}");

    let mut alerted = BTreeSet::new();
    for envelope in world.messages().await? {
        let subject = envelope["Subject"].as_str().context("a subject")?;
        let printable = subject.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        assert!(printable && subject.len() <= 99, "{subject:?}");
        assert!(subject.starts_with("[MeterFlow] Critical anomaly: "), "{subject:?}");
        let attribute =
            envelope["MessageAttributes"]["customer_id"]["Value"].as_str().context("an attribute")?;
        assert!(!attribute.is_empty() && !attribute.chars().any(char::is_control), "{attribute:?}");
        let message = envelope["Message"].as_str().context("a body")?;
        // Queues refuse these two characters in a message, so they are escaped.
        assert!(!message.contains(['\u{fffe}', '\u{ffff}']), "{message}");
        let body: Value = serde_json::from_str(message)?;
        alerted.insert(body["customer_id"].as_str().context("an id")?.to_owned());
    }
    assert!(alerted == ids, "ids were changed on their way to the subscriber");
    Ok(())
}
