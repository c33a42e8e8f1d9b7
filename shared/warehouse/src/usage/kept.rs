//! Samples of five minutes that runs keep for two weeks, for the rule `unseen_shape`. The rollup of minutes keeps three days.
//!
//! A fleet has hundreds of millions of them. So a row has a block of four hours of a metric: few rows are read, and a run writes few
//! numbers anew. A run that knows a sample of a block, or knows it better, writes the block as a whole.

use std::time::Instant;

use catalog::Catalog;
use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::entities::EntitiesRequest;
use super::error::{UsageError, classify};
use super::reader::UsageReader;
use super::rows::Declaring;
use super::sql;
use crate::rollup::Tables;

/// Samples of a block: four hours. A day has whole blocks.
pub const BLOCK: usize = 48;

/// The samples of an entity that earlier runs kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptSamples {
    /// The key of the rollup: any bytes.
    pub key: Vec<u8>,
    /// In no order.
    pub blocks: Vec<KeptBlock>,
}

/// The samples of a metric in four hours.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct KeptBlock {
    /// The place of the metric among those that rules judge.
    pub place: u16,
    /// The first instant, in seconds since 1970.
    pub first: u32,
    /// Whether the block has some of the newest samples that were asked for.
    pub is_recent: bool,
    /// Those of each five minutes, NaN for a gap. Those after the last known one are missing.
    pub means: Vec<f32>,
    /// The distances of each sample of a recent block. Of an older block two numbers: the largest distance of the samples before the time of
    /// day of the judged sample, and that of the others.
    pub two_hours: Vec<f32>,
    pub four_hours: Vec<f32>,
}

/// A block to keep.
#[derive(Clone, Debug, PartialEq, Row, Serialize)]
pub struct NewBlock<'a> {
    pub customer_id: &'a str,
    pub metric: &'a str,
    /// The first instant, in seconds since 1970.
    pub block: u32,
    /// The end of the judged window, in seconds since 1970.
    pub version: u32,
    /// As in [`KeptBlock`].
    pub means: &'a [f32],
    /// The distances of each sample, zero if they are unknown.
    pub two_hours: &'a [f32],
    pub four_hours: &'a [f32],
}

#[derive(Row, Deserialize)]
struct KeptRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    blocks: Vec<KeptBlock>,
}

impl Declaring for KeptRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl UsageReader {
    /// Shows the samples that runs kept of each entity, in no order.
    ///
    /// * `recent`: so many of the newest samples come with their own distances.
    pub async fn kept_samples(
        &self,
        request: &EntitiesRequest<'_>,
        recent: usize,
        mut show: impl FnMut(KeptSamples),
    ) -> Result<(), UsageError> {
        let EntitiesRequest { catalog, window, keys, shard, query_id, deadline, .. } = *request;
        let Some(text) = sql::kept_samples(catalog, recent, shard, !keys.is_empty()) else { return Ok(()) };
        let table = Tables::of(catalog).samples;
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let mut rows = self.start::<KeptRow<'static>>(query, query_id, deadline)?;
        while let Some(row) = rows.next().await.map_err(|error| error.of_samples(&table))? {
            show(KeptSamples { key: row.customer_id.to_vec(), blocks: row.blocks });
        }
        Ok(())
    }

    /// Keeps blocks. Of a block that was kept before, the one of the newest window counts.
    pub async fn keep_samples(
        &self,
        catalog: &Catalog,
        blocks: impl Iterator<Item = NewBlock<'_>>,
        (query_id, deadline): (&str, Instant),
    ) -> Result<(), UsageError> {
        let table = Tables::of(catalog).samples;
        let failed = |source| classify(&self.context(query_id), source).of_samples(&table);
        let time_left = deadline.saturating_duration_since(Instant::now());
        let client = self.authenticated(self.client.clone().with_validation(false)).await?;
        let insert = client.insert::<NewBlock<'static>>(&table).await;
        let insert = insert.map_err(failed)?.with_timeouts(Some(time_left), Some(time_left));
        let mut insert = insert.with_setting("query_id", query_id);
        for block in blocks {
            insert.write(&block).await.map_err(failed)?;
        }
        insert.end().await.map_err(failed)
    }
}
