//! The presets of workflow engines, each on tables of the engine's shape. What its expressions count is exactly what ran: not
//! the versions of a row, what still runs, what somebody started by hand, what was skipped or cancelled.

use anyhow::Result;
use catalog::Catalog;
use detection::Window;
use e2e::Warehouse;
use e2e::world::{timestamp, variable};
use environment::Env;
use jiff::Timestamp;
use warehouse::ClickHouseConfig;
use warehouse::usage::UsageReader;

struct Engine {
    preset: &'static str,
    /// Tables, and rows that were written a few minutes ago.
    tables: &'static [&'static str],
    expected: &'static [Counted],
    /// Another version of a row of the first source, and what it counts then.
    later: &'static str,
    then: Counted,
}

/// Source; customer and entity; metric; events; how many of them failed; total of the values.
type Counted = (&'static str, &'static str, &'static str, u64, u64, f64);

const ENGINES: [Engine; 6] = [
    Engine {
        preset: "n8n",
        tables: &[include_str!("engines/n8n.sql")],
        expected: &[
            ("n8n", "n8n|orders", "n8n_count", 4, 2, 4.0),
            ("n8n", "n8n|orders", "n8n_error_rate", 4, 2, 4.0),
            // An execution that ended before it started counts, and has no duration.
            ("n8n", "n8n|orders", "n8n_duration", 3, 2, 70_000.0),
            ("n8n", "n8n|labels", "n8n_count", 1, 0, 1.0),
            ("n8n", "n8n|labels", "n8n_duration", 1, 0, 4_000.0),
        ],
        later: "INSERT INTO execution_entity (id, mode, status, createdAt, startedAt, stoppedAt, workflowId, _peerdb_version) \
                SELECT id, mode, 'error', createdAt, startedAt, startedAt + 60, workflowId, 2 FROM execution_entity WHERE id = 4",
        then: ("n8n", "n8n|orders", "n8n_count", 5, 3, 5.0),
    },
    Engine {
        preset: "airflow",
        tables: &[include_str!("engines/airflow.sql")],
        expected: &[
            ("airflow_runs", "airflow|sales", "airflow_run_count", 3, 1, 3.0),
            ("airflow_runs", "airflow|sales", "airflow_run_duration", 3, 1, 620_000.0),
            ("airflow_tasks", "airflow|sales|load", "airflow_task_error_rate", 2, 1, 2.0),
            ("airflow_tasks", "airflow|sales|load", "airflow_task_duration", 2, 1, 150_000.0),
            ("airflow_tasks", "airflow|sales|load", "airflow_task_tries", 2, 1, 5.0),
            ("airflow_tasks", "airflow|sales|part", "airflow_task_duration", 2, 0, 30_000.0),
        ],
        // The failed task was cleared, so its run goes on.
        later: "INSERT INTO dag_run (id, dag_id, run_id, run_type, state, start_date, end_date, _peerdb_version) \
                SELECT id, dag_id, run_id, run_type, 'running', start_date, NULL, 2 FROM dag_run WHERE id = 2",
        then: ("airflow_runs", "airflow|sales", "airflow_run_count", 2, 0, 2.0),
    },
    Engine {
        preset: "temporal",
        tables: &[include_str!("engines/temporal.sql")],
        expected: &[
            ("temporal", "shop|Order", "temporal_count", 4, 2, 4.0),
            ("temporal", "shop|Order", "temporal_duration", 4, 2, 115_000.0),
            // The same id in another namespace.
            ("temporal", "bank|Order", "temporal_duration", 1, 0, 10_000.0),
        ],
        later: "INSERT INTO executions_visibility (namespace_id, run_id, start_time, execution_time, workflow_id, workflow_type_name, \
                status, close_time, execution_duration, _peerdb_version) SELECT namespace_id, run_id, start_time, execution_time, \
                workflow_id, workflow_type_name, 2, start_time + 90, 90000000000, 2 FROM executions_visibility WHERE run_id = 'r4'",
        then: ("temporal", "shop|Order", "temporal_count", 5, 2, 5.0),
    },
    Engine {
        preset: "kestra",
        tables: &[include_str!("engines/kestra.sql")],
        expected: &[
            ("kestra", "main|shop.etl|load", "kestra_count", 3, 1, 3.0),
            ("kestra", "main|shop.etl|load", "kestra_duration", 3, 1, 165_000.0),
            ("kestra", "acme|shop.etl|load", "kestra_duration", 1, 0, 20_000.0),
        ],
        later: "INSERT INTO executions (key, value, namespace, flow_id, id, state_current, start_date, end_date, _peerdb_version) \
                SELECT key, value, namespace, flow_id, id, 'FAILED', start_date, start_date + 9, 2 FROM executions WHERE id = 'e4'",
        then: ("kestra", "main|shop.etl|load", "kestra_count", 4, 2, 4.0),
    },
    Engine {
        preset: "windmill",
        tables: &[include_str!("engines/windmill.sql"), include_str!("../../infra/clickhouse/windmill.sql")],
        expected: &[
            ("windmill", "acme|f/etl/load", "windmill_count", 2, 1, 2.0),
            ("windmill", "acme|f/etl/load", "windmill_duration", 2, 1, 42_000.0),
            ("windmill", "acme|f/etl/load", "windmill_memory", 2, 1, 2_048_000.0),
        ],
        later: "INSERT INTO windmill_jobs (id, workspace_id, kind, runnable_path, status, completed_at, duration_ms) \
                VALUES ('00000000-0000-0000-0000-000000000008', 'acme', 'flow', 'f/etl/load', 'success', now64(6) - 500, 1)",
        then: ("windmill", "acme|f/etl/load", "windmill_count", 3, 1, 3.0),
    },
    Engine {
        preset: "github_actions",
        tables: &[include_str!("engines/github_actions.sql")],
        expected: &[
            // A run that was run again is two events: each attempt has its own end.
            ("github_actions", "acme|acme/shop|CI", "github_count", 4, 2, 4.0),
            ("github_actions", "acme|acme/shop|CI", "github_duration", 2, 0, 610.0),
        ],
        later: "INSERT INTO github_workflow_runs (id, run_attempt, name, repository_full_name, event, head_branch, status, conclusion, \
                created_at, run_started_at, updated_at) SELECT id, run_attempt, name, repository_full_name, event, head_branch, \
                'completed', 'failure', created_at, run_started_at, run_started_at + 60 FROM github_workflow_runs WHERE id = 4",
        then: ("github_actions", "acme|acme/shop|CI", "github_count", 5, 3, 5.0),
    },
];

#[tokio::test]
async fn each_engine_is_counted_by_its_finished_runs_of_production() -> Result<()> {
    for Engine { preset, tables, expected, later, then } in ENGINES {
        let warehouse = Warehouse::empty().await?;
        for statement in tables.iter().flat_map(|text| statements(text)) {
            warehouse.run(statement).await?;
        }
        if let Some(filling) = tables.iter().find_map(|text| query_of_view(text)) {
            warehouse.run(&format!("INSERT INTO windmill_jobs {filling}")).await?;
        }
        let catalog = Catalog::from_files(&format!("preset:{preset}"))?;
        for source in catalog.all() {
            warehouse.migrate(source).await?;
        }
        assert_counts(&warehouse, expected).await?;
        assert_no_others(&warehouse, &catalog, expected).await?;
        assert_eq!(polled(&warehouse, &catalog).await?, 0, "{preset}: a second look changes nothing");
        warehouse.run(later).await?;
        assert!(polled(&warehouse, &catalog).await? > 0, "{preset}");
        assert_counts(&warehouse, &[then]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn calls_of_connectors_are_counted_by_attempts_and_days() -> Result<()> {
    const TABLES: &str = include_str!("../../infra/clickhouse/connectors.sql");
    let warehouse = Warehouse::empty().await?;
    let catalog = Catalog::from_files("preset:connectors")?;
    for statement in statements(TABLES) {
        warehouse.run(statement).await?;
    }
    // Attempts come by views, so these exist first.
    for source in catalog.all() {
        warehouse.migrate(source).await?;
    }
    for statement in statements(include_str!("engines/connectors.sql")) {
        warehouse.run(statement).await?;
    }
    assert_eq!(polled(&warehouse, &catalog).await?, 1, "the day");
    assert_counts(
        &warehouse,
        &[
            ("connectors", "acme|crm|search", "connector_calls", 5, 3, 5.0),
            ("connectors", "acme|crm|search", "connector_error_rate", 5, 3, 5.0),
            ("connectors", "acme|crm|search", "connector_latency", 2, 0, 200.0),
            // The newest row of the day: 10 of 100 calls.
            ("connector_days", "acme|crm|search", "connector_retries", 1, 0, 0.1),
        ],
    )
    .await
}

/// Looks for rows that changed, as a run of each source does. Returns the hours of metrics that had changed.
async fn polled(warehouse: &Warehouse, catalog: &Catalog) -> Result<usize> {
    let url = variable("CLICKHOUSE_URL")?;
    let variables = [("CLICKHOUSE_URL", url.as_str()), ("CLICKHOUSE_DATABASE", warehouse.database.as_str())];
    let config = ClickHouseConfig::from_env(&Env::of(&variables))?;
    let reader = UsageReader::new(&config, &platform::aws::config().await);
    // The rows are of the last minutes, so the window is that of this hour.
    let end = (timestamp().as_second() / 3_600 + 1) * 3_600;
    let window = Window::closing_at(Timestamp::from_second(end)?)?;
    let mut hours = 0;
    for source in catalog.all() {
        hours += reader.poll(source, &window).await?;
    }
    Ok(hours)
}

/// Compares the rollup with these counts.
async fn assert_counts(warehouse: &Warehouse, expected: &[Counted]) -> Result<()> {
    for (source, entity, metric, events, bad, total) in expected {
        let rollup = format!(
            "SELECT sum(events), sum(bad), sum(total) FROM {source}_hourly FINAL
             WHERE metric = '{metric}' AND replaceAll(customer_id, '\\x1f', '|') = '{entity}'"
        );
        let found: (u64, u64, f64) = warehouse.one(&rollup).await?;
        assert_eq!(found, (*events, *bad, *total), "{entity} {metric}");
    }
    Ok(())
}

/// Whether nothing but the expected entities is counted.
async fn assert_no_others(warehouse: &Warehouse, catalog: &Catalog, expected: &[Counted]) -> Result<()> {
    for source in catalog.all() {
        let known = expected.iter().filter(|of| of.0 == source.name());
        let known: Vec<_> = known.map(|of| format!("'{}'", of.1)).collect();
        let others = format!(
            "SELECT count() FROM {}_hourly FINAL WHERE replaceAll(customer_id, '\\x1f', '|') NOT IN ({})",
            source.name(),
            known.join(", ")
        );
        assert_eq!(warehouse.one::<u64>(&others).await?, 0, "{}", source.name());
    }
    Ok(())
}

fn statements(text: &str) -> impl Iterator<Item = &str> {
    text.split(";\n").map(|statement| statement.trim().trim_end_matches(';')).filter(|text| !text.is_empty())
}

/// The query of a view that fills its table from time to time: the test does not wait for it.
fn query_of_view(text: &str) -> Option<&str> {
    let view = statements(text).find(|statement| statement.contains("CREATE MATERIALIZED VIEW"))?;
    view.split_once(" AS\n").map(|(_, query)| query)
}
