-- Tables of the preset `executions`: executions of workflows and of their nodes.
--
-- A row is written once, when an execution or a node is finished. A row that is written while it runs, and again later, would
-- count each time that it is written as finished.

CREATE TABLE IF NOT EXISTS executions
(
    id String,
    workspace_id String,
    workflow_id String,
    parent_execution_id String,
    replay_of_execution_id String,
    is_deterministic_replay Bool,
    status LowCardinality(String),
    started_at DateTime64(3, 'UTC'),
    finished_at Nullable(DateTime64(3, 'UTC')),
    duration_ms Nullable(UInt64),
    output_records Nullable(UInt64),
    estimated_cost_usd Nullable(Float64),
    error_message String
)
ENGINE = MergeTree
ORDER BY (workspace_id, workflow_id, started_at);

CREATE TABLE IF NOT EXISTS execution_nodes
(
    id String,
    execution_id String,
    workspace_id String,
    workflow_id String,
    node_key LowCardinality(String),
    node_type LowCardinality(String),
    sequence UInt32,
    status LowCardinality(String),
    started_at DateTime64(3, 'UTC'),
    finished_at Nullable(DateTime64(3, 'UTC')),
    duration_ms Nullable(UInt64),
    output_records Nullable(UInt64),
    error_message String
)
ENGINE = MergeTree
ORDER BY (workspace_id, workflow_id, node_key, started_at);
