//! Budgets over many runs: one incident and one page for each mark of a month, whatever happens to the runs.

mod kills;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use catalog::Shard;
use detection::CustomerId;
use detector::{App, Request, RunSummary};
use e2e::World;
use e2e::world::{END, Event, at, hourly, run, text};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// The time of day of the test, in Unix seconds. Only a run of the newest hour judges budgets.
static NOW: AtomicI64 = AtomicI64::new(0);

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.load(Ordering::Relaxed).unsigned_abs())
}

/// A run of the schedule. The hours before it count as judged.
async fn run_at(app: &mut App, time: &str) -> Result<RunSummary> {
    app.store.note_judged(None, Shard::WHOLE, at(time) - SignedDuration::from_hours(1)).await?;
    NOW.store(at(time).as_second() + 600, Ordering::Relaxed);
    app.clock = clock;
    run(app, &Request { time: at(time), ..hourly(END) }).await
}

/// A second of computing in each hour from the beginning of November on.
fn steady(customer: &str, until: &str) -> Vec<Event> {
    let first = at("2026-11-01T00:00:00Z");
    let hours = at(until).duration_since(first).as_hours();
    let event = |hour: i64| first + SignedDuration::from_hours(hour) + SignedDuration::from_mins(20);
    (0..hours).map(|hour| Event::compute(customer, event(hour), 1_000.0)).collect()
}

async fn put(app: &App, customer: Option<&str>, version: u64, policy: Value) -> Result<()> {
    let customer = customer.map(CustomerId::new).transpose()?;
    let policy = serde_json::from_value(policy)?;
    app.store.put_policy(customer.as_ref(), &policy, version, "ada", at(END)).await?;
    Ok(())
}

fn quota(amount: u64) -> Value {
    json!({ "budgets": { "compute_time": { "quota": amount } } })
}

/// The incidents of budgets: the mark, the state, and how often it opened.
async fn marks(world: &World) -> Result<BTreeMap<String, String>> {
    let items = world.all_items().await?.into_iter();
    let of_budgets =
        items.filter(|item| text(item, "type") == "incident" && item.contains_key("entity_path"));
    let mark = |item: std::collections::HashMap<_, _>| {
        let id = text(&item, "incident_id");
        let (_, _, subject) = detection::IncidentId::parse(&id).unwrap();
        let who = format!("{}: {}", subject.customer_id, subject.entity.unwrap());
        (who, [text(&item, "state"), text(&item, "anomalies")].join(" "))
    };
    Ok(of_budgets.map(mark).collect())
}

/// The alerts about budgets since the last look: event, mark, severity.
async fn told(world: &World) -> Result<Vec<String>> {
    let alerts = world.alerts().await?.into_iter().filter(|alert| alert["budget"] != Value::Null);
    let words = |alert: Value| {
        let [event, mark, severity] = [&alert["event"], &alert["budget"]["mark"], &alert["severity"]]
            .map(|of| of.as_str().unwrap_or("").to_owned());
        format!("{event} {mark} {severity}")
    };
    let mut told: Vec<_> = alerts.map(words).collect();
    told.sort();
    Ok(told)
}

/// The number of items, without the notes that each run leaves.
async fn kept(world: &World) -> Result<usize> {
    let items = world.all_items().await?;
    Ok(items.iter().filter(|item| text(item, "type") != "ended_run").count())
}

