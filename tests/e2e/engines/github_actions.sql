-- Runs of workflows as a consumer of GitHub's webhook `workflow_run` writes them: each message is a version of its attempt.
CREATE TABLE github_workflow_runs
(
    id UInt64, run_attempt UInt16, run_number UInt32, workflow_id UInt64, name String, repository_full_name String, event String,
    head_branch Nullable(String), head_sha String, status String, conclusion Nullable(String), created_at DateTime('UTC'),
    run_started_at DateTime('UTC'), updated_at DateTime('UTC')
)
ENGINE = ReplacingMergeTree(updated_at) ORDER BY (id, run_attempt);

INSERT INTO github_workflow_runs
    (id, run_attempt, name, repository_full_name, event, head_branch, status, conclusion, created_at, run_started_at, updated_at)
SELECT id, attempt, 'CI', 'acme/shop', event, branch, status, nullIf(conclusion, ''), now() - 3000, now() - 900, now() - 900 + seconds
FROM VALUES('id UInt64, attempt UInt16, event String, branch String, status String, conclusion String, seconds Int32',
    (1, 1, 'push', 'main', 'in_progress', '', 5),
    (1, 1, 'push', 'main', 'completed', 'success', 300),
    (2, 1, 'push', 'main', 'completed', 'failure', 200),
    (2, 2, 'push', 'main', 'completed', 'success', 310),
    (3, 1, 'schedule', 'main', 'completed', 'timed_out', 600),
    (4, 1, 'push', 'main', 'in_progress', '', 5),
    (5, 1, 'workflow_dispatch', 'main', 'completed', 'failure', 9),
    (6, 1, 'push', 'feature', 'completed', 'failure', 9),
    (7, 1, 'push', 'main', 'completed', 'cancelled', 9),
    (8, 1, 'push', 'main', 'completed', 'skipped', 1));
