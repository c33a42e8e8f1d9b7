-- Table of the preset `qa_runs`: a row is written when a run of a test workflow is completed.

CREATE TABLE IF NOT EXISTS workflow_runs
(
    instance_id String,
    ticket_id String,
    user_id String,
    template_id String,
    execution_time_seconds Int32,
    succeeded Bool,
    completed_at DateTime64(3, 'UTC'),
    -- The largest share of the machine's memory and processors that the run took, from 0 to 100. NULL if nobody measured it.
    memory_percent Nullable(Float64),
    cpu_percent Nullable(Float64)
)
ENGINE = MergeTree
ORDER BY (user_id, template_id, completed_at);
