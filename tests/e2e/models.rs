//! Runs that judge by models of the week, on real engines: the hour that shows a cause is the hour that tells it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use aws_sdk_dynamodb::types::AttributeValue;
use catalog::Catalog;
use detector::{App, Request};
use e2e::World;
use e2e::data::insert_calls;
use e2e::world::{at, hourly, run, text};
use jiff::{SignedDuration, Timestamp};
use warehouse::rollup::{Tables, statements};

/// A Tuesday.
const TUESDAY: &str = "2026-11-24T00:00:00Z";

const DAYS: u32 = 32;

/// An hour of the Tuesday, also before and after it.
pub(crate) fn hour(number: i64) -> Timestamp {
    at(TUESDAY) + SignedDuration::from_hours(number)
}

/// Calls of a customer in the 32 days before the Tuesday and on the Tuesday itself. The Tuesday begins at n = 768.
pub(crate) async fn insert(world: &World, customer: &str, calls: &str) -> Result<()> {
    insert_before(world, customer, at(TUESDAY), calls).await
}

/// The same about another day than the Tuesday.
pub(crate) async fn insert_before(world: &World, customer: &str, day: Timestamp, calls: &str) -> Result<()> {
    let start = day - SignedDuration::from_hours(i64::from(24 * DAYS));
    insert_calls(&world.clickhouse, customer, start, 24 * (DAYS + 1), calls).await
}

pub(crate) async fn detector(world: &World) -> Result<App> {
    world.app_with(&[("DETECTORS", "ensemble")], &world.aws).await
}

/// What the runs of the hours that end at these numbers publish: the events by hour.
pub(crate) async fn events(
    world: &World,
    app: &App,
    hours: std::ops::RangeInclusive<i64>,
) -> Result<Vec<(i64, String)>> {
    let mut events = Vec::new();
    world.alerts().await?;
    for number in hours {
        run(app, &hourly(&hour(number).to_string())).await?;
        let new = world.alerts().await?;
        events
            .extend(new.iter().map(|alert| (number, alert["event"].as_str().unwrap_or_default().to_owned())));
    }
    Ok(events)
}

#[tokio::test]
async fn a_burst_of_an_hour_is_told_in_its_hour_and_is_over_three_hours_later() -> Result<()> {
    let world = World::new().await?;
    insert(&world, "burst", "if(n = 768 + 9, 700, 60 + cityHash64(n) % 21)").await?;
    insert(&world, "steady", "60 + cityHash64(n + 7) % 21").await?;
    let app = detector(&world).await?;
    let told = events(&world, &app, 8..=14).await?;
    let told: Vec<_> = told.iter().map(|(hour, event)| (*hour, event.as_str())).collect();
    // Three runs in a row find the last hour calm.
    assert_eq!(told, [(10, "opened"), (13, "resolved")]);

    let items = world.items().await?;
    let first = items.iter().find(|item| text(item, "detected_at") == hour(10).as_millisecond().to_string());
    let first = first.expect("an anomaly of the hour of the burst");
    let number = |name: &str| text(first, name).parse::<f64>().unwrap();
    assert_eq!(text(first, "customer_id"), "burst");
    assert_eq!(number("window_start"), hour(9).as_millisecond() as f64);
    assert_eq!((number("current_value"), number("sample_count")), (700.0, 30.0));
    assert!((60.0..80.0).contains(&number("baseline_mean")) && number("score") > 1.0);
    assert!(number("expected_high") < 200.0 && number("confidence") > 0.9);
    assert!(text(first, "description").starts_with("api_calls: 700 calls between 09:00 and 10:00, about "));
    Ok(())
}

