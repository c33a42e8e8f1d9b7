-- A retried call, a failed one, a slow one that timed out, and one that somebody cancelled.
INSERT INTO connector_call_attempts
    (id, execution_id, workspace_id, workflow_id, connector_key, connector_operation, attempt_no, is_retry, status, duration_ms, happened_at)
SELECT id, 'e1', 'acme', 'orders', 'crm', 'search', attempt, attempt > 1, status, ms, now64(3) - 600
FROM VALUES('id String, attempt UInt16, status String, ms UInt64',
    ('a1', 1, 'server_error', 90), ('a2', 2, 'success', 120), ('a3', 1, 'success', 80), ('a4', 1, 'client_error', 10),
    ('a5', 1, 'timeout', 30000), ('a6', 1, 'cancelled', 5));

-- The row of a day is written again while the day goes on.
INSERT INTO connector_metrics_daily
    (workspace_id, connector_key, connector_operation, day, total_calls, success_calls, failure_calls, retry_calls, timeout_calls, written_at)
SELECT 'acme', 'crm', 'search', today() - 1, calls, calls - 1, 1, retries, 0, now64(3) - seconds
FROM VALUES('calls UInt64, retries UInt64, seconds UInt32', (40, 2, 7200), (100, 10, 3600));
