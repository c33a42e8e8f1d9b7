//! What pages once or not at all, on real engines: jobs that recur, and the incidents of one customer.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::SystemTime;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use e2e::world::{Event, at, hourly, run, text};
use e2e::{Api, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::models::{detector, events, hour, insert};

/// Calls with a burst at about 09:00 of three Tuesdays. The first two begin an hour earlier than the last one, so the
/// model of the hour does not know them.
const WEEKLY: &str = "if(n IN (768 + 9, 600 + 8, 432 + 8), 700, 60 + cityHash64(n) % 21)";

/// The runs that see the burst of each Tuesday, and its end.
const TUESDAYS: [RangeInclusive<i64>; 3] = [-327..=-323, -159..=-155, 10..=14];

async fn api(world: &World) -> Result<Api> {
    world.api_at(|| SystemTime::from(at("2026-11-24T14:30:00Z")), &[], &world.aws).await
}

/// The incident that opened at this hour.
async fn opened_at(world: &World, number: i64) -> Result<HashMap<String, AttributeValue>> {
    let opened = hour(number).as_millisecond().to_string();
    let incidents = world.incidents().await?;
    incidents.into_iter().find(|incident| text(incident, "opened_at") == opened).context("an incident")
}

fn named(told: &[(i64, String)]) -> Vec<(i64, &str)> {
    told.iter().map(|(hour, event)| (*hour, event.as_str())).collect()
}

#[tokio::test]
async fn a_weekly_job_pages_twice_and_is_stored_as_recurring_from_then_on() -> Result<()> {
    let world = World::new().await?;
    insert(&world, "weekly", WEEKLY).await?;
    insert(&world, "steady", "60 + cityHash64(n + 7) % 21").await?;
    let app = detector(&world).await?;
    let [first, second, third] = TUESDAYS;
    assert_eq!(named(&events(&world, &app, first).await?), [(-327, "opened"), (-324, "resolved")]);
    assert_eq!(named(&events(&world, &app, second).await?), [(-159, "opened"), (-156, "resolved")]);
    assert_eq!(events(&world, &app, third).await?, []);
    // The same hour again finds what is stored.
    run(&app, &hourly(&hour(10).to_string())).await?;
    assert_eq!(world.alerts().await?, Vec::<Value>::new());

    let incident = opened_at(&world, 10).await?;
    assert_eq!(
        ["state", "severity", "recurring"].map(|name| text(&incident, name)),
        ["resolved", "critical", "2"]
    );
    assert!(!incident.contains_key("last_page"), "{incident:?}");
    let id = text(&incident, "incident_id");
    let shown = api(&world).await?.read(&format!("/v1/incidents/{id}")).await?;
    assert_eq!((&shown["incident"]["recurring"], &shown["incident"]["last_page"]), (&json!(2), &Value::Null));
    let listed = api(&world).await?.read(shown["anomalies_link"].as_str().context("a link")?).await?;
    let anomalies = listed["anomalies"].as_array().context("a list")?;
    assert_eq!(anomalies.len(), 1, "{listed}");
    assert_eq!((&anomalies[0]["recurring"], &anomalies[0]["alert_state"]), (&json!(2), &json!("none")));
    let description = anomalies[0]["description"].as_str().context("a description")?;
    assert!(description.ends_with("; it recurs: 2 earlier incidents began at this time"), "{description}");
    Ok(())
}

#[tokio::test]
async fn a_job_that_somebody_acknowledged_pages_again() -> Result<()> {
    let world = World::new().await?;
    insert(&world, "weekly", WEEKLY).await?;
    let app = detector(&world).await?;
    let [first, second, third] = TUESDAYS;
    events(&world, &app, first).await?;
    events(&world, &app, -159..=-159).await?;
    let id = text(&opened_at(&world, -159).await?, "incident_id");
    let answer = api(&world).await?.post(&format!("/v1/incidents/{id}/acknowledge"), &json!({})).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    events(&world, &app, -158..=*second.end()).await?;
    assert_eq!(named(&events(&world, &app, third).await?), [(10, "opened"), (13, "resolved")]);
    assert!(!opened_at(&world, 10).await?.contains_key("recurring"));
    Ok(())
}

#[tokio::test]
async fn the_metrics_of_a_customer_are_one_story_with_one_page_and_one_end() -> Result<()> {
    let world = World::new().await?;
    // Calls from 09:00 to 11:00, and long jobs from 10:00 to 13:00.
    insert(&world, "both", "if(n IN (768 + 9, 768 + 10), 700, 60 + cityHash64(n) % 21)").await?;
    let jobs = (-768_i64..24).map(|number| {
        let is_long = (10..13).contains(&number);
        let usage = if is_long { 9e6 } else { 300_000.0 + 20_000.0 * ((number * 7).rem_euclid(11) as f64) };
        Event::compute("both", hour(number) + SignedDuration::from_mins(20), usage)
    });
    world.insert(&jobs.collect::<Vec<_>>()).await?;
    let app = detector(&world).await?;
    // The calls are calm again at 14:00, and the jobs at 16:00.
    assert_eq!(named(&events(&world, &app, 8..=18).await?), [(10, "opened"), (16, "resolved")]);

    let (calls, jobs) = (opened_at(&world, 10).await?, opened_at(&world, 11).await?);
    let of = |incident: &_| ["metric", "state"].map(|name| text(incident, name));
    assert_eq!(
        (of(&calls), of(&jobs)),
        (["api_calls", "resolved"].map(str::to_owned), ["compute_time", "resolved"].map(str::to_owned))
    );
    assert!(!jobs.contains_key("last_page"), "{jobs:?}");
    let id = text(&jobs, "incident_id");
    let shown = api(&world).await?.read(&format!("/v1/incidents/{id}")).await?;
    assert_eq!(shown["incident"]["story_incident_id"], text(&calls, "incident_id"));
    Ok(())
}
