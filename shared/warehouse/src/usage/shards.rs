//! What tells whether each shard of a cluster has its customers whole.

use std::collections::HashMap;
use std::fmt;

use catalog::Catalog;
use detection::Hour;

use super::error::UsageError;
use super::models::seconds;
use super::reader::UsageReader;
use super::sql;
use crate::rollup::Tables;

/// A replica that is more seconds behind than this has too few rows of the newest hour. ClickHouse's own limit for queries of
/// clusters is the same.
pub const MOST_BEHIND: u64 = 300;

/// Hours before a window that a run may read: a month, the hours of a gap, and those of customers whose usage arrives late.
pub const MONTH_READ: i64 = 45 * 24;

/// Two shards that may have the same customer, because both have customers of one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommonBucket {
    /// The places of the shards among those that were asked.
    shards: (usize, usize),
    bucket: u8,
}

impl CommonBucket {
    /// The first one among the buckets of shards. `None` if each customer is on one shard.
    pub fn of<'a>(shards: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut seen = HashMap::new();
        for (shard, buckets) in shards.into_iter().enumerate() {
            for bucket in buckets {
                if let Some(other) = seen.insert(*bucket, shard).filter(|other| *other != shard) {
                    return Some(Self { shards: (other, shard), bucket: *bucket });
                }
            }
        }
        None
    }
}

impl fmt::Display for CommonBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shards: (one, other), bucket } = self;
        write!(f, "shards {} and {} of the list both have customers of bucket {bucket}", one + 1, other + 1)
    }
}

impl UsageReader {
    /// The buckets of the customers with usage from an hour on. The table is sorted by bucket, so ClickHouse reads a few rows
    /// of each.
    ///
    /// Customers of two buckets are not the same. So two servers without a common bucket have no common customer.
    pub async fn buckets(
        &self,
        catalog: &Catalog,
        since: Hour,
        query_id: &str,
    ) -> Result<Vec<u8>, UsageError> {
        let query = self.bare_query(&sql::buckets(catalog), query_id).await?.param("since", seconds(since));
        self.within(&self.context(query_id), query.fetch_one()).await
    }

    /// The number of shards of the cluster over which the rollup is spread. Zero if the server knows of none.
    ///
    /// * `catalog`: of all servers.
    pub async fn shards(&self, catalog: &Catalog, query_id: &str) -> Result<u64, UsageError> {
        let text = r"SELECT uniqExact(shard_num) FROM system.clusters WHERE cluster IN
(
    SELECT extract(engine_full, '^Distributed\\(\'([^\']+)\'') FROM system.tables
    WHERE database = currentDatabase() AND engine = 'Distributed' AND name = {table:String}
)";
        let table = Tables::of(catalog).rollup;
        let query = self.bare_query(text, query_id).await?.param("table", table);
        self.within(&self.context(query_id), query.fetch_one()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_without_a_common_bucket_have_their_customers_whole() {
        let of = |shards: &[&[u8]]| CommonBucket::of(shards.iter().copied());
        assert_eq!([of(&[]), of(&[&[0, 2, 4], &[1, 3]]), of(&[&[], &[0, 1], &[]])], [None; 3]);
        // Rows of the time before the third shard came.
        let common = of(&[&[0, 2], &[1, 5], &[3, 2, 5]]).expect("a common bucket");
        assert_eq!(common.to_string(), "shards 1 and 3 of the list both have customers of bucket 2");
    }
}
