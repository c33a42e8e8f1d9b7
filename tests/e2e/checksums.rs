//! Bytes that change on the way from ClickHouse.

use anyhow::{Result, ensure};
use catalog::Catalog;
use e2e::Warehouse;
use e2e::proxy::{Action, Proxy};
use e2e::warehouse::read_usage;
use e2e::world::{END, at, steady_then, variable};

#[tokio::test]
async fn no_figure_comes_from_bytes_that_changed_on_the_way() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    for customer in ["a", "b", "c"] {
        warehouse.insert(&steady_then(customer, at(END), 5e7)).await?;
    }
    let (url, catalog) = (variable("CLICKHOUSE_URL")?, Catalog::built_in()?);
    let whole = Proxy::start(&url, |_| Action::Forward).await?;
    let right = read_usage(&whole.url, &warehouse.database, &catalog).await?;
    ensure!(right.len() == 3 && whole.passed() > 100, "{} bytes", whole.passed());
    // Each byte of the answer, the checksum itself included.
    let mut refused = 0;
    for place in 0..whole.passed() {
        let proxy = Proxy::start(&url, move |_| Action::FlipBitOf(place)).await?;
        match read_usage(&proxy.url, &warehouse.database, &catalog).await {
            Ok(usage) => assert_eq!(usage, right, "byte {place}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > whole.passed() / 2, "{refused} of {} were noticed", whole.passed());
    Ok(())
}
