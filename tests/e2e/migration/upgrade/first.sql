-- Tables, views and statements of the first version, word for word. Its runs judged 31 windows by their z-score, and wrote nothing
-- to ClickHouse. A line `--- NAME` begins a statement. Those without a name make the tables.
---
CREATE TABLE IF NOT EXISTS events
(
    transaction_id String,
    customer_id String,
    event_type LowCardinality(String),
    timestamp DateTime64(3, 'UTC'),
    properties String,
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (customer_id, event_type, timestamp)
---
CREATE TABLE IF NOT EXISTS usage_hourly
(
    customer_id String,
    metric LowCardinality(String),
    hour DateTime('UTC') CODEC(Delta, ZSTD),
    events SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD),
    total SimpleAggregateFunction(sum, Float64) CODEC(ZSTD),
    peak SimpleAggregateFunction(max, Float64) CODEC(ZSTD),
    low SimpleAggregateFunction(min, Float64) CODEC(ZSTD)
)
ENGINE = AggregatingMergeTree
PARTITION BY toRelativeMonthNum(hour) % 96
ORDER BY (customer_id, metric, hour)
---
CREATE MATERIALIZED VIEW IF NOT EXISTS `usage_hourly_api_calls` TO usage_hourly AS
SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    'api_calls' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(assumeNotNull(meterflow_value)) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low
FROM
(
    SELECT
        toString(`customer_id`) AS meterflow_customer,
        `timestamp` AS meterflow_time,
        toFloat64(1) AS meterflow_value
    FROM events
    WHERE (event_type = 'api_request')
        AND `timestamp` >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND `timestamp` < toDateTime('2106-01-01 00:00:00', 'UTC')
)
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''
GROUP BY customer_id, hour
COMMENT 'b8091f3c2ed52f05'
---
CREATE MATERIALIZED VIEW IF NOT EXISTS `usage_hourly_bandwidth` TO usage_hourly AS
SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    'bandwidth' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(assumeNotNull(meterflow_value)) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low
FROM
(
    SELECT
        toString(`customer_id`) AS meterflow_customer,
        `timestamp` AS meterflow_time,
        toFloat64(JSONExtract(properties, 'bytes', 'Nullable(Float64)')) AS meterflow_value
    FROM events
    WHERE (event_type = 'api_request')
        AND `timestamp` >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND `timestamp` < toDateTime('2106-01-01 00:00:00', 'UTC')
)
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''
GROUP BY customer_id, hour
COMMENT '122d0d5d79bda511'
---
CREATE MATERIALIZED VIEW IF NOT EXISTS `usage_hourly_storage_peak` TO usage_hourly AS
SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    'storage_peak' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(assumeNotNull(meterflow_value)) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low
FROM
(
    SELECT
        toString(`customer_id`) AS meterflow_customer,
        `timestamp` AS meterflow_time,
        toFloat64(JSONExtract(properties, 'gb_stored', 'Nullable(Float64)')) AS meterflow_value
    FROM events
    WHERE (event_type = 'storage')
        AND `timestamp` >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND `timestamp` < toDateTime('2106-01-01 00:00:00', 'UTC')
)
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''
GROUP BY customer_id, hour
COMMENT '5719ba8738f2ae73'
---
CREATE MATERIALIZED VIEW IF NOT EXISTS `usage_hourly_compute_time` TO usage_hourly AS
SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    'compute_time' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(assumeNotNull(meterflow_value)) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low
FROM
(
    SELECT
        toString(`customer_id`) AS meterflow_customer,
        `timestamp` AS meterflow_time,
        toFloat64(JSONExtract(properties, 'cpu_ms', 'Nullable(Float64)')) AS meterflow_value
    FROM events
    WHERE (event_type = 'compute')
        AND `timestamp` >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND `timestamp` < toDateTime('2106-01-01 00:00:00', 'UTC')
)
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''
GROUP BY customer_id, hour
COMMENT '56978d7bfc7dfb46'
--- sweep
WITH
    assumeNotNull((SELECT count() FROM (SELECT customer_id FROM usage_hourly WHERE hour >= toDateTime({start:UInt32}, 'UTC') AND hour < toDateTime({end:UInt32}, 'UTC') GROUP BY customer_id))) AS declared
SELECT
    customer_id,
    declared,
    toUInt16(oldest) AS first_event_age,
    unknown_metrics,
    arrayConcat(
        arrayMap(n -> if(n = 0, NULL, toFloat64(n)), arraySlice(counts, 1, 31)),
        arrayMap((n, t) -> if(n = 0, NULL, t), arraySlice(counts, 32, 31), arraySlice(totals, 32, 31)),
        arrayMap((n, t, v) -> if(n = 0, NULL, if(isFinite(t), v, t)), arraySlice(counts, 63, 31), arraySlice(totals, 63, 31), arraySlice(peaks, 63, 31)),
        arrayMap((n, t) -> if(n = 0, NULL, t), arraySlice(counts, 94, 31), arraySlice(totals, 94, 31))
    ) AS values
FROM
(
    SELECT
        customer_id,
        max(age) AS oldest,
        groupUniqArrayIf(8)(toString(metric), number = 0) AS unknown_metrics,
        sumResample(0, 124, 1)(events, slot) AS counts,
        sumResample(0, 124, 1)(total, slot) AS totals,
        maxResample(0, 124, 1)(peak, slot) AS peaks,
        minResample(0, 124, 1)(low, slot) AS lows
    FROM
    (
        SELECT
            customer_id,
            metric,
            events,
            total,
            peak,
            low,
            indexOf({metrics:Array(String)}, metric) AS number,
            intDiv({end:UInt32} - toUnixTimestamp(hour) - 1, 86400) AS age,
            if(number = 0, 124, (number - 1) * 31 + age) AS slot
        FROM usage_hourly
        WHERE hour >= toDateTime({start:UInt32}, 'UTC') AND hour < toDateTime({end:UInt32}, 'UTC')
    )
    GROUP BY customer_id
)
SETTINGS optimize_aggregation_in_order = 1
