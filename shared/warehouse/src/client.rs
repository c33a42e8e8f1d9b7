//! The client by which all programs ask ClickHouse.

/// What each query sets, whatever the profile of the user says. The settings matter only where tables are spread over several servers.
const SETTINGS: [(&str, &str); 7] = [
    // A shard that does not answer fails the query. If the shard were left out, all its customers would seem silent.
    ("skip_unavailable_shards", "0"),
    // Customers may be on other shards than their names say, since shards were added.
    ("optimize_skip_unused_shards", "0"),
    // One replica of a shard answers all queries as long as it can, so that each query sees what the one before saw.
    ("load_balancing", "in_order"),
    // A replica that is behind would make everybody's usage seem to fall. If all replicas of a shard are, the query fails.
    ("fallback_to_stale_replicas_for_distributed_queries", "0"),
    // What is written is on its shard when the statement ends.
    ("distributed_foreground_insert", "1"),
    // Each row goes to the shard of its customer. Otherwise each shard would keep what it computed from its own events.
    ("parallel_distributed_insert_select", "0"),
    // A list of customers that a query reads from the rollup is that of all shards.
    ("distributed_product_mode", "global"),
];

/// A client without a login.
pub fn client(url: &str, database: &str) -> clickhouse::Client {
    let client = clickhouse::Client::default()
        .with_url(url)
        .with_database(database)
        .with_product_info("meterflow", env!("CARGO_PKG_VERSION"));
    SETTINGS.into_iter().fold(client, |client, (name, value)| client.with_setting(name, value))
}
