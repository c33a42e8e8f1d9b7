-- The tables dag_run and task_instance of Airflow, as PeerDB replicates them from PostgreSQL.
CREATE TABLE dag_run
(
    `id` Int32, `dag_id` String, `run_id` String, `run_type` String, `state` Nullable(String), `logical_date` Nullable(DateTime64(6)),
    `start_date` Nullable(DateTime64(6)), `end_date` Nullable(DateTime64(6)),
    `_peerdb_synced_at` DateTime64(9) DEFAULT now64(), `_peerdb_is_deleted` UInt8, `_peerdb_version` UInt64
)
ENGINE = ReplacingMergeTree(_peerdb_version) PRIMARY KEY id ORDER BY id;

CREATE TABLE task_instance
(
    `task_id` String, `dag_id` String, `run_id` String, `map_index` Int32, `start_date` Nullable(DateTime64(6)),
    `end_date` Nullable(DateTime64(6)), `duration` Nullable(Float64), `state` Nullable(String), `try_number` Nullable(Int32),
    `max_tries` Nullable(Int32), `operator` Nullable(String), `updated_at` Nullable(DateTime64(6)),
    `_peerdb_synced_at` DateTime64(9) DEFAULT now64(), `_peerdb_is_deleted` UInt8, `_peerdb_version` UInt64
)
ENGINE = ReplacingMergeTree(_peerdb_version) PRIMARY KEY (dag_id, task_id, run_id, map_index) ORDER BY (dag_id, task_id, run_id, map_index);

INSERT INTO dag_run (id, dag_id, run_id, run_type, state, logical_date, start_date, end_date, _peerdb_version)
SELECT id, 'sales', concat(run_type, '__', toString(id)), run_type, state, logical, now64(6) - 900, if(ends, now64(6) - 900 + seconds, NULL), version
FROM VALUES('id Int32, run_type String, state String, seconds Int32, ends Bool, logical DateTime64(6), version UInt64',
    (1, 'scheduled', 'running', 0, false, '2026-11-20 00:00:00', 1),
    (1, 'scheduled', 'success', 300, true, '2026-11-20 00:00:00', 2),
    (2, 'scheduled', 'failed', 120, true, '2026-11-20 00:00:00', 1),
    (3, 'scheduled', 'running', 0, false, '2026-11-20 00:00:00', 1),
    (4, 'manual', 'failed', 10, true, '2026-11-20 00:00:00', 1),
    (5, 'backfill', 'success', 10, true, '2026-01-01 00:00:00', 1),
    (6, 'asset_triggered', 'success', 200, true, '2026-11-20 00:00:00', 1));

-- A task that failed, was tried again and succeeded; one that failed; one that runs; skipped ones; one by hand.
INSERT INTO task_instance (task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries, _peerdb_version)
SELECT task, 'sales', run, map_index, now64(6) - 900, if(ends, now64(6) - 900 + seconds, NULL), if(ends, seconds, NULL), state, try, 2, version
FROM VALUES('task String, run String, map_index Int32, state String, try Int32, seconds Float64, ends Bool, version UInt64',
    ('load', 'scheduled__1', -1, 'up_for_retry', 1, 30, true, 1),
    ('load', 'scheduled__1', -1, 'running', 2, 0, false, 2),
    ('load', 'scheduled__1', -1, 'success', 2, 90, true, 3),
    ('load', 'scheduled__2', -1, 'failed', 3, 60, true, 1),
    ('load', 'scheduled__3', -1, 'running', 1, 0, false, 1),
    ('load', 'manual__4', -1, 'failed', 1, 5, true, 1),
    ('load', 'backfill__5', -1, 'success', 1, 5, true, 1),
    ('load', 'scheduled__7', -1, 'skipped', 1, 0, true, 1),
    ('load', 'scheduled__8', -1, 'upstream_failed', 0, 0, true, 1),
    ('part', 'scheduled__1', 0, 'success', 1, 10, true, 1),
    ('part', 'scheduled__1', 1, 'success', 1, 20, true, 1));
