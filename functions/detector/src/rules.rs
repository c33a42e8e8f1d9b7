//! Judges the metrics of entities that rules judge: the newest hour of all entities, or one event.

use std::collections::HashMap;

use anyhow::Context;
use catalog::{Aggregate, MetricSpec};
use detection::incident::Seen;
use detection::rules::{Attempts, Counts, Of, Rule};
use detection::{About, CustomerId, Direction, Histogram, Reason, Severity, Verdict, Window};
use jiff::SignedDuration;
use platform::emf::RunFigures;
use warehouse::usage::{EntitiesRequest, EntityFigures, EventFigures, Outcomes, Patience, Tries, UsageError};

use crate::candidate::Candidate;
use crate::known::Known;
use crate::pass::Pass;
use crate::sweep::{named, quarantine};

/// Newest events of an entity that a streak is looked for in.
pub(crate) const NEWEST: u32 = 200;

/// Hours that hold the events of a streak.
const STREAK_HOURS: i64 = 7 * 24;

/// The length in hours of the window that rules judge.
const HOURS: u8 = 1;

/// What a metric's rules judge, beside the events before.
#[derive(Clone, Copy)]
pub(crate) enum Judged<'a> {
    /// The events of the newest hour.
    Window(&'a EventFigures),
    /// The value of one event.
    Event(Option<f64>),
}

/// The candidates of a pass among the metrics that rules judge.
pub(crate) async fn candidates(
    pass: Pass<'_>,
    known: &Known,
    figures: &mut RunFigures,
) -> anyhow::Result<Vec<Candidate>> {
    let catalog = &pass.app.catalog;
    if catalog.ruled().is_empty() {
        return Ok(Vec::new());
    }
    let window = pass.window.newest_hours(HOURS.into()).context("the window is shorter than an hour")?;
    let days = i64::from(pass.app.detection.baseline_days.get());
    let all = read(pass, window, days * 24, "rules", async |request| pass.app.usage.entities(request).await)
        .await?;
    let outcomes = if catalog.ruled().iter().any(needs_outcomes) {
        read(pass, window, STREAK_HOURS, "streaks", async |request| {
            pass.app.usage.outcomes(request, NEWEST).await
        })
        .await?
    } else {
        Vec::new()
    };
    let outcomes: HashMap<&[u8], &[bool]> =
        outcomes.iter().map(|Outcomes { key, failed }| (key.as_slice(), failed.as_slice())).collect();
    let (mut candidates, usage) = (Vec::new(), &mut figures.usage);
    for figures in &all {
        let EntityFigures { key, metric, now, before, .. } = figures;
        let Some(spec) = catalog.ruled().get(*metric) else { continue };
        let Some(id) = named(key) else {
            quarantine(usage, "invalid_customer_id", 1, key, spec.name.as_str());
            continue;
        };
        usage.series += 1;
        let failed = outcomes.get(key.as_slice()).copied();
        let verdict = verdict(spec, Judged::Window(now), before, failed);
        match &verdict {
            Verdict::Anomalous(finding) => {
                let key = (spec.name.to_string(), finding.severity.as_str());
                *usage.anomalies.entry(key).or_default() += 1;
            }
            Verdict::Undetermined(reason) => *usage.undetermined.entry(reason.as_str()).or_default() += 1,
            Verdict::Normal(_) => {}
        }
        let about = About::of_events(catalog.name(), now.events, now.bad);
        let place = catalog.modelled().len() + metric;
        candidates.extend(of_verdict(known, &id, place, &verdict, &about));
    }
    Ok(candidates)
}

