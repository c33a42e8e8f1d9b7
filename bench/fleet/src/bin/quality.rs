//! `make bench-quality`: judges labelled records of the public by the rules for entities, and prints the tables.
//!
//! `--write FOLDER` also writes the tables into `quality.md` of that folder. A goal that is missed makes the program fail, unless it is
//! known to be missed.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use fleet::page::Marks;
use fleet::quality::{files, tables};

/// Judges labelled records of executions, nodes and error lines by rules, and prints what each rule flags.
#[derive(Parser)]
struct Arguments {
    /// The folder of the records. docs/quality.md says which files it holds.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Write the tables to this folder.
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

const TABLES: Marks = Marks {
    begin: "<!-- Written by `make bench-quality`. -->",
    end: "<!-- End of the part that `make bench-quality` writes. -->",
};

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let (text, figures) = tables::tables(&files::read(&arguments.data)?)?;
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the report")?;
    if let Some(folder) = &arguments.write {
        TABLES.write(&folder.join("quality.md"), &text)?;
    }
    let missed: Vec<_> = figures.into_iter().filter(|figure| figure.is_missed()).collect();
    missed.iter().for_each(|figure| eprintln!("missed: {}", figure.name));
    Ok(if !missed.iter().any(|figure| figure.fails()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
