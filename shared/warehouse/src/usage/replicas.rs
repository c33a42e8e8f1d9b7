//! How far the server is behind the other replicas of its rows.

use catalog::Catalog;

use super::error::UsageError;
use super::reader::UsageReader;
use crate::rollup::Tables;

impl UsageReader {
    /// Seconds by which the tables of a source on the server are behind those of its replicas. Zero without replicas.
    ///
    /// A query of a `Distributed` table asks no replica that is behind. A server that is asked for its own tables answers in
    /// any case.
    pub async fn seconds_behind(&self, catalog: &Catalog, query_id: &str) -> Result<u64, UsageError> {
        let text = "SELECT max(absolute_delay) FROM system.replicas WHERE database = currentDatabase() AND table IN {tables:Array(String)}";
        let query =
            self.bare_query(text, query_id).await?.param("tables", Tables::of(catalog).needed(catalog));
        self.within(&self.context(query_id), query.fetch_one()).await
    }

    /// Asks for one row of the rollup. A server without the tables cannot answer.
    pub async fn ask_rollup(&self, catalog: &Catalog, query_id: &str) -> Result<(), UsageError> {
        let text = format!("SELECT count() FROM (SELECT 1 FROM {} LIMIT 1)", Tables::of(catalog).rollup);
        let query = self.bare_query(&text, query_id).await?;
        self.within(&self.context(query_id), query.fetch_one::<u64>()).await?;
        Ok(())
    }
}
