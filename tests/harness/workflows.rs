//! Executions of workflows and of their nodes, beside the usage of customers.

use anyhow::Result;
use catalog::Catalog;

use crate::warehouse::make_tables;
use crate::world::{END, World, at};

const TABLES: &str = include_str!("../../infra/clickhouse/executions.sql");

/// The built-in catalog and the preset of executions.
pub const CATALOG: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/catalog/catalog.toml,preset:executions");

/// The setting of a program that has this catalog.
pub const WITH_WORKFLOWS: (&str, &str) = ("CATALOG_PATH", CATALOG);

/// The columns of executions that tests fill.
const COLUMNS: &str =
    "id, workspace_id, workflow_id, status, started_at, finished_at, duration_ms, output_records";

/// The executions of each workflow.
pub const EXECUTIONS: i64 = 33 * 24;

impl World {
    /// A world with three workflows of `acme` and one of `globex`, each every hour for 33 days until END. They take 40 to 44
    /// seconds, write about 300 records, and one of fifty fails. The workflow `nightly` has two nodes, `extract` of 10 seconds and
    /// `load` of 30.
    pub async fn with_workflows() -> Result<Self> {
        let world = Self::new().await?;
        for statement in TABLES.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            world.clickhouse.query_raw(statement).execute().await?;
        }
        let catalog = Catalog::from_files(CATALOG)?;
        for source in catalog.all().filter(|source| source.entities().is_some()) {
            make_tables(&world.clickhouse, &world.database, source).await?;
        }
        let end = at(END).as_second();
        for statement in [
            format!(
                "INSERT INTO executions ({COLUMNS})
                 SELECT concat(workflow, '-', toString(number)), if(workflow = 'billing', 'globex', 'acme'), workflow,
                     if(number % 50 = 7, 'failed', 'completed'),
                     toDateTime64({end} - 60 - number * 3600, 3, 'UTC'), toDateTime64({end} - 10 - number * 3600, 3, 'UTC'),
                     40000 + number * 7919 % 4000, 280 + number * 31 % 40
                 FROM numbers({EXECUTIONS}) ARRAY JOIN ['nightly', 'import', 'etl/daily', 'billing'] AS workflow"
            ),
            format!(
                "INSERT INTO execution_nodes (id, execution_id, workspace_id, workflow_id, node_key, status, started_at,
                     finished_at, duration_ms)
                 SELECT concat(node, '-', toString(number)), concat('nightly-', toString(number)), 'acme', 'nightly', node,
                     'completed', toDateTime64({end} - 60 - number * 3600, 3, 'UTC'),
                     toDateTime64({end} - 20 - number * 3600, 3, 'UTC'), if(node = 'load', 30000, 10000)
                 FROM numbers({EXECUTIONS}) ARRAY JOIN ['extract', 'load'] AS node"
            ),
        ] {
            world.clickhouse.query_raw(&statement).execute().await?;
        }
        Ok(world)
    }

    /// Inserts an execution that ended so many seconds before END.
    ///
    /// * `rest`: its `status`, `duration` and `records`, as SQL.
    pub async fn execution(
        &self,
        customer: &str,
        id: &str,
        workflow: &str,
        seconds: i64,
        rest: &str,
    ) -> Result<()> {
        let end = at(END).as_second() - seconds;
        let sql = format!(
            "INSERT INTO executions ({COLUMNS}) SELECT '{id}', '{customer}', '{workflow}', status,
                 toDateTime64({end} - 50, 3, 'UTC'), if(status = 'running', NULL, toDateTime64({end}, 3, 'UTC')), duration,
                 records
             FROM (SELECT {rest})"
        );
        Ok(self.clickhouse.query_raw(&sql).execute().await?)
    }
}
