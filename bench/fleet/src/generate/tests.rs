use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

fn customer_of(cause: &Cause) -> Option<usize> {
    cause.subject.customer()
}

/// The calls of the customers of a kind who have no cause of their own, without those of the stop.
fn calls<'a>(month: &'a Month, kind: &str) -> Vec<&'a [f64]> {
    let is_undisturbed = |place: usize| month.causes.iter().all(|cause| customer_of(cause) != Some(place));
    let customers = month.customers.iter().enumerate();
    let wanted =
        customers.filter(|(place, customer)| customer.kind.starts_with(kind) && is_undisturbed(*place));
    wanted.map(|(_, customer)| customer.usage[0].as_slice()).collect()
}

#[test]
fn a_seed_has_one_month_and_another_seed_another() {
    assert_eq!(generate(3).unwrap(), generate(3).unwrap());
    assert_ne!(generate(3).unwrap(), generate(4).unwrap());
}

#[test]
fn all_customers_and_every_cause_are_in_each_month() {
    for seed in 0..8 {
        let month = generate(seed).unwrap();
        let customers: usize = KINDS.iter().map(|kind| kind.customers).sum();
        assert_eq!((month.customers.len(), month.causes.len()), (customers, PLANS.len() + 1), "{seed}");
        let disturbed: BTreeSet<_> = month.causes.iter().map(|cause| cause.subject).collect();
        assert_eq!(disturbed.len(), PLANS.len() + 1, "a customer has two causes");
        for cause in &month.causes {
            let is_for_good = cause.hours.end == HOURS;
            let inside = HISTORY <= cause.hours.start && (is_for_good || cause.hours.end <= HOURS - 36);
            assert!(inside && !cause.hours.is_empty(), "seed {seed}: {cause:?}");
            let visible = cause.visible - cause.delay;
            assert!(cause.hours.contains(&visible), "seed {seed}: {cause:?}");
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
        for cause in month.causes.iter().filter(|cause| cause.directions.len() == 1) {
            let Some(customer) = customer_of(cause) else { continue };
            let usage = &month.customers[customer].usage[cause.metrics[0]];
            // The same hours of the week, five weeks before.
            let earlier = cause.hours.start - 840..cause.hours.end - 840;
            let ratio = sum(&usage[cause.hours.clone()]) / sum(&usage[earlier]).max(1.0);
            let of = if cause.directions == [Direction::Spike] { &mut more } else { &mut less };
            of.entry(cause.kind.clone()).or_insert_with(Vec::new).push(ratio);
        }
    }
    let median = |ratios: &Vec<f64>| crate::tally::median(ratios.clone()).unwrap();
    for (kind, ratios) in more {
        assert!(median(&ratios) > 1.3, "{kind}: {ratios:?}");
    }
    for (kind, ratios) in less {
        assert!(median(&ratios) < 0.8, "{kind}: {ratios:?}");
    }
}

#[test]
fn a_night_shift_keeps_the_number_of_calls() {
    for seed in 0..4 {
        let month = generate(seed).unwrap();
        let cause = month.causes.iter().find(|cause| cause.kind == "night shift").unwrap();
        let usage = &month.customers[customer_of(cause).unwrap()].usage[0];
        let weekday = &usage[cause.hours.start..cause.hours.start + 24];
        let before = &usage[cause.hours.start - 168..cause.hours.start - 144];
        assert!((0.6..1.6).contains(&(sum(weekday) / sum(before))), "{seed}");
        let correlation: f64 = weekday.iter().zip(before).map(|(a, b)| (a - sum(weekday) / 24.0) * b).sum();
        assert!(correlation < 0.0, "{seed}: days are not turned");
    }
}

#[test]
fn a_silence_over_a_day_off_shows_when_work_is_due() {
    let mut hours = Vec::new();
    for seed in 0..4 {
        let month = generate(seed).unwrap();
        let of = month.causes.iter().filter(|cause| cause.kind == "silence from a day off on");
        hours.extend(of.map(|cause| cause.visible - cause.hours.start));
    }
    assert!(hours.iter().any(|hours| *hours > 24), "{hours:?}");
}

#[test]
fn all_customers_are_silent_in_the_stop() {
    let month = generate(2).unwrap();
    let stop = month.causes.iter().find(|cause| cause.subject == Subject::All).unwrap();
    let values = month.customers.iter().flat_map(|customer| &customer.usage);
    assert!(values.flat_map(|values| &values[stop.hours.clone()]).all(|value| *value == 0.0));
    assert!(month.is_in_stop(stop.hours.start + 1) && !month.is_in_stop(stop.hours.start));
}

#[test]
fn each_kind_is_as_it_says() {
    let month = generate(1).unwrap();
    let is_weekend = |hour: &usize| calendar::is_weekend(hour / 24 % 7);
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
    let most = |calls: &[f64]| calls.iter().copied().fold(0.0, f64::max) / sum(calls) * HOURS as f64;
    all("steady", &|calls| (0.8..1.25).contains(&(week(calls, 7) / week(calls, 0))));
    all("business hours", &|calls| share_of_weekends(calls) < 0.25);
    all("weekend", &|calls| share_of_weekends(calls) > 0.6);
    all("growing", &|calls| week(calls, 7) / week(calls, 0) > 1.2);
    all("shrinking", &|calls| week(calls, 7) / week(calls, 0) < 0.8);
    all("tiny", &|calls| sum(calls) / (HOURS as f64) < 4.0);
    all("idle", &|calls| calls.chunks(24).filter(|day| sum(day) == 0.0).count() > 70);
    all("new", &|calls| sum(&calls[..HISTORY]) == 0.0 && sum(&calls[HISTORY + 240..]) > 0.0);
    all("leaving", &|calls| sum(&calls[HISTORY - 24..HISTORY]) > 0.0 && sum(&calls[HOURS - 24..]) == 0.0);
    all("giant", &|calls| sum(calls) / (HOURS as f64) > 10e3);
    all("bursty", &|calls| most(calls) > 4.0);
    all("nightly job", &|calls| most(calls) > 4.0);
    all("weekly job", &|calls| most(calls) > 6.0);
    all("monthly job", &|calls| most(calls) > 6.0);
    all("machine", &|calls| {
        let mean = sum(calls) / HOURS as f64;
        calls.iter().filter(|value| (*value / mean - 1.0).abs() < 0.03).count() >= HOURS - 3
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

#[test]
fn jobs_recur_over_five_months() {
    let month = generate_jobs(1).unwrap();
    assert!(month.causes.is_empty() && month.customers.len() == 6);
    let job = |kind: &str| {
        let customer = month.customers.iter().find(|customer| customer.kind == kind).unwrap();
        let usage = &customer.usage[0];
        let usual = crate::tally::median(usage.clone()).unwrap();
        let starts =
            (1..usage.len()).filter(|hour| usage[*hour] > 5.0 * usual && usage[hour - 1] <= 5.0 * usual);
        starts.count()
    };
    assert!((25..=30).contains(&job("weekly job")) && (6..=9).contains(&job("monthly job")));
}
