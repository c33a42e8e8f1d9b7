CREATE TABLE IF NOT EXISTS events
(
    transaction_id String,
    customer_id String,
    event_type LowCardinality(String),
    timestamp DateTime64(3, 'UTC'),
    properties String,
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (customer_id, event_type, timestamp)