#[tokio::test]
async fn the_same_hour_judged_again_is_the_same_anomaly() -> Result<()> {
    let world = World::new().await?;
    insert(&world, "burst", "if(n = 768 + 9, 700, 60 + cityHash64(n) % 21)").await?;
    let app = detector(&world).await?;
    let request = hourly(&hour(10).to_string());
    let first = run(&app, &request).await?;
    let stored = world.items().await?;
    let again = run(&app, &request).await?;
    assert_eq!((first.recorded, again.recorded, again.already_recorded), (1, 0, 1));
    assert_eq!(world.items().await?, stored);
    assert_eq!(world.alerts().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_customer_of_working_days_that_falls_silent_is_told_within_three_hours() -> Result<()> {
    let world = World::new().await?;
    let works = "toDayOfWeek(at) < 6 AND toHour(at) BETWEEN 8 AND 17";
    let calls = format!("if({works} AND n < 768, 180 + cityHash64(n) % 41, 0)");
    insert(&world, "office", &calls).await?;
    insert(&world, "steady", "60 + cityHash64(n) % 21").await?;
    let app = detector(&world).await?;
    // The hours of the night and of the weekend before are silent each week.
    let weekend = Request { dry_run: true, ..hourly(&hour(-60).to_string()) };
    assert_eq!(run(&app, &weekend).await?.anomalies_found, 0);
    assert_eq!(events(&world, &app, 4..=8).await?, []);
    let told = events(&world, &app, 9..=11).await?;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, "opened");
    let item = &world.items().await?[0];
    assert_eq!([text(item, "customer_id"), text(item, "direction")], ["office", "drop"].map(str::to_owned));
    Ok(())
}

#[tokio::test]
async fn customers_whose_models_begin_at_different_hours_are_judged_alike() -> Result<()> {
    let world = World::new().await?;
    for customer in 0..30 {
        insert(&world, &format!("customer {customer}"), "if(n = 768 + 9, 700, 60 + cityHash64(n) % 21)")
            .await?;
    }
    let summary = run(&detector(&world).await?, &hourly(&hour(10).to_string())).await?;
    assert_eq!((summary.recorded, summary.critical), (30, 30));
    Ok(())
}

/// Calls of a customer with the same burst on Monday and on Tuesday, from 9 to 12.
const TWICE: &str =
    "if(n IN (744 + 9, 744 + 10, 744 + 11, 768 + 9, 768 + 10, 768 + 11), 240, 60 + cityHash64(n) % 21)";

#[tokio::test]
async fn a_spike_of_yesterday_does_not_hide_the_same_spike_of_today() -> Result<()> {
    let world = World::new().await?;
    insert(&world, "twice", TWICE).await?;
    insert(&world, "steady", "60 + cityHash64(n + 7) % 21").await?;
    let app = detector(&world).await?;
    let monday = events(&world, &app, -16..=-8).await?;
    let monday: Vec<_> = monday.iter().map(|(hour, event)| (*hour, event.as_str())).collect();
    assert_eq!(monday, [(-14, "opened"), (-9, "resolved")]);
    // The stored fit has the hours of Monday's spike in it. So this customer is judged by its hours.
    fit_after(&app, 9).await;
    let tuesday = events(&world, &app, 10..=10).await?;
    assert_eq!(tuesday, [(10, String::from("opened"))]);
    let items = world.items().await?;
    let of = |number: i64| {
        let detected_at = hour(number).as_millisecond().to_string();
        items.iter().find(|item| text(item, "detected_at") == detected_at).expect("an anomaly")
    };
    let number = |item, name: &str| text(item, name).parse::<f64>().unwrap();
    assert_eq!(number(of(-14), "sample_count"), 30.0);
    // Monday's hour is not in the mean of Tuesday's.
    assert_eq!(number(of(10), "sample_count"), 29.0);
    assert!((60.0..80.0).contains(&number(of(10), "baseline_mean")));
    Ok(())
}

/// Lets the detector fit what the run of the hour after this one will read.
pub(crate) async fn fit_after(app: &App, number: i64) {
    let deadline = Instant::now() + Duration::from_secs(600);
    detector::fit(app, &hourly(&hour(number).to_string()), deadline).await;
}

/// Ten customers with a burst, one that falls silent, one that begins, and many others.
async fn insert_fleet(world: &World) -> Result<()> {
    for customer in 0..10 {
        insert(world, &format!("burst {customer}"), "if(n = 768 + 9, 700, 60 + cityHash64(n) % 21)").await?;
        insert(world, &format!("steady {customer}"), "60 + cityHash64(n + 7) % 21").await?;
    }
    insert(world, "silent", "if(n < 760, 200 + cityHash64(n) % 21, 0)").await?;
    insert(world, "new", "if(n >= 777, 200, 0)").await
}

#[tokio::test]
async fn a_run_by_fitted_models_finds_what_a_run_by_hours_finds() -> Result<()> {
    let world = World::new().await?;
    insert_fleet(&world).await?;
    let (by_hours, sibling) = (detector(&world).await?, world.sibling().await?);
    let by_models = detector(&sibling).await?;
    let request = hourly(&hour(10).to_string());
    let expected = run(&by_hours, &request).await?;
    fit_after(&by_models, 9).await;
    let fits = "SELECT count(), sum(customers) FROM usage_model_fits";
    assert_eq!(world.clickhouse.query(fits).fetch_one::<(u64, u64)>().await?, (24, 21));

    let found = run(&by_models, &request).await?;
    assert_eq!((found.recorded, found.critical), (expected.recorded, expected.critical));
    assert_eq!((found.checked, &found.undetermined), (expected.checked, &expected.undetermined));
    assert_eq!(found.recorded, 11);
    let without_run = |items: Vec<HashMap<String, AttributeValue>>| {
        let mut items = items;
        items.iter_mut().for_each(|item| {
            // The run, and the time at which it published.
            item.remove("run_id");
            item.remove("alerted_at");
        });
        items.sort_by_key(|item| text(item, "sk") + &text(item, "pk"));
        items
    };
    assert_eq!(without_run(sibling.items().await?), without_run(world.items().await?));
    Ok(())
}

#[tokio::test]
async fn a_fit_that_lacks_rows_or_is_forgotten_is_not_read() -> Result<()> {
    let world = World::new().await?;
    insert_fleet(&world).await?;
    let app = detector(&world).await?;
    fit_after(&app, 9).await;
    // The silent customer has no hours in the newest day but those before its silence.
    let delete = "ALTER TABLE usage_models DELETE WHERE customer_id IN ('silent', 'burst 3') SETTINGS mutations_sync = 2";
    world.clickhouse.query(delete).execute().await?;
    let request = hourly(&hour(10).to_string());
    assert_eq!(run(&app, &Request { dry_run: true, ..request.clone() }).await?.anomalies_found, 11);
    for statement in statements::forget_models(&Tables::of(&Catalog::built_in()?)) {
        world.clickhouse.query(&statement).execute().await?;
    }
    assert_eq!(run(&app, &request).await?.recorded, 11);
    Ok(())
}

#[tokio::test]
async fn each_run_fits_the_customers_whose_day_begins() -> Result<()> {
    let world = World::new().await?;
    insert_fleet(&world).await?;
    let app = detector(&world).await?;
    let fits = "SELECT count() FROM usage_model_fits";
    for (number, expected) in [(9, 24), (9, 24), (10, 25), (11, 26)] {
        fit_after(&app, number).await;
        assert_eq!(world.clickhouse.query(fits).fetch_one::<u64>().await?, expected, "after {number}");
    }
    Ok(())
}
