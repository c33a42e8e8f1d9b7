-- What the run of an hour judges by: one row a customer, fitted from the rollup by the detector once a day. A cache:
-- whatever is missing is fitted anew, from the hours.
CREATE TABLE IF NOT EXISTS usage_models
(
    -- The hour that is judged.
    hour DateTime('UTC'),
    -- The hour of the day at which the customer's models begin.
    bucket UInt8,
    customer_id String,
    -- Which fit it is: rows of fits that are not in usage_model_fits are never read.
    fit UInt64,
    -- The time zone of the customer's policy at the fit. Empty without one.
    zone String,
    expires DateTime('UTC'),
    -- The numbers of each metric, in the order of the catalog.
    numbers Array(Float32) CODEC(ZSTD(1))
)
ENGINE = MergeTree
-- The rows of an hour are written by the fits of a day, read once, and dropped whole.
PARTITION BY hour
ORDER BY (bucket, customer_id)
TTL expires
SETTINGS ttl_only_drop_parts = 1
