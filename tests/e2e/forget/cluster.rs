//! The command on a cluster, whose servers share the rows.

use e2e::cluster::{Cluster, NAME};
use e2e::world::spikes;

use super::*;

async fn count(world: &World, query: &str) -> Result<u64> {
    Ok(world.clickhouse.query_raw(query).fetch_one().await?)
}

#[tokio::test]
async fn a_customer_is_removed_from_each_server() -> Result<()> {
    let cluster = Cluster::of(2).await?;
    let world = cluster.world().await?;
    let server = Some((cluster.url(0)?, world.database.as_str()));
    let migration = ["migrate", "--cluster", NAME, "--keep-days", "10000"];
    meterflow_with(server, &migration, &[]).await?.assert(0, &["on 2 servers"]);
    for shard in 0..2 {
        let insert = spikes("events_local", 10, &format!("age % 2 = {shard}"));
        cluster.server(shard, &world)?.query_raw(&insert).execute().await?;
        cluster.everywhere(&world, "SYSTEM FLUSH DISTRIBUTED usage_hourly").await?;
    }
    // On one server it would leave what the others have.
    forget(&world, "c00003", &["--yes"], "").await?.assert(1, &["Name the cluster", NAME]);
    let refused = forget(&world, "c00003", &["--yes", "--cluster", NAME], "").await?;
    refused
        .assert(1, &["on each server of the cluster metering: ALTER TABLE", "`events_local` DELETE WHERE"]);
    let customers = "SELECT uniqExact(customer_id) FROM usage_hourly";
    assert_eq!(count(&world, customers).await?, 10);
    for customer in ["c00003", "c00004", "c00005"] {
        let arguments = ["--yes", "--cluster", NAME, "--keep-events"];
        forget(&world, customer, &arguments, "").await?.assert(0, &["usage_hourly_local", "is forgotten"]);
        let left = format!("SELECT count() FROM usage_hourly WHERE customer_id = '{customer}'");
        assert_eq!(count(&world, &left).await?, 0);
    }
    assert_eq!(count(&world, customers).await?, 7);
    let notes = "SELECT count() FROM usage_model_fits WHERE definition = 'forgotten'";
    assert_eq!(count(&world, notes).await?, 2, "each server has the note of the last removal");
    Ok(())
}
