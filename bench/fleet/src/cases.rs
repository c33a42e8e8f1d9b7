//! Cases of single series: values that are no usage, a change of the clocks, a mute beside a leak, and a regular machine.
//!
//! A figure counts the series in which the models do what they should, or the pages that they should not make. The
//! customers are generated without any cause. The first metric is judged, by fit and check alone.

use std::ops::Range;

use detection::calendar::TimeZone;
use detection::model::Profile;
use detection::{
    Aggregate, Calendar, Finding, Hour, Hours, Model, Settings, Severity, Thresholds, Verdict, assess_by,
};
use jiff::Timestamp;

use crate::generate::{METRICS, generate_calm};
use crate::goal::{Goal, Measured};
use crate::usage::{Customer, Month};

/// Kinds whose usage is not odd by nature.
const CALM: [&str; 9] = [
    "steady",
    "business hours, New York",
    "business hours, Berlin",
    "business hours, Kolkata",
    "business hours, Sydney",
    "weekend",
    "growing",
    "machine",
    "giant",
];

const DAY: usize = 24;

/// A spike or a leak is so large, and lasts so long.
const SIZE: f64 = 10.0;
const LENGTH: usize = 3;

/// Clocks go back in Europe on 25 October 2026, and in America on 1 November.
const EUROPE: Timestamp = Timestamp::constant(1_792_890_000, 0);
const AMERICA: Timestamp = Timestamp::constant(1_793_512_800, 0);

/// All figures, on the customers of these seeds.
///
/// # Errors
///
/// When a month cannot be made.
pub fn measure(seeds: &[u64]) -> anyhow::Result<Vec<Measured>> {
    let months = |is_wanted: fn(&str) -> bool| {
        seeds.iter().map(|seed| generate_calm(*seed, is_wanted)).collect::<anyhow::Result<Vec<Month>>>()
    };
    let calm = months(|kind| CALM.contains(&kind))?;
    let moving = months(|kind| kind.starts_with("business hours") || kind == "nightly job")?;
    let series: Vec<Case<'_>> = calm.iter().flat_map(Case::all).collect();
    Ok(vec![
        same_as_without(&series, "a spike that is found as without 1e99 on a day 29 days before", 29, 1e99),
        same_as_without(
            &series,
            "a spike that is found as without a broken value 25 days before",
            25,
            f64::NAN,
        ),
        clock_changes(&moving),
        leaks_beside_mutes(&series),
        events_under_mutes(&series),
        regular_machine(1.12, "pages of an exactly regular machine with 12 % more calls", Goal::AtMost(0.0)),
        regular_machine(1.5, "pages of the same machine with 50 % more calls", Goal::AtLeast(1.0)),
    ])
}

/// The calls of a customer, with an hour to change them in.
struct Case<'a> {
    month: &'a Month,
    customer: &'a Customer,
    /// A busy hour in the third week of the runs.
    at: usize,
}

impl<'a> Case<'a> {
    fn all(month: &'a Month) -> impl Iterator<Item = Self> {
        month.customers.iter().filter_map(move |customer| {
            let from = month.history + 15 * DAY;
            let week = &customer.usage[0][from - 7 * DAY..from];
            let most = week.iter().copied().fold(0.0, f64::max);
            let at = (from..from + 7 * DAY).find(|hour| 2.0 * customer.usage[0][*hour] >= most)?;
            Some(Self { month, customer, at })
        })
    }

    /// The calls with more of them from an hour on.
    fn with_more(&self, at: usize) -> Vec<f64> {
        let mut values = self.customer.usage[0].clone();
        for value in &mut values[at..at + LENGTH] {
            *value += ((SIZE - 1.0) * *value).max(300.0);
        }
        values
    }

    fn hours(&self, values: &[f64]) -> Hours {
        hours(self.month, values)
    }

    fn pages(&self, hours: &Hours, ends: Range<usize>) -> Vec<usize> {
        pages(self.month, self.customer, hours, ends)
    }
}

/// The share of the series whose spike has its first page as without an odd value some days before.
fn same_as_without(series: &[Case<'_>], name: &str, days: usize, odd: f64) -> Measured {
    let is_same = |case: &&Case<'_>| {
        let spike = case.with_more(case.at);
        let first = |values: &[f64]| {
            case.pages(&case.hours(values), case.at - DAY..case.at + 2 * LENGTH).first().copied()
        };
        let with = |odd: f64| {
            let mut values = spike.clone();
            values[case.at - days * DAY] = odd;
            first(&values)
        };
        let without = first(&spike);
        without.is_some() && with(odd) == without
    };
    share(series, name, is_same)
}

/// The share of the series in which a leak pages within the hour that begins eight hours after a muted event.
fn leaks_beside_mutes(series: &[Case<'_>]) -> Measured {
    let is_found = |case: &&Case<'_>| {
        let hours = muted(case, &with_event(case));
        case.pages(&hours, case.at + 1..case.at + 2).len() == 1
    };
    share(
        series,
        "a leak that is found within the hour, eight hours after a muted event of two hours",
        is_found,
    )
}

/// The share of the series in which the muted event itself does not page, nor any hour until the leak.
fn events_under_mutes(series: &[Case<'_>]) -> Measured {
    let is_silent = |case: &&Case<'_>| {
        let hours = muted(case, &with_event(case));
        case.pages(&hours, case.at - 8..case.at + 1).is_empty()
    };
    share(series, "muted events of two hours without a page", is_silent)
}

