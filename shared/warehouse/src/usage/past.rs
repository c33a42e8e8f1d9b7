//! What the rollup holds of the past: its first and last hour, and its customers.

use catalog::{Catalog, Shard};
use detection::{CustomerId, Hour, Window};
use jiff::Timestamp;
use serde_bytes::ByteBuf;

use super::error::UsageError;
use super::reader::UsageReader;
use super::sql;

impl UsageReader {
    /// The first and the last hour before `end` with usage of the catalog's metrics. `None` without any.
    pub async fn held(
        &self,
        catalog: &Catalog,
        end: Hour,
        query_id: &str,
    ) -> Result<Option<(Hour, Hour)>, UsageError> {
        let period = (Timestamp::UNIX_EPOCH, end.start());
        let query = self.query(&sql::held(catalog), period, catalog, &[], query_id).await?;
        let held = self.within(&self.context(query_id), query.fetch_one::<(u32, u32, u64)>()).await?;
        let hour = |seconds: u32| Timestamp::from_second(i64::from(seconds)).ok().map(Hour::holding);
        let (first, last, rows) = held;
        Ok(if rows == 0 { None } else { hour(first).zip(hour(last)) })
    }

    /// The newest hour with usage of a catalog. `None` without any.
    pub async fn newest_hour(&self, catalog: &Catalog, query_id: &str) -> Result<Option<Hour>, UsageError> {
        let query = self.bare_query(&sql::newest_hour(catalog), query_id).await?;
        let (hour, any) = self.within(&self.context(query_id), query.fetch_one::<(u32, bool)>()).await?;
        Ok(Timestamp::from_second(i64::from(hour)).ok().filter(|_| any).map(Hour::holding))
    }

    /// The customers of a shard with usage in a period of full hours, in the order of their ids. Ids that are no text of a
    /// customer are left out.
    pub async fn customers(
        &self,
        catalog: &Catalog,
        period: &Window,
        shard: Shard,
        query_id: &str,
    ) -> Result<Vec<CustomerId>, UsageError> {
        let text = sql::customers(catalog, period, shard);
        let query = self.query(&text, (period.start(), period.end()), catalog, &[], query_id).await?;
        let ids = self.within(&self.context(query_id), query.fetch_one::<Vec<ByteBuf>>()).await?;
        let id = |bytes: ByteBuf| CustomerId::new(String::from_utf8(bytes.into_vec()).ok()?).ok();
        let mut customers: Vec<CustomerId> = ids.into_iter().filter_map(id).collect();
        customers.sort();
        Ok(customers)
    }
}
