-- Tables of the preset `connectors`: attempts of calls, and their sums of each day.
--
-- An attempt is written once, when it is over. The row of a day may be written again while the day goes on: the newest one counts.

CREATE TABLE IF NOT EXISTS connector_call_attempts
(
    id String,
    execution_id String,
    execution_node_id String,
    workspace_id String,
    workflow_id String,
    connector_key LowCardinality(String),
    connector_operation LowCardinality(String),
    provider LowCardinality(String),
    attempt_no UInt16,
    is_retry Bool,
    status Enum8('success' = 1, 'client_error' = 2, 'server_error' = 3, 'timeout' = 4, 'network_error' = 5, 'cancelled' = 6),
    status_code Nullable(UInt16),
    duration_ms Nullable(UInt64),
    request_fingerprint String,
    error_code String,
    error_message String,
    happened_at DateTime64(3, 'UTC')
)
ENGINE = MergeTree
ORDER BY (workspace_id, connector_key, connector_operation, happened_at);

CREATE TABLE IF NOT EXISTS connector_metrics_daily
(
    workspace_id String,
    connector_key LowCardinality(String),
    connector_operation LowCardinality(String),
    day Date,
    total_calls UInt64,
    success_calls UInt64,
    failure_calls UInt64,
    retry_calls UInt64,
    timeout_calls UInt64,
    p50_latency_ms Nullable(Float64),
    p95_latency_ms Nullable(Float64),
    p99_latency_ms Nullable(Float64),
    written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (workspace_id, connector_key, connector_operation, day);
