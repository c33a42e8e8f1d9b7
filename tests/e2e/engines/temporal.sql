-- The table executions_visibility of Temporal, as PeerDB replicates it from PostgreSQL.
CREATE TABLE executions_visibility
(
    `namespace_id` String, `run_id` String, `start_time` DateTime64(6), `execution_time` DateTime64(6), `workflow_id` String,
    `workflow_type_name` String, `status` Int32, `close_time` Nullable(DateTime64(6)), `history_length` Nullable(Int64),
    `history_size_bytes` Nullable(Int64), `execution_duration` Nullable(Int64), `state_transition_count` Nullable(Int64),
    `task_queue` Nullable(String), `search_attributes` Nullable(String),
    `_peerdb_synced_at` DateTime64(9) DEFAULT now64(), `_peerdb_is_deleted` UInt8, `_peerdb_version` UInt64
)
ENGINE = ReplacingMergeTree(_peerdb_version) PRIMARY KEY (namespace_id, run_id) ORDER BY (namespace_id, run_id);

INSERT INTO executions_visibility
    (namespace_id, run_id, start_time, execution_time, workflow_id, workflow_type_name, status, close_time, execution_duration, _peerdb_version)
SELECT namespace, run, now64(6) - 800, now64(6) - 800, workflow, 'Order', status, if(status = 1, NULL, now64(6) - 800 + seconds),
    if(status = 1, NULL, seconds * 1000000000), version
FROM VALUES('namespace String, run String, workflow String, status Int32, seconds Int64, version UInt64',
    ('shop', 'r1', 'order-1', 1, 0, 1),
    ('shop', 'r1', 'order-1', 2, 30, 2),
    ('shop', 'r2', 'order-2', 3, 5, 1),
    ('shop', 'r3', 'order-3', 7, 60, 1),
    ('shop', 'r4', 'order-4', 1, 0, 1),
    ('shop', 'r5', 'order-5', 4, 5, 1),
    ('shop', 'r6', 'order-6', 5, 5, 1),
    ('shop', 'r7', 'order-7', 6, 300, 1),
    ('shop', 'r8', 'order-7', 2, 20, 1),
    ('bank', 'r1', 'order-1', 2, 10, 1));
