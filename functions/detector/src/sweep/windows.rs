//! Reads windows of a day, with baselines, and judges them by the classical rule.

use std::time::Instant;

use anyhow::Context;
use detection::{CustomerId, Finding, MetricName, Series, Verdict, Window};
use platform::emf::{RunFigures, UsageFigures};
use warehouse::usage::{Baseline, CustomerUsage, Patience, SweepRequest, Tries, UsageError};

use super::{Failure, LOGGED, customer_id, note_verdict, quarantine};
use crate::app::App;
use crate::candidate::{Candidate, judge_series};
use crate::known::Known;
use crate::pass::{Pass, millis};
use crate::spool::Spool;

/// All candidates of a window. The whole stream has proved complete before they are returned.
pub(super) async fn collect(
    pass: Pass<'_>,
    known: &Known,
    figures: &mut RunFigures,
) -> anyhow::Result<Spool<Candidate>> {
    let Pass { app, window, deadline, writer, .. } = pass;
    let request = SweepRequest {
        window,
        baseline_days: app.detection.baseline_days,
        catalog: &app.catalog,
        customers: &pass.request.customers,
        shard: pass.request.shard,
        query_id: writer.run_id,
        deadline,
    };
    let started = Instant::now();
    let mut baseline = find_baseline(pass, &request).await;
    figures.clickhouse_time += started.elapsed();
    let mut tries = Tries::new(&app.usage, writer.run_id, Patience::OF_A_RUN, deadline);
    loop {
        let (query_id, number) = (tries.query_id(), tries.number());
        let request = SweepRequest { query_id: &query_id, ..request };
        let started = Instant::now();
        let mut attempted = UsageFigures::default();
        let result = read(pass, known, &request, baseline.as_ref(), &mut attempted).await;
        figures.clickhouse_time += started.elapsed();
        match result {
            Ok(candidates) => {
                figures.usage = attempted;
                tracing::info!(
                    db.query_id = query_id,
                    window.start = %window.start(),
                    window.end = %window.end(),
                    usage.customers = figures.usage.customers,
                    usage.of_baseline = baseline.is_some(),
                    usage.read_ms = millis(figures.clickhouse_time),
                    "usage read"
                );
                return Ok(candidates);
            }
            Err(Failure::Usage(error)) => {
                // The last try always reads the hours, whatever fails.
                let is_expendable = leaves_the_hours(&error) || tries.is_last_but_one();
                let of_hours_next = baseline.is_some() && leaves_the_hours(&error);
                if let Some(baseline) = baseline.take_if(|_| is_expendable) {
                    doubt(pass, &request, &baseline, &error).await;
                }
                tries.again(error, of_hours_next).await.with_context(|| {
                    format!("the usage of {} to {} was not read (try {number})", window.start(), window.end())
                })?;
            }
            Err(Failure::Spool(error)) => return Err(error),
        }
    }
}

/// The baseline to read. `None` means that the hours of all windows are read. They give the same result and take
/// longer.
///
/// Runs for chosen customers are fast without a baseline.
async fn find_baseline(pass: Pass<'_>, request: &SweepRequest<'_>) -> Option<Baseline> {
    let Pass { app, .. } = pass;
    if !pass.request.customers.is_empty() {
        return None;
    }
    match app.usage.baseline(request).await {
        Ok(Some(baseline)) => return Some(baseline),
        Ok(None) => tracing::info!(
            "there is no baseline yet, or most of it is out of date: the hours are read instead"
        ),
        Err(error) => tracing::warn!(
            error = platform::telemetry::error_chain(&error),
            "no baseline can be read, so the hours are, which takes longer: is `meterflow migrate` up to date, and may the \
             detector's user read usage_arrivals, usage_baselines and usage_baseline_builds?"
        ),
    }
    None
}

/// Whether the hours may be read after this failure of a baseline. A failure of ClickHouse as a whole would hit them as
/// well.
fn leaves_the_hours(error: &UsageError) -> bool {
    match error {
        UsageError::Truncated { .. } | UsageError::TooExpensive { .. } | UsageError::Overloaded { .. } => {
            true
        }
        UsageError::Authentication { .. } | UsageError::Credentials(_) | UsageError::OutOfTime { .. } => {
            false
        }
        other => !other.is_transient(),
    }
}

