-- Builds of windows that are complete, and settled: nothing had arrived for a while when they were begun.
CREATE TABLE IF NOT EXISTS usage_window_builds
(
    start DateTime('UTC'),
    bucket UInt8,
    build UInt64,
    -- Rows of it in usage_windows.
    rows UInt64,
    -- Digest of the metrics and their aggregates, in the order of the values.
    definition String,
    begun DateTime('UTC'),
    expires DateTime('UTC')
)
ENGINE = MergeTree
ORDER BY (start, bucket)
TTL expires
