//! The migration from its plan to its last backfill.

use catalog::{Catalog, MetricSpec};
use clickhouse::Client;

use super::backfill::{Day, fill, hours_of};
use super::plan::{Deletion, Plan, plan};
use super::trial::{Refusal, Rows};
use super::{DAY_SECONDS, HOUR_SECONDS, backfill, one_line, server, statements, trial};

/// What somebody agreed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Take out of the rollup what the plan lists.
    pub delete: bool,
    /// Compute anew also the hours of which the rollup holds more events than there are.
    pub rebuild: bool,
    /// For how many days the rollup keeps an hour. `None` leaves it as it is, or as it is by default.
    pub keep_days: Option<u16>,
}

/// What a migration tells on its way.
#[derive(Debug)]
pub enum Told<'a> {
    /// What is taken out of the rollup.
    Deleting(&'a Deletion),
    /// These days of a metric are computed anew.
    Filling { metric: &'a MetricSpec, days: &'a [Day] },
    /// One of them is done.
    Filled { day: &'a Day },
    /// All of them are.
    Done { metric: &'a MetricSpec },
}

/// What a migration leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Days that hold fewer events than there are, as events are being inserted.
    pub unsettled: usize,
    /// Days that hold more events than there are.
    pub surplus: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The reason is ClickHouse's own in one line. The whole of it is in `source_text`.
    #[error("{what}: {reason} (database `{database}`)")]
    Statement { database: String, what: String, reason: String, statement: String, full: String },
    #[error("{}", lines(.0))]
    Refused(Vec<Refusal>),
    #[error(
        "nothing was changed, since it would delete:\n{}\nAgree to it with --yes, or name another catalog with --catalog",
        lines(.0)
    )]
    NeedsConsent(Vec<Deletion>),
}

impl MigrationError {
    /// The SQL that failed and all that ClickHouse said of it.
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::Statement { statement, full, .. } => vec![format!("{statement}\n{full}")],
            Self::Refused(refusals) => {
                refusals.iter().filter_map(|refusal| refusal.details.clone()).collect()
            }
            Self::NeedsConsent(_) => Vec::new(),
        }
    }
}

fn lines<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Plans, tries the catalog's expressions, applies and backfills.
pub async fn migrate(
    client: &Client,
    database: &str,
    catalog: &Catalog,
    options: &Options,
    mut told: impl FnMut(Told<'_>),
) -> Result<Outcome, MigrationError> {
    let plan = plan(client, database, catalog, options).await?;
    trial::of_plan(client, database, catalog, &plan, Rows::All).await?;
    if !plan.deletions.is_empty() && !options.delete {
        return Err(MigrationError::NeedsConsent(plan.deletions));
    }
    plan.deletions.iter().for_each(|deletion| told(Told::Deleting(deletion)));
    for statement in &plan.statements {
        let result = run(client, database, "the tables and views were not made", statement).await;
        if result.is_err() {
            // A view that was made has not been filled: nobody is to take it for one that was.
            withdraw(client, database, catalog, &plan).await;
        }
        result?;
    }
    let mut outcome = Outcome::default();
    for metric in catalog.metrics() {
        let migration = Migration { client, database, metric, plan: &plan, options };
        let result = migration.backfill(&mut told).await;
        if result.is_err() {
            withdraw(client, database, catalog, &plan).await;
        }
        let of_metric = result?;
        outcome.unsettled += of_metric.unsettled;
        outcome.surplus += of_metric.surplus;
    }
    Ok(outcome)
}

/// Takes the new views away again, and what they brought: after a migration that failed, inserts are as they were before.
async fn withdraw(client: &Client, database: &str, catalog: &Catalog, plan: &Plan) {
    for name in &plan.new {
        let Some(metric) = catalog.get(name.as_str()) else { continue };
        for statement in
            [statements::drop_view(&statements::view_name(metric)), statements::remove(name.as_str())]
        {
            if let Err(error) = run(client, database, "a new view was not taken away again", &statement).await
            {
                tracing::warn!(error = %error, "a migration that failed leaves something behind");
            }
        }
    }
}

struct Migration<'a> {
    client: &'a Client,
    database: &'a str,
    metric: &'a MetricSpec,
    plan: &'a Plan,
    options: &'a Options,
}

