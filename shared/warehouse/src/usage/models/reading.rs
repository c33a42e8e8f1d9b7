//! The models of an hour, customer by customer.

use std::time::Instant;

use clickhouse::Row;
use detection::Hour;
use detection::model::{HourModel, NUMBERS};
use serde::Deserialize;

use super::fits::{Fit, seconds};
use crate::rollup::MODELS_TABLE;
use crate::usage::error::UsageError;
use crate::usage::reader::UsageReader;
use crate::usage::rows::{Declaring, Rows};

/// The models of one hour, in the order of customers.
pub struct ModelsOfCustomers {
    rows: Rows<ModelRow<'static>>,
    metrics: usize,
}

/// A customer's models of one hour.
pub struct CustomerModel {
    /// The id in the table: any bytes.
    pub customer_id: Vec<u8>,
    /// By metric, in the order of the catalog. `None` where the numbers are too large for their precision.
    pub rows: Vec<Option<HourModel>>,
}

#[derive(Row, Deserialize)]
struct ModelRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    numbers: Vec<f32>,
}

impl Declaring for ModelRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl UsageReader {
    /// Starts to read the models of these fits for the hour `newest`. Those of several fits are sorted in ClickHouse's
    /// memory.
    pub async fn models(
        &self,
        fits: &[Fit],
        metrics: usize,
        newest: Hour,
        query_id: &str,
        deadline: Instant,
    ) -> Result<ModelsOfCustomers, UsageError> {
        let text = format!(
            "SELECT customer_id, {{declared:UInt64}} AS declared, numbers
FROM {MODELS_TABLE}
WHERE hour = toDateTime({{newest:UInt32}}, 'UTC') AND bucket IN {{buckets:Array(UInt8)}}
    AND fit IN {{fits:Array(UInt64)}}
ORDER BY customer_id
SETTINGS select_sequential_consistency = 1"
        );
        let declared = fits.iter().map(|fit| fit.customers).sum();
        let query = self
            .trusted_query(&text, query_id)
            .await?
            .param("declared", declared)
            .param("newest", seconds(newest))
            .param("buckets", fits.iter().map(|fit| fit.bucket).collect::<Vec<_>>())
            .param("fits", fits.iter().map(|fit| fit.id).collect::<Vec<_>>());
        // The notes declare the number of rows, in case all of them are missing.
        let rows = self.start(query, query_id, deadline)?.declaring(declared);
        Ok(ModelsOfCustomers { rows, metrics })
    }
}

impl ModelsOfCustomers {
    /// The next customer, or `None` at a clean and complete end.
    pub async fn next(&mut self) -> Result<Option<CustomerModel>, UsageError> {
        let Some(row) = self.rows.next().await? else { return Ok(None) };
        let (customer_id, numbers) = (row.customer_id.to_vec(), row.numbers);
        if numbers.len() != NUMBERS * self.metrics {
            return Err(self.rows.shape(format!("{} numbers for {} metrics", numbers.len(), self.metrics)));
        }
        let rows = numbers.chunks(NUMBERS).map(HourModel::of_numbers).collect();
        Ok(Some(CustomerModel { customer_id, rows }))
    }
}
