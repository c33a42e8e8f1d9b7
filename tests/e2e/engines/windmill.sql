-- The tables v2_job and v2_job_completed of Windmill, as PeerDB replicates them from PostgreSQL.
CREATE TABLE v2_job
(
    `id` UUID, `workspace_id` String, `created_at` DateTime64(6), `kind` String, `runnable_path` Nullable(String),
    `parent_job` Nullable(UUID), `root_job` Nullable(UUID), `flow_step_id` Nullable(String), `trigger_kind` Nullable(String), `tag` String,
    `_peerdb_synced_at` DateTime64(9) DEFAULT now64(), `_peerdb_is_deleted` UInt8, `_peerdb_version` UInt64
)
ENGINE = ReplacingMergeTree(_peerdb_version) PRIMARY KEY id ORDER BY id;

CREATE TABLE v2_job_completed
(
    `id` UUID, `workspace_id` String, `duration_ms` Int64, `result` Nullable(String), `status` String, `started_at` Nullable(DateTime64(6)),
    `completed_at` DateTime64(6), `memory_peak` Nullable(Int32), `retries` Array(UUID),
    `_peerdb_synced_at` DateTime64(9) DEFAULT now64(), `_peerdb_is_deleted` UInt8, `_peerdb_version` UInt64
)
ENGINE = ReplacingMergeTree(_peerdb_version) PRIMARY KEY id ORDER BY id;

-- A flow and its step; a failed script; a canceled and a skipped job; a preview; one that somebody started; one that still runs.
INSERT INTO v2_job (id, workspace_id, created_at, kind, runnable_path, parent_job, flow_step_id, trigger_kind, tag, _peerdb_version)
SELECT toUUID(concat('00000000-0000-0000-0000-00000000000', toString(number))), 'acme', now64(6) - 800, kind, 'f/etl/load',
    if(step = '', NULL, toUUID('00000000-0000-0000-0000-000000000001')), nullIf(step, ''), nullIf(trigger, ''), 'default', 1
FROM VALUES('number UInt8, kind String, step String, trigger String',
    (1, 'flow', '', 'schedule'), (2, 'script', 'a', ''), (3, 'script', '', 'webhook'), (4, 'script', '', 'schedule'),
    (5, 'flow', '', 'schedule'), (6, 'preview', '', ''), (7, 'script', '', 'ui'), (8, 'flow', '', 'schedule'));

INSERT INTO v2_job_completed (id, workspace_id, duration_ms, status, started_at, completed_at, memory_peak, _peerdb_version)
SELECT toUUID(concat('00000000-0000-0000-0000-00000000000', toString(number))), 'acme', ms, status, now64(6) - 800,
    now64(6) - 700, 1000, 1
FROM VALUES('number UInt8, status String, ms Int64',
    (1, 'success', 40000), (2, 'success', 9000), (3, 'failure', 2000), (4, 'canceled', 1), (5, 'skipped', 1), (6, 'failure', 5),
    (7, 'failure', 5));
INSERT INTO v2_job_completed SELECT * FROM v2_job_completed;
