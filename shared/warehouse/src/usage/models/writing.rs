//! Writing the models of a fit.

use std::time::Duration;

use catalog::Catalog;
use clickhouse::Row;
use clickhouse::insert::Insert;
use detection::{Calendar, Hour, Model};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::fits::{Fit, kept_until, seconds};
use crate::rollup::Tables;
use crate::usage::error::{UsageError, classify};
use crate::usage::reader::UsageReader;

/// Bytes of rows that are written at once. The rows of a fit go into 24 partitions, and each block makes a part in each.
const BLOCK: usize = 64 * 1024 * 1024;

/// The models of one fit on their way to the table.
pub struct ModelWriter<'a> {
    reader: &'a UsageReader,
    insert: Insert<ModelRow<'static>>,
    day: Hour,
    fit: Fit,
    begun: Timestamp,
    query_id: String,
}

#[derive(Row, Serialize)]
pub(in crate::usage) struct ModelRow<'a> {
    pub(in crate::usage) hour: u32,
    pub(in crate::usage) bucket: u8,
    pub(in crate::usage) customer_id: &'a str,
    pub(in crate::usage) fit: u64,
    pub(in crate::usage) zone: &'a str,
    pub(in crate::usage) expires: u32,
    pub(in crate::usage) numbers: Vec<f32>,
}

impl UsageReader {
    /// Begins a fit: the models of the customers of a bucket for the 24 hours from `day` on.
    pub async fn begin_fit(
        &self,
        catalog: &Catalog,
        bucket: u8,
        day: Hour,
        now: Timestamp,
        query_id: &str,
        time_left: Duration,
    ) -> Result<ModelWriter<'_>, UsageError> {
        let insert =
            insert_of_models(self, catalog, query_id).await?.with_timeouts(Some(time_left), Some(time_left));
        // Ids are never used twice, because a fit that broke off leaves rows with its id.
        let fit = Fit { bucket, id: Uuid::new_v4().as_u64_pair().0, customers: 0 };
        Ok(ModelWriter { reader: self, insert, day, fit, begun: now, query_id: query_id.to_owned() })
    }
}

/// Begins to write rows of models.
pub(in crate::usage) async fn insert_of_models(
    reader: &UsageReader,
    catalog: &Catalog,
    query_id: &str,
) -> Result<Insert<ModelRow<'static>>, UsageError> {
    let client = reader.authenticated(reader.client.clone().with_validation(false)).await?;
    let insert = client
        .insert::<ModelRow<'static>>(&Tables::of(catalog).models)
        .await
        .map_err(|source| classify(&reader.context(query_id), source))?;
    Ok(insert
        .with_setting("query_id", query_id)
        .with_setting("min_insert_block_size_bytes", BLOCK.to_string()))
}

impl ModelWriter<'_> {
    /// Writes a customer's models, one for each metric of the catalog. `zone` is the name of its declared time zone, or
    /// empty.
    pub async fn write(&mut self, customer_id: &str, zone: &str, models: &[Model]) -> Result<(), UsageError> {
        let Self { reader, insert, day, fit, begun, query_id } = self;
        for place in 0..Calendar::HOURS as i64 {
            let hour = day.plus(place);
            let rows = models.iter().filter_map(|model| model.row(hour));
            let row = ModelRow {
                hour: seconds(hour),
                bucket: fit.bucket,
                customer_id,
                fit: fit.id,
                zone,
                expires: kept_until(*day, begun.as_millisecond()),
                numbers: rows.flat_map(|row| row.to_numbers()).collect(),
            };
            insert.write(&row).await.map_err(|source| classify(&reader.context(query_id), source))?;
        }
        fit.customers += 1;
        Ok(())
    }

    /// Ends the fit and notes that it is complete. Returns the number of customers.
    pub async fn end(self, catalog: &Catalog) -> Result<u64, UsageError> {
        let Self { reader, insert, day, fit, begun, query_id } = self;
        insert.end().await.map_err(|source| classify(&reader.context(&query_id), source))?;
        let note_id = format!("{query_id}-note");
        reader.note_fit(catalog, day, fit, begun.as_millisecond(), &note_id).await?;
        Ok(fit.customers)
    }
}
