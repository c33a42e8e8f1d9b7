-- Tables, views and statements of the last version whose rollup of usage had another order, word for word. Its runs judged by models.
-- A line `--- NAME` begins a statement. Those without a name make the tables.
---
CREATE TABLE IF NOT EXISTS events
(
    transaction_id String,
    customer_id String,
    event_type LowCardinality(String),
    timestamp DateTime64(3, 'UTC'),
    properties String,
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (customer_id, event_type, timestamp)
---
CREATE TABLE IF NOT EXISTS usage_hourly
(
    customer_id LowCardinality(String),
    metric LowCardinality(String),
    hour DateTime('UTC') CODEC(Delta, ZSTD),
    events SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4),
    total SimpleAggregateFunction(sum, Float64),
    peak SimpleAggregateFunction(max, Float64),
    low SimpleAggregateFunction(min, Float64),
    corrections SimpleAggregateFunction(sum, Float64),
    INDEX by_bucket cityHash64(customer_id) % 24 TYPE set(8) GRANULARITY 1
)
ENGINE = AggregatingMergeTree
PARTITION BY toRelativeWeekNum(hour) % 96
ORDER BY (customer_id, metric, hour)
TTL hour + toIntervalDay(400)
SETTINGS index_granularity = 2048
---
CREATE TABLE IF NOT EXISTS usage_models
(
    hour DateTime('UTC'),
    bucket UInt8,
    customer_id String,
    fit UInt64,
    zone String,
    expires DateTime('UTC'),
    numbers Array(Float32) CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY hour
ORDER BY (bucket, customer_id)
TTL expires
SETTINGS ttl_only_drop_parts = 1
---
CREATE TABLE IF NOT EXISTS usage_model_fits
(
    day DateTime('UTC'),
    bucket UInt8,
    fit UInt64,
    customers UInt64,
    definition String,
    begun DateTime64(3, 'UTC'),
    expires DateTime('UTC')
)
ENGINE = MergeTree
ORDER BY (day, bucket)
TTL expires
---
CREATE MATERIALIZED VIEW IF NOT EXISTS `usage_hourly_api_calls` TO usage_hourly AS
SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    'api_calls' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(if(assumeNotNull(meterflow_value) < 0 AND isFinite(assumeNotNull(meterflow_value)), 0, assumeNotNull(meterflow_value))) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low,
    sum(if(assumeNotNull(meterflow_value) < 0 AND isFinite(assumeNotNull(meterflow_value)), assumeNotNull(meterflow_value), 0)) AS corrections
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
COMMENT 'b8091f3c2ed52f05 413063407506d088'
---
CREATE MATERIALIZED VIEW IF NOT EXISTS `usage_hourly_bandwidth` TO usage_hourly AS
SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    'bandwidth' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(if(assumeNotNull(meterflow_value) < 0 AND isFinite(assumeNotNull(meterflow_value)), 0, assumeNotNull(meterflow_value))) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low,
    sum(if(assumeNotNull(meterflow_value) < 0 AND isFinite(assumeNotNull(meterflow_value)), assumeNotNull(meterflow_value), 0)) AS corrections
FROM
(
    SELECT
        toString(`customer_id`) AS meterflow_customer,
        `timestamp` AS meterflow_time,
        if(match(toTypeName(JSONExtract(properties, 'bytes', 'Nullable(Float64)')), '^(Nullable\\(|LowCardinality\\()*(U?Int|Float|Decimal|Bool)'), toFloat64(JSONExtract(properties, 'bytes', 'Nullable(Float64)')), accurateCastOrNull(JSONExtract(properties, 'bytes', 'Nullable(Float64)'), 'Float64')) AS meterflow_value
    FROM events
    WHERE (event_type = 'api_request')
        AND `timestamp` >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND `timestamp` < toDateTime('2106-01-01 00:00:00', 'UTC')
)
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''
GROUP BY customer_id, hour
COMMENT '122d0d5d79bda511 23922dc86aa8f422'
---
CREATE MATERIALIZED VIEW IF NOT EXISTS `usage_hourly_storage_peak` TO usage_hourly AS
SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    'storage_peak' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(if(assumeNotNull(meterflow_value) < 0 AND isFinite(assumeNotNull(meterflow_value)), 0, assumeNotNull(meterflow_value))) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low,
    sum(if(assumeNotNull(meterflow_value) < 0 AND isFinite(assumeNotNull(meterflow_value)), assumeNotNull(meterflow_value), 0)) AS corrections
FROM
(
    SELECT
        toString(`customer_id`) AS meterflow_customer,
        `timestamp` AS meterflow_time,
        if(match(toTypeName(JSONExtract(properties, 'gb_stored', 'Nullable(Float64)')), '^(Nullable\\(|LowCardinality\\()*(U?Int|Float|Decimal|Bool)'), toFloat64(JSONExtract(properties, 'gb_stored', 'Nullable(Float64)')), accurateCastOrNull(JSONExtract(properties, 'gb_stored', 'Nullable(Float64)'), 'Float64')) AS meterflow_value
    FROM events
    WHERE (event_type = 'storage')
        AND `timestamp` >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND `timestamp` < toDateTime('2106-01-01 00:00:00', 'UTC')
)
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''
GROUP BY customer_id, hour
COMMENT '5719ba8738f2ae73 2555a1f9148cb5e5'
---
CREATE MATERIALIZED VIEW IF NOT EXISTS `usage_hourly_compute_time` TO usage_hourly AS
SELECT
    assumeNotNull(meterflow_customer) AS customer_id,
    'compute_time' AS metric,
    toStartOfHour(toTimeZone(assumeNotNull(meterflow_time), 'UTC')) AS hour,
    count() AS events,
    sum(if(assumeNotNull(meterflow_value) < 0 AND isFinite(assumeNotNull(meterflow_value)), 0, assumeNotNull(meterflow_value))) AS total,
    max(assumeNotNull(meterflow_value)) AS peak,
    min(assumeNotNull(meterflow_value)) AS low,
    sum(if(assumeNotNull(meterflow_value) < 0 AND isFinite(assumeNotNull(meterflow_value)), assumeNotNull(meterflow_value), 0)) AS corrections
FROM
(
    SELECT
        toString(`customer_id`) AS meterflow_customer,
        `timestamp` AS meterflow_time,
        if(match(toTypeName(JSONExtract(properties, 'cpu_ms', 'Nullable(Float64)')), '^(Nullable\\(|LowCardinality\\()*(U?Int|Float|Decimal|Bool)'), toFloat64(JSONExtract(properties, 'cpu_ms', 'Nullable(Float64)')), accurateCastOrNull(JSONExtract(properties, 'cpu_ms', 'Nullable(Float64)'), 'Float64')) AS meterflow_value
    FROM events
    WHERE (event_type = 'compute')
        AND `timestamp` >= toDateTime('1970-01-01 00:00:00', 'UTC')
        AND `timestamp` < toDateTime('2106-01-01 00:00:00', 'UTC')
)
WHERE meterflow_value IS NOT NULL AND meterflow_customer IS NOT NULL AND meterflow_customer != ''
GROUP BY customer_id, hour
COMMENT '56978d7bfc7dfb46 0afc6410011bb2a8'
--- sweep
WITH
    assumeNotNull((SELECT count() FROM (SELECT customer_id FROM usage_hourly WHERE hour >= toDateTime(intDiv({start:Int64}, 1000), 'UTC') AND hour < toDateTime(intDiv({end:Int64}, 1000), 'UTC') GROUP BY customer_id))) AS declared,
    intDiv({end:Int64}, 1000) AS closing
SELECT
    customer_id,
    declared,
    toInt64(oldest) * 1000 AS first_event_ms,
    CAST([], 'Array(Int64)') AS first_uses_ms,
    unknown,
    arrayMap((events, total, peak, place) -> if(events = 0, nan, ifNotFinite(multiIf(place = 0, toFloat64(events), place = 1, total, place = 2, if(isFinite(total), peak, total), place = 3, total, nan), inf)), counts, totals, peaks, arrayMap(slot -> slot % 4, range(124))) AS values
FROM
(
    SELECT
        customer_id,
        min(at) AS oldest,
        groupUniqArrayIf(8)(toValidUTF8(toString(metric)), place = 4) AS unknown,
        sumResample(0, 124, 1)(events, slot) AS counts,
        sumResample(0, 124, 1)(total, slot) AS totals,
        maxResample(0, 124, 1)(peak, slot) AS peaks
    FROM
    (
        SELECT
            customer_id,
            metric,
            events, total, peak,
            toInt64(toUnixTimestamp(hour)) AS at,
            transform(metric, {metrics:Array(String)}, [0, 1, 2, 3], 4) AS place,
            intDiv(closing - at - 1, 86400) AS age,
            if(place = 4, 124, age * 4 + place) AS slot
        FROM usage_hourly WHERE hour >= toDateTime(intDiv({start:Int64}, 1000), 'UTC') AND hour < toDateTime(intDiv({end:Int64}, 1000), 'UTC')
    )
    GROUP BY customer_id
)
SETTINGS optimize_aggregation_in_order = 1, aggregation_in_order_max_block_bytes = 1000000
--- hours
WITH
    assumeNotNull((SELECT count() FROM (SELECT customer_id FROM usage_hourly WHERE hour >= toDateTime(intDiv({start:Int64}, 1000), 'UTC') AND hour < toDateTime(intDiv({end:Int64}, 1000), 'UTC') AND customer_id IN {customers:Array(String)} GROUP BY customer_id))) AS declared,
    intDiv({start:Int64}, 1000) AS opening
SELECT
    toUInt8(cityHash64(customer_id) % 24) AS bucket,
    customer_id,
    declared,
    unknown,
    arrayMap((events, total, peak, place) -> if(events = 0, nan, ifNotFinite(multiIf(place = 0, toFloat64(events), place = 1, total, place = 2, if(isFinite(total), peak, total), place = 3, total, nan), inf)), counts, totals, peaks, arrayMap(slot -> intDiv(slot, 48), range(192))) AS values
FROM
(
    SELECT
        customer_id,
        groupUniqArrayIf(8)(toValidUTF8(toString(metric)), place = 4) AS unknown,
        sumResample(0, 192, 1)(events, slot) AS counts,
        sumResample(0, 192, 1)(total, slot) AS totals,
        maxResample(0, 192, 1)(peak, slot) AS peaks
    FROM
    (
        SELECT
            customer_id,
            metric,
            events, total, peak,
            toInt64(toUnixTimestamp(hour)) AS at,
            transform(metric, {metrics:Array(String)}, [0, 1, 2, 3], 4) AS place,
            if(place = 4, 192, place * 48 + intDiv(at - opening, 3600)) AS slot
        FROM usage_hourly WHERE hour >= toDateTime(intDiv({start:Int64}, 1000), 'UTC') AND hour < toDateTime(intDiv({end:Int64}, 1000), 'UTC') AND customer_id IN {customers:Array(String)}
    )
    GROUP BY customer_id
)
ORDER BY toString(customer_id)
SETTINGS optimize_aggregation_in_order = 1, aggregation_in_order_max_block_bytes = 1000000, query_plan_execute_functions_after_sorting = 0
--- held
SELECT toUnixTimestamp(min(hour)), toUnixTimestamp(max(hour)), count()
FROM usage_hourly
WHERE hour < toDateTime(intDiv({end:Int64}, 1000), 'UTC') AND metric IN {metrics:Array(String)}
--- customers
SELECT groupUniqArray(toString(customer_id)) FROM usage_hourly WHERE hour >= toDateTime(intDiv({start:Int64}, 1000), 'UTC') AND hour < toDateTime(intDiv({end:Int64}, 1000), 'UTC') AND metric IN {metrics:Array(String)}
--- fits
SELECT bucket, argMax(fit, begun), argMax(customers, begun)
FROM usage_model_fits
WHERE definition = {definition:String} AND expires > now('UTC') + 3600
    AND toUnixTimestamp(day) = {newest:UInt32} - positiveModulo(intDiv({newest:UInt32}, 3600) - bucket, 24) * 3600
    AND begun > (SELECT max(begun) FROM usage_model_fits WHERE definition = 'forgotten')
GROUP BY bucket
ORDER BY bucket
SETTINGS select_sequential_consistency = 1
--- models
SELECT customer_id, {declared:UInt64} AS declared, zone, numbers,
       CAST([], 'Array(Tuple(UInt8, Array(Float32)))') AS usual
FROM usage_models
WHERE hour = toDateTime({newest:UInt32}, 'UTC') AND bucket IN {buckets:Array(UInt8)}
    AND fit IN {fits:Array(UInt64)}
ORDER BY customer_id
SETTINGS select_sequential_consistency = 1
