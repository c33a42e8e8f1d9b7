-- Fits that are complete. A row whose definition is 'forgotten' says that nothing which was begun before it is to be read.
CREATE TABLE IF NOT EXISTS usage_model_fits
(
    -- The first hour that the models serve.
    day DateTime('UTC'),
    bucket UInt8,
    fit UInt64,
    customers UInt64,
    -- Digest of the metrics and of the layout of the numbers.
    definition String,
    begun DateTime64(3, 'UTC'),
    expires DateTime('UTC')
)
ENGINE = MergeTree
ORDER BY (day, bucket)
TTL expires
