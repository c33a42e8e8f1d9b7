//! Notes of complete fits.

use catalog::Catalog;
use detection::Hour;

use super::definition;
use crate::rollup::{FORGOTTEN, Tables};
use crate::usage::error::UsageError;
use crate::usage::reader::UsageReader;

/// A complete fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// The hour of the day at which its models begin, in UTC.
    pub bucket: u8,
    /// Names the rows of its models.
    pub id: u64,
    /// How many customers have models.
    pub customers: u64,
}

impl UsageReader {
    /// The fits whose models judge the hour `newest`, at most one for each bucket.
    pub async fn fits(
        &self,
        catalog: &Catalog,
        newest: Hour,
        query_id: &str,
    ) -> Result<Vec<Fit>, UsageError> {
        let table = Tables::of(catalog).fits;
        let text = format!(
            "SELECT bucket, argMax(fit, begun), argMax(customers, begun)
FROM {table}
WHERE definition = {{definition:String}} AND expires > now('UTC') + 3600
    AND toUnixTimestamp(day) = {{newest:UInt32}} - positiveModulo(intDiv({{newest:UInt32}}, 3600) - bucket, 24) * 3600
    AND begun > (SELECT max(begun) FROM {table} WHERE definition = '{FORGOTTEN}')
GROUP BY bucket
ORDER BY bucket
SETTINGS select_sequential_consistency = 1"
        );
        let query = self
            .bare_query(&text, query_id)
            .await?
            .param("definition", definition(catalog))
            .param("newest", seconds(newest));
        let context = self.context(query_id);
        let fits = self.within(&context, query.fetch_all::<(u8, u64, u64)>()).await?;
        Ok(fits.into_iter().map(|(bucket, id, customers)| Fit { bucket, id, customers }).collect())
    }

    /// Notes that a fit is complete.
    pub(super) async fn note_fit(
        &self,
        catalog: &Catalog,
        day: Hour,
        fit: Fit,
        begun_ms: i64,
        query_id: &str,
    ) -> Result<(), UsageError> {
        let Fit { bucket, id, customers } = fit;
        let (expires, day) = (kept_until(day, begun_ms), seconds(day));
        let (definition, table) = (definition(catalog), Tables::of(catalog).fits);
        let text = format!(
            "INSERT INTO {table} (day, bucket, fit, customers, definition, begun, expires) VALUES \
             ({day}, {bucket}, {id}, {customers}, '{definition}', fromUnixTimestamp64Milli({begun_ms}), {expires})"
        );
        let context = self.context(query_id);
        self.within(&context, self.bare_query(&text, query_id).await?.execute()).await
    }
}

/// When the models of a day that were begun then are dropped, in Unix seconds.
pub(super) fn kept_until(day: Hour, begun_ms: i64) -> u32 {
    let begun = u32::try_from(begun_ms / 1_000).unwrap_or(0);
    seconds(day).max(begun).saturating_add(super::KEPT)
}

/// In Unix seconds.
pub(in crate::usage) fn seconds(hour: Hour) -> u32 {
    u32::try_from(hour.start().as_second().max(0)).unwrap_or(u32::MAX)
}
