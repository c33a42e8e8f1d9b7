//! The catalogs of the project, each on a real table of its shape. After the views exist, no insert of odd rows fails,
//! and the rollup holds the right rows.

use anyhow::Result;
use catalog::Catalog;
use e2e::Warehouse;
use warehouse::rollup::Options;

struct Preset {
    catalog: &'static str,
    table: &'static str,
    create: &'static str,
    /// Rows as values of the table.
    good: &'static str,
    /// Metrics with their events, total and largest value.
    expected: &'static [(&'static str, u64, f64, f64)],
    /// Rows of odd content.
    odd: &'static str,
}

const OPENMETER: Preset = Preset {
    catalog: include_str!("../../examples/catalogs/openmeter.toml"),
    table: "om_events",
    create: "CREATE TABLE om_events (namespace String, id String, type LowCardinality(String), subject String, source String, \
             time DateTime, data String, ingested_at DateTime, stored_at DateTime, store_row_id String) \
             ENGINE = MergeTree PARTITION BY toYYYYMM(time) ORDER BY (namespace, type, subject, toStartOfHour(time))",
    good: "SELECT 'acme', toString(number), ['request', 'prompt'][number % 2 + 1], 'u1', 'app', now(), \
           ['{\"tokens\": 10}', '{\"tokens\": \"20\"}'][intDiv(number, 2) % 2 + 1], now(), now(), '' FROM numbers(8)",
    expected: &[("requests", 4, 4.0, 1.0), ("tokens", 4, 60.0, 20.0)],
    odd: "SELECT '', '', ['request', 'prompt', ''][number % 3 + 1], '', '', toDateTime(4294967295 * (number % 2)), \
          ['', '{', '[]', 'null', '{\"tokens\": null}', '{\"tokens\": \"many\"}', '{\"tokens\": {}}', '{\"tokens\": 1e400}', \
          unhex('fffe')][number % 9 + 1], 0, 0, '' FROM numbers(60)",
};

const LAGO: Preset = Preset {
    catalog: include_str!("../../examples/catalogs/lago.toml"),
    table: "events_raw",
    create: "CREATE TABLE events_raw (organization_id String, external_customer_id String, external_subscription_id String, \
             transaction_id String, timestamp DateTime64(3), code String, properties Map(String, String), \
             precise_total_amount_cents Nullable(Decimal(40, 15)), ingested_at DateTime64(3) DEFAULT now64(3)) \
             ENGINE = MergeTree ORDER BY (organization_id, external_subscription_id, code, transaction_id, timestamp)",
    good: "SELECT 'org', 'c1', 's1', toString(number), now64(3), ['api_call', 'storage'][number % 2 + 1], \
           map('gb', toString(number)), if(number < 4, 2.5, NULL), now64(3) FROM numbers(8)",
    expected: &[("api_calls", 4, 4.0, 1.0), ("storage_gb", 4, 16.0, 7.0), ("amount", 4, 10.0, 2.5)],
    odd: "SELECT '', '', '', '', toDateTime64(number % 2 * 5e9 - 1e9, 3), ['api_call', 'storage', ''][number % 3 + 1], \
          [map(), map('gb', ''), map('gb', 'many'), map('gb', '1e400'), map('x', unhex('ff')), map('gb', '-1')][number % 6 + 1], \
          [toDecimal256('-9999999999999999999999999', 15), NULL][number % 2 + 1], now64(3) FROM numbers(60)",
};

