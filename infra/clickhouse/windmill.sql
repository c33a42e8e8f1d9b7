-- Table of the preset `windmill`: completed jobs, with what Windmill's table v2_job says of them.
--
-- Run it in the database that v2_job and v2_job_completed are replicated into. The view reads the jobs of the last day every
-- five minutes. The table keeps one row a job. For jobs that are older, run the SELECT once as INSERT INTO windmill_jobs, without
-- its last condition.

CREATE TABLE IF NOT EXISTS windmill_jobs
(
    id String,
    workspace_id String,
    kind LowCardinality(String),
    runnable_path Nullable(String),
    flow_step_id Nullable(String),
    parent_job Nullable(String),
    trigger_kind Nullable(String),
    tag String,
    status LowCardinality(String),
    started_at Nullable(DateTime64(6, 'UTC')),
    completed_at DateTime64(6, 'UTC'),
    duration_ms Nullable(Int64),
    memory_peak Nullable(Int64)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(completed_at)
ORDER BY (workspace_id, completed_at, id);

CREATE MATERIALIZED VIEW IF NOT EXISTS windmill_jobs_filled REFRESH EVERY 5 MINUTE APPEND TO windmill_jobs AS
SELECT toString(done.id) AS id, done.workspace_id AS workspace_id, toString(job.kind) AS kind, job.runnable_path AS runnable_path,
    job.flow_step_id AS flow_step_id, toString(job.parent_job) AS parent_job, toString(job.trigger_kind) AS trigger_kind,
    job.tag AS tag, toString(done.status) AS status, done.started_at AS started_at, done.completed_at AS completed_at,
    done.duration_ms AS duration_ms, done.memory_peak AS memory_peak
FROM v2_job_completed AS done FINAL
INNER JOIN v2_job AS job FINAL ON job.id = done.id
WHERE done.completed_at > now() - INTERVAL 1 DAY;
