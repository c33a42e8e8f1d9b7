//! A month that never was: 73 customers of 21 kinds, nine weeks of usage before the first run and four weeks with runs,
//! and 43 causes planted in them. The clocks of Europe and of America change within the runs.
//!
//! Everything is drawn from a seed. [`kinds`] has the formula of each kind of customer, [`rates`] makes hours of it, and
//! [`causes`] changes them. [`visible`] says from when on a change shows.

use anyhow::Context;
use detection::{CustomerId, Direction, MetricName};
use jiff::Timestamp;

pub(crate) use draw::Draw;

use crate::usage::{Cause, Customer, Metric, Month, Subject};
use calendar::Calendar;
use causes::{ALL, PLANS, Planted, Planting};
use kinds::{KINDS, Kind, Span};
use rates::Rates;
use visible::first_visible;

mod calendar;
mod causes;
mod draw;
mod kinds;
mod rates;
mod visible;

/// Hours before the first run, and all hours.
const HISTORY: usize = 63 * 24;
const HOURS: usize = 91 * 24;

/// The same of the fleet of jobs: five calendar months of runs.
const HISTORY_OF_JOBS: usize = 35 * 24;
const HOURS_OF_JOBS: usize = 190 * 24;

/// Monday, 10 August 2026, 00:00 UTC.
const START: Timestamp = Timestamp::constant(1_786_320_000, 0);

/// Times that a cause is drawn until it shows at a good time.
const DRAWS: usize = 50;

/// Metrics of the built-in catalog, with the least changes that it states: a count, a sum of bytes and a sum of
/// milliseconds.
pub const METRICS: [(&str, f64); 3] = [("api_calls", 100.0), ("bandwidth", 1e6), ("compute_time", 60e3)];

/// What is generated besides the customers.
struct Frame {
    seed: u64,
    history: usize,
    hours: usize,
    metrics: Vec<Metric>,
    has_causes: bool,
}

/// The month of a seed.
///
/// # Errors
///
/// When a name of a kind or a metric is refused.
pub fn generate(seed: u64) -> anyhow::Result<Month> {
    let mut month = Frame::of(seed, HISTORY, HOURS, true)?.fleet(|_| true)?;
    month.stop(causes::stop(HISTORY));
    Ok(month)
}

/// The month of a seed without any cause, of some kinds of customers.
///
/// # Errors
///
/// When a name of a kind or a metric is refused.
pub fn generate_calm(seed: u64, is_wanted: impl Fn(&str) -> bool) -> anyhow::Result<Month> {
    Frame::of(seed, HISTORY, HOURS, false)?.fleet(|kind| is_wanted(kind.name))
}

/// Customers with recurring jobs alone, over five calendar months. Nothing happens to them.
///
/// # Errors
///
/// When a name of a kind or a metric is refused.
pub fn generate_jobs(seed: u64) -> anyhow::Result<Month> {
    let has_job = |kind: &Kind| ["weekly job", "monthly job"].contains(&kind.name);
    Frame::of(seed, HISTORY_OF_JOBS, HOURS_OF_JOBS, false)?.fleet(has_job)
}

impl Frame {
    fn of(seed: u64, history: usize, hours: usize, has_causes: bool) -> anyhow::Result<Self> {
        let metric = |(name, min_change)| anyhow::Ok(Metric::new(MetricName::new(name)?, min_change));
        let metrics = METRICS.into_iter().map(metric).collect::<Result<_, _>>()?;
        Ok(Self { seed, history, hours, metrics, has_causes })
    }

    fn fleet(&self, is_wanted: impl Fn(&Kind) -> bool) -> anyhow::Result<Month> {
        let mut month = Month {
            start: START,
            hours: self.hours,
            history: self.history,
            metrics: self.metrics.clone(),
            customers: Vec::new(),
            causes: Vec::new(),
        };
        let mut stream = 0;
        for kind in &KINDS {
            for number in 1..=kind.customers {
                if is_wanted(kind) {
                    self.customer(&mut month, kind, number, stream)
                        .with_context(|| format!("{} {number} of seed {}", kind.name, self.seed))?;
                }
                stream += 3;
            }
        }
        Ok(month)
    }

    fn customer(&self, month: &mut Month, kind: &Kind, number: usize, stream: u64) -> anyhow::Result<()> {
        // A change of what is planted changes no other draw.
        let of = |part: u64| Draw::stream(self.seed, stream + part);
        let (mut draw, mut of_cause, mut of_usage) = (of(0), of(1), of(2));
        let calendar = Calendar::of(kind.zone, START, self.hours)?;
        let shape = (kind.shape)(&mut draw, &Span { calendar: &calendar, history: self.history });
        let delay = if kind.is_late { draw.whole(4..=12) } else { 0 };
        let mut rates = Rates::of(&shape, &calendar, &mut draw);
        let plan = PLANS.iter().filter(|plan| plan.on == kind.name).nth(number - 1);
        if let Some(plan) = plan.filter(|_| self.has_causes) {
            let usual = rates.clone();
            let plant = |draw: &mut Draw| {
                let mut changed = usual.clone();
                let (shape, calendar, history) = (&shape, &calendar, self.history);
                let planted =
                    (plan.plant)(&mut Planting { shape, calendar, history, rates: &mut changed, draw });
                let Planted { metrics, hours, due, .. } = &planted;
                let hours = *due..hours.end;
                let visible = first_visible(shape, &usual, &changed, &self.metrics, metrics, &hours);
                (planted, changed, visible)
            };
            // A change that shows while the whole fleet stops, or never, is drawn again.
            let drawn = (0..DRAWS).map(|_| plant(&mut of_cause));
            let found = drawn.into_iter().find_map(|(planted, changed, visible)| {
                let visible = visible.filter(|visible| !causes::is_near_stop(*visible, self.history))?;
                Some((planted, changed, visible))
            });
            let (planted, changed, visible) = found.context("a cause never shows")?;
            rates = changed;
            month.causes.push(Cause {
                kind: plan.name.to_owned(),
                subject: Subject::Customer(month.customers.len()),
                metrics: planted.metrics,
                directions: planted.directions,
                visible: visible + delay,
                hours: planted.hours,
                delay,
            });
        }
        month.customers.push(Customer {
            id: CustomerId::new(format!("{} {number}", kind.name))?,
            kind: kind.name.to_owned(),
            time_zone: Some(kind.zone.name).filter(|_| kind.is_declared),
            delay,
            usage: rates.usage(shape.dispersion, &mut of_usage),
        });
        Ok(())
    }
}

impl Month {
    /// All customers stop in these hours.
    fn stop(&mut self, hours: std::ops::Range<usize>) {
        for usage in self.customers.iter_mut().flat_map(|customer| &mut customer.usage) {
            usage[hours.clone()].fill(0.0);
        }
        self.causes.push(Cause {
            kind: String::from("whole fleet stops"),
            subject: Subject::All,
            metrics: ALL.to_vec(),
            directions: vec![Direction::Drop],
            visible: hours.start,
            hours,
            delay: 0,
        });
    }
}

#[cfg(test)]
mod tests;
