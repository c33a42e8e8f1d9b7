-- The table executions of Kestra, as PeerDB replicates it from PostgreSQL.
CREATE TABLE executions
(
    `key` String, `value` String, `deleted` Bool, `tenant_id` Nullable(String), `namespace` String, `flow_id` String, `id` String,
    `state_current` String, `state_duration` Nullable(Float64), `start_date` DateTime64(6), `end_date` Nullable(DateTime64(6)),
    `trigger_execution_id` Nullable(String), `kind` Nullable(String),
    `_peerdb_synced_at` DateTime64(9) DEFAULT now64(), `_peerdb_is_deleted` UInt8, `_peerdb_version` UInt64
)
ENGINE = ReplacingMergeTree(_peerdb_version) PRIMARY KEY key ORDER BY key;

-- state_duration has lost the minutes of the first execution.
INSERT INTO executions (key, value, tenant_id, namespace, flow_id, id, state_current, state_duration, start_date, end_date, kind, _peerdb_version)
SELECT id, value, tenant, 'shop.etl', 'load', id, state, 5, now64(6) - 800, if(ends, now64(6) - 800 + seconds, NULL), kind, version
FROM VALUES('id String, value String, tenant Nullable(String), state String, seconds Int32, ends Bool, kind Nullable(String), version UInt64',
    ('e1', '{"trigger": {"type": "io.kestra.plugin.core.trigger.Schedule"}}', NULL, 'RUNNING', 0, false, NULL, 1),
    ('e1', '{"trigger": {"type": "io.kestra.plugin.core.trigger.Schedule"}}', NULL, 'SUCCESS', 125, true, NULL, 2),
    ('e2', '{"trigger": {"type": "io.kestra.plugin.core.trigger.Schedule"}}', NULL, 'FAILED', 10, true, 'NORMAL', 1),
    ('e3', '{"trigger": {"type": "io.kestra.plugin.core.trigger.Webhook"}}', NULL, 'WARNING', 30, true, NULL, 1),
    ('e4', '{"trigger": {"type": "io.kestra.plugin.core.trigger.Schedule"}}', NULL, 'RUNNING', 0, false, NULL, 1),
    ('e5', '{"trigger": {"type": "io.kestra.plugin.core.trigger.Schedule"}}', NULL, 'RETRIED', 5, true, NULL, 1),
    ('e6', '{"trigger": {"type": "io.kestra.plugin.core.trigger.Schedule"}}', NULL, 'KILLED', 5, true, NULL, 1),
    ('e7', '{"trigger": null}', NULL, 'FAILED', 5, true, NULL, 1),
    ('e8', '{}', NULL, 'FAILED', 5, true, NULL, 1),
    ('e9', '{"trigger": {"type": "io.kestra.plugin.core.trigger.Schedule"}}', NULL, 'FAILED', 5, true, 'TEST', 1),
    ('e10', '{"trigger": {"type": "io.kestra.plugin.core.trigger.Schedule"}}', 'acme', 'SUCCESS', 20, true, NULL, 1));
