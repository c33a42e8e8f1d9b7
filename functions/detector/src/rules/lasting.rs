//! Windows of rules: how long a deviation must last, and the two pasts of a window that is shorter than an hour.

use catalog::{MetricRule, MetricSpec};
use detection::rules::{Of, Rule};
use detection::{Direction, Finding, Reason, Verdict};
use warehouse::usage::EntityFigures;

use super::{Beside, Judged, NO_DATA, of_rule, weight};

/// What a metric's rules say of the newest window together. A rule that must hold for some windows tells when it does.
///
/// Windows shorter than an hour have two pasts: the same hour of the days before, and the last two hours. A deviation must show beside
/// both. A service that has been busy for the whole morning is no news at noon, and neither is a job that comes at noon. A
/// deviation with an open incident stays one, even when it fills the last two hours.
///
/// * `rules`: those of the metric, as the policies have them.
pub(super) fn lasting(
    (spec, rules): (&MetricSpec, &[MetricRule]),
    figures: &EntityFigures,
    beside: &Beside,
    raised: f64,
    is_active: impl Fn(Direction) -> bool,
) -> Verdict {
    let EntityFigures { now, earlier, before, recent, .. } = figures;
    let of_window = |rule: &Rule, figures| {
        let verdict = of_rule(spec, rule, Judged::Window(figures), before, beside)?;
        let verdict = rule.raised(verdict, raised);
        let Some(recent) = recent.as_ref().filter(|_| compares_windows(rule)) else { return Some(verdict) };
        let second = || of_rule(spec, rule, Judged::Window(figures), recent, &beside.recently());
        let found = match verdict {
            // In the morning of a young service each level is new. So levels wait for their days.
            Verdict::Undetermined(Reason::InsufficientData) if !matches!(rule, Rule::Deviation(_)) => {
                return second().map(|verdict| rule.raised(verdict, raised));
            }
            Verdict::Anomalous(found) if !is_active(found.direction) => found,
            _ => return Some(verdict),
        };
        let is_denied = match second() {
            Some(Verdict::Anomalous(second)) => second.direction != found.direction,
            Some(Verdict::Normal(_)) => true,
            Some(Verdict::Undetermined(_)) | None => false,
        };
        Some(if is_denied { Verdict::Normal(found.comparison) } else { verdict })
    };
    let verdicts = rules.iter().filter_map(|MetricRule { rule, lasting }| {
        let newest = of_window(rule, now)?;
        let Verdict::Anomalous(Finding { direction, comparison, .. }) = newest else { return Some(newest) };
        let is_alike = |figures| {
            let verdict = of_window(rule, figures);
            verdict.is_some_and(|verdict| verdict.finding().is_some_and(|found| found.direction == direction))
        };
        let others = earlier.iter().take(lasting.windows() - 1).rev().map(is_alike);
        let windows: Vec<bool> = others.chain([true]).collect();
        Some(if lasting.holds(&windows) { newest } else { Verdict::Normal(comparison) })
    });
    verdicts.max_by_key(weight).unwrap_or(NO_DATA)
}

/// Whether a rule compares a window with the time before.
fn compares_windows(rule: &Rule) -> bool {
    match rule {
        Rule::Rate(_) | Rule::Deviation(_) => true,
        Rule::Percentile(rule) => rule.of == Of::Window,
        _ => false,
    }
}

/// The number of windows that some rule looks at.
pub(super) fn windows(metrics: &[MetricSpec]) -> usize {
    let rules = metrics.iter().flat_map(|spec| &spec.rules);
    rules.map(|of| of.lasting.windows()).max().unwrap_or(1)
}
