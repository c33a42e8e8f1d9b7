//! The servers of a run that has a part for each shard of a cluster.

use std::sync::Arc;

use anyhow::{Context, bail};
use catalog::Catalog;
use detection::Hour;
use futures::future::try_join_all;
use warehouse::usage::{CommonBucket, UsageReader};

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

    /// Proves that each server has its customers whole, after rows of them were read. Rows only come in: what holds now held
    /// then.
    pub(crate) async fn ensure_whole(&self, catalog: &Catalog, name: &str) -> anyhow::Result<()> {
        let Some(since) = self.since else { return Ok(()) };
        let catalog = &catalog.clone().on_one_server();
        let asked = self.readers.iter().enumerate().map(|(number, reader)| async move {
            reader.buckets(catalog, since, &format!("{}-whole", name_at(number, name))).await
        });
        let buckets =
            try_join_all(asked).await.context("nobody knows whether the shards are the same as before")?;
        match CommonBucket::of(buckets.iter().map(Vec::as_slice)) {
            None => Ok(()),
            Some(common) => {
                bail!("a shard was added while the run was reading: {common}. The next run asks one server")
            }
        }
    }
}

/// The beginning of the names of the queries at one of the servers of a run.
pub(crate) fn name_at(number: usize, run_id: &str) -> String {
    if number == 0 { run_id.to_owned() } else { format!("{run_id}-server-{number}") }
}
