//! Judges the usage of a month as a run does: by windows of a day, or by models of the week.

use detection::{Calendar, Hour, Series};
use detector::calendars::Calendars;
use detector::candidate::{Judged, SeriesOfHours, judge_hours, judge_series};
use detector::known::Known;
use detector::pass::Pass;

use super::windows::Windows;

/// The classical rule for all series of the window that ends with an hour.
pub(super) fn by_windows(
    pass: Pass<'_>,
    known: &Known,
    windows: &Windows<'_>,
    end: usize,
    keep: &mut impl FnMut(Judged) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let days = pass.app.detection.baseline_days;
    let oldest = pass.window.oldest(days);
    for (place, customer) in windows.month.customers.iter().enumerate() {
        // The rollup has no row of a customer without usage.
        let Some(first_event) = windows.first_event(place, &pass.window, days) else { continue };
        let counted = pass.window.counted(first_event, oldest);
        for (number, metric) in windows.metrics.iter().enumerate() {
            let spec = &pass.app.catalog.metrics()[*metric];
            let values = windows.values(place, number, end, oldest.get() + 1);
            let series = Series::new(&values, counted, spec.missing, spec.never_negative());
            keep(judge_series(pass, known, &customer.id, *metric, series))?;
        }
    }
    Ok(())
}

/// The models of the week for all series of the hours that end with an hour.
pub(super) fn by_hours(
    pass: Pass<'_>,
    known: &Known,
    windows: &Windows<'_>,
    end: usize,
    keep: &mut impl FnMut(Judged) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let month = windows.month;
    let mut calendars = Calendars::of(&pass.window);
    for (place, customer) in month.customers.iter().enumerate() {
        let calendar = calendars.of_bucket((place % Calendar::HOURS) as u8);
        let from = month.number(calendar.begin().start()).unwrap_or(0);
        let arrived = end.saturating_sub(customer.delay);
        // The rollup has no row of an hour without usage.
        let read = |usage: &Vec<f64>| -> Vec<f64> {
            let value = |hour: usize| Some(usage[hour]).filter(|value| *value > 0.0 && hour < arrived);
            (from..end).map(|hour| value(hour).unwrap_or(f64::NAN)).collect()
        };
        let usage: Vec<_> = customer.usage.iter().map(read).collect();
        let first_use = |values: &Vec<f64>| values.iter().position(|value| !value.is_nan());
        let Some(since) = usage.iter().filter_map(first_use).min() else { continue };
        let first = Hour::holding(month.at(from));
        let customer_since = first.plus(since as i64);
        for (values, metric) in usage.iter().zip(&windows.metrics) {
            let hours = &pass.app.catalog.metrics()[*metric].hours(first, values, customer_since);
            let series = SeriesOfHours { hours, customer_since, calendar };
            keep(judge_hours(pass, known, &customer.id, *metric, series))?;
        }
    }
    Ok(())
}