/// Reads with the patience of a run.
async fn read<T>(
    pass: Pass<'_>,
    window: Window,
    hours: i64,
    name: &str,
    reading: impl AsyncFn(&EntitiesRequest<'_>) -> Result<T, UsageError>,
) -> anyhow::Result<T> {
    let from = window.start().checked_sub(SignedDuration::from_hours(hours))?;
    let name = format!("{}-{name}", pass.writer.run_id);
    let mut tries = Tries::new(&pass.app.usage, name, Patience::OF_A_RUN, pass.deadline);
    loop {
        let query_id = tries.query_id();
        let request = EntitiesRequest {
            catalog: &pass.app.catalog,
            window,
            from,
            keys: pass.customers,
            shard: pass.request.shard,
            query_id: &query_id,
            deadline: pass.deadline,
        };
        match reading(&request).await {
            Ok(read) => return Ok(read),
            Err(error) => tries
                .again(error, false)
                .await
                .with_context(|| format!("the events of {} were not read", pass.app.catalog.name()))?,
        }
    }
}

/// The candidates of both directions.
pub(crate) fn of_verdict(
    known: &Known,
    key: &CustomerId,
    metric: usize,
    verdict: &Verdict,
    about: &About,
) -> Vec<Candidate> {
    let incidents = known.of(key.as_str(), metric);
    let candidate = |direction| {
        let (seen, comparison) = match verdict {
            Verdict::Anomalous(finding) if finding.direction == direction => {
                (Seen::Anomalous(finding.severity), Some(finding.comparison))
            }
            Verdict::Anomalous(finding) => (Seen::Inside, Some(finding.comparison)),
            Verdict::Normal(comparison) => (Seen::Inside, Some(*comparison)),
            Verdict::Undetermined(_) => (Seen::Undetermined, None),
        };
        let is_needed = matches!(seen, Seen::Anomalous(_)) || incidents.is_active(direction);
        is_needed.then(|| Candidate {
            customer_id: key.clone(),
            metric,
            direction,
            seen,
            seen_by: HOURS,
            change: None,
            comparison,
            explanation: None,
            about: Some(Box::new(about.clone())),
        })
    };
    Direction::BOTH.into_iter().filter_map(candidate).collect()
}

/// Whether a rule of a metric looks at the order of events.
pub(crate) fn needs_outcomes(spec: &MetricSpec) -> bool {
    spec.rules.iter().any(|rule| matches!(rule, Rule::Streak(_)))
}

/// What a metric's rules say together: the most severe anomaly, or else that all is as usual if any of them can tell.
///
/// * `outcomes`: whether each of the newest events failed, the newest first. None without an event in the newest hour.
pub(crate) fn verdict(
    spec: &MetricSpec,
    judged: Judged<'_>,
    before: &EventFigures,
    outcomes: Option<&[bool]>,
) -> Verdict {
    let verdicts = spec.rules.iter().filter_map(|rule| of_rule(spec, rule, judged, before, outcomes));
    verdicts.max_by_key(weight).unwrap_or(Verdict::Undetermined(Reason::NoData))
}

/// The order of verdicts: the one that says most is the greatest.
fn weight(verdict: &Verdict) -> (u8, Option<Severity>) {
    match verdict {
        Verdict::Undetermined(_) => (0, None),
        Verdict::Normal(_) => (1, None),
        Verdict::Anomalous(finding) => (2, Some(finding.severity)),
    }
}

/// What one rule says. `None` if the rule does not judge this: a rate is of many events.
fn of_rule(
    spec: &MetricSpec,
    rule: &Rule,
    judged: Judged<'_>,
    before: &EventFigures,
    outcomes: Option<&[bool]>,
) -> Option<Verdict> {
    let no_data = Some(Verdict::Undetermined(Reason::NoData));
    let former = counts(before);
    match (rule, judged) {
        (Rule::Rate(rate), Judged::Window(now)) => Some(rate.judge(counts(now), former)),
        (Rule::Rate(_), Judged::Event(_)) => None,
        (Rule::Streak(streak), _) => {
            let Some(outcomes) = outcomes else { return no_data };
            let length = outcomes.iter().take_while(|failed| **failed).count();
            Some(streak.judge(length as u64, former))
        }
        (Rule::Percentile(percentile), Judged::Window(now)) => match percentile.of {
            _ if now.events == 0 => no_data,
            Of::Window => Some(percentile.judge_window(&histogram(now), &histogram(before))),
            // An event that nobody sent for a check is seen here, within the hour.
            Of::Each => Some(percentile.judge_event(now.most, &histogram(before), mean(before))),
        },
        (Rule::Percentile(percentile), Judged::Event(value)) => match (percentile.of, value) {
            (Of::Window, _) => None,
            (Of::Each, None) => no_data,
            (Of::Each, Some(value)) => Some(percentile.judge_event(value, &histogram(before), mean(before))),
        },
        (Rule::Ratio(ratio), Judged::Window(now)) => match now.events {
            0 => no_data,
            _ => Some(ratio.judge(now.least, &histogram(before), mean(before))),
        },
        (Rule::Ratio(ratio), Judged::Event(value)) => match value {
            None => no_data,
            Some(value) => Some(ratio.judge(value, &histogram(before), mean(before))),
        },
        (Rule::Threshold(threshold), Judged::Window(now)) => match value_of(spec.aggregate, now) {
            None => no_data,
            Some(value) => Some(threshold.judge(value)),
        },
        (Rule::Threshold(threshold), Judged::Event(value)) => match value {
            None => no_data,
            Some(value) => Some(threshold.judge(value)),
        },
        (Rule::Burst(burst), Judged::Window(now)) => {
            Some(burst.judge(Attempts { events: now.events, principals: 0, succeeded: false }))
        }
        (Rule::Burst(_), Judged::Event(_)) => None,
        // The catalog refuses them.
        (Rule::Novelty(_) | Rule::DistinctGrowth(_) | Rule::OffHours(_), _) => None,
    }
}

/// The value of a window. `None` without events, but for a count.
fn value_of(aggregate: Aggregate, figures: &EventFigures) -> Option<f64> {
    let EventFigures { events, bad, total, least, most, .. } = figures;
    match aggregate {
        Aggregate::Count => Some(*events as f64),
        _ if *events == 0 => None,
        Aggregate::Sum => Some(*total),
        Aggregate::Max => Some(*most),
        Aggregate::Min => Some(*least),
        Aggregate::Avg => Some(mean(figures)),
        Aggregate::Rate => Some(Counts { events: *events, bad: *bad }.rate()),
        Aggregate::P50 | Aggregate::P95 | Aggregate::P99 => {
            histogram(figures).percentile(aggregate.percentile().unwrap_or(0.5))
        }
    }
}

fn counts(figures: &EventFigures) -> Counts {
    Counts { events: figures.events, bad: figures.bad }
}

fn histogram(figures: &EventFigures) -> Histogram {
    figures.shape.iter().copied().collect()
}

/// The mean value of the events. NaN without any, which no rule takes for a mean.
fn mean(figures: &EventFigures) -> f64 {
    figures.total / figures.events as f64
}
