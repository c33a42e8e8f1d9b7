//! `meterflow`: prepares ClickHouse for the detector, fills it with usage, made up or one's own, and sends again the
//! alerts that a channel did not take.

// Only here may the time of day be read; what needs it is handed it.
#![allow(clippy::disallowed_methods)]

mod alerts;
mod events;
mod import;
mod migrate;
mod notifier_function;
mod output;
mod progress;
mod seed;

use std::process::ExitCode;

use anyhow::Context;
use catalog::Catalog;
use clap::{Parser, Subcommand};
use clickhouse::Client;
use jiff::Timestamp;
use platform::telemetry::error_chain;

/// Usage-anomaly detection for metered customers: set up and fill its ClickHouse side, and send alerts again.
#[derive(Parser)]
#[command(name = "meterflow", version)]
struct Arguments {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
#[command(next_help_heading = "Connection")]
struct Connection {
    /// Address of the ClickHouse HTTP interface.
    #[arg(long, global = true, env = "CLICKHOUSE_URL", default_value = "http://127.0.0.1:8123")]
    clickhouse_url: String,

    /// Database of the events and of the rollup.
    #[arg(long, global = true, env = "CLICKHOUSE_DATABASE", default_value = "meterflow")]
    database: String,

    #[arg(long, global = true, env = "CLICKHOUSE_USER", default_value = "default")]
    user: String,

    #[arg(long, global = true, env = "CLICKHOUSE_PASSWORD", hide_env_values = true, default_value = "")]
    password: String,

    /// Metric catalog, a TOML file; the built-in one where it is left out.
    #[arg(long, global = true, env = "CATALOG_PATH", value_name = "FILE")]
    catalog: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the tables, the views and the hourly rollup in line with the metric catalog.
    Migrate(migrate::MigrateArgs),
    /// Insert made-up usage of many customers, with known anomalies among it.
    Seed(seed::SeedArgs),
    /// Insert usage of one's own from a CSV file.
    Import(import::ImportArgs),
    /// See to alerts that could not be delivered.
    Alerts(alerts::AlertsArgs),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("meterflow: {}", error_chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { connection, command } = arguments;
    match command {
        // Alerts are in AWS: whoever sends them again need not reach ClickHouse.
        Command::Alerts(args) => alerts::run(args).await,
        Command::Migrate(args) => {
            let (client, database, catalog) = connection.open().await?;
            migrate::run(&client, &database, &catalog, args).await
        }
        Command::Seed(args) => {
            let (client, ..) = connection.open().await?;
            seed::run(&client, args, Timestamp::now()).await
        }
        Command::Import(args) => {
            let (client, _, catalog) = connection.open().await?;
            import::run(&client, &catalog, args).await
        }
    }
}

impl Connection {
    /// A client of a server that answers, the name of its database, and the catalog.
    async fn open(self) -> anyhow::Result<(Client, String, Catalog)> {
        let Self { clickhouse_url, database, user, password, catalog } = self;
        let client = Client::default()
            .with_url(&clickhouse_url)
            .with_user(user)
            .with_password(password)
            .with_database(&database)
            .with_product_info("meterflow", env!("CARGO_PKG_VERSION"));
        let catalog = match catalog.filter(|path| !path.is_empty()) {
            Some(path) => Catalog::from_file(&path)?,
            None => Catalog::built_in()?,
        };
        // Asked of a database that every server has: the one of this call may not exist yet.
        let system = client.clone().with_database("system");
        system.query("SELECT 1").fetch_one::<u8>().await.with_context(|| {
            format!(
                "cannot use ClickHouse at {clickhouse_url} (check --clickhouse-url, --user and --password)"
            )
        })?;
        Ok((client, database, catalog))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
