//! The client by which all programs ask ClickHouse.

/// What each query sets, whatever the profile of the user says. The settings matter only where tables are spread over several servers.
const SETTINGS: [(&str, &str); 3] = [
    // A shard that does not answer fails the query. If the shard were left out, all its customers would seem silent.
    ("skip_unavailable_shards", "0"),
    // One replica of a shard answers all queries as long as it can, so that each query sees what the one before saw.
    ("load_balancing", "in_order"),
    // What is written is on its shard when the statement ends.
    ("distributed_foreground_insert", "1"),
];

/// A client without a login.
pub fn client(url: &str, database: &str) -> clickhouse::Client {
    let client = clickhouse::Client::default()
        .with_url(url)
        .with_database(database)
        .with_product_info("meterflow", env!("CARGO_PKG_VERSION"));
    SETTINGS.into_iter().fold(client, |client, (name, value)| client.with_setting(name, value))
}