const POSTHOG: Preset = Preset {
    catalog: include_str!("../../examples/catalogs/posthog.toml"),
    table: "sharded_events",
    create: "CREATE TABLE sharded_events (uuid UUID, event String, properties String, timestamp DateTime64(6, 'UTC'), \
             team_id Int64, distinct_id String, person_id UUID, created_at DateTime64(3), `$group_0` String, \
             inserted_at Nullable(DateTime64(6, 'UTC')), _timestamp DateTime, _offset UInt64) \
             ENGINE = ReplacingMergeTree(_timestamp) PARTITION BY toYYYYMM(timestamp) \
             ORDER BY (team_id, toDate(timestamp), event, cityHash64(distinct_id), cityHash64(uuid)) \
             SAMPLE BY cityHash64(distinct_id)",
    good: "SELECT generateUUIDv4(), ['$pageview', '$ai_generation'][number % 2 + 1], \
           '{\"$ai_input_tokens\": 10, \"$ai_output_tokens\": 5}', now64(6), 7, 'd', generateUUIDv4(), now64(3), '', now64(6), now(), 0 \
           FROM numbers(8)",
    expected: &[("events", 8, 8.0, 1.0), ("ai_tokens", 4, 60.0, 15.0)],
    odd: "SELECT generateUUIDv4(), ['$pageview', '$ai_generation', ''][number % 3 + 1], \
          ['', '{', '[]', 'null', '{\"$ai_input_tokens\": \"many\"}', '{\"$ai_input_tokens\": {}}', '{\"$ai_input_tokens\": 1e400}', \
          unhex('fffe')][number % 8 + 1], toDateTime64(['1971-01-01 00:00:00', '2200-01-01 00:00:00'][number % 2 + 1], 6, 'UTC'), \
          [-9223372036854775808, 0][number % 2 + 1], '', generateUUIDv4(), now64(3), '', NULL, now(), 0 FROM numbers(60)",
};

const BUILT_IN: Preset = Preset {
    catalog: include_str!("../../shared/catalog/catalog.toml"),
    table: "events",
    create: "CREATE TABLE events (transaction_id String, customer_id String, event_type LowCardinality(String), \
             timestamp DateTime64(3, 'UTC'), properties String, ingested_at DateTime64(3, 'UTC') DEFAULT now64(3)) \
             ENGINE = MergeTree ORDER BY (customer_id, event_type, timestamp)",
    good: "SELECT toString(number), 'c1', ['api_request', 'storage', 'compute'][number % 3 + 1], now64(3), \
           '{\"bytes\": 10, \"gb_stored\": 2.5, \"cpu_ms\": 7}', now64(3) FROM numbers(6)",
    expected: &[
        ("api_calls", 2, 2.0, 1.0),
        ("bandwidth", 2, 20.0, 10.0),
        ("storage_peak", 2, 5.0, 2.5),
        ("compute_time", 2, 14.0, 7.0),
    ],
    odd: "SELECT '', ['', unhex('ff'), repeat('x', 5000)][number % 3 + 1], ['api_request', 'storage', 'compute', ''][number % 4 + 1], \
          toDateTime64(['1900-01-01 00:00:00', '2200-01-01 00:00:00', '1970-01-01 00:00:00'][number % 3 + 1], 3, 'UTC'), \
          ['', '{', '[]', 'null', '{\"bytes\": \"many\"}', '{\"bytes\": {}}', '{\"cpu_ms\": 1e400}', '{\"gb_stored\": -1e308}', \
          '{\"gb_stored\": [1]}', unhex('fffe')][number % 10 + 1], now64(3) FROM numbers(240)",
};

#[tokio::test]
async fn no_odd_row_fails_an_insert_into_the_table_of_a_preset() -> Result<()> {
    for Preset { catalog, table, create, good, expected, odd } in [OPENMETER, LAGO, POSTHOG, BUILT_IN] {
        let catalog = Catalog::parse(catalog, table)?;
        // Views first, and then a backfill of the same rows into another database.
        let [fed, filled] = [Warehouse::empty().await?, Warehouse::empty().await?];
        for warehouse in [&fed, &filled] {
            warehouse.run(create).await?;
        }
        fed.migrate_with(&catalog, Options::default()).await?;
        for warehouse in [&fed, &filled] {
            warehouse.run(&format!("INSERT INTO {table} {good}")).await?;
            warehouse.run(&format!("INSERT INTO {table} {odd}")).await?;
        }
        filled.migrate_with(&catalog, Options::default()).await?;
        let recent = "SELECT toString(metric), sum(events), sum(total), max(peak) FROM usage_hourly \
                      WHERE hour > now() - 86400 AND hour < now() + 86400 GROUP BY metric ORDER BY metric";
        let mut wanted: Vec<(String, u64, f64, f64)> = expected
            .iter()
            .map(|(metric, n, total, peak)| ((*metric).to_owned(), *n, *total, *peak))
            .collect();
        wanted.sort_by(|one, other| one.0.cmp(&other.0));
        for (warehouse, way) in [(&fed, "views"), (&filled, "backfill")] {
            let found: Vec<(String, u64, f64, f64)> = warehouse.client.query(recent).fetch_all().await?;
            assert_eq!(found, wanted, "{table}, {way}");
        }
    }
    Ok(())
}
