//! `meterflow forget`: nothing of the customer remains, and everything of customers with similar names remains.

mod cluster;
mod seeded;

use anyhow::{Context, Result};
use detection::CustomerId;
use e2e::World;

use crate::installation::{Answer, meterflow_with};
use seeded::Seeded;

/// Customers that are easily taken for each other.
const SIMILAR: [&str; 6] = ["cust_1", "cust_10", "cust_1\u{1f}nightly", "cust_1'\"\\", "xcust_1", "1#cust_1"];

/// Runs the command on a world.
async fn forget(world: &World, customer: &str, arguments: &[&str], catalog: &str) -> Result<Answer> {
    let variables = [("ANOMALIES_TABLE", world.table.as_str()), ("CATALOG_PATH", catalog)];
    let arguments = [&["forget", customer], arguments].concat();
    meterflow_with(Some((&world.clickhouse_url, &world.database)), &arguments, &variables).await
}

#[tokio::test]
async fn a_customer_whose_name_begins_others_is_forgotten() -> Result<()> {
    is_forgotten("cust_1").await
}

#[tokio::test]
async fn a_customer_whose_name_is_like_the_key_of_an_entity_is_forgotten() -> Result<()> {
    is_forgotten("cust_1\u{1f}nightly").await
}

#[tokio::test]
async fn a_customer_with_quotes_in_its_name_is_forgotten() -> Result<()> {
    is_forgotten("cust_1'\"\\").await
}

/// Forgets one of the similar customers.
async fn is_forgotten(customer: &str) -> Result<()> {
    let seeded = Seeded::with(SIMILAR.into_iter().filter(|other| *other != customer)).await?;
    let (items, rows) = (seeded.items().await?, seeded.rows().await?);
    seeded.add(customer).await?;
    assert!(seeded.items().await?.len() >= items.len() + 10, "{customer:?} has items of many kinds");
    assert_ne!(seeded.rows().await?, rows);
    seeded.assert_refused(customer).await?;
    seeded.resolve(customer).await?;
    seeded.delete_events(customer).await?;

    let (all, held) = (seeded.items().await?, seeded.rows().await?);
    let shown = seeded.forget(customer, &["--dry-run"]).await?;
    shown.assert(0, &["usage_hourly", "usage_hourly_copy", "anomalies", "nothing was removed"]);
    seeded.forget(customer, &[]).await?.assert(1, &["nothing was removed. Add --yes"]);
    assert_eq!((seeded.items().await?, seeded.rows().await?), (all, held), "nothing was removed");

    let removed = seeded.forget(customer, &["--yes"]).await?;
    let of_models = "the models of all customers. The next runs fit them again";
    removed.assert(0, &[of_models, "is forgotten", "remains  runs and backtests on demand", "1 item with"]);
    assert_eq!(seeded.items().await?, items, "{customer:?} {}", removed.text);
    assert_eq!(seeded.rows().await?, rows, "{customer:?} {}", removed.text);
    assert_eq!(seeded.models().await?, (0, 1), "no models, and the note that ends all fits");

    // A second time there is nothing to do, and the models of the others stay.
    seeded.add_models("cust_10").await?;
    seeded.forget(customer, &["--yes"]).await?.assert(0, &["is forgotten"]);
    assert_eq!(seeded.models().await?, (1, 1));
    assert_eq!((seeded.items().await?, seeded.rows().await?), (items, rows));
    Ok(())
}

#[tokio::test]
async fn events_and_waiting_alerts_can_be_left() -> Result<()> {
    let seeded = Seeded::with(["cust_10"]).await?;
    let items = seeded.items().await?;
    seeded.add("cust_1").await?;
    let left = seeded.forget("cust_1", &["--yes", "--keep-events", "--force"]).await?;
    left.assert(0, &["until you delete them", "is forgotten"]);
    assert_eq!(seeded.items().await?, items);
    seeded.forget("cust_1", &["--yes"]).await?.assert(1, &["events", "ALTER TABLE", "--keep-events"]);
    Ok(())
}

#[tokio::test]
async fn errors_say_what_to_do() -> Result<()> {
    let world = World::new().await?;
    let other = ["--table", "nothing", "--yes"];
    forget(&world, "cust_1", &other, "")
        .await?
        .assert(1, &["the table nothing was not read", "--name-prefix"]);
    let unknown = forget(&world, "cust_1", &["--yes"], "").await?;
    unknown.assert(0, &["anomalies                    none", "cust_1 is forgotten"]);
    forget(&world, "", &["--yes"], "").await?.assert(2, &["a customer id must not be empty"]);
    Ok(())
}

fn id(customer: &str) -> Result<CustomerId> {
    CustomerId::new(customer).context("a customer")
}
