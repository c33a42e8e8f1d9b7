//! `meterflow`: prepares ClickHouse for the detector, fills it with usage, made up or one's own, and sends again the
//! alerts that a channel did not take.

// Only here may the time of day be read; what needs it is handed it.
#![allow(clippy::disallowed_methods)]

mod alerts;
mod check;
mod connection;
mod doctor;
mod events;
mod import;
mod migrate;
mod notifier_function;
mod output;
mod progress;
mod seed;
mod uninstall;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use jiff::Timestamp;
use platform::telemetry::error_chain;
use warehouse::rollup::MigrationError;

use crate::connection::Connection;

/// Usage-anomaly detection for metered customers: set up and fill its ClickHouse side, and send alerts again.
#[derive(Parser)]
#[command(name = "meterflow", version)]
struct Arguments {
    #[command(flatten)]
    connection: Connection,

    /// Show the SQL that failed, and all that ClickHouse said of it.
    #[arg(long, global = true)]
    verbose: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the tables, the views and the hourly rollup in line with the metric catalog.
    Migrate(migrate::MigrateArgs),
    /// Say whether a catalog is right; with a server also whether its columns, types and values are.
    Check(check::CheckArgs),
    /// Say what is wrong with an installation.
    Doctor(doctor::DoctorArgs),
    /// Take the views and tables of the rollup away. Events stay.
    Uninstall(uninstall::UninstallArgs),
    /// Insert made-up usage of many customers, with known anomalies among it.
    Seed(seed::SeedArgs),
    /// Insert usage of one's own from a CSV file.
    Import(import::ImportArgs),
    /// See to alerts that could not be delivered.
    Alerts(alerts::AlertsArgs),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let verbose = arguments.verbose;
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("meterflow: {}", error_chain(error.as_ref()));
            let details =
                error.downcast_ref::<MigrationError>().map(MigrationError::details).unwrap_or_default();
            if verbose {
                details.iter().for_each(|text| eprintln!("\n{text}"));
            } else if !details.is_empty() {
                eprintln!("The SQL is shown with --verbose.");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { connection, command, .. } = arguments;
    match command {
        // Alerts are in AWS: sending them again needs no ClickHouse.
        Command::Alerts(args) => alerts::run(args, Timestamp::now()).await,
        Command::Check(args) => check::run(&connection, args).await,
        Command::Doctor(args) => doctor::run(&connection, args, Timestamp::now()).await,
        Command::Migrate(args) => {
            let (catalog, server) = (connection.catalog()?, connection.server().await?);
            migrate::run(&server.client, &server.database, &catalog, args).await
        }
        Command::Uninstall(args) => uninstall::run(&connection.server().await?, args).await,
        Command::Seed(args) => seed::run(&connection.server().await?.client, args, Timestamp::now()).await,
        Command::Import(args) => {
            let (catalog, server) = (connection.catalog()?, connection.server().await?);
            import::run(&server.client, &catalog, args).await
        }
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
