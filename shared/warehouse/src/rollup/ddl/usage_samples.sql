CREATE TABLE IF NOT EXISTS usage_samples
(
    customer_id LowCardinality(String),
    metric LowCardinality(String),
    -- The first instant of five minutes.
    sample DateTime('UTC') CODEC(Delta, ZSTD),
    -- The mean of the metric's windows in them.
    value Float32 CODEC(ZSTD),
    -- The distances of the two and the four hours that end with the sample from the most similar ones before. Zero if unknown.
    two_hours Float32 CODEC(ZSTD),
    four_hours Float32 CODEC(ZSTD)
)
-- A run that judges a window once more writes the same rows.
ENGINE = ReplacingMergeTree
PARTITION BY toRelativeWeekNum(sample) % 8
-- A run reads the samples of each entity together.
ORDER BY (cityHash64(customer_id) % 24, customer_id, metric, sample)
-- Two weeks of shapes, and a stretch before them.
TTL sample + toIntervalDay(16)
SETTINGS index_granularity = 2048