/// How often hours are computed that events were inserted into meanwhile.
const PASSES: usize = 3;

impl Migration<'_> {
    /// Recomputes the hours of a metric that differ.
    async fn backfill(&self, told: &mut impl FnMut(Told<'_>)) -> Result<Outcome, MigrationError> {
        let Self { client, database, metric, plan, options } = *self;
        let now = now(client, database).await?;
        let is_new = plan.new.contains(&metric.name);
        let kept_from = (now / DAY_SECONDS + 1).saturating_sub(u32::from(plan.keep_days)) * DAY_SECONDS;
        // The end of the hours that no event is being inserted into just now, but for late ones.
        let settled = now / HOUR_SECONDS * HOUR_SECONDS - HOUR_SECONDS;
        let live = self.filled_while_live(now).await?;
        let mut filled = std::collections::BTreeSet::new();
        for pass in 0..PASSES {
            // Nothing fed the rollup before a new view, so that the current hours count as well.
            let until = if is_new && pass == 0 { statements::LAST_SECOND } else { settled };
            let differences = backfill::differences(client, database, metric, (kept_from, until)).await?;
            let may_shrink = |hour: u32| options.rebuild || filled.contains(&hour) || live.contains(&hour);
            let days: Vec<Day> =
                differences.iter().filter_map(|difference| difference.to_fill(may_shrink)).collect();
            if days.is_empty() {
                break;
            }
            told(Told::Filling { metric, days: &days });
            fill(client, database, metric, &days, now, |day| told(Told::Filled { day })).await?;
            told(Told::Done { metric });
            filled.extend(hours_of(&days));
        }
        if is_new && filled.is_empty() {
            return Ok(Outcome::default());
        }
        let left =
            backfill::differences(client, database, metric, (kept_from, statements::LAST_SECOND)).await?;
        let is_settled = |day: &&backfill::Difference| day.more.iter().any(|hour| hour.at < settled);
        Ok(Outcome {
            unsettled: left.iter().filter(|day| !day.fewer.is_empty()).count(),
            surplus: left.iter().filter(is_settled).count(),
        })
    }

    /// The hours that a migration may have filled while events were being inserted into them: a view counted some of
    /// those events, and the backfill counted them once more. They are put right as long as their events are surely there.
    async fn filled_while_live(&self, now: u32) -> Result<std::ops::Range<u32>, MigrationError> {
        let views = super::inspect::views(self.client, self.database).await?;
        let view = views.iter().find(|view| view.metric() == self.metric.name.as_str());
        Ok(match view {
            Some(view) if now < view.made + 2 * DAY_SECONDS => {
                view.made.saturating_sub(2 * HOUR_SECONDS)..view.made + 3 * HOUR_SECONDS
            }
            _ => 0..0,
        })
    }
}

/// The server's time in Unix seconds.
async fn now(client: &Client, database: &str) -> Result<u32, MigrationError> {
    let text = "SELECT toUnixTimestamp(now('UTC'))";
    let query = server(client).query_raw(text);
    query.fetch_one().await.map_err(failed(database, "the server did not tell its time", text))
}

pub(super) async fn run(
    client: &Client,
    database: &str,
    what: &str,
    statement: &str,
) -> Result<(), MigrationError> {
    // The database does not exist before its own statement has run.
    let client = match statement.starts_with("CREATE DATABASE") {
        true => server(client),
        false => client.clone().with_database(database),
    };
    client.query_raw(statement).execute().await.map_err(failed(database, what, statement))
}

pub(super) fn failed(
    database: &str,
    what: &str,
    statement: &str,
) -> impl FnOnce(clickhouse::error::Error) -> MigrationError {
    let (database, what, statement) = (database.to_owned(), what.to_owned(), statement.to_owned());
    move |error| MigrationError::Statement {
        database,
        what,
        reason: one_line(&error),
        statement,
        full: error.to_string(),
    }
}
