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
-- By month, so that a sweep reads the last two of them, but never more than 96 partitions: ClickHouse refuses an insert
-- into more than 100, and a view that refuses would fail the insert of the events themselves.
PARTITION BY toRelativeMonthNum(hour) % 96
ORDER BY (customer_id, metric, hour)
