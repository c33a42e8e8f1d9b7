//! Looks through fitted customers by the rows of their models, for those with a series that may be odd.

use std::cmp::Ordering;

use catalog::MetricSpec;
use detection::model::HourModel;
use detection::{Calendar, CustomerId, Hour, Hours, Recent, Settings, TimeZone};
use warehouse::usage::{CustomerHours, CustomerModel, Fit, HoursRequest, UsageError};

use super::suspects::Suspects;
use super::whole::expect_nobody;
use super::{Tally, customer_id, named, newest, note_verdict, quarantine};
use crate::candidate::{Odd, Screened, screen};
use crate::known::Known;
use crate::mutes::{Muted, Mutes};
use crate::pass::Pass;

/// The customers with a series that may be odd, and the figures of all others.
pub(super) async fn read(
    pass: Pass<'_>,
    known: &Known,
    request: &HoursRequest<'_>,
    fits: &[Fit],
) -> Result<(Suspects, Tally), UsageError> {
    let (usage, newest) = (&pass.app.usage, newest(&pass.window));
    let models_id = format!("{}-models", request.query_id);
    let first = newest.plus(1 - Calendar::HOURS as i64);
    let mut mutes = Mutes::new(pass.policies, pass.app.catalog.modelled());
    let muted = mutes.of_all(first, Calendar::HOURS).to_vec();
    let usual = usual_hours(&muted, first, newest);
    let mut models =
        usage.models(fits, &pass.app.catalog, newest, &usual, &models_id, request.deadline).await?;
    let mut hours = usage.hours(request).await?;
    let (suspects, tally) = (Suspects::default(), Tally::default());
    let mut screen = Screen { pass, known, newest, muted, suspects, tally };
    let (mut model, mut of_customer) = (models.next().await?, hours.next().await?);
    loop {
        let order = match (&model, &of_customer) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(model), Some(hours)) => {
                (model.bucket, &model.customer_id).cmp(&(hours.bucket, &hours.customer_id))
            }
        };
        screen.look(model.as_ref().filter(|_| order.is_le()), of_customer.filter(|_| order.is_ge()));
        if order.is_le() {
            model = models.next().await?;
        }
        of_customer = if order.is_ge() { hours.next().await? } else { hours.current() };
    }
    if hours.may_be_cut() {
        expect_nobody(pass, request).await?;
    }
    Ok((screen.suspects, screen.tally))
}

/// The hours of the day, but for the newest, whose usual values replace the muted hours of all customers.
fn usual_hours(muted: &[Muted], first: Hour, newest: Hour) -> Vec<u8> {
    let is_muted =
        |place: &usize| muted.iter().flatten().any(|muted| muted.get(*place).is_some_and(|muted| *muted));
    let hours = (0..Calendar::HOURS).filter(is_muted).map(|place| first.plus(place as i64));
    hours.filter(|hour| *hour != newest).map(Hour::of_day).collect()
}

struct Screen<'a> {
    pass: Pass<'a>,
    known: &'a Known,
    newest: Hour,
    /// The muted hours of the newest day, by metric, of customers without mutes of their own.
    muted: Vec<Muted>,
    suspects: Suspects,
    tally: Tally,
}

impl Screen<'_> {
    /// Looks at a customer with a model, with hours, or with both.
    fn look(&mut self, model: Option<&CustomerModel>, hours: Option<&CustomerHours>) {
        let Some(id) = hours.map(|hours| &hours.customer_id).or(model.map(|model| &model.customer_id)) else {
            return;
        };
        let metrics = self.pass.app.catalog.modelled();
        let Some(customer) = named(id) else {
            self.tally.figures.customers += 1;
            self.tally.figures.series += metrics.len() as u64;
            customer_id(self.pass, id, &mut self.tally.figures);
            return;
        };
        if !self.pass.is_for(&customer) {
            return;
        }
        // A customer that is new since the fit.
        let Some(model) = model else { return self.suspects.push_unknown(customer) };
        // The zone was changed since the fit: its hours are not those of the numbers.
        let zone = self.pass.policies.time_zone(&customer).map(TimeZone::name);
        if zone.unwrap_or_default() != model.zone {
            return self.suspects.push_unknown(customer);
        }
        // People said since the fit which of its hours are no usual ones.
        if self.pass.policies.needs_hours(&customer) {
            return self.suspects.push_unknown(customer);
        }
        let settings = self.pass.policies.settings(&customer);
        let series = metrics.iter().zip(&model.rows).zip(settings).enumerate();
        let mut screened = Vec::with_capacity(metrics.len());
        for (metric, ((spec, row), settings)) in series {
            let values = hours.and_then(|hours| hours.series().nth(metric));
            let look = row.map(|row| self.verdict(&customer, model, (metric, spec), &row, values, settings));
            screened.push(look.unwrap_or_else(|| Screened::Odd(Odd::unknown())));
        }
        if screened.iter().any(|series| matches!(series, Screened::Odd(_))) {
            return self.suspects.push(self.pass, self.known, customer, &screened);
        }
        self.tally.figures.customers += 1;
        self.tally.figures.series += metrics.len() as u64;
        for metric in hours.map(|hours| hours.unknown_metrics.as_slice()).unwrap_or_default() {
            quarantine(&mut self.tally.figures, "unknown_metric", 1, id, metric);
        }
        for (metric, series) in screened.iter().enumerate() {
            if let Screened::Calm(judged) = series {
                note_verdict(self.pass, &customer, metric, judged, &mut self.tally);
            }
        }
    }

    /// What its row says of a series.
    fn verdict(
        &self,
        customer: &CustomerId,
        model: &CustomerModel,
        (metric, spec): (usize, &MetricSpec),
        row: &HourModel,
        values: Option<&[f64]>,
        settings: &Settings,
    ) -> Screened {
        let first = self.newest.plus(1 - Calendar::HOURS as i64);
        let has_usage = values.is_some_and(|values| values.iter().any(|value| !value.is_nan()));
        // The model says since when the series is known: for longer than this day.
        let recent = spec.hours(first, values.unwrap_or(&[f64::NAN; 24]), first).known_since(first);
        let Some(recent) = self.filled(recent, customer, model, (metric, spec)) else {
            return Screened::Odd(Odd::unknown());
        };
        let settings = (settings, self.pass.app.catalog.currency());
        screen(self.known, customer, metric, (&recent, has_usage), row, settings)
    }

    /// The newest day with usual values in its muted hours. `None` if these are not at hand, because only this customer has
    /// the mute.
    fn filled(
        &self,
        hours: Hours,
        customer: &CustomerId,
        model: &CustomerModel,
        (metric, spec): (usize, &MetricSpec),
    ) -> Option<Recent> {
        let (policies, first) = (self.pass.policies, self.newest.plus(1 - Calendar::HOURS as i64));
        let own;
        let muted = if policies.has_own_mutes(customer) {
            own = policies.muted_hours(customer, &spec.name, first, Calendar::HOURS);
            own.as_deref()
        } else {
            self.muted.get(metric).and_then(Option::as_deref)
        };
        let Some(muted) = muted else { return Some(hours.recent(self.newest)) };
        let recent = hours.muted_at(first, muted).recent(self.newest).with_present_event();
        let usual = |hour: Hour| model.usual(hour.of_day(), metric);
        let is_known = recent.muted_hours().all(|hour| usual(hour).is_some());
        is_known.then(|| recent.with_usual(|hour| usual(hour).flatten()))
    }
}