/// A baseline that differs from its note may have been changed by somebody. No later run may read it.
async fn doubt(pass: Pass<'_>, request: &SweepRequest<'_>, baseline: &Baseline, error: &UsageError) {
    if !error.is_broken_baseline() || pass.request.dry_run {
        return;
    }
    if let Err(error) = pass.app.usage.doubt_baseline(request, baseline).await {
        let text = platform::telemetry::error_chain(&error);
        tracing::warn!(error = text, "a broken baseline stays noted: empty usage_baseline_builds");
    }
}

async fn read(
    pass: Pass<'_>,
    known: &Known,
    request: &SweepRequest<'_>,
    baseline: Option<&Baseline>,
    figures: &mut UsageFigures,
) -> Result<Spool<Candidate>, Failure> {
    let (mut candidates, usage) = (Spool::new(), &pass.app.usage);
    let stream = match baseline {
        Some(baseline) => usage.sweep_beside(request, baseline).await,
        None => usage.sweep(request).await,
    };
    let mut stream = stream.map_err(Failure::Usage)?;
    while let Some(usage) = stream.next().await.map_err(Failure::Usage)? {
        judge(pass, known, &usage, &mut candidates, figures).map_err(Failure::Spool)?;
    }
    if stream.may_be_cut() {
        expect_nobody(pass.app, request, baseline).await.map_err(Failure::Usage)?;
    }
    Ok(candidates)
}

/// An answer without rows has two possible causes: no usage in these hours, or a stream that was cut before its first
/// row.
async fn expect_nobody(
    app: &App,
    request: &SweepRequest<'_>,
    baseline: Option<&Baseline>,
) -> Result<(), UsageError> {
    let counted = match baseline {
        Some(baseline) => app.usage.count_fresh(request, baseline).await?,
        None => app.usage.count_customers(request).await?,
    };
    match counted {
        0 => {
            tracing::warn!(
                db.query_id = request.query_id,
                usage.customers_asked_for = request.customers.len(),
                "no customer has any usage in the hours read: check that the views feed the rollup (`meterflow doctor`)"
            );
            Ok(())
        }
        declared => Err(app.usage.truncated(request.query_id, declared)),
    }
}

/// Checks every metric of one customer.
fn judge(
    pass: Pass<'_>,
    known: &Known,
    usage: &CustomerUsage<'_>,
    candidates: &mut Spool<Candidate>,
    figures: &mut UsageFigures,
) -> anyhow::Result<()> {
    let Pass { app, window, .. } = pass;
    let metrics = app.catalog.metrics();
    figures.customers += 1;
    figures.series += metrics.len() as u64;
    for metric in usage.unknown_metrics() {
        quarantine(figures, "unknown_metric", 1, usage.customer_id, metric);
    }
    let Some(customer_id) = customer_id(pass, usage.customer_id, figures) else { return Ok(()) };
    let oldest = window.oldest(app.detection.baseline_days);
    let counted = window.counted(usage.first_event, oldest);
    let of_metrics = usage.series().zip(usage.first_uses());
    for (metric, (spec, (windows, first_use))) in metrics.iter().zip(of_metrics).enumerate() {
        let series = Series::new(windows, counted, spec.missing, spec.never_negative());
        let series = series.used_since(first_use, &window, oldest);
        let judged = judge_series(pass, known, &customer_id, metric, series);
        if used_windows(&judged.verdict) < Some(series.counted_values()) {
            note_broken(figures, &customer_id, &spec.name, &series, &window);
        }
        for candidate in &judged.candidates {
            candidates.push(candidate)?;
        }
        note_verdict(pass, &customer_id, &spec.name, &judged, figures);
    }
    Ok(())
}

/// The windows that a verdict used or left out for an incident. `None` without figures.
fn used_windows(verdict: &Verdict) -> Option<usize> {
    match verdict {
        Verdict::Normal(comparison) | Verdict::Anomalous(Finding { comparison, .. }) => {
            Some(comparison.baseline.sample_count() + comparison.excluded_windows)
        }
        Verdict::Undetermined(_) => None,
    }
}

/// Counts and logs the baseline windows that are left out because their data is broken.
fn note_broken(
    figures: &mut UsageFigures,
    customer_id: &CustomerId,
    metric: &MetricName,
    series: &Series<'_>,
    window: &Window,
) {
    for (age, reason) in series.broken_windows() {
        if figures.broken_windows < LOGGED {
            tracing::warn!(
                customer.id = %customer_id,
                usage.metric = %metric,
                window.end = %window.earlier(age).end(),
                reason = reason.as_str(),
                "a broken window is left out of the baseline"
            );
        }
        figures.broken_windows += 1;
    }
}
