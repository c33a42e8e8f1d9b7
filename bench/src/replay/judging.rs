//! The usage of a month, judged as a run does.

use anyhow::Context;
use detection::{Calendar, Hour};
use detector::App;
use detector::calendars::Calendars;
use detector::candidate::{Judged, SeriesOfHours, judge_hours};
use detector::known::Known;
use detector::pass::Pass;
use fleet::usage::{Metric, Month};

/// The usage of a month, as the rollup would give it to runs.
pub(super) struct Usage<'a> {
    pub(super) month: &'a Month,
    /// Of each metric of the month, the place in the catalog.
    metrics: Vec<usize>,
}

impl<'a> Usage<'a> {
    pub(super) fn of(month: &'a Month, app: &App) -> anyhow::Result<Self> {
        let place = |Metric { name: metric, .. }: &Metric| {
            let place = app.catalog.metrics().iter().position(|spec| spec.name == *metric);
            place.with_context(|| format!("the catalog has no metric {metric}"))
        };
        Ok(Self { month, metrics: month.metrics.iter().map(place).collect::<anyhow::Result<_>>()? })
    }

    /// Judges all series of the hours that end with an hour.
    pub(super) fn judge(
        &self,
        pass: Pass<'_>,
        known: &Known,
        end: usize,
        keep: &mut impl FnMut(Judged) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut calendars = Calendars::of(&pass.window);
        for (place, customer) in self.month.customers.iter().enumerate() {
            let calendar = calendars.of_bucket((place % Calendar::HOURS) as u8, None);
            let from = self.month.number(calendar.begin().start()).unwrap_or(0);
            let arrived = end.saturating_sub(customer.delay);
            // The rollup has no row of an hour without usage.
            let read = |usage: &Vec<f64>| -> Vec<f64> {
                let value = |hour: usize| Some(usage[hour]).filter(|value| *value > 0.0 && hour < arrived);
                (from..end).map(|hour| value(hour).unwrap_or(f64::NAN)).collect()
            };
            let usage: Vec<_> = customer.usage.iter().map(read).collect();
            let first_use = |values: &Vec<f64>| values.iter().position(|value| !value.is_nan());
            let Some(since) = usage.iter().filter_map(first_use).min() else { continue };
            let first = Hour::holding(self.month.at(from));
            let customer_since = first.plus(since as i64);
            for (values, metric) in usage.iter().zip(&self.metrics) {
                let hours = &pass.app.catalog.metrics()[*metric].hours(first, values, customer_since);
                let series = SeriesOfHours { hours, customer_since, calendar };
                keep(judge_hours(pass, known, &customer.id, *metric, series))?;
            }
        }
        Ok(())
    }
}
