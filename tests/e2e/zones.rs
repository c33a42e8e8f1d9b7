//! A server in a time zone with a half hour. Hours and days are UTC nevertheless.

use anyhow::Result;
use catalog::Catalog;
use e2e::engine::Engine;
use e2e::warehouse::read_usage;
use e2e::world::{END, at, clickhouse_client, steady_then, variable};
use e2e::{Event, Warehouse};
use jiff::SignedDuration;
use warehouse::rollup::Options;

#[tokio::test]
async fn hours_are_those_of_utc_wherever_the_server_is() -> Result<()> {
    let engine = Engine::in_zone("Asia/Kolkata").await?;
    let utc = variable("CLICKHOUSE_URL")?;
    let zone: String =
        clickhouse_client(&engine.url, "system").query("SELECT timezone()").fetch_one().await?;
    assert_eq!(zone, "Asia/Kolkata");
    let settings = "SELECT arrayStringConcat(arraySort(groupArray(concat(name, ' ', value))), ', ') FROM system.settings WHERE changed";
    let [own, of_all] = [&engine.url, &utc].map(|url| clickhouse_client(url, "system"));
    let own: String = own.query_raw(settings).fetch_one().await?;
    assert_eq!(
        own,
        of_all.query_raw(settings).fetch_one::<String>().await?,
        "the engines differ in their zone only"
    );
    let mut seen = Vec::new();
    for url in [&engine.url, &utc] {
        let warehouse = Warehouse::empty_at(url).await?;
        let catalog = Catalog::built_in()?;
        // A part comes before the views are made, and a part after.
        warehouse.migrate_with(&catalog, Options::default()).await?;
        for view in warehouse.views().await? {
            warehouse.run(&format!("DROP VIEW {view}")).await?;
        }
        warehouse.insert(&steady_then("a", at(END), 5e7)).await?;
        let recent = "INSERT INTO events SELECT toString(number), 'a', 'api_request', \
                      now64(3) - INTERVAL number * 10 MINUTE, '{}', now64(3) FROM numbers(60)";
        warehouse.run(recent).await?;
        warehouse.migrate_with(&catalog, Options::default()).await?;
        warehouse.insert(&[Event::call("a", at(END) - SignedDuration::from_mins(15), 5.0)]).await?;
        warehouse.run(recent).await?;
        // Events that a view counted are not added again, not even a part of an hour.
        warehouse
            .run("ALTER TABLE usage_hourly DELETE WHERE hour < now() - 5 * 3600 SETTINGS mutations_sync = 2")
            .await?;
        warehouse.migrate_with(&catalog, Options::default()).await?;
        let wrong = "SELECT count() FROM (SELECT hour, sum(events) AS n FROM usage_hourly WHERE metric = 'api_calls' GROUP BY hour) AS r \
                     FULL JOIN (SELECT toStartOfHour(timestamp) AS hour, count() AS n FROM events WHERE event_type = 'api_request' \
                     GROUP BY hour) AS e USING (hour) WHERE r.n != e.n";
        assert_eq!(warehouse.one::<u64>(wrong).await?, 0, "{url}");
        assert_eq!(
            warehouse
                .one::<u64>("SELECT countIf(toUnixTimestamp(hour) % 3600 != 0) FROM usage_hourly")
                .await?,
            0
        );
        seen.push(read_usage(url, &warehouse.database, &catalog).await?);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].len(), 1);
    Ok(())
}
