//! Customers in their first days: the shape of a day of all customers is what is usual.

use anyhow::Result;
use detection::model::PeerWeek;
use detection::{Direction, Hour};
use detector::Request;
use e2e::World;
use e2e::world::{hourly, run, text};

use crate::models::{detector, events, fit_after, hour, insert};

/// A quiet night and a busy day.
const DAY_AND_NIGHT: &str =
    "if(toHour(at) BETWEEN 8 AND 19, 150 + cityHash64(n) % 21, 4 + cityHash64(n) % 3)";

/// Six customers of 32 days, and some who came on Saturday at noon. The leak begins on Tuesday at 2, in the night.
async fn fleet() -> Result<World> {
    let world = World::new().await?;
    for peer in 0..6 {
        // One of them is a giant.
        let factor = if peer == 0 { 5 } else { 1 };
        let calls = format!("{factor} * {}", DAY_AND_NIGHT.replace("(n)", &format!("(n + {peer})")));
        insert(&world, &format!("peer {peer}"), &calls).await?;
    }
    let young = |calls: &str| format!("if(n < 708, 0, {calls})");
    insert(&world, "calm", &young(DAY_AND_NIGHT)).await?;
    insert(&world, "leak", &young(&format!("if(n >= 770, 40, 1) * {DAY_AND_NIGHT}"))).await?;
    Ok(world)
}

#[tokio::test]
async fn a_leak_of_the_third_day_is_found_within_the_hour_by_runs_and_checks() -> Result<()> {
    let world = fleet().await?;
    let sibling = world.sibling().await?;
    let app = detector(&world).await?;
    assert_eq!(events(&world, &app, 1..=3).await?, [(3, String::from("opened"))]);
    let items = world.items().await?;
    let [item] = &items[..] else { panic!("{items:?}") };
    assert_eq!((text(item, "customer_id"), text(item, "severity")), ("leak".into(), "critical".into()));
    assert_eq!(text(item, "detected_at"), hour(3).as_millisecond().to_string());
    let number = |name: &str| text(item, name).parse::<f64>().unwrap();
    assert!((150.0..=260.0).contains(&number("current_value")), "{item:?}");

    // A check reads no profile that a run kept. A run by models reads what the run before has kept.
    let api = sibling.api_with(&[("DETECTORS", "ensemble")], &sibling.aws).await?;
    let check = api.check("leak", "api_calls", &format!("&current_end={}", hour(3))).await?;
    for name in ["score", "expected_low", "expected_high", "current_value"] {
        assert_eq!(
            check[name].as_f64().map(|found| format!("{found:.9}")),
            Some(format!("{:.9}", number(name))),
            "{name}"
        );
    }
    let by_models = detector(&sibling).await?;
    fit_after(&by_models, 2).await;
    let kept = "SELECT count(), any(length(numbers)) FROM usage_models WHERE customer_id = '*'";
    let (rows, numbers) = world.clickhouse.query(kept).fetch_one::<(u64, u64)>().await?;
    let week = PeerWeek::of(Hour::holding(hour(3)));
    assert_eq!((rows, numbers), (1, 24 * by_models.catalog.metrics().len() as u64), "{week:?}");
    run(&by_models, &hourly(&hour(3).to_string())).await?;
    let again = sibling.items().await?;
    for name in ["score", "expected_low", "expected_high", "description", "window_start"] {
        assert_eq!(again[0].get(name), item.get(name), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn who_has_the_shape_of_all_is_not_paged_by_night_or_day() -> Result<()> {
    let world = fleet().await?;
    let app = detector(&world).await?;
    // From the night into the day, and from the day into the night.
    for number in [1, 8, 9, 10, 14, 20, 21, 22] {
        let request = Request { dry_run: true, ..hourly(&hour(number).to_string()) };
        let findings = run(&app, &request).await?.findings;
        let calm = findings.iter().filter(|finding| finding.customer_id != "leak");
        assert_eq!(calm.count(), 0, "{number}: {findings:?}");
        assert_eq!(
            findings.iter().any(|finding| finding.direction == Direction::Spike),
            number > 2,
            "{number}"
        );
    }
    Ok(())
}
