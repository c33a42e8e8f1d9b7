//! The models of an hour, customer by customer.

use std::time::Instant;

use catalog::Catalog;
use clickhouse::Row;
use detection::model::{HourModel, NUMBERS, USUAL, usual_of};
use detection::{Calendar, Hour};
use serde::Deserialize;

use super::fits::{Fit, seconds};
use crate::rollup::Tables;
use crate::usage::error::UsageError;
use crate::usage::reader::UsageReader;
use crate::usage::rows::{Declaring, Rows};

/// The models of one hour, in the order of buckets, and of customers within a bucket.
pub struct ModelsOfCustomers {
    rows: Rows<ModelRow<'static>>,
    metrics: usize,
}

/// A customer's models of one hour.
pub struct CustomerModel {
    /// The hour of the day at which the customer's models begin, in UTC.
    pub bucket: u8,
    /// The id in the table: any bytes.
    pub customer_id: Vec<u8>,
    /// The name of the time zone that was declared when the models were fitted. Empty without one.
    pub zone: String,
    /// By metric, in the order of the catalog. `None` where the numbers are too large for their precision.
    pub rows: Vec<Option<HourModel>>,
    /// The usual values of other hours of the day, by metric. `None` where too little is known.
    usual: Vec<(u8, Vec<Option<f64>>)>,
}

impl CustomerModel {
    /// The usual value of an hour of the day, from 0 to 23 by UTC, of the metric at this place of the catalog. `None` if the
    /// hour was not asked for, or its row is broken. An inner `None` where too little is known.
    pub fn usual(&self, hour: u8, metric: usize) -> Option<Option<f64>> {
        let (_, values) = self.usual.iter().find(|(known, _)| *known == hour)?;
        values.get(metric).copied()
    }
}

#[derive(Row, Deserialize)]
struct ModelRow<'a> {
    bucket: u8,
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    zone: &'a str,
    numbers: Vec<f32>,
    /// Hours of the day, with the numbers at [`USUAL`] of each metric.
    usual: Vec<(u8, Vec<f32>)>,
}

impl Declaring for ModelRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl UsageReader {
    /// Starts to read the models of these fits for the hour `newest`, in the order of the table.
    ///
    /// * `usual`: other hours of the day, from 0 to 23 by UTC, whose usual values are needed, because hours of the newest
    ///   day are muted. Each is one more row a customer, of which three numbers a metric are sent.
    pub async fn models(
        &self,
        fits: &[Fit],
        catalog: &Catalog,
        newest: Hour,
        usual: &[u8],
        query_id: &str,
        deadline: Instant,
    ) -> Result<ModelsOfCustomers, UsageError> {
        let models = Tables::of(catalog).models;
        let text = if usual.is_empty() { of_hour(&models) } else { of_hours(&models) };
        let declared = fits.iter().map(|fit| fit.customers).sum();
        let query = self
            .trusted_query(&text, query_id)
            .await?
            .param("declared", declared)
            .param("newest", seconds(newest))
            .param("buckets", fits.iter().map(|fit| fit.bucket).collect::<Vec<_>>())
            .param("fits", fits.iter().map(|fit| fit.id).collect::<Vec<_>>());
        let query = if usual.is_empty() {
            query
        } else {
            // A fit has one row of each hour of the day, less than a day before or after `newest`.
            let day = Calendar::HOURS as i64 - 1;
            query
                .param("first", seconds(newest.plus(-day)))
                .param("last", seconds(newest.plus(day)))
                .param("usual", usual)
        };
        // The notes declare the number of rows, in case all of them are missing.
        let rows = self.start(query, query_id, deadline)?.declaring(declared);
        Ok(ModelsOfCustomers { rows, metrics: catalog.modelled().len() })
    }
}

impl ModelsOfCustomers {
    /// The next customer, or `None` at a clean and complete end.
    pub async fn next(&mut self) -> Result<Option<CustomerModel>, UsageError> {
        let Some(row) = self.rows.next().await? else { return Ok(None) };
        let ModelRow { bucket, numbers, usual, .. } = row;
        let (customer_id, zone) = (row.customer_id.to_vec(), row.zone.to_owned());
        if numbers.len() != NUMBERS * self.metrics {
            return Err(self.rows.shape(format!("{} numbers for {} metrics", numbers.len(), self.metrics)));
        }
        let rows = numbers.chunks(NUMBERS).map(HourModel::of_numbers).collect();
        let usual =
            usual.iter().filter_map(|(hour, numbers)| Some((*hour, usual_values(numbers)?))).collect();
        Ok(Some(CustomerModel { bucket, customer_id, zone, rows, usual }))
    }
}

/// The usual values of an hour by metric. `None` if one is broken.
fn usual_values(numbers: &[f32]) -> Option<Vec<Option<f64>>> {
    numbers.chunks(USUAL.len()).map(|of_metric| usual_of(of_metric.try_into().ok()?)).collect()
}

/// The rows of an hour.
fn of_hour(models: &str) -> String {
    format!(
        "SELECT bucket, customer_id, {{declared:UInt64}} AS declared, zone, numbers,
       CAST([], 'Array(Tuple(UInt8, Array(Float32)))') AS usual
FROM {models}
WHERE hour = toDateTime({{newest:UInt32}}, 'UTC') AND bucket IN {{buckets:Array(UInt8)}}
    AND fit IN {{fits:Array(UInt64)}}
ORDER BY bucket, customer_id
SETTINGS select_sequential_consistency = 1"
    )
}

/// The same with usual values of other hours. A customer without a row of the hour is left out, so that the rows show to be
/// too few.
///
/// `groupArrayIf(1)` holds an array in a fifth of the memory of `anyIf`.
fn of_hours(models: &str) -> String {
    let places = USUAL.map(|place| place.to_string()).join(", ");
    format!(
        "SELECT bucket, customer_id, {{declared:UInt64}} AS declared,
       anyIf(model.zone, is_newest) AS zone, groupArrayIf(1)(model.numbers, is_newest)[1] AS numbers,
       groupArrayIf((toHour(hour),
                     arrayFilter((number, place) -> (place - 1) % {NUMBERS} IN ({places}),
                                 model.numbers, arrayEnumerate(model.numbers))), NOT is_newest) AS usual
FROM (SELECT *, hour = toDateTime({{newest:UInt32}}, 'UTC') AS is_newest FROM {models}
      WHERE hour BETWEEN toDateTime({{first:UInt32}}, 'UTC') AND toDateTime({{last:UInt32}}, 'UTC')
          AND (is_newest OR has({{usual:Array(UInt8)}}, toHour(hour)))
          AND bucket IN {{buckets:Array(UInt8)}} AND fit IN {{fits:Array(UInt64)}}) AS model
GROUP BY bucket, customer_id
HAVING countIf(is_newest) > 0
ORDER BY bucket, customer_id
SETTINGS select_sequential_consistency = 1, prefer_column_name_to_alias = 1, optimize_aggregation_in_order = 1"
    )
}
