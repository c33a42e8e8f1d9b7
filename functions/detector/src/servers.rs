//! The servers of a run that has a part for each shard of a cluster.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use catalog::Catalog;
use detection::Hour;
use futures::future::{try_join, try_join_all};
use warehouse::usage::{AgainstParts, Patience, Tries, UsageError, UsageReader};

/// A server for each shard. None for a run that asks one server for all rows.
#[derive(Clone, Default)]
pub struct Servers {
    readers: Vec<Arc<UsageReader>>,
    /// The first hour that may be read.
    since: Option<Hour>,
}

impl Servers {
    pub(crate) fn new(readers: Vec<Arc<UsageReader>>, since: Hour) -> Self {
        Self { readers, since: Some(since) }
    }

    pub(crate) fn readers(&self) -> &[Arc<UsageReader>] {
        &self.readers
    }

    /// The number of shards of the cluster that each server knows.
    ///
    /// * `catalog`: of all servers.
    pub(crate) async fn shards(
        &self,
        catalog: &Catalog,
        name: &str,
        deadline: Instant,
    ) -> Result<Vec<u64>, UsageError> {
        let asked = self.readers.iter().enumerate().map(|(number, reader)| async move {
            let name = format!("{}-shards", name_at(number, name));
            ask(reader, &name, deadline, |id| async move { reader.shards(catalog, &id).await }).await
        });
        try_join_all(asked).await
    }

    /// Proves that each server has its customers whole, after rows of them were read. Rows only come in: what holds now held
    /// then.
    ///
    /// * `catalog`: of all servers.
    pub(crate) async fn ensure_whole(
        &self,
        catalog: &Catalog,
        name: &str,
        deadline: Instant,
    ) -> anyhow::Result<()> {
        let Some(since) = self.since else { return Ok(()) };
        let name = &format!("{name}-whole");
        let on_one = &catalog.clone().on_one_server();
        let asked = self.readers.iter().enumerate().map(|(number, reader)| async move {
            let name = format!("{}-buckets", name_at(number, name));
            ask(reader, &name, deadline, |id| async move { reader.buckets(on_one, since, &id).await }).await
        });
        let (buckets, shards) = try_join(try_join_all(asked), self.shards(catalog, name, deadline))
            .await
            .context("nobody knows whether the shards are the same as before")?;
        // All customers of the cluster were on these servers before. A new shard shows in the number.
        let all: Vec<u8> = buckets.iter().flatten().copied().collect();
        match AgainstParts::of(&shards, &buckets, &all) {
            None => Ok(()),
            Some(against) => {
                bail!("a shard was added while the run was reading: {against}. The next run asks one server")
            }
        }
    }
}

/// Asks a question of a run, and asks again after an error that passes.
///
/// * `question`: gets the name of the query.
pub(crate) async fn ask<T, F>(
    reader: &UsageReader,
    name: &str,
    deadline: Instant,
    question: impl Fn(String) -> F,
) -> Result<T, UsageError>
where
    F: Future<Output = Result<T, UsageError>>,
{
    let mut tries = Tries::new(reader, name, Patience::OF_A_RUN, deadline);
    loop {
        match question(tries.query_id()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => tries.again(error, false).await?,
        }
    }
}

/// The beginning of the names of the queries at one of the servers of a run.
pub(crate) fn name_at(number: usize, run_id: &str) -> String {
    if number == 0 { run_id.to_owned() } else { format!("{run_id}-server-{number}") }
}
