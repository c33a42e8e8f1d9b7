//! The usage of a month, judged as a run does.

use std::cell::RefCell;
use std::collections::HashMap;

use anyhow::Context;
use detection::model::{Model, Peers};
use detection::{Calendar, Hour, Together};
use detector::App;
use detector::calendars::Calendars;
use detector::candidate::{CustomerOfHours, Judged, Screened, SeriesOfHours, judge_hours, screen};
use detector::known::Known;
use detector::pass::Pass;
use fleet::usage::{Customer, Metric, Month};

/// The usage of a month, as the rollup would give it to runs.
pub(super) struct Usage<'a> {
    pub(super) month: &'a Month,
    /// Of each metric of the month, the place in the catalog.
    metrics: Vec<usize>,
    /// By customer and metric: the fit of the day at hand.
    fits: RefCell<HashMap<(usize, usize), Model>>,
    /// By metric of the month.
    peers: Peers,
}

impl<'a> Usage<'a> {
    pub(super) fn of(month: &'a Month, app: &App) -> anyhow::Result<Self> {
        let place = |Metric { name: metric, .. }: &Metric| {
            let place = app.catalog.metrics().iter().position(|spec| spec.name == *metric);
            place.with_context(|| format!("the catalog has no metric {metric}"))
        };
        let metrics = month.metrics.iter().map(place).collect::<anyhow::Result<_>>()?;
        Ok(Self { month, metrics, fits: RefCell::default(), peers: month.peers() })
    }

    /// Judges all series of a pass. Returns the newest hour of all customers together, by metric of the catalog.
    pub(super) fn judge(
        &self,
        pass: Pass<'_>,
        known: &Known,
        keep: &mut impl FnMut(Judged) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Together>> {
        let mut calendars = Calendars::of(&pass.window);
        let mut together = vec![Together::default(); pass.app.catalog.metrics().len()];
        let end = self.month.number(pass.window.end()).context("the window is beyond the month")?;
        for (place, customer) in self.month.customers.iter().enumerate() {
            if !pass.is_for(&customer.id) {
                continue;
            }
            let zone = pass.policies.time_zone(&customer.id);
            let calendar = calendars.of_bucket((place % Calendar::HOURS) as u8, zone);
            let from = self.month.number(calendar.begin().start()).unwrap_or(0);
            // The rollup has no row of an hour without usage.
            let read = |usage: &Vec<f64>| -> Vec<f64> {
                let value = |hour: usize| Some(usage[hour]).filter(|value| *value > 0.0);
                (from..end).map(|hour| value(hour).unwrap_or(f64::NAN)).collect()
            };
            let usage: Vec<_> = customer.usage.iter().map(read).collect();
            let first_use = |values: &Vec<f64>| values.iter().position(|value| !value.is_nan());
            let Some(since) = usage.iter().filter_map(first_use).min() else { continue };
            let first = Hour::holding(self.month.at(from));
            let customer_since = first.plus(since as i64);
            let series = |(number, (values, metric)): (usize, (&Vec<f64>, &usize))| {
                let hours = pass.app.catalog.metrics()[*metric].hours(first, values, customer_since);
                SeriesOfHours { metric: *metric, hours, peers: *self.peers.of(calendar.day(), number) }
            };
            let series: Vec<_> = usage.iter().zip(&self.metrics).enumerate().map(series).collect();
            let of = CustomerOfHours { id: &customer.id, series: &series, since: customer_since, calendar };
            let has_usage =
                |values: &Vec<f64>| values.iter().rev().take(Calendar::HOURS).any(|value| !value.is_nan());
            let screened = series.iter().zip(&usage).map(|(series, values)| {
                self.screened(pass, known, (place, customer), calendar, series, has_usage(values))
            });
            // As in a run, one series that may be odd lets all hours of the customer be judged.
            let judged: Option<Vec<_>> = screened.collect();
            let judged = judged.unwrap_or_else(|| judge_hours(pass, known, of).collect());
            for (judged, metric) in judged.into_iter().zip(&self.metrics) {
                together[*metric].join(&judged.newest);
                keep(judged)?;
            }
        }
        Ok(together)
    }

    /// The verdict by the fit of the customer's day. `None` if the hours must tell.
    fn screened(
        &self,
        pass: Pass<'_>,
        known: &Known,
        (place, customer): (usize, &Customer),
        calendar: &Calendar,
        SeriesOfHours { metric, hours, peers }: &SeriesOfHours,
        has_usage: bool,
    ) -> Option<Judged> {
        let newest = Hour::holding(pass.window.end()).plus(-1);
        let mut fits = self.fits.borrow_mut();
        let fit = || Model::fit(hours, calendar, peers);
        let model = fits.entry((place, *metric)).or_insert_with(fit);
        if model.day != calendar.day() {
            *model = fit();
        }
        let settings = &pass.policies.settings(&customer.id)[*metric];
        let (recent, row) = (hours.recent(newest), model.row(newest)?);
        let settings = (settings, pass.app.catalog.currency());
        match screen(known, &customer.id, *metric, (&recent, has_usage), row, settings) {
            Screened::Calm(judged) => Some(judged),
            Screened::Odd(_) => None,
        }
    }
}
