//! `meterflow import FILE.csv`: inserts a user's own usage.
//!
//! The file is read twice. The first pass checks every line. If one is wrong, nothing is inserted: half a file of usage
//! is worse than none. The second pass inserts. Events that are in the table already are looked up first. So a file is
//! not counted twice, and an import that was cut off can be completed (see [`earlier`]).

mod check;
mod earlier;
mod line;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use catalog::Catalog;
use clickhouse::Client;
use clickhouse::insert::Insert;
use tokio::task::JoinSet;

use self::check::Checked;
use self::earlier::{Action, Place, Present};
use self::line::{Columns, Line, Rules};
use crate::csv_file::CsvFile;
use crate::events::{EVENTS, EventRow, insert};
use crate::output::say;
use crate::progress::Progress;

/// Rows in one INSERT.
const BLOCK_ROWS: u64 = 250_000;
/// Lines between two steps of the progress bar.
const STEP: u64 = 10_000;

#[derive(clap::Args)]
pub(crate) struct ImportArgs {
    /// A CSV file. Its header names the columns customer_id, metric or event_type, timestamp and value.
    ///
    /// With `metric`, a line is a value of a metric of the catalog. For a count it stands for that many events at that
    /// time (an empty value is one event). With `event_type`, a line is one event of this type, with {"value": value}
    /// as its properties. The value may be empty. Times are RFC 3339, `YYYY-MM-DD HH:MM:SS` in UTC, or Unix
    /// milliseconds.
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,

    /// Check the file and insert nothing.
    #[arg(long, conflicts_with_all = ["again", "resume"])]
    dry_run: bool,

    /// Import the file again. Its usage then counts twice.
    #[arg(long, conflicts_with = "resume")]
    again: bool,

    /// Complete an import that was cut off: insert the missing events.
    #[arg(long)]
    resume: bool,
}

pub(crate) async fn run(client: &Client, catalog: &Catalog, args: ImportArgs) -> anyhow::Result<()> {
    let rules = Rules::of_catalog(catalog);
    let checked = check::check(&args.file, &rules)?;
    say!("{}: {}", args.file.display(), checked.summary());
    for remark in checked.remarks(&rules) {
        say!("{remark}");
    }
    if args.dry_run {
        return Ok(());
    }
    let prefix = earlier::prefix_of_file(&checked.digest);
    let stored = earlier::stored(client, &prefix).await?;
    match earlier::decide(&stored, checked.events, args.again, args.resume)? {
        Action::Nothing => say!("every event of the file is in `{EVENTS}` already"),
        Action::Insert { copy } => {
            let prefix = format!("{prefix}{copy}-");
            import(client, &args.file, &rules, &checked, &prefix, None, checked.events).await?;
        }
        Action::Complete { copy, missing } => {
            let prefix = format!("{prefix}{copy}-");
            let present = Present::of_copy(client, &prefix)
                .await
                .context("cannot list the events of the import that was cut off")?;
            import(client, &args.file, &rules, &checked, &prefix, Some(present), missing).await?;
        }
    }
    Ok(())
}

/// The second pass, and a count of the stored events.
async fn import(
    client: &Client,
    path: &Path,
    rules: &Rules,
    checked: &Checked,
    prefix: &str,
    mut present: Option<Present>,
    missing: u64,
) -> anyhow::Result<()> {
    let unfinished =
        || format!("the import of {} was not finished; run it again with --resume", path.display());
    let mut writer = Writer::new(client, prefix, missing);
    let mut file = CsvFile::open(path, Columns::of_header)?;
    let columns = file.columns;
    while let Some((number, record)) = file.next().with_context(unfinished)? {
        let Ok(line) = rules.parse(columns, record) else { bail!("{}", changed(path)) };
        for index in 0..line.events {
            let place = Place { line: number, index };
            let there = match &mut present {
                Some(present) => present.contains(place).await.with_context(unfinished)?,
                None => false,
            };
            if !there {
                writer.write(place, &line).await.with_context(unfinished)?;
            }
        }
    }
    ensure!(file.digest() == checked.digest, changed(path));
    let inserted = writer.finish().await.with_context(unfinished)?;

    let stored: u64 = client
        .query("SELECT count() FROM events WHERE startsWith(transaction_id, ?)")
        .bind(prefix)
        .fetch_one()
        .await
        .context("the events were inserted, but cannot be counted")?;
    ensure!(
        stored == checked.events,
        "{stored} events of this file are in `{EVENTS}`, and should be {}: was it imported twice at the same time? \
         Their transaction_id begins with {prefix}",
        checked.events
    );
    say!("imported {inserted}");
    Ok(())
}

fn changed(path: &Path) -> String {
    format!("{} changed while it was imported: some of its events may have been inserted", path.display())
}

/// Cuts the events into INSERTs. While the server works on one, the next is filled.
struct Writer<'a> {
    client: &'a Client,
    prefix: &'a str,
    insert: Option<Insert<EventRow<'static>>>,
    rows: u64,
    in_flight: JoinSet<clickhouse::error::Result<()>>,
    transaction_id: String,
    progress: Progress,
    steps: u64,
}

impl<'a> Writer<'a> {
    fn new(client: &'a Client, prefix: &'a str, total: u64) -> Self {
        Self {
            client,
            prefix,
            insert: None,
            rows: 0,
            in_flight: JoinSet::new(),
            transaction_id: String::new(),
            progress: Progress::new(total, "events"),
            steps: 0,
        }
    }

    async fn write(&mut self, place: Place, line: &Line<'_>) -> anyhow::Result<()> {
        let insert = match &mut self.insert {
            Some(insert) => insert,
            empty => empty.insert(insert(self.client).await?),
        };
        self.transaction_id.clear();
        // Writing into a String cannot fail.
        let _ = write!(self.transaction_id, "{}{}-{}", self.prefix, place.line, place.index);
        insert
            .write(&EventRow {
                transaction_id: &self.transaction_id,
                customer_id: line.customer_id,
                event_type: line.event_type,
                timestamp: line.timestamp,
                properties: &line.properties,
            })
            .await?;
        self.rows += 1;
        self.steps += 1;
        if self.steps == STEP {
            self.progress.add(self.steps);
            self.steps = 0;
        }
        if self.rows == BLOCK_ROWS {
            self.send().await?;
        }
        Ok(())
    }

    /// Ends the current INSERT in the background, after the previous one.
    async fn send(&mut self) -> anyhow::Result<()> {
        self.digested().await?;
        if let Some(insert) = self.insert.take() {
            self.in_flight.spawn(insert.end());
        }
        self.rows = 0;
        Ok(())
    }

    async fn digested(&mut self) -> anyhow::Result<()> {
        while let Some(done) = self.in_flight.join_next().await {
            done.context("an insert was given up")??;
        }
        Ok(())
    }

    /// Returns "1,234 events in 1.0 s (1,234/s)".
    async fn finish(mut self) -> anyhow::Result<String> {
        self.send().await?;
        self.digested().await?;
        self.progress.add(self.steps);
        Ok(self.progress.finish())
    }
}
