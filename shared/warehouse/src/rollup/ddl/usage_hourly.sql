CREATE TABLE IF NOT EXISTS usage_hourly
(
    -- A dictionary a granule: a customer has hundreds of rows after each other, so its name is stored and read once. And
    -- for names and numbers no heavier codec than LZ4: a run reads days of these rows, and unpacking ZSTD took as long as
    -- all the rest.
    customer_id LowCardinality(String),
    metric LowCardinality(String),
    hour DateTime('UTC') CODEC(Delta, ZSTD),
    events SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
    total SimpleAggregateFunction(sum, Float64),
    peak SimpleAggregateFunction(max, Float64),
    low SimpleAggregateFunction(min, Float64),
    -- Negative values are corrections. They are kept here, and `total` is the sum of all others.
    corrections SimpleAggregateFunction(sum, Float64)
)
ENGINE = AggregatingMergeTree
-- By week: the last day is then read without the month around it, and one customer's month still out of a few parts. But
-- never more than 96 partitions: ClickHouse refuses an insert into more than 100, and a view that refuses would fail the
-- insert of the events themselves.
PARTITION BY toRelativeWeekNum(hour) % 96
-- Models are fitted bucket by bucket, and a run reads customers bucket by bucket.
ORDER BY (cityHash64(customer_id) % 24, customer_id, metric, hour)
-- Shorter than 96 weeks, so that no partition holds hours of two years. `meterflow migrate --keep-days` changes it, and
-- beyond 96 weeks the newest day takes longer to read.
TTL hour + toIntervalDay(400)
-- A customer's week is a few hundred rows; larger granules would only be read to be thrown away.
SETTINGS index_granularity = 2048
