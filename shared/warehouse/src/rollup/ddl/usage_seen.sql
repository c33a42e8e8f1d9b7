CREATE TABLE IF NOT EXISTS usage_seen
(
    customer_id LowCardinality(String),
    metric LowCardinality(String),
    -- The first 200 characters of a text. Events without one have the empty text, so this table counts all events of its
    -- metrics, and a migration finds missing ones by their number.
    value String,
    hour DateTime('UTC') CODEC(Delta, ZSTD),
    events SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree
PARTITION BY toRelativeWeekNum(hour) % 96
-- A run reads the values of each entity together.
ORDER BY (cityHash64(customer_id) % 24, customer_id, metric, value, hour)
-- As long as the hourly rollup. A value that was last seen before that is new.
TTL hour + toIntervalDay(400)
SETTINGS index_granularity = 2048
