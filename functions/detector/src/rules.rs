//! Judges the metrics of entities that rules judge: the newest hour of all entities, or one event.

use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Instant;

use anyhow::Context;
use catalog::{Aggregate, MetricRule, MetricSpec};
use detection::incident::Seen;
use detection::rules::{Attempts, Counts, Of, Rule};
use detection::{About, CustomerId, Direction, Histogram, Reason, Severity, Verdict, Window};
use jiff::SignedDuration;
use platform::emf::{RunFigures, UsageFigures};
use warehouse::usage::{
    EntitiesRequest, EntityFigures, EventFigures, FailedInARow, Patience, Tries, UsageError,
};

use crate::candidate::Candidate;
use crate::examples;
use crate::known::Known;
use crate::pass::Pass;
use crate::sweep::{named, quarantine};

mod beside;
mod lasting;
mod novel;
mod past;
mod unseen_shape;
pub(crate) mod vote;

use beside::AllBeside;
pub(crate) use beside::Beside;
use lasting::{lasting, windows};
use unseen_shape::Newest;

/// Newest events of an entity that a streak is looked for in.
pub(crate) const NEWEST: u32 = 200;

/// Hours that hold the events of a streak.
pub(crate) const STREAK_HOURS: i64 = 7 * 24;

/// Incidents count in hours. A rule tells as soon as it can, however long its windows are.
const SEEN_BY: u8 = 1;

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
    let started = Instant::now();
    let window = pass.app.newest(&pass.window);
    let hours = i64::from(pass.app.baseline().get()) * 24;
    let all =
        read(pass, window, hours, "rules", async |request| pass.app.usage.entities(request).await).await?;
    let all_beside = AllBeside::read(pass, window, hours).await?;
    let newest = RefCell::new(Newest::default());
    let votes =
        vote::read_votes(pass, window, |samples| newest.borrow_mut().see(pass, window, samples)).await?;
    let mut shapes = unseen_shape::verdicts(pass, window, known, newest.into_inner()).await;
    let (mut candidates, mut entities) =
        (novel::candidates(pass, window, known, &mut figures.usage).await?, HashSet::new());
    let beside = |(spec, place): (&MetricSpec, usize), id: &CustomerId, vote: Verdict| {
        let is_open = known.of(id.as_str(), catalog.modelled().len() + place).of_shape().is_some();
        shapes.beside((spec, place), id, vote, is_open)
    };
    candidates.extend(votes.candidates(pass, known, figures, beside));
    let usage = &mut figures.usage;
    for figures in &all {
        let EntityFigures { key, metric, now, .. } = figures;
        let Some(spec) = catalog.ruled().get(*metric) else { continue };
        let place = catalog.modelled().len() + metric;
        let Some(id) = named(key) else {
            quarantine(usage, "invalid_customer_id", 1, key, spec.name.as_str());
            continue;
        };
        entities.insert(key.as_slice());
        usage.series += 1;
        let raised = pass.policies.raised(&id, &spec.name).map_or(1.0, |raised| raised.factor);
        let incidents = known.of(id.as_str(), place);
        let is_active = |direction| incidents.is_active(direction);
        let rules = pass.policies.rules(&id, spec);
        let verdict = lasting((spec, rules), figures, &all_beside.of(*metric, key), raised, is_active);
        let is_open = incidents.of_shape().is_some();
        let Some(verdict) = shapes.beside((spec, *metric), &id, verdict, is_open) else { continue };
        note(usage, spec, &verdict);
        let about = About::of_events(catalog.name(), now.events, now.bad);
        candidates.extend(of_verdict(known, &id, place, &verdict, &about));
    }
    if !shapes.are_silent() {
        candidates.extend(shapes.rest(pass, known, usage));
        candidates.extend(unjudged(pass, known, &candidates));
    }
    examples::add(pass, window, &mut candidates).await;
    figures.clickhouse_time += started.elapsed();
    // Models may have counted the same ones.
    usage.customers = usage.customers.max(entities.len() as u64);
    Ok(candidates)
}

/// The candidates of active incidents of samples that nobody judged: the entity sends nothing any more, the rule is gone, or its samples
/// could not be read. After a day such an incident is stale.
fn unjudged(pass: Pass<'_>, known: &Known, judged: &[Candidate]) -> Vec<Candidate> {
    // Nobody knows which part of the customers an incident is of.
    if !pass.request.shard.is_whole() {
        return Vec::new();
    }
    let judged: HashSet<_> = judged.iter().map(|of| (&of.customer_id, of.metric, of.direction)).collect();
    let rest =
        known.sampled().filter(|(key, metric, direction)| !judged.contains(&(key, *metric, *direction)));
    let source = About::of(pass.app.catalog.name());
    let candidates = rest.flat_map(|(key, metric, direction)| {
        let both = of_verdict(known, key, *metric, &NO_DATA, &source);
        both.into_iter().filter(|of| of.direction == *direction)
    });
    candidates.collect()
}

