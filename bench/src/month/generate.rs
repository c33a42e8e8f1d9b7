//! A month that never was: 50 customers of ten kinds, four weeks of usage before the first run and four weeks with runs,
//! and 31 causes planted in them.
//!
//! Everything is drawn from a seed. [`kinds`] has the formula of each kind of customer, [`rates`] makes hours of it, and
//! [`causes`] changes them.

use detection::{CustomerId, MetricName, NameError};
use jiff::Timestamp;

use super::usage::{Cause, Customer, Month};
use causes::{PLANS, Planting};
use draw::Draw;
use kinds::KINDS;
use rates::Rates;

mod causes;
mod draw;
mod kinds;
mod rates;
mod week;

/// Hours before the first run, and all hours.
const HISTORY: usize = 28 * 24;
const HOURS: usize = 56 * 24;

/// Monday, 5 October 2026, 00:00 UTC.
const START: Timestamp = Timestamp::constant(1_791_158_400, 0);

/// Metrics of the built-in catalog: a count, a sum of bytes and a sum of milliseconds.
const METRICS: [&str; 3] = ["api_calls", "bandwidth", "compute_time"];

/// The month of a seed.
///
/// # Errors
///
/// When a name of a kind or a metric is refused.
pub fn generate(seed: u64) -> Result<Month, NameError> {
    let customers_of_kinds =
        KINDS.iter().flat_map(|kind| (1..=kind.customers).map(move |number| (kind, number)));
    let (mut customers, mut causes) = (Vec::new(), Vec::new());
    for (place, (kind, number)) in customers_of_kinds.enumerate() {
        // A change of what is planted changes no other draw.
        let stream = |of: u64| Draw::stream(seed, 3 * place as u64 + of);
        let (mut draw, mut of_cause, mut of_usage) = (stream(0), stream(1), stream(2));
        let shape = (kind.shape)(&mut draw);
        let mut rates = Rates::of(&shape, HOURS, &mut draw);
        // The first customer of a kind gets the kind's first cause, the second one the second.
        if let Some(plan) = PLANS.iter().filter(|plan| plan.on == kind.name).nth(number - 1) {
            let mut planting = Planting { shape: &shape, rates: &mut rates, draw: &mut of_cause };
            let planted = (plan.plant)(&mut planting);
            causes.push(Cause {
                kind: plan.name.to_owned(),
                customer: place,
                metrics: planted.metrics,
                direction: planted.direction,
                hours: planted.hours,
            });
        }
        customers.push(Customer {
            id: CustomerId::new(format!("{} {number}", kind.name))?,
            kind: kind.name.to_owned(),
            usage: rates.usage(shape.dispersion, &mut of_usage),
        });
    }
    let metrics = METRICS.into_iter().map(MetricName::new).collect::<Result<_, _>>()?;
    Ok(Month { start: START, hours: HOURS, history: HISTORY, metrics, customers, causes })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn sum(values: &[f64]) -> f64 {
        values.iter().sum()
    }

    /// The calls of the customers of a kind who have no cause.
    fn calls<'a>(month: &'a Month, kind: &str) -> Vec<&'a [f64]> {
        let is_undisturbed = |place: usize| month.causes.iter().all(|cause| cause.customer != place);
        let customers = month.customers.iter().enumerate();
        let wanted = customers.filter(|(place, customer)| customer.kind == kind && is_undisturbed(*place));
        wanted.map(|(_, customer)| customer.usage[0].as_slice()).collect()
    }

    #[test]
    fn a_seed_has_one_month_and_another_seed_another() {
        assert_eq!(generate(3).unwrap(), generate(3).unwrap());
        assert_ne!(generate(3).unwrap(), generate(4).unwrap());
    }

    #[test]
    fn fifty_customers_and_every_cause_are_in_each_month() {
        for seed in 0..5 {
            let month = generate(seed).unwrap();
            assert_eq!((month.customers.len(), month.causes.len()), (50, PLANS.len()), "{seed}");
            let disturbed: BTreeSet<usize> = month.causes.iter().map(|cause| cause.customer).collect();
            assert_eq!(disturbed.len(), PLANS.len(), "a customer has two causes");
            for cause in &month.causes {
                let inside = HISTORY <= cause.hours.start && cause.hours.end <= HOURS - 36;
                assert!(inside && !cause.hours.is_empty(), "seed {seed}: {cause:?}");
            }
            let usage = month.customers.iter().flat_map(|customer| &customer.usage);
            assert!(usage.clone().all(|hours| hours.len() == HOURS));
            assert!(usage.flatten().all(|value| value.is_finite() && *value >= 0.0 && value.fract() == 0.0));
        }
    }

    #[test]
    fn causes_change_the_hours_that_they_name() {
        // Some happen to customers that grow.
        let (mut more, mut less) = (BTreeMap::new(), BTreeMap::new());
        for seed in 0..6 {
            let month = generate(seed).unwrap();
            for cause in &month.causes {
                let usage = &month.customers[cause.customer].usage[cause.metrics[0]];
                // The same hours of the week, three weeks before.
                let earlier = cause.hours.start - 504..cause.hours.end - 504;
                let ratio = sum(&usage[cause.hours.clone()]) / sum(&usage[earlier]).max(1.0);
                let of = if cause.direction == detection::Direction::Spike { &mut more } else { &mut less };
                of.entry(cause.kind.clone()).or_insert_with(Vec::new).push(ratio);
            }
        }
        let median = |ratios: &Vec<f64>| super::super::tally::median(ratios.clone()).unwrap();
        for (kind, ratios) in more {
            assert!(median(&ratios) > 1.3, "{kind}: {ratios:?}");
        }
        for (kind, ratios) in less {
            assert!(median(&ratios) < 0.8, "{kind}: {ratios:?}");
        }
    }

    #[test]
    fn each_kind_is_as_it_says() {
        let month = generate(1).unwrap();
        let is_weekend = |hour: &usize| week::is_weekend(hour / 24);
        let share_of_weekends = |calls: &[f64]| {
            let of_weekends: f64 = (0..HOURS).filter(is_weekend).map(|hour| calls[hour]).sum();
            of_weekends / sum(calls)
        };
        let all = |kind: &str, is_so: &dyn Fn(&[f64]) -> bool| {
            let customers = calls(&month, kind);
            assert!(!customers.is_empty(), "{kind}: none without a cause");
            assert!(customers.into_iter().all(is_so), "{kind}");
        };
        let week = |calls: &[f64], number: usize| sum(&calls[168 * number..168 * (number + 1)]);
        all("steady", &|calls| (0.8..1.25).contains(&(week(calls, 7) / week(calls, 0))));
        all("business hours", &|calls| share_of_weekends(calls) < 0.2);
        all("weekend", &|calls| share_of_weekends(calls) > 0.6);
        all("growing", &|calls| week(calls, 7) / week(calls, 0) > 1.2);
        all("tiny", &|calls| sum(calls) / (HOURS as f64) < 4.0);
        all("new", &|calls| sum(&calls[..HISTORY]) == 0.0 && sum(&calls[HISTORY + 240..]) > 0.0);
        all("giant", &|calls| sum(calls) / (HOURS as f64) > 10e3);
        let most = |calls: &[f64]| calls.iter().copied().fold(0.0, f64::max) / sum(calls) * HOURS as f64;
        all("bursty", &|calls| most(calls) > 4.0);
        all("monthly job", &|calls| {
            let peaks =
                |calls: &[f64]| (0..calls.len()).max_by(|a, b| calls[*a].total_cmp(&calls[*b])).unwrap();
            let (before, after) = (peaks(&calls[..HISTORY]), HISTORY + peaks(&calls[HISTORY..]));
            (31 * 24 - 6..31 * 24 + 6).contains(&(after - before))
        });
        // Days of noisy customers differ more than those of steady ones.
        let spread = |calls: &[f64]| {
            let days: Vec<f64> = calls.chunks(24).map(sum).collect();
            let mean = sum(&days) / days.len() as f64;
            (days.iter().map(|day| (day - mean).powi(2)).sum::<f64>() / days.len() as f64).sqrt() / mean
        };
        all("steady", &|calls| spread(calls) < 0.15);
        all("noisy", &|calls| spread(calls) > 0.2);
    }
}
