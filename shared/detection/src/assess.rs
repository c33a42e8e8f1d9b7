//! The check by models, from the hours of one series to its verdict. Runs and checks on demand both come through here.

use crate::calendar::Calendar;
use crate::detectors::new_usage;
use crate::ensemble::{self, Assessment};
use crate::hour::Hour;
use crate::hours::Hours;
use crate::model::{Model, Profile};
use crate::{Baseline, Comparison, Direction, Finding, Reason, Settings, Severity, Verdict};

/// Judges the windows that end with the hour `newest`.
///
/// Total: any input gives an assessment. `newest` is an hour of the calendar's day; for another hour there is no model.
///
/// Muted hours count neither in the windows nor in what is expected. An event that goes on in the newest hour shows in the
/// windows, so that its anomaly can be stored. If a series has no other hours, they say what is usual.
///
/// * `customer_since`: the first hour of the customer, of any series.
/// * `peers`: the shape of a day of all customers.
pub fn assess(
    hours: &Hours,
    newest: Hour,
    customer_since: Hour,
    calendar: &Calendar,
    peers: &Profile,
    settings: &Settings,
) -> Assessment {
    let judge =
        |past: &Hours| assess_by(&Model::fit(past, calendar, peers), hours, newest, customer_since, settings);
    let assessment = judge(hours);
    match assessment.verdict {
        Verdict::Undetermined(Reason::InsufficientData | Reason::NoData) if hours.has_muted() => {
            judge(&hours.clone().muted(|_| false))
        }
        _ => assessment,
    }
}

/// The same by a model that was fitted before, from these hours or some of them.
pub fn assess_by(
    model: &Model,
    hours: &Hours,
    newest: Hour,
    customer_since: Hour,
    settings: &Settings,
) -> Assessment {
    let Some(row) = model.row(newest) else { return Assessment::undetermined(Reason::InsufficientData, 0) };
    let recent = model.fill_muted(hours.recent(newest).with_present_event());
    let mut assessment = ensemble::judge(&recent, row, settings).reviewed(hours, &recent, row, settings);
    let is_first_use = hours.first_known().is_some_and(|first| newest.since(first) < Calendar::HOURS as i64)
        && newest.since(customer_since) >= (Calendar::HOURS * settings.min_samples()) as i64;
    if is_first_use && assessment.verdict == Verdict::Undetermined(Reason::InsufficientData) {
        assessment.verdict = first_use(recent.of_known_hours(), hours.never_negative(), settings);
    }
    assessment
}

/// The same for a series with hours of incidents, which its model leaves out. A young series may have no other hours. Then
/// they count.
///
/// * `is_out`: whether an hour is left out.
pub fn assess_without(
    is_out: impl Fn(Hour) -> bool,
    hours: &Hours,
    newest: Hour,
    customer_since: Hour,
    calendar: &Calendar,
    peers: &Profile,
    settings: &Settings,
) -> Assessment {
    let judge = |hours: &Hours| assess(hours, newest, customer_since, calendar, peers, settings);
    let calm = judge(&hours.clone().without(is_out));
    if calm.verdict == Verdict::Undetermined(Reason::InsufficientData) { judge(hours) } else { calm }
}

/// The verdict on a series whose first event is less than a day old.
fn first_use(current: f64, never_negative: bool, settings: &Settings) -> Verdict {
    match new_usage::judge(current, never_negative, settings.floors()) {
        None => Verdict::Undetermined(Reason::InsufficientData),
        Some(opinion) => {
            let baseline = Baseline::NONE;
            let comparison =
                Comparison { current, baseline, z_score: opinion.score, excluded_windows: 0, opinion };
            let direction = Direction::of(current);
            Verdict::Anomalous(Finding { comparison, severity: Severity::Warning, direction })
        }
    }
}

#[cfg(test)]
mod tests;
