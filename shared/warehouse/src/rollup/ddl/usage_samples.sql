CREATE TABLE IF NOT EXISTS usage_samples
(
    customer_id LowCardinality(String),
    metric LowCardinality(String),
    -- The first instant of four hours. A row has all their samples that are known.
    block DateTime('UTC') CODEC(Delta, ZSTD),
    -- The end of the window that the writing run judged. The row with the highest one counts.
    version UInt32 CODEC(Delta, ZSTD),
    -- The mean of the metric's windows in each five minutes, NaN for a gap. Such numbers hardly compress, and LZ4 is read fastest.
    means Array(Float32),
    -- The distances of the two and the four hours that end with each sample from the most similar ones before. Zero if unknown.
    two_hours Array(Float32),
    four_hours Array(Float32)
)
ENGINE = ReplacingMergeTree(version)
-- Only the parts of the newest day have rows that others replace.
PARTITION BY toRelativeDayNum(block) % 20
-- A run reads the samples of each entity together.
ORDER BY (cityHash64(customer_id) % 24, customer_id, metric, block)
-- Two weeks of shapes, and a stretch before them.
TTL block + toIntervalDay(16)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1
