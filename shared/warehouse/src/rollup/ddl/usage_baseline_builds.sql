-- Builds of baselines that are complete. A row whose definition is 'forgotten' says that nothing which was begun before it
-- is to be read.
CREATE TABLE IF NOT EXISTS usage_baseline_builds
(
    closes DateTime('UTC'),
    bucket UInt8,
    build UInt64,
    -- Rows of it in usage_baselines.
    rows UInt64,
    -- It has the windows of the ages from 1 to this one, but for those that something had just arrived for when it was
    -- begun: of them it may have an older state, or nothing.
    oldest UInt8,
    -- Digest of the metrics and their aggregates, in the order of the values.
    definition String,
    begun DateTime64(3, 'UTC'),
    expires DateTime('UTC')
)
ENGINE = MergeTree
ORDER BY (closes, bucket)
TTL expires
