//! `meterflow`: prepares ClickHouse for the detector, inserts usage, checks an installation, and hands over again
//! what failed.

// Only this file may read the time of day. It passes the time on.
#![allow(clippy::disallowed_methods)]

mod alerts;
mod backtest;
mod check;
mod connection;
mod csv_file;
mod doctor;
mod events;
mod failures;
mod forget;
mod functions;
mod import;
mod init;
mod manual;
mod migrate;
mod output;
mod progress;
mod schema;
mod seed;
mod train;
mod uninstall;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use jiff::Timestamp;
use platform::telemetry::error_chain;
use warehouse::rollup::MigrationError;

use crate::connection::Connection;

/// Usage-anomaly detection for metered customers: set up ClickHouse, check an installation, hand over again what failed.
#[derive(Parser)]
#[command(name = "meterflow", version = platform::version())]
struct Arguments {
    #[command(flatten)]
    connection: Connection,

    /// Show the SQL that failed, and ClickHouse's whole message.
    #[arg(long, global = true)]
    verbose: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the tables, the views and the hourly rollup in line with the metric catalog.
    Migrate(migrate::MigrateArgs),
    /// Look at a table, and write a first source for it.
    Init(init::InitArgs),
    /// Print the JSON schema of a catalog, by which editors complete and check it.
    Schema,
    /// Check a catalog. With a server, check its columns, types and values too.
    Check(check::CheckArgs),
    /// Find the faults of an installation, and name the next step for each.
    Doctor(doctor::DoctorArgs),
    /// Remove the views and tables of the rollup. Events stay.
    Uninstall(uninstall::UninstallArgs),
    /// Show what failed, and hand it over again: runs, events, and alerts that were not delivered.
    Failures(failures::FailuresArgs),
    /// Remove a customer from the rollups, the models and the table of anomalies.
    Forget(forget::ForgetArgs),
    /// Insert made-up usage of many customers, with known anomalies among it.
    Seed(seed::SeedArgs),
    /// Insert your own usage from a CSV file.
    Import(import::ImportArgs),
    /// Judge days of the past hour by hour, and show what would have paged. With --csv it needs no server.
    Backtest(backtest::BacktestArgs),
    /// Train the networks of machines on normal samples. It needs no server.
    Train(train::TrainArgs),
    /// Handle undelivered alerts.
    Alerts(alerts::AlertsArgs),
    /// Print the script by which a shell completes the commands of this program.
    Completions(manual::CompletionsArgs),
    /// Write the manual pages of this program into a folder.
    Man(manual::ManArgs),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let verbose = arguments.verbose;
    let is_backtest = matches!(arguments.command, Command::Backtest(_));
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
            if is_backtest { backtest::exit_code(&error) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { connection, command, .. } = arguments;
    match command {
        // Alerts are in AWS, so this command needs no ClickHouse.
        Command::Alerts(args) => alerts::run(args).await,
        Command::Backtest(args) => {
            let now = Timestamp::now();
            tokio::task::spawn_blocking(move || backtest::run(&connection, &args, now)).await?
        }
        Command::Check(args) => check::run(&connection, args).await,
        Command::Completions(args) => manual::completions(Arguments::command(), &args),
        Command::Doctor(args) => doctor::run(&connection, args, Timestamp::now()).await,
        Command::Failures(args) => failures::run(args, Timestamp::now()).await,
        Command::Forget(args) => forget::run(&connection, args, Timestamp::now()).await,
        Command::Init(args) => init::run(&connection, args).await,
        Command::Migrate(args) => {
            let (catalog, server) = (connection.catalog()?, connection.server().await?);
            migrate::run(&connection, &server, &catalog, args).await
        }
        Command::Man(args) => manual::pages(Arguments::command(), &args),
        Command::Train(args) => train::run(args).await,
        Command::Schema => {
            schema::run();
            Ok(())
        }
        Command::Uninstall(args) => uninstall::run(&connection, args).await,
        Command::Seed(args) => seed::run(&connection.server().await?.client, args, Timestamp::now()).await,
        Command::Import(args) => {
            let (catalog, server) = (connection.catalog()?, connection.server().await?);
            import::run(&server.client, &catalog, args).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
