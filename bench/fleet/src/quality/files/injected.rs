//! The records of injected faults (Nezha): their kinds, and the requests after them.

use std::path::Path;

use anyhow::{Context, Result};
use detection::Histogram;

use super::{APP, rows, time};
use crate::quality::injected::{Injected, Requests};

const FAULTS: &str = "nezha/faults.csv";
const SPANS: &str = "nezha/spans.csv";

pub(super) fn read(folder: &Path) -> Result<(Vec<Injected>, Requests)> {
    let faults = rows(folder, FAULTS, ["app", "inject_time_utc", "service", "kind"])?;
    let faults = faults.into_iter().filter(|[app, ..]| app == APP);
    let faults = faults.map(|[_, at, service, kind]| Ok(Injected { time: time(&at)?, service, kind }));
    let faults: Vec<Injected> = faults.collect::<Result<_>>().context(FAULTS)?;
    let mut requests = Requests::new();
    for [service, operation, start, duration] in
        rows(folder, SPANS, ["service", "operation", "start", "duration_us"])?
    {
        let at = time(&start).context(SPANS)?;
        let number: Result<f64, _> = duration.parse();
        let microseconds = number.with_context(|| format!("{SPANS}: {duration:?} is no number"))?;
        requests.entry((service, operation)).or_default().push((at, Histogram::key(microseconds / 1_000.0)));
    }
    requests.values_mut().for_each(|requests| requests.sort_unstable());
    Ok((faults, requests))
}
