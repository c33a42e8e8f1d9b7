//! `meterflow`: prepares ClickHouse for the detector and fills it with usage, made up or one's own.

// Only here may the time of day be read; what needs it is handed it.
#![allow(clippy::disallowed_methods)]

mod events;
mod import;
mod migrate;
mod output;
mod progress;
mod seed;

use std::process::ExitCode;

use adapters::catalog::Catalog;
use adapters::telemetry::error_chain;
use anyhow::Context;
use clap::{Parser, Subcommand};
use clickhouse::Client;
use jiff::Timestamp;

/// Usage-anomaly detection for metered customers: set up, fill and inspect its ClickHouse side.
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
    let Connection { clickhouse_url, database, user, password, catalog } = arguments.connection;
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
    client.clone().with_database("system").query("SELECT 1").fetch_one::<u8>().await.with_context(|| {
        format!("cannot use ClickHouse at {clickhouse_url} (check --clickhouse-url, --user and --password)")
    })?;
    match arguments.command {
        Command::Migrate(args) => migrate::run(&client, &database, &catalog, args).await,
        Command::Seed(args) => seed::run(&client, args, Timestamp::now()).await,
        Command::Import(args) => import::run(&client, &catalog, args).await,
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
