//! The line of a page about the incidents that opened with it.

use anyhow::{Context, Result};
use e2e::World;
use e2e::world::{END, Event, at, hourly, run, steady_then};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// The alerts of a run, by customer and metric.
async fn pages(world: &World) -> Result<Vec<(String, Value)>> {
    run(&world.app().await?, &hourly(END)).await?;
    let mut pages = Vec::new();
    for alert in world.alerts().await? {
        let of = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
        pages.push((format!("{} {}", of("customer_id"), of("metric")), alert["one_cause"].clone()));
    }
    pages.sort_by_key(|(of, _)| of.clone());
    Ok(pages)
}

/// A month of steady calls, and a burst in the newest day.
fn calls(customer: &str) -> Vec<Event> {
    let middle = |day: i64| at(END) - SignedDuration::from_hours(24 * day + 12);
    let of_day = |day: i64| {
        let count = if day == 0 { 900 } else { 100 + day % 5 };
        (0..count).map(move |number| (day, number))
    };
    let call = |(day, number)| Event::call(customer, middle(day) + SignedDuration::from_secs(number), 0.0);
    (0..33).flat_map(of_day).map(call).collect()
}

#[tokio::test]
async fn pages_of_several_customers_in_one_metric_name_each_other() -> Result<()> {
    let world = World::new().await?;
    let hostile = "<!channel>\u{202e} https://evil.example";
    for customer in ["a", "b", hostile] {
        world.insert(&steady_then(customer, at(END), 5e7)).await?;
    }
    world.insert(&steady_then("calm", at(END), 7_260_000.0)).await?;
    let pages = pages(&world).await?;
    assert_eq!(pages.len(), 3, "{pages:?}");
    let [(hostile_page, one_cause), (_, of_a), (_, of_b)] = &pages[..] else { panic!("{pages:?}") };
    assert!(hostile_page.starts_with(hostile), "{hostile_page}");
    assert_eq!(
        *one_cause,
        json!({
            "incidents": 2, "customers": ["a", "b"], "more_customers": false, "metrics": [], "more_metrics": false,
            "text": "Probably one cause: 2 more incidents opened at the same time (customers a, b)",
        })
    );
    assert_eq!((&of_a["customers"], &of_b["customers"]), (&json!([hostile, "b"]), &json!([hostile, "a"])));
    Ok(())
}

#[tokio::test]
async fn a_page_names_the_other_metrics_of_its_customer_and_one_alone_names_nothing() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("both", at(END), 5e7)).await?;
    world.insert(&calls("both")).await?;
    let pages = pages(&world).await?;
    let of = |name: &str| {
        pages.iter().find(|(of, _)| of == name).map(|(_, one_cause)| one_cause).context(name.to_owned())
    };
    assert_eq!(pages.len(), 2, "{pages:?}");
    assert_eq!(of("both api_calls")?["metrics"], json!(["compute_time"]));
    let text = &of("both compute_time")?["text"];
    assert_eq!(text, "Probably one cause: 1 more incident opened at the same time (metric api_calls)");

    let alone = World::new().await?;
    alone.insert(&steady_then("alone", at(END), 5e7)).await?;
    assert_eq!(self::pages(&alone).await?, [("alone compute_time".to_owned(), Value::Null)]);
    Ok(())
}