/// Counts a verdict on a metric.
fn note(usage: &mut UsageFigures, spec: &MetricSpec, verdict: &Verdict) {
    match verdict {
        Verdict::Anomalous(finding) => {
            let key = (spec.name.to_string(), finding.severity.as_str());
            *usage.anomalies.entry(key).or_default() += 1;
        }
        Verdict::Undetermined(reason) => *usage.undetermined.entry(reason.as_str()).or_default() += 1,
        Verdict::Normal(_) => {}
    }
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
            windows: windows(pass.app.catalog.ruled()),
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
            seen_by: SEEN_BY,
            change: None,
            comparison,
            explanation: None,
            cost: None,
            about: Some(Box::new(about.clone())),
        })
    };
    Direction::BOTH.into_iter().filter_map(candidate).collect()
}

/// Whether a rule of a metric looks at the order of events.
pub(crate) fn needs_outcomes(spec: &MetricSpec) -> bool {
    spec.rules.iter().any(|of| match of.rule {
        Rule::Streak(_) => true,
        Rule::Burst(_) => spec.aggregate == Aggregate::Rate,
        _ => false,
    })
}

/// What a metric's rules say together: the most severe anomaly, or else that all is as usual if any of them can tell.
///
/// * `rules`: those of the metric, as the policies have them.
/// * `raised`: how many times their limits feedback asks for.
pub(crate) fn verdict(
    (spec, rules): (&MetricSpec, &[MetricRule]),
    judged: Judged<'_>,
    before: &EventFigures,
    beside: &Beside,
    raised: f64,
) -> Verdict {
    let of_rule =
        |rule: &Rule| of_rule(spec, rule, judged, before, beside).map(|verdict| rule.raised(verdict, raised));
    let verdicts = rules.iter().filter_map(|of| of_rule(&of.rule));
    verdicts.max_by_key(weight).unwrap_or(NO_DATA)
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
    beside: &Beside,
) -> Option<Verdict> {
    let (former, streak) = (counts(before), beside.streak);
    match (rule, judged) {
        (Rule::Rate(rate), Judged::Window(now)) => Some(rate.judge(counts(now), former)),
        (Rule::Streak(rule), _) => Some(streak.map_or(NO_DATA, |FailedInARow { length, earlier }| {
            // The failures of the streak are no past of their own.
            let Counts { events, bad } = former;
            let former = Counts { events: events.saturating_sub(earlier), bad: bad.saturating_sub(earlier) };
            rule.judge(length, former)
        })),
        (Rule::Percentile(rule), Judged::Window(now)) if rule.of == Of::Window => Some(if now.events == 0 {
            NO_DATA
        } else {
            rule.judge_window(&histogram(now), &histogram(before))
        }),
        (Rule::Percentile(rule), Judged::Event(_)) if rule.of == Of::Window => None,
        // The hour is judged by its extremes. So an event that nobody sent for a check is seen within the hour.
        (Rule::Percentile(rule), _) => Some(of_values(values_of(judged), |value| {
            rule.judge_event(value, &histogram(before), mean(before))
        })),
        (Rule::Ratio(rule), _) => {
            Some(of_values(values_of(judged), |value| rule.judge(value, &histogram(before), mean(before))))
        }
        (Rule::Threshold(rule), Judged::Window(now)) => {
            let distinct = beside.distinct.as_ref().map(|distinct| distinct.now as f64);
            let value = value_of(spec.aggregate, now).or(distinct);
            Some(value.map_or(NO_DATA, |value| rule.judge(value)))
        }
        // The limit is of one value only where the value of a window is that of one event.
        (Rule::Threshold(rule), Judged::Event(value)) => {
            let is_of_one = matches!(spec.aggregate, Aggregate::Max | Aggregate::Min | Aggregate::Last);
            is_of_one.then(|| value.map_or(NO_DATA, |value| rule.judge(value)))
        }
        // Failed ones, such as refused logins. A success after so many of them is an anomaly of its window.
        (Rule::Burst(rule), Judged::Window(now)) if spec.aggregate == Aggregate::Rate => {
            let succeeded = beside.failures_before_success >= rule.events;
            let events = if succeeded { now.bad.max(beside.failures_before_success) } else { now.bad };
            Some(rule.judge(Attempts { events, principals: 0, succeeded }))
        }
        (Rule::Burst(rule), Judged::Window(now)) => {
            Some(rule.judge(Attempts { events: now.events, principals: 0, succeeded: false }))
        }
        (Rule::DistinctGrowth(rule), Judged::Window(_)) => {
            let distinct = beside.distinct.as_ref();
            Some(match distinct.map(|distinct| (distinct.now, distinct.before)) {
                Some((now, Some(before))) => rule.judge(now, &before),
                Some((_, None)) => Verdict::Undetermined(Reason::InsufficientData),
                None => NO_DATA,
            })
        }
        (Rule::OffHours(rule), Judged::Window(_)) => {
            Some(beside.hour.map_or(NO_DATA, |hour| rule.judge(hour)))
        }
        (Rule::Deviation(rule), Judged::Window(now)) => {
            Some(match (past::level(spec, now), beside.values()) {
                (None, _) => NO_DATA,
                (Some(_), None) => Verdict::Undetermined(Reason::InsufficientData),
                (Some(_), Some(_)) if now.events < rule.min_events => {
                    Verdict::Undetermined(Reason::InsufficientData)
                }
                (Some(value), Some(past)) => rule.judge(value, &past, spec.aggregate == Aggregate::Count),
            })
        }
        // Metrics of new texts have a judgement of their own, and so have votes and shapes.
        (Rule::Novelty(_) | Rule::Vote(_) | Rule::UnseenShape(_), Judged::Window(_)) => None,
        (
            Rule::Rate(_)
            | Rule::Burst(_)
            | Rule::DistinctGrowth(_)
            | Rule::OffHours(_)
            | Rule::Deviation(_)
            | Rule::Vote(_)
            | Rule::UnseenShape(_)
            | Rule::Novelty(_),
            Judged::Event(_),
        ) => None,
    }
}

