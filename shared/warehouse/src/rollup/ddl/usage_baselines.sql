-- What the run of an hour compares with: one row a customer with the earlier windows of 24 hours that it has usage in,
-- computed from the rollup by the detector when a run has done its work. A cache: whatever is missing or out of date is
-- computed anew, from the hours. Who takes anything out of the rollup has these forgotten (docs/scaling.md).
CREATE TABLE IF NOT EXISTS usage_baselines
(
    -- The parts of a run that is split.
    bucket UInt8,
    customer_id String,
    -- The end of the window that is compared with these, which is not among them.
    closes DateTime('UTC'),
    -- Which computation it is: rows of builds that are not in usage_baseline_builds are never read.
    build UInt64,
    expires DateTime('UTC'),
    -- How many days before that end each window closes.
    ages Array(UInt8),
    -- For each of these windows the values by the order of the catalog; NaN where there was no event, infinity where
    -- something was not finite.
    values Array(Float64) CODEC(ZSTD(1)),
    -- Ages and names of metrics that the catalog does not know.
    unknown Array(Tuple(UInt8, String))
)
ENGINE = MergeTree
-- The rows of an hour are written once, read once a day later, and dropped whole.
PARTITION BY closes
ORDER BY (bucket, customer_id)
TTL expires
SETTINGS ttl_only_drop_parts = 1