#[tokio::test]
async fn each_mark_of_a_month_is_one_incident_and_one_page() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady("c", "2026-11-20T12:00:00Z")).await?;
    // A customer far below its budget, and one without any.
    world.insert(&[Event::compute("idle", at("2026-11-10T10:00:00Z"), 5.0)]).await?;
    let mut app = world.app().await?;
    put(&app, None, 0, quota(580_000)).await?;
    put(&app, Some("free"), 0, json!({ "budgets": { "compute_time": { "unlimited": true } } })).await?;
    world.insert(&[Event::compute("free", at("2026-11-10T10:00:00Z"), 9e9)]).await?;

    // A week of usage is not over: its pace is half as large.
    run_at(&mut app, "2026-11-05T00:00:00Z").await?;
    assert_eq!(told(&world).await?, [""; 0]);
    // 316 hours are left at this pace, and it is three days before the end of the month after 384.
    run_at(&mut app, "2026-11-12T00:00:00Z").await?;
    assert_eq!(told(&world).await?, ["opened pace warning"]);
    run_at(&mut app, "2026-11-20T07:00:00Z").await?;
    assert_eq!(told(&world).await?, [""; 0]);
    let summary = run_at(&mut app, "2026-11-20T08:00:00Z").await?;
    assert_eq!(told(&world).await?, ["opened 80 % warning"], "464,000 of 580,000");
    assert_eq!(summary.incidents.get("opened"), Some(&1));

    // A second run of the hour changes nothing, and neither does the next hour.
    let items = kept(&world).await?;
    let again = run_at(&mut app, "2026-11-20T08:00:00Z").await?;
    assert_eq!((again.recorded, again.incidents.len()), (0, 0));
    run_at(&mut app, "2026-11-20T09:00:00Z").await?;
    assert_eq!((told(&world).await?, kept(&world).await?), (Vec::new(), items));

    world.insert(&[Event::compute("c", at("2026-11-20T09:30:00Z"), 200_000.0)]).await?;
    run_at(&mut app, "2026-11-20T10:00:00Z").await?;
    assert_eq!(told(&world).await?, ["opened 100 % critical"]);
    let api = world.api().await?;
    let open = api.read("/v1/incidents?customer_id=c&state=open&limit=100").await?;
    let of_budgets = open["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|incident| incident["entity_path"][0] == "budget");
    let described: Vec<_> =
        of_budgets.map(|incident| incident["description"].as_str().unwrap().to_owned()).collect();
    let full = "compute_time: 114 % of the budget of 2026-11 is used: 11.1 min of 9.67 min";
    assert!(described.len() == 3 && described.iter().any(|text| text == full), "{described:#?}");
    let anomalies = api.read("/v1/anomalies?type=budget_share&limit=10").await?;
    assert_eq!(anomalies["anomalies"].as_array().map(Vec::len), Some(2), "{anomalies}");

    // The quota is raised: what is not reached any more ends. The pace still exhausts it.
    put(&app, None, 1, quota(1_000_000)).await?;
    run_at(&mut app, "2026-11-20T11:00:00Z").await?;
    assert_eq!(told(&world).await?, ["resolved 100 % critical", "resolved 80 % warning"]);
    // The raised quota counts, in the same incident.
    world.insert(&[Event::compute("c", at("2026-11-20T11:30:00Z"), 150_000.0)]).await?;
    run_at(&mut app, "2026-11-20T12:00:00Z").await?;
    assert_eq!(told(&world).await?, ["reopened 80 % warning"]);

    // Nothing is used any more, so the pace leaves the raised quota alone. The last hour of the month still belongs to it.
    run_at(&mut app, "2026-12-01T00:00:00Z").await?;
    assert_eq!(told(&world).await?, ["resolved pace warning"]);
    run_at(&mut app, "2026-12-01T01:00:00Z").await?;
    assert_eq!(told(&world).await?, ["resolved 80 % warning"]);
    let expected = [("80 %", "resolved 2"), ("100 %", "resolved 1"), ("pace", "resolved 1")];
    let expected = expected.map(|(mark, state)| (format!("c: budget / 2026-11 / {mark}"), state.to_owned()));
    assert_eq!(marks(&world).await?, BTreeMap::from(expected));
    Ok(())
}

#[tokio::test]
async fn a_budget_in_money_holds_in_the_month_of_its_zone() -> Result<()> {
    let world = World::new().await?;
    // Tokyo is in November nine hours before UTC.
    let hour = |time: &str, amount: f64| Event::compute("c", at(time), amount);
    let events = [hour("2026-10-31T14:30:00Z", 9e6), hour("2026-10-31T15:30:00Z", 700_000.0)];
    world.insert(&events).await?;
    let mut app = world.app().await?;
    let of_all = json!({
        "metrics": { "compute_time": { "price": 0.001 } },
        "budgets": { "compute_time": { "cost": 1000, "shares": [0.5, 0.8], "days_before_end": 0 } },
    });
    put(&app, None, 0, of_all).await?;
    put(&app, Some("c"), 0, json!({ "time_zone": "Asia/Tokyo" })).await?;
    run_at(&mut app, "2026-10-31T16:00:00Z").await?;
    assert_eq!(told(&world).await?, ["opened 50 % warning"], "700 of 1,000 USD, without the hour before");
    assert_eq!(marks(&world).await?.into_keys().collect::<Vec<_>>(), ["c: budget / 2026-11 / 50 %"]);
    // A policy without the budget ends its incident.
    put(&app, None, 1, json!({})).await?;
    run_at(&mut app, "2026-10-31T17:00:00Z").await?;
    assert_eq!(told(&world).await?, ["resolved 50 % warning"]);
    Ok(())
}
