//! Samples of five minutes that runs keep for two weeks, for the rule `unseen_shape`. The rollup of minutes keeps three days.

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

/// The samples of an entity that earlier runs kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptSamples {
    /// The key of the rollup: any bytes.
    pub key: Vec<u8>,
    pub days: Vec<KeptDay>,
}

/// The samples of a metric in a day.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct KeptDay {
    /// The place of the metric among those that rules judge.
    pub place: u16,
    /// 0 has the sample that is judged, 1 the 288 samples before it, and so on.
    pub day: u8,
    /// How many samples ago each was: 0 is the judged one. They are in any order, and one may come twice.
    pub ago: Vec<u16>,
    pub values: Vec<f32>,
    /// Their largest distances.
    pub two_hours: f32,
    pub four_hours: f32,
}

/// A sample to keep.
#[derive(Clone, Debug, PartialEq, Row, Serialize)]
pub struct KeptSample<'a> {
    pub customer_id: &'a str,
    pub metric: &'a str,
    /// The first instant of its five minutes, in seconds since 1970.
    pub sample: u32,
    pub value: f32,
    /// Its distances, zero if they are unknown.
    pub two_hours: f32,
    pub four_hours: f32,
}

#[derive(Row, Deserialize)]
struct KeptRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    days: Vec<KeptDay>,
}

impl Declaring for KeptRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl UsageReader {
    /// Shows the samples that runs kept of each entity, in no order.
    pub async fn kept_samples(
        &self,
        request: &EntitiesRequest<'_>,
        mut show: impl FnMut(KeptSamples),
    ) -> Result<(), UsageError> {
        let EntitiesRequest { catalog, window, keys, shard, query_id, deadline, .. } = *request;
        let Some(text) = sql::kept_samples(catalog, shard, !keys.is_empty()) else { return Ok(()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let mut rows = self.start::<KeptRow<'static>>(query, query_id, deadline)?;
        while let Some(row) = rows.next().await? {
            show(KeptSamples { key: row.customer_id.to_vec(), days: row.days });
        }
        Ok(())
    }

    /// Keeps samples. A sample that is kept twice counts once.
    pub async fn keep_samples(
        &self,
        catalog: &Catalog,
        samples: &[KeptSample<'_>],
        (query_id, deadline): (&str, Instant),
    ) -> Result<(), UsageError> {
        let failed = |source| classify(&self.context(query_id), source);
        let time_left = deadline.saturating_duration_since(Instant::now());
        let client = self.authenticated(self.client.clone().with_validation(false)).await?;
        let insert = client.insert::<KeptSample<'static>>(&Tables::of(catalog).samples).await;
        let insert = insert.map_err(failed)?.with_timeouts(Some(time_left), Some(time_left));
        let mut insert = insert.with_setting("query_id", query_id);
        for sample in samples {
            insert.write(sample).await.map_err(failed)?;
        }
        insert.end().await.map_err(failed)
    }
}