/// The leak of a case, and an event of two hours before.
fn with_event(case: &Case<'_>) -> Vec<f64> {
    let mut values = case.with_more(case.at);
    for value in &mut values[case.at - 8..case.at - 6] {
        *value = SIZE * *value + 300.0;
    }
    values
}

fn muted(case: &Case<'_>, values: &[f64]) -> Hours {
    let start = Hour::holding(case.month.start);
    let muted = start.plus(case.at as i64 - 8)..start.plus(case.at as i64 - 6);
    case.hours(values).muted(|hour| muted.contains(&hour))
}

/// Pages in the three days after a change of the customer's clocks, for each customer.
fn clock_changes(months: &[Month]) -> Measured {
    let pages_of = |month: &Month, customer: &Customer| {
        let change = if customer.kind.ends_with("New York") { AMERICA } else { EUROPE };
        let change = month.number(change).unwrap_or(0);
        pages(month, customer, &hours(month, &customer.usage[0]), change..change + 3 * DAY).len()
    };
    let has_changed = |customer: &&Customer| {
        ["New York", "Berlin", "London", "job"].iter().any(|part| customer.kind.ends_with(part))
    };
    let customers = months.iter().flat_map(|month| month.customers.iter().map(move |of| (month, of)));
    let numbers: Vec<usize> = customers
        .filter(|(_, customer)| has_changed(customer))
        .map(|(month, customer)| pages_of(month, customer))
        .collect();
    Measured {
        name: String::from("pages in the three days after a change of the clocks"),
        value: Some(numbers.iter().sum::<usize>() as f64),
        decimals: 0,
        goal: Goal::AtMost(0.0),
        made_of: format!("{} customers", numbers.len()),
    }
}

/// Pages on the day on which a machine of 100 calls an hour has so many times as many.
fn regular_machine(times: f64, name: &str, goal: Goal) -> Measured {
    let first = Hour::holding(EUROPE).latest_at(0);
    let day = Calendar::SPAN;
    let values: Vec<_> =
        (0..day + DAY).map(|hour| Some(if hour < day { 100.0 } else { 100.0 * times })).collect();
    let hours = Hours::new(Aggregate::Count, true, first, &values);
    let calendar = Calendar::new(&TimeZone::utc(), first.plus(day as i64));
    let model = Model::fit(&hours, &calendar, &Profile::FLAT);
    let pages = (0..DAY).filter(|hour| page(&model, &hours, first.plus((day + hour) as i64))).count();
    Measured {
        name: name.to_owned(),
        value: Some(pages.min(1) as f64),
        decimals: 0,
        goal,
        made_of: String::from("100 calls in each hour of 32 days"),
    }
}

fn share<'a>(series: &[Case<'a>], name: &str, is_right: impl Fn(&&Case<'a>) -> bool) -> Measured {
    let right = series.iter().filter(is_right).count();
    Measured {
        name: name.to_owned(),
        value: (!series.is_empty()).then(|| right as f64 / series.len() as f64),
        decimals: 2,
        goal: Goal::AtLeast(1.0),
        made_of: format!("{} customers", series.len()),
    }
}

fn hours(month: &Month, values: &[f64]) -> Hours {
    let values: Vec<_> = values.iter().map(|value| Some(*value).filter(|value| *value != 0.0)).collect();
    Hours::new(Aggregate::Count, true, Hour::holding(month.start), &values)
}

/// The windows that page, of those that end after one of these hours.
fn pages(month: &Month, customer: &Customer, hours: &Hours, ends: Range<usize>) -> Vec<usize> {
    let first = Hour::holding(month.start);
    let zone = customer.time_zone.and_then(|name| TimeZone::named(name).ok());
    let mut known: Option<(usize, Model)> = None;
    let mut pages = Vec::new();
    for end in ends {
        let day = (end - 1) / DAY;
        let model = known.take().filter(|(of, _)| *of == day).map(|(_, model)| model).unwrap_or_else(|| {
            let day = first.plus((DAY * day) as i64);
            let calendar = zone.as_ref().map(|zone| Calendar::new(zone, day));
            Model::fit(hours, &calendar.unwrap_or_else(|| Calendar::undeclared(day)), &Profile::FLAT)
        });
        if page(&model, hours, first.plus(end as i64 - 1)) {
            pages.push(end);
        }
        known = Some((day, model));
    }
    pages
}

/// Whether the windows that end with an hour page. A mute that holds in that hour keeps people from being told.
fn page(model: &Model, hours: &Hours, newest: Hour) -> bool {
    let since = hours.first_known().unwrap_or(newest);
    let thresholds = Thresholds { min_change: METRICS[0].1, ..Thresholds::default() };
    let Ok(settings) = Settings::new(thresholds) else { return false };
    let verdict = assess_by(model, hours, newest, since, &settings).verdict;
    let is_muted = hours.recent(newest).muted_hours().any(|hour| hour == newest);
    !is_muted && matches!(verdict, Verdict::Anomalous(Finding { severity: Severity::Critical, .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_is_as_it_should_be() {
        let figures = measure(&[3]).unwrap();
        assert_eq!(figures.len(), 7);
        for figure in figures {
            assert!(!figure.is_missed(), "{figure:?}");
        }
    }

    #[test]
    fn a_spike_that_is_found_later_is_not_found_as_before() {
        let month = generate_calm(3, |kind| kind == "steady").unwrap();
        let series: Vec<Case<'_>> = Case::all(&month).collect();
        // The odd value takes the place of the first hour of the spike.
        assert_eq!(same_as_without(&series, "", 0, f64::NAN).value, Some(0.0));
        assert_eq!(same_as_without(&[], "", 29, 1e99).value, None);
    }
}
