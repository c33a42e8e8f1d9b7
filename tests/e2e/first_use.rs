//! The first use of a metric by a customer that is known for longer. First use counts by series and pages nobody.

use anyhow::Result;
use e2e::world::{END, at, compute_by_window, hourly, run, steady_then, text};
use e2e::{Event, World};
use jiff::{SignedDuration, Timestamp};

/// A customer that stored 10 GB each day for a month, and never used anything else.
fn known(customer: &str, end: Timestamp) -> Vec<Event> {
    let middle = |age: i64| end - SignedDuration::from_hours(24 * age + 12);
    (0..31).map(|age| Event::storage(customer, middle(age), 10.0)).collect()
}

#[tokio::test]
async fn only_a_large_first_use_is_stored_and_it_pages_nobody() -> Result<()> {
    let (world, end) = (World::new().await?, at(END));
    // Ten times the min_change of compute time are 600,000 ms.
    for (customer, milliseconds) in [("small", 599_999.0), ("large", 600_000.0), ("giant", 9e9)] {
        world.insert(&known(customer, end)).await?;
        world.insert(&compute_by_window(customer, end, &[Some(milliseconds)])).await?;
    }
    let app = world.app().await?;
    for already in [0, 2] {
        let summary = run(&app, &hourly(END)).await?;
        let stored = (summary.recorded, summary.already_recorded, summary.alerts_published);
        assert_eq!(stored, (2 - already, already, 0));
        assert_eq!((summary.anomalies_found, summary.critical), (2, 0));
        assert!(summary.incidents.is_empty());
    }
    let items = world.items().await?;
    assert_eq!((items.len(), world.incidents().await?.len()), (2, 0));
    for item in items {
        assert_eq!(["type", "severity"].map(|name| text(&item, name)), ["new_usage", "warning"]);
        assert!(!item.contains_key("incident_id") && !item.contains_key("pending_alert"));
        assert!(text(&item, "description").ends_with("the customer's first usage of this metric"));
    }
    Ok(())
}

#[tokio::test]
async fn a_metric_that_is_new_for_all_pages_nobody_and_is_judged_seven_windows_later() -> Result<()> {
    let (world, day) = (World::new().await?, SignedDuration::from_hours(24));
    let first = at(END) - day * 8;
    let app = world.app().await?;
    for number in 0..20 {
        let customer = format!("customer {number}");
        world.insert(&known(&customer, first)).await?;
        // For nine days from the first use on; in the last of them one customer uses ten times as much.
        let last = if number == 7 { 70_000_000.0 } else { 7_000_000.0 };
        let mut windows = [Some(7_000_000.0); 9];
        windows[0] = Some(last);
        world.insert(&compute_by_window(&customer, at(END), &windows)).await?;
    }
    for (days, found) in [(0, (20, 0)), (1, (0, 0)), (7, (0, 0)), (8, (1, 1))] {
        let summary = run(&app, &hourly(&(first + day * days).to_string())).await?;
        assert_eq!((summary.anomalies_found, summary.critical), found, "after {days} days");
        assert_eq!(summary.alerts_published, found.1, "after {days} days");
    }
    Ok(())
}

#[tokio::test]
async fn a_metric_that_was_used_for_long_is_judged_at_once() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("steady", at(END), 90_000_000.0)).await?;
    let summary = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((summary.anomalies_found, summary.critical), (1, 1));
    Ok(())
}
