//! What tells whether each shard of a cluster has its customers whole.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use catalog::{BUCKETS, Catalog};
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

/// Why a run must not have a part for each shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgainstParts {
    /// The customers of a shard that is not in the list would seem silent.
    Number {
        listed: usize,
        of_cluster: u64,
    },
    Common(CommonBucket),
    /// A server of the list is empty or of another cluster, so the customers of a shard would seem silent.
    Differs {
        bucket: u8,
    },
}

impl AgainstParts {
    /// `None` if each customer is on one shard of the list.
    ///
    /// * `of_cluster`: the number of shards that each server knows.
    /// * `buckets`: those of the customers of each shard of the list.
    /// * `all`: the buckets of the customers of all shards, by the `Distributed` table.
    pub fn of(of_cluster: &[u64], buckets: &[Vec<u8>], all: &[u8]) -> Option<Self> {
        let listed = buckets.len();
        if let Some(number) = of_cluster.iter().find(|number| usize::try_from(**number) != Ok(listed)) {
            return Some(Self::Number { listed, of_cluster: *number });
        }
        if let Some(common) = CommonBucket::of(buckets.iter().map(Vec::as_slice)) {
            return Some(Self::Common(common));
        }
        let of_parts: BTreeSet<u8> = buckets.iter().flatten().copied().collect();
        let differs = of_parts.symmetric_difference(&all.iter().copied().collect()).next().copied();
        differs.map(|bucket| Self::Differs { bucket })
    }
}

impl fmt::Display for AgainstParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { listed, of_cluster } => {
                write!(f, "the list has {listed} shards, and the cluster of the rollup has {of_cluster}")
            }
            Self::Common(common) => common.fmt(f),
            Self::Differs { bucket } => write!(
                f,
                "the servers of the list and the cluster of the rollup do not have the same customers: see those of bucket \
                 {bucket}"
            ),
        }
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

    /// The buckets of the customers of all shards, where those of some are `known`. The others are asked for one by one: on a
    /// `Distributed` table a union of such questions can end a server.
    ///
    /// * `catalog`: of all servers.
    pub async fn buckets_of_all(
        &self,
        catalog: &Catalog,
        since: Hour,
        known: &[Vec<u8>],
        query_id: &str,
    ) -> Result<Vec<u8>, UsageError> {
        let mut all: BTreeSet<u8> = known.iter().flatten().copied().collect();
        for bucket in (0..BUCKETS).filter(|bucket| !known.iter().flatten().any(|known| known == bucket)) {
            let query_id = format!("{query_id}-{bucket}");
            let query = self.bare_query(&sql::has_bucket(catalog), &query_id).await?;
            let query = query.param("bucket", bucket).param("since", seconds(since));
            let rows: u64 = self.within(&self.context(&query_id), query.fetch_one()).await?;
            if rows > 0 {
                all.insert(bucket);
            }
        }
        Ok(all.into_iter().collect())
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

    #[test]
    fn a_list_must_have_all_customers_of_the_cluster() {
        let parts = [vec![0, 2], vec![1, 3]];
        assert_eq!(AgainstParts::of(&[2, 2], &parts, &[3, 2, 1, 0]), None);
        // The second server learned of a third shard.
        let number = AgainstParts::Number { listed: 2, of_cluster: 3 };
        assert_eq!(AgainstParts::of(&[2, 3], &parts, &[0, 1, 2, 3]), Some(number));
        // The second server is empty, or of another cluster.
        let differs = |bucket| Some(AgainstParts::Differs { bucket });
        assert_eq!(AgainstParts::of(&[2, 2], &[vec![0, 2], vec![]], &[0, 1, 2, 3]), differs(1));
        assert_eq!(AgainstParts::of(&[2, 2], &[vec![0, 2], vec![1, 3, 5]], &[0, 1, 2, 3]), differs(5));
        let common = AgainstParts::of(&[2, 2], &[vec![0, 2], vec![2]], &[0, 2]);
        assert!(matches!(common, Some(AgainstParts::Common(_))), "{common:?}");
    }
}