const NO_DATA: Verdict = Verdict::Undetermined(Reason::NoData);

/// The value of an event, or the largest and the smallest one of a window.
fn values_of(judged: Judged<'_>) -> [Option<f64>; 2] {
    match judged {
        Judged::Event(value) => [value, None],
        Judged::Window(now) => {
            [Some(now.most), Some(now.least)].map(|value| value.filter(|_| usable(now) > 0))
        }
    }
}

/// What a rule says of some values together: that of the oddest.
fn of_values(values: [Option<f64>; 2], judge: impl Fn(f64) -> Verdict) -> Verdict {
    values.into_iter().flatten().map(judge).max_by_key(weight).unwrap_or(NO_DATA)
}

/// The value of a window. `None` without events, but for a count.
fn value_of(aggregate: Aggregate, figures: &EventFigures) -> Option<f64> {
    let EventFigures { events, bad, total, least, most, .. } = figures;
    match aggregate {
        Aggregate::Count => Some(*events as f64),
        Aggregate::Rate if *events > 0 => Some(Counts { events: *events, bad: *bad }.rate()),
        Aggregate::Ratio => Some(figures.ratio).filter(|ratio| ratio.is_finite()),
        // A level may be negative.
        Aggregate::Last if finite(figures) > 0 => Some(figures.newest),
        // Texts have no value.
        Aggregate::Last | Aggregate::Distinct | Aggregate::Novel => None,
        _ if usable(figures) == 0 => None,
        Aggregate::Sum => Some(*total),
        Aggregate::Max => Some(*most),
        Aggregate::Min => Some(*least),
        Aggregate::Avg => Some(mean(figures)),
        Aggregate::Rate => None,
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

/// The mean of the usable values. NaN without any, which no rule takes for a mean.
fn mean(figures: &EventFigures) -> f64 {
    figures.total / usable(figures) as f64
}

/// How many events have a usable value. The shape keeps the others apart.
fn usable(figures: &EventFigures) -> u64 {
    events_of(figures, Histogram::is_usable)
}

/// How many events have a finite value.
fn finite(figures: &EventFigures) -> u64 {
    events_of(figures, |key| key != Histogram::NOT_FINITE)
}

/// The events in some buckets.
fn events_of(figures: &EventFigures, is_chosen: impl Fn(i16) -> bool) -> u64 {
    let chosen = figures.shape.iter().filter(|(key, _)| is_chosen(*key));
    chosen.fold(0, |sum, (_, events)| sum.saturating_add(*events))
}

#[cfg(test)]
mod tests;
