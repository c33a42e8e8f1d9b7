//! Data of all customers that stop, on real engines: one page to the operators, and none about a single customer.

use std::collections::BTreeMap;

use anyhow::Result;
use e2e::World;
use e2e::world::{hourly, run, text};
use serde_json::Value;

use crate::models::{detector, fit_after, hour, insert};

/// Customers of the fleet.
const CUSTOMERS: usize = 8;

/// What a run at the end of an hour publishes: customers and events.
async fn told(world: &World, number: i64) -> Result<Vec<(String, String)>> {
    let app = detector(world).await?;
    run(&app, &hourly(&hour(number).to_string())).await?;
    let name = |alert: &Value, name: &str| alert[name].as_str().unwrap_or_default().to_owned();
    let alerts = world.alerts().await?;
    Ok(alerts.iter().map(|alert| (name(alert, "customer_id"), name(alert, "event"))).collect())
}

#[tokio::test]
async fn a_fleet_that_stops_is_one_page_and_the_customer_that_stays_silent_pages_later() -> Result<()> {
    // Nothing from 09:00 to 11:00. One customer stays silent.
    let back = "if(n IN (768 + 9, 768 + 10), 0, 200 + cityHash64(n, SALT) % 21)";
    let gone = "if(n >= 768 + 9, 0, 200 + cityHash64(n) % 21)";
    for is_fitted in [false, true] {
        let world = World::new().await?;
        for customer in 1..CUSTOMERS {
            insert(&world, &format!("c{customer}"), &back.replace("SALT", &customer.to_string())).await?;
        }
        insert(&world, "gone", gone).await?;
        // An id that nobody can have.
        insert(&world, "*", gone).await?;
        if is_fitted {
            fit_after(&detector(&world).await?, 8).await;
        }
        let mut all = BTreeMap::new();
        for number in 9..=16 {
            all.insert(number, told(&world, number).await?);
        }
        let of = |customer: &str, event: &str| (customer.to_owned(), event.to_owned());
        assert_eq!(all[&10], [of("*", "opened")], "{is_fitted}: {all:?}");
        assert_eq!(all[&11], [], "{is_fitted}: {all:?}");
        let later: Vec<_> = (12..=16).flat_map(|number| all[&number].clone()).collect();
        assert!(later.contains(&of("*", "resolved")), "{is_fitted}: {all:?}");
        assert!(later.contains(&of("gone", "opened")), "{is_fitted}: {all:?}");
        let others: Vec<_> = later.iter().filter(|(customer, _)| customer.starts_with('c')).collect();
        assert_eq!(others, Vec::<&(String, String)>::new(), "{is_fitted}");

        let items = world.all_items().await?;
        let stopped = items.iter().find(|item| text(item, "type") == "data_stopped").expect("an anomaly");
        assert_eq!(
            (text(stopped, "customer_id"), text(stopped, "severity")),
            ("*".to_owned(), "critical".to_owned())
        );
        let description = text(stopped, "description");
        assert!(
            description.starts_with("the data of all customers stopped: 8 of 8 customers"),
            "{description}"
        );
        let held =
            items.iter().filter(|item| text(item, "mute_reason") == "the data of all customers stopped");
        assert!(held.count() >= CUSTOMERS, "the drops of single customers are stored");
    }
    Ok(())
}

#[tokio::test]
async fn a_fleet_that_stops_at_the_same_hour_of_three_days_is_told_each_time() -> Result<()> {
    let world = World::new().await?;
    let calls = "if(n >= 720 AND n % 24 = 9, 0, 200 + cityHash64(n, SALT) % 21)";
    for customer in 0..CUSTOMERS {
        insert(&world, &format!("c{customer}"), &calls.replace("SALT", &customer.to_string())).await?;
    }
    let mut opened = Vec::new();
    for day in [-48, -24, 0] {
        for number in 10..=14 {
            let told = told(&world, day + number).await?;
            opened.extend(
                told.into_iter().filter(|(_, event)| event == "opened").map(|of| (day + number, of.0)),
            );
        }
    }
    assert_eq!(opened, [-38, -14, 10].map(|number| (number, String::from("*"))));
    Ok(())
}

#[tokio::test]
async fn the_hour_before_a_stop_is_judged_the_same_again() -> Result<()> {
    let world = World::new().await?;
    for customer in 0..CUSTOMERS {
        let calls = format!("if(n >= 768 + 9, 0, 600 + cityHash64(n, {customer}) % 61)");
        insert(&world, &format!("c{customer}"), &calls).await?;
    }
    // Its hours vary so much that only the day shows that it lost a third.
    let loses = "if(n >= 768 + 9, 0, intDiv((400 + cityHash64(n) % 401) * if(n >= 768 - 12, 66, 100), 100))";
    insert(&world, "loses", loses).await?;
    let app = detector(&world).await?;
    let found = async |number: i64| -> Result<(u64, u64)> {
        let summary = run(&app, &hourly(&hour(number).to_string())).await?;
        Ok((summary.anomalies_found, summary.recorded))
    };
    assert_eq!(found(9).await?, (1, 1));
    assert_eq!(found(10).await?, (CUSTOMERS as u64 + 2, CUSTOMERS as u64 + 2));
    assert_eq!(found(9).await?, (1, 0));
    Ok(())
}
