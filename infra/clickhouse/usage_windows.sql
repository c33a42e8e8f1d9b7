-- Windows of 24 hours, computed from the rollup by the detector, so that the next day's run need not read 24 rows for
-- each. They are a cache: whatever is missing or out of date is computed anew. Who empties it empties usage_window_builds
-- as well, or each run finds the rows of its own hour of the day missing first, and reads hours once.
CREATE TABLE IF NOT EXISTS usage_windows
(
    customer_id LowCardinality(String),
    start DateTime('UTC') CODEC(Delta, LZ4),
    -- Which computation of the window it is: rows of builds that are not in usage_window_builds, or are there no
    -- more, are never read but by the run that made them.
    build UInt64 CODEC(Delta, LZ4),
    -- Whether more is to be expected for it, so that it serves one run only.
    provisional Bool,
    expires DateTime('UTC') CODEC(Delta, LZ4),
    -- By the order of the catalog; NaN where there was no event, infinity where something was not finite.
    values Array(Float64) CODEC(LZ4HC),
    -- Metrics that the catalog does not know.
    unknown Array(LowCardinality(String))
)
ENGINE = MergeTree
-- The windows that one run compares begin at the same hour of the day. Buckets of customers are read beside each other,
-- and are the parts of a run that is split. Provisional windows are few rows, so they have no buckets, and go by the day,
-- to be dropped whole.
PARTITION BY (
    toHour(start),
    if(provisional, 8, cityHash64(customer_id) % 8),
    if(provisional, toRelativeDayNum(start), 0)
)
ORDER BY (customer_id, start)
TTL expires
-- Expired rows do no harm, so the partitions need not be rewritten every few hours to be rid of them.
SETTINGS merge_with_ttl_timeout = 259200
