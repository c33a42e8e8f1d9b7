//! An upgrade in its order: tables first, functions second. Between the two steps the functions of an earlier version work on the
//! new tables.
//!
//! The programs of earlier versions are not kept. Kept are their tables and the statements that their functions send, word for word
//! (`upgrade/*.sql`). So these tests show that each statement still runs and answers the same. They do not show what a program of
//! an earlier version makes of the answer.

use anyhow::Context;
use e2e::world::{self, figures, hourly};
use futures::future::try_join_all;
use warehouse::rollup::{Order, Place};

use super::*;

/// An earlier version, by the texts of its tables and statements.
struct Version {
    name: &'static str,
    texts: &'static str,
    /// The unit in which its functions write times, in milliseconds.
    unit_ms: i64,
}

const FIRST: Version = Version { name: "first", texts: include_str!("upgrade/first.sql"), unit_ms: 1_000 };
const MODELS: Version = Version { name: "models", texts: include_str!("upgrade/models.sql"), unit_ms: 1 };

const METRICS: [&str; 4] = ["api_calls", "bandwidth", "storage_peak", "compute_time"];

impl Version {
    /// The statements in their order, each with its name. Those of the tables have none.
    fn statements(&self) -> Vec<(&'static str, &'static str)> {
        let parts = self.texts.split("\n---").skip(1);
        parts.filter_map(|part| part.split_once('\n')).map(|(name, text)| (name.trim(), text)).collect()
    }

    /// A world whose tables and views this version made, with the usage of a month.
    async fn world(&self) -> Result<World> {
        let world = World::without_migration().await?;
        let server = world.clickhouse.clone().with_database("system");
        server.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
        for (_, statement) in self.statements().into_iter().filter(|(name, _)| name.is_empty()) {
            world.clickhouse.query_raw(statement).execute().await.context(statement)?;
        }
        world.insert_spikes(3).await?;
        let call = |age: i64| Event::call("calls", at(END) - SignedDuration::from_hours(24 * age + 1), 7.0);
        world.insert(&(0..30).map(call).collect::<Vec<_>>()).await?;
        Ok(world)
    }

    /// What the functions of this version read, by the names of their statements.
    async fn answers(&self, world: &World) -> Result<Vec<(&'static str, String)>> {
        let reading = self.statements().into_iter().filter(|(name, _)| !name.is_empty());
        try_join_all(reading.map(|(name, statement)| async move {
            let (end, start) = (at(END), at(END) - SignedDuration::from_hours(24 * 31));
            // The hours are those of the last two days.
            let start = if name == "hours" { end - SignedDuration::from_hours(48) } else { start };
            let query = world.clickhouse.query_raw(statement);
            let query = query
                .param("start", start.as_millisecond() / self.unit_ms)
                .param("end", end.as_millisecond() / self.unit_ms)
                .param("newest", end.as_second())
                .param("metrics", METRICS.to_vec())
                .param("customers", vec!["c00000", "calls"])
                .param("definition", DEFINITION)
                .param("declared", 1_u64)
                .param("buckets", vec![BUCKET])
                .param("fits", vec![FIT]);
            let bytes = query.fetch_bytes("TSV").context(name)?.collect().await.context(name)?;
            // Rows come in any order, and customers in one row do.
            let text = String::from_utf8(bytes.to_vec())?;
            let mut rows: Vec<_> = text.lines().map(sorted_names).collect();
            rows.sort();
            Ok((name, rows.join("\n")))
        }))
        .await
    }
}

/// A row that is one list of names, with its names sorted. Any other row as it is.
fn sorted_names(row: &str) -> String {
    let Some(names) = row.strip_prefix("['").and_then(|rest| rest.strip_suffix("']")) else {
        return row.to_owned();
    };
    let mut names: Vec<_> = names.split("','").collect();
    names.sort_unstable();
    names.join(" ")
}

/// What the fits of the earlier functions are made of.
const DEFINITION: &str = "earlier";
const FIT: u64 = 7;
const BUCKET: u8 = 13;

/// The inserts of a fit by an earlier function: the models of an hour, and the note that they are complete.
async fn fit(world: &World) -> Result<()> {
    let hour = at(END).as_second();
    let models = format!(
        "INSERT INTO usage_models (`hour`,`bucket`,`customer_id`,`fit`,`zone`,`expires`,`numbers`) \
         SELECT {hour}, {BUCKET}, 'c00000', {FIT}, 'Europe/Berlin', now('UTC') + 86400, [1, 2, 3]"
    );
    let note = format!(
        "INSERT INTO usage_model_fits (day, bucket, fit, customers, definition, begun, expires) VALUES \
         ({hour}, {BUCKET}, {FIT}, 1, '{DEFINITION}', now64(3, 'UTC'), now('UTC') + 86400)"
    );
    for statement in [models, note] {
        world.clickhouse.query_raw(&statement).execute().await.context(statement)?;
    }
    Ok(())
}

fn answer<'a>(answers: &'a [(&'static str, String)], name: &str) -> &'a str {
    answers.iter().find(|(known, _)| *known == name).map_or("", |(_, rows)| rows)
}

#[tokio::test]
async fn functions_of_earlier_versions_find_the_same_on_new_tables() -> Result<()> {
    let upgrades =
        [(FIRST, false, Order::Earlier), (MODELS, false, Order::Earlier), (MODELS, true, Order::Sorted)];
    try_join_all(upgrades.map(|(version, sort, order)| Box::pin(upgraded(version, sort, order)))).await?;
    Ok(())
}

async fn upgraded(version: Version, sort: bool, order: Order) -> Result<()> {
    let case = format!("{}, sorted anew: {sort}", version.name);
    let world = version.world().await?;
    let before = version.answers(&world).await?;
    assert_eq!(answer(&before, "sweep").lines().count(), 4, "{case}: {before:?}");
    assert!(answer(&before, "sweep").contains("50000000"), "{case}: {before:?}");

    // Nobody has to agree to anything.
    let options = Options { keep_days: Some(10_000), sort, ..Options::default() };
    let place = Place::at(&world.clickhouse, &world.database);
    let outcome = rollup::migrate(&place, &Catalog::built_in()?, &options, |_| {}).await?;
    assert_eq!(outcome, Outcome { order, ..Outcome::default() }, "{case}");
    assert_eq!(version.answers(&world).await?, before, "{case}: after the migration");

    // Usage goes on, and a fit of an earlier function counts.
    world.insert(&steady_then("later", at(END), 7.2e6)).await?;
    let after = version.answers(&world).await?;
    assert_eq!(answer(&after, "sweep").lines().count(), 5, "{case}");
    assert!(answer(&after, "sweep").contains("later"), "{case}: {after:?}");
    if version.name == MODELS.name {
        assert_eq!((answer(&after, "fits"), answer(&after, "models")), ("", ""), "{case}");
        fit(&world).await?;
        let fitted = version.answers(&world).await?;
        assert_eq!(answer(&fitted, "fits"), format!("{BUCKET}\t{FIT}\t1"), "{case}");
        assert_eq!(answer(&fitted, "models"), "c00000\t1\tEurope/Berlin\t[1,2,3]\t[]", "{case}");
    }

    // The functions of this version find what is there, and leave the figures of the earlier ones alone.
    let before_run = version.answers(&world).await?;
    let summary = world::run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((figures(&summary).0, summary.checked), (3, 4 * 5), "{case}: {summary:?}");
    assert_eq!(version.answers(&world).await?, before_run, "{case}: after a run");
    Ok(())
}
