-- The table execution_entity of n8n, as PeerDB replicates it from PostgreSQL.
CREATE TABLE execution_entity
(
    `id` Int64, `finished` Bool, `mode` String, `retryOf` Nullable(String), `retrySuccessId` Nullable(String), `status` String,
    `createdAt` DateTime64(6), `startedAt` Nullable(DateTime64(6)), `stoppedAt` Nullable(DateTime64(6)),
    `deletedAt` Nullable(DateTime64(6)), `workflowId` Nullable(String), `waitTill` Nullable(DateTime64(6)),
    `_peerdb_synced_at` DateTime64(9) DEFAULT now64(), `_peerdb_is_deleted` UInt8, `_peerdb_version` UInt64
)
ENGINE = ReplacingMergeTree(_peerdb_version) PRIMARY KEY id ORDER BY id;

INSERT INTO execution_entity (id, finished, mode, retryOf, status, createdAt, startedAt, stoppedAt, workflowId, waitTill, _peerdb_version)
SELECT id, status = 'success', mode, retry_of, status, now64(6) - 700, now64(6) - 700, if(stops, now64(6) - 700 + seconds, NULL), workflow, NULL, version
FROM VALUES('id Int64, mode String, retry_of Nullable(String), status String, seconds Int32, stops Bool, workflow String, version UInt64',
    (1, 'trigger', NULL, 'running', 0, false, 'orders', 1),
    (1, 'trigger', NULL, 'success', 40, true, 'orders', 2),
    (2, 'webhook', NULL, 'error', 10, true, 'orders', 1),
    (3, 'trigger', NULL, 'crashed', 20, true, 'orders', 1),
    (4, 'trigger', NULL, 'running', 0, false, 'orders', 1),
    (5, 'retry', '2', 'success', 40, true, 'orders', 1),
    (6, 'manual', NULL, 'error', 5, true, 'orders', 1),
    (7, 'trigger', NULL, 'canceled', 5, true, 'orders', 1),
    (8, 'trigger', NULL, 'waiting', 0, false, 'orders', 1),
    (9, 'trigger', NULL, 'success', -30, true, 'orders', 1),
    (10, 'integrated', NULL, 'success', 4, true, 'labels', 1));

-- The rows of a pipeline that sends a part twice.
INSERT INTO execution_entity SELECT * FROM execution_entity WHERE id IN (2, 10);
