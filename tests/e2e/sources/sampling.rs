//! A sample of the events of a source.

use super::*;

const SAMPLED: &str = "sampling_by = \"toString(ms)\"\nsampling_ratio = 0.1";

/// Ten runs of each trace, which is in `ms`: 40 traces in the same hour of each of ten days, and 400 traces in the hour until END. Of
/// these all fail that no sample of one in ten has.
fn runs() -> [String; 2] {
    let end = at(END).as_second();
    let rows = |traces: u64, time: &str, fails: &str| {
        format!(
            "INSERT INTO runs SELECT concat('{traces}-', toString(number)), 'acme', 'nightly', if({fails}, 'failed', 'done'),
                 toDateTime64({time}, 3, 'UTC'), intDiv(number, 10) AS trace, 1
             FROM numbers({})",
            10 * traces
        )
    };
    let past = format!("{end} - 1800 - 86400 * (1 + intDiv(intDiv(number, 10), 40))");
    [
        rows(400, &past, "number % 100 = 7"),
        rows(399, &format!("{end} - 1800"), "cityHash64(toString(toFloat64(intDiv(number, 10)))) % 10 != 0"),
    ]
}

async fn jobs(of_source: &str) -> Result<Jobs> {
    Jobs::new(&runs(), &catalog(of_source, &rate(""))).await
}

/// The events of a metric in the hour until END, and the events and traces that the sample has.
async fn counted(jobs: &Jobs) -> Result<(u64, u64, u64)> {
    let text = format!(
        "SELECT assumeNotNull((SELECT sum(events) FROM jobs_hourly WHERE metric = 'job_rate' AND hour = toDateTime({hour}, 'UTC'))),
             countIf(cityHash64(toString(ms)) % 10 = 0), uniqExactIf(ms, cityHash64(toString(ms)) % 10 = 0)
         FROM runs WHERE finished_at > toDateTime({hour}, 'UTC')",
        hour = at(END).as_second() - 3_600
    );
    Ok(jobs.world.clickhouse.query_raw(&text).fetch_one().await?)
}

#[tokio::test]
async fn a_sample_has_whole_traces_and_counts_for_the_others() -> Result<()> {
    let jobs = jobs(SAMPLED).await?;
    let (events, sampled, traces) = counted(&jobs).await?;
    assert!((20..70).contains(&traces), "{traces}");
    assert_eq!((events, sampled), (10 * sampled, 10 * traces));
    // No failure is in the sample, so nothing is odd.
    assert_eq!(figures(&jobs.hourly_run().await?).0, 0);
    Ok(())
}

#[tokio::test]
async fn without_a_sample_every_event_counts() -> Result<()> {
    let jobs = jobs("").await?;
    assert_eq!(counted(&jobs).await?.0, 3_990);
    let found = jobs.hourly_run().await?;
    assert_eq!(figures(&found).0, 1, "{found:?}");
    Ok(())
}
