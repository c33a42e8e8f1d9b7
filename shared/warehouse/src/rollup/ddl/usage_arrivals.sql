-- When something last arrived for an hour, so that a window that was computed before can be told from one that holds.
CREATE TABLE IF NOT EXISTS usage_arrivals
(
    hour DateTime('UTC'),
    arrived SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY hour
-- Baselines reach back 90 days at most.
TTL hour + toIntervalDay(400)
