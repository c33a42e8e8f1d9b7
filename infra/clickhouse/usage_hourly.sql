CREATE TABLE IF NOT EXISTS usage_hourly
(
    customer_id String,
    metric LowCardinality(String),
    hour DateTime('UTC') CODEC(Delta, ZSTD),
    events SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
    total SimpleAggregateFunction(sum, Float64) CODEC(ZSTD),
    peak SimpleAggregateFunction(max, Float64) CODEC(ZSTD),
    low SimpleAggregateFunction(min, Float64) CODEC(ZSTD)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (customer_id, metric, hour)
