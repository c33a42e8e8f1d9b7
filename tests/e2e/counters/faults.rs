//! A run over counters of a fleet: a fault is told, and neither restarts nor gaps are.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use detector::Request;
use e2e::world::{END, hourly, run, text, timestamp};
use jiff::{SignedDuration, Timestamp};

use super::{Counters, SUMS};

/// The preset's `delay`.
const DELAY: SignedDuration = SignedDuration::from_mins(1);

#[tokio::test]
async fn faults_are_told_and_neither_restarts_nor_gaps() -> Result<()> {
    let counters = Counters::new("preset:machines_sum", SUMS).await?;
    counters.migrate().await?;
    let now = (timestamp() - DELAY).as_second() - 2;
    let end = Timestamp::from_second(now - now.rem_euclid(60))?;
    // Five days of six machines, a sample a minute. The counters of web-4 begin again three minutes before the end and in the last
    // minute. No samples of web-5 came for six minutes until two minutes before the end. In the last minute web-2 sends eight times
    // as much, and web-3 is busy.
    let statement = format!(
        "INSERT INTO otel_metrics_sum (ResourceAttributes, MetricName, Attributes, TimeUnix, Value, AggregationTemporality, IsMonotonic)
         SELECT map('service.namespace', 'acme', 'host.name', concat('web-', toString(machine))), metric.1,
             map('state', metric.2, 'device', 'eth0'), fromUnixTimestamp64Nano(toInt64({end} - 30 - 60 * minute) * 1000000000),
             multiIf(machine = 4 AND minute = 0, 0.1, machine = 4 AND minute < 3, 0.2 + (3 - minute) * step,
                 value + if(minute = 0, step * more, 0)), 2, true
         FROM
         (
             SELECT minute, machine, metric, 60 * metric.3 AS step,
                 step * (10000 - minute + (cityHash64(machine, metric, minute) % 1000) / 1e4) AS value,
                 multiIf(machine = 2 AND metric.1 = 'system.network.io', 7,
                     machine = 3 AND metric.2 = 'user', 2.2, machine = 3 AND metric.2 = 'idle', -0.9, 0) AS more
             FROM
             (
                 SELECT number AS minute, arrayJoin(range(1, 7)) AS machine, arrayJoin([
                     ('system.cpu.time', 'idle', 0.7), ('system.cpu.time', 'user', 0.3), ('system.network.io', 'receive', 2e6),
                     ('system.network.io', 'transmit', 1e6), ('system.network.errors', 'receive', 0.1)
                 ]) AS metric
                 FROM numbers(7200)
             )
         )
         WHERE NOT (machine = 5 AND minute BETWEEN 2 AND 7)",
        end = end.as_second()
    );
    counters.execute(&statement).await?;
    let mut found = Vec::new();
    for ago in [2, 1, 0] {
        let time = end - SignedDuration::from_mins(ago) + DELAY;
        let request = Request { source: Some("machine_counters".to_owned()), time, ..hourly(END) };
        run(&counters.app.of_source("machine_counters")?, &request).await.context("the run")?;
        let items = counters.world.all_items().await?;
        let anomalies = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY"));
        let of = |item| ["metric", "entity", "direction"].map(|name| text(item, name));
        found.push(anomalies.map(of).collect::<BTreeSet<_>>());
    }
    let expected = [["machine_busy", "web-3", "spike"], ["machine_traffic", "web-2", "spike"]];
    let expected: BTreeSet<_> = expected.map(|of| of.map(str::to_owned)).into();
    assert_eq!(found, [BTreeSet::new(), BTreeSet::new(), expected]);
    Ok(())
}
