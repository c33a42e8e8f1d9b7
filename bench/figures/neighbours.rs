//! What one tenant's load does to another tenant: checks of the one, alone and while the other asks for a dozen dear ones.

use std::time::Instant;

use anyhow::{Result, ensure};
use e2e::api::Api;
use futures::future::try_join_all;

use crate::usage::Usage;
use bench::figure::{Figure, Goal};

/// Cheap: it reads the hourly rollup.
const CHECK: &str = "/v1/anomalies/check?metric=api_calls";

/// Dear: its period is off the hour, so it reads three months of events.
const DEAR: &str =
    "/v1/anomalies/check?metric=api_calls&current_start=now-7h&current_end=now&baseline_days=90";

/// Dear checks of one tenant at a time.
const AT_ONCE: usize = 12;

/// Checks of the other tenant, which are fewer than it may make in a minute.
const CHECKS: usize = 100;

pub(crate) async fn measure(customers: u64) -> Result<Vec<Figure>> {
    eprintln!("making a month of events of {customers} customers …");
    let usage = Usage::of_events(customers).await?;
    let api = usage.world.api().await?;
    // The first of each to warm up.
    p95(&api.as_customer(&name(0))).await?;
    let alone = p95(&api.as_customer(&name(1))).await?;
    let quiet = api.as_customer(&name(2));
    let mut dear = (0, 0);
    let beside = tokio::select! {
        beside = p95(&quiet) => beside?,
        failed = load(&api, &mut dear) => return failed.map(|()| Vec::new()),
    };
    let (answered, refused) = dear;
    ensure!(answered + refused > 0, "the checks of the other tenant were over before a dear one");
    let made_of = format!(
        "{beside:.1} ms beside {AT_ONCE} dear checks, {alone:.1} ms alone; of the dear ones {answered} answered, {refused} \
         refused"
    );
    let figure = Figure::new(
        "a tenant's check beside another's load, p95",
        beside / alone,
        "x",
        Goal::AtMost(2.0),
        made_of,
    );
    usage.drop().await?;
    Ok(vec![figure])
}

/// A dozen dear checks of one tenant after the other, without end.
async fn load(api: &Api, (answered, refused): &mut (usize, usize)) -> Result<()> {
    for tenant in 3.. {
        let loud = api.as_customer(&name(tenant));
        for answer in try_join_all((0..AT_ONCE).map(|_| loud.get(DEAR))).await? {
            match answer.status {
                200 => *answered += 1,
                429 => *refused += 1,
                status => anyhow::bail!("a dear check answers {status}: {}", answer.text),
            }
        }
    }
    Ok(())
}

/// Milliseconds that 95 of 100 checks are faster than.
async fn p95(api: &Api) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..CHECKS {
        let started = Instant::now();
        let answer = api.get(CHECK).await?;
        ensure!(answer.status == 200, "a check answers {}: {}", answer.status, answer.text);
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[CHECKS * 95 / 100])
}

fn name(customer: u64) -> String {
    format!("customer_{customer:07}")
}
