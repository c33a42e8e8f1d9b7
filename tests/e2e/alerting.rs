//! The whole way on the deployed stack: usage, hourly runs, the topic, the notifier, and the receivers at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use detection::incident::IncidentId;
use e2e::deployed::{Deployed, TABLE, hour_ago};
use e2e::receiver::{Received, Receiver, Reply};
use e2e::world::{Event, at, insert, text, variable};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::incidents::{hours, steady_hours};

/// The one customer whose alerts `tests/channels.json` routes to receivers.
const CUSTOMER: &str = "alerted";

/// Answers as each provider does.
fn provider(request: &Received) -> Reply {
    match request.path.as_str() {
        "/v2/enqueue" => {
            Reply::with(202, r#"{"status": "success", "message": "Event processed", "dedup_key": "k"}"#)
        }
        path if path.ends_with("/sendMessage") => Reply::ok(r#"{"ok": true, "result": {"message_id": 1}}"#),
        _ => Reply::ok("ok"),
    }
}

/// Waits until that many requests have come, at most 20 s.
async fn wait_for(receiver: &Receiver, requests: usize) {
    for _ in 0..100 {
        if receiver.requests().len() >= requests {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_spike_of_an_hour_reaches_each_receiver_with_one_page_and_one_end() -> Result<()> {
    let receiver = Receiver::start_at(variable("TEST_RECEIVER_PORT")?.parse()?, provider).await?;
    let deployed = Deployed::new().await?;
    let start = at(&hour_ago(80));
    insert(&deployed.clickhouse, &steady_hours(CUSTOMER, start, 48)).await?;
    insert(&deployed.clickhouse, &[Event::compute(CUSTOMER, start + SignedDuration::from_mins(30), 9e7)])
        .await?;
    let (mut published, mut anomalies) = (0, 0);
    for hour in 0..30 {
        let time = (start + hours(hour)).to_string();
        let event = json!({ "time": time, "detail": { "customer_ids": [CUSTOMER] } });
        let summary = deployed.invoke(&event).await?;
        let found = summary["anomalies_found"].as_u64().unwrap_or_default();
        // The hour of the spike shows it. Later windows that still hold it are none that are new.
        assert!(
            if hour == 1 { found == 1 } else { found <= u64::from((2..7).contains(&hour)) },
            "hour {hour}: {summary}"
        );
        anomalies += found;
        published += summary["alerts_published"].as_u64().unwrap_or_default();
        // An end that comes before its page would silence the page.
        if hour == 1 {
            wait_for(&receiver, 5).await;
        }
    }
    // Left-over alerts of other tests may be among them.
    assert!(published >= 2, "{published}");

    let items = aws_sdk_dynamodb::Client::new(&deployed.aws)
        .query()
        .table_name(TABLE)
        .key_condition_expression("pk = :pk")
        .expression_attribute_values(":pk", AttributeValue::S(format!("CUSTOMER#{CUSTOMER}")))
        .send()
        .await?
        .items
        .unwrap_or_default();
    let of_kind = |kind: &str| items.iter().filter(|item| text(item, "type") == kind).collect::<Vec<_>>();
    let incidents = of_kind("incident");
    assert_eq!((of_kind("usage_anomaly").len() as u64, incidents.len()), (anomalies, 1));
    let count = anomalies.to_string();
    assert_eq!(["state", "anomalies"].map(|name| text(incidents[0], name)), ["resolved", count.as_str()]);
    let incident_id = text(incidents[0], "incident_id");
    assert!(IncidentId::parse(&incident_id).is_some());

    // The topic delivers some time later.
    wait_for(&receiver, 9).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let requests = receiver.requests();
    let bodies = |path: &str| -> Vec<Value> {
        requests.iter().filter(|request| request.path.contains(path)).map(Received::json).collect()
    };
    let actions: Vec<_> = bodies("/v2/enqueue")
        .iter()
        .map(|event| [event["event_action"].clone(), event["dedup_key"].clone()])
        .collect();
    let id = Value::from(incident_id);
    assert_eq!(actions, [[json!("trigger"), id.clone()], [json!("resolve"), id]]);
    assert_eq!(bodies("/slack").len(), 2);
    assert_eq!(bodies("/sendMessage").len(), 2);
    // The page in Telegram has a picture below it, and its end has none.
    let pictures: Vec<_> = requests.iter().filter(|request| request.path.ends_with("/sendPhoto")).collect();
    assert_eq!(pictures.len(), 1);
    let bytes = &pictures[0].bytes;
    let begin = bytes.windows(8).position(|part| part == b"\x89PNG\r\n\x1a\n").context("no picture")?;
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes[begin..])).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().context("too large")?];
    assert_eq!(reader.next_frame(&mut pixels)?.width, 480);
    let ids: BTreeSet<_> =
        requests.iter().filter(|r| r.path == "/webhook").map(|r| r.header("webhook-id").to_owned()).collect();
    assert_eq!((ids.len(), bodies("/webhook").len(), requests.len()), (2, 2, 9));
    Ok(())
}
