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
-- By week: the last day is then read without the month around it, and one customer's month still out of a few parts. But
-- never more than 96 partitions: ClickHouse refuses an insert into more than 100, and a view that refuses would fail the
-- insert of the events themselves.
PARTITION BY toRelativeWeekNum(hour) % 96
ORDER BY (customer_id, metric, hour)
-- A customer's week is a few hundred rows; larger granules would only be read to be thrown away.
SETTINGS index_granularity = 2048
