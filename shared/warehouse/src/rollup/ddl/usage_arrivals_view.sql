-- The time of each block and not that of its query: an import may take an hour.
CREATE MATERIALIZED VIEW IF NOT EXISTS usage_arrivals_view TO usage_arrivals AS
SELECT hour, max(nowInBlock('UTC')) AS arrived
FROM usage_hourly
GROUP BY hour
