//! Settings by which the pages stay within a budget.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use detection::{CustomerId, Direction, MetricName, SettingsError};
use jiff::Timestamp;
use serde::Serialize;

use crate::configuration::Configuration;
use crate::flagged::{Flagged, Judged, Outcome};
use crate::report::Report;
use crate::rounded::above;

/// So many pages of a customer in so many days, such as "1 page a customer-year".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    pages: f64,
    days: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no budget: write it like \"1 page a customer-year\", with day, week, month or year")]
pub struct BudgetError {
    text: String,
}

/// The settings of metrics that keep within a budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// Pages that the budget allows in the judged days.
    pub allowed: usize,
    pub pages: usize,
    /// Metrics that need other settings. None if the pages are within the budget.
    pub remedies: Vec<Remedy>,
    /// Pages with the proposed sensitivities, or with the proposed least changes.
    pub pages_by_sensitivity: usize,
    pub pages_by_min_change: usize,
}

/// Two settings of a metric. Each of them does alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Remedy {
    pub metric: MetricName,
    /// Pages that name the metric at present.
    pub pages: usize,
    /// The factor of the thresholds, and the pages that are left.
    pub sensitivity: f64,
    pub pages_by_sensitivity: usize,
    /// The least change of a day in the metric's unit, and the pages that are left.
    pub min_change: f64,
    pub pages_by_min_change: usize,
}

/// Factors of the thresholds that are tried.
const FACTORS: [f64; 9] = [1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0];

/// Tries to find least changes.
const TRIES: usize = 5;

/// Pages of one metric.
type Pages<'a> = BTreeSet<(&'a CustomerId, Timestamp)>;

impl Budget {
    /// Pages that are allowed for so many customers and days.
    pub fn allowed(&self, customers: usize, days: i64) -> usize {
        // A whole number of pages may come out a little smaller.
        (self.pages * customers as f64 * days as f64 / self.days + 1e-9).max(0.0) as usize
    }
}

impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        let refused = || BudgetError { text: text.to_owned() };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [number, "page" | "pages", "a" | "per", customer] = words[..] else { return Err(refused()) };
        let days = match customer.strip_prefix("customer-") {
            Some("day") => 1.0,
            Some("week") => 7.0,
            Some("month") => 30.0,
            Some("year") => 365.0,
            _ => return Err(refused()),
        };
        let pages = number.parse().ok().filter(|pages: &f64| pages.is_finite() && *pages >= 0.0);
        Ok(Self { pages: pages.ok_or_else(refused)?, days })
    }
}

/// Looks for settings of single metrics by which the pages stay within the budget. The metric with the most pages
/// becomes stricter first.
///
/// * `present`: what the configuration pages.
/// * `run`: what another configuration pages for the same usage.
///
/// # Errors
///
/// When `run` fails.
pub fn propose<E: From<SettingsError>>(
    budget: Budget,
    configuration: &Configuration,
    present: &Report,
    mut run: impl FnMut(&Configuration) -> Result<Report, E>,
) -> Result<Proposal, E> {
    let allowed = budget.allowed(present.totals.customers, present.totals.days);
    let metrics = configuration.metrics();
    // What each factor pages, made when it is needed.
    let mut reports: Vec<Report> = vec![present.clone()];
    let mut steps = vec![0; metrics.len()];
    loop {
        let sets: Vec<Pages<'_>> = (0..metrics.len())
            .map(|metric| pages_of(&reports[steps[metric]], &metrics[metric].name))
            .collect();
        if union(&sets) <= allowed {
            break;
        }
        let loudest = (0..metrics.len())
            .filter(|metric| steps[*metric] + 1 < FACTORS.len() && !sets[*metric].is_empty())
            .max_by_key(|metric| (sets[*metric].len(), metrics.len() - metric));
        let Some(loudest) = loudest else { break };
        steps[loudest] += 1;
        if steps[loudest] == reports.len() {
            let factor = FACTORS[steps[loudest]];
            let all = (0..metrics.len()).fold(configuration.clone(), |of, metric| of.scaled(metric, factor));
            reports.push(run(&all)?);
        }
    }
    let left = |metric: usize| pages_of(&reports[steps[metric]], &metrics[metric].name);
    let changed: Vec<usize> = (0..metrics.len()).filter(|metric| steps[*metric] > 0).collect();
    // Where no sensitivity is within the budget, a least change still can be.
    let quota = |metric: &usize| (*metric, left(*metric).len().min(allowed));
    let quotas: BTreeMap<usize, usize> = changed.iter().map(quota).collect();
    let (floors, by_floors) = floors(configuration, present, &quotas, &mut run)?;
    let remedy = |metric: &usize| {
        let name = &metrics[*metric].name;
        let present_factor = configuration.settings()[*metric].sensitivity().factor();
        Remedy {
            metric: name.clone(),
            pages: pages_of(present, name).len(),
            sensitivity: (present_factor * FACTORS[steps[*metric]]).min(Configuration::LARGEST_FACTOR),
            pages_by_sensitivity: left(*metric).len(),
            min_change: floors[metric],
            pages_by_min_change: pages_of(&by_floors, name).len(),
        }
    };
    let sets: Vec<Pages<'_>> = (0..metrics.len()).map(left).collect();
    Ok(Proposal {
        allowed,
        pages: present.pages.len(),
        remedies: changed.iter().map(remedy).collect(),
        pages_by_sensitivity: union(&sets),
        pages_by_min_change: by_floors.pages.len(),
    })
}

/// Least changes that leave at most so many pages of each metric, and what they page.
fn floors<E: From<SettingsError>>(
    configuration: &Configuration,
    present: &Report,
    quotas: &BTreeMap<usize, usize>,
    run: &mut impl FnMut(&Configuration) -> Result<Report, E>,
) -> Result<(BTreeMap<usize, f64>, Report), E> {
    let metrics = configuration.metrics();
    let mut report = present.clone();
    let mut floors: BTreeMap<usize, f64> = BTreeMap::new();
    for _ in 0..TRIES {
        let mut is_within = true;
        for (metric, quota) in quotas {
            if pages_of(&report, &metrics[*metric].name).len() > *quota {
                is_within = false;
                let present = configuration.settings()[*metric].floors().min_change();
                let known = floors.get(metric).copied().unwrap_or(present);
                let floor = above_all_but(&peaks(&report, *metric), *quota);
                floors.insert(*metric, if floor > known { floor } else { above(1.2 * known) });
            }
        }
        if is_within {
            break;
        }
        let mut changed = configuration.clone();
        for (metric, floor) in &floors {
            changed = changed.with_min_change(*metric, *floor)?;
        }
        report = run(&changed)?;
    }
    for metric in quotas.keys() {
        floors.entry(*metric).or_insert_with(|| configuration.settings()[*metric].floors().min_change());
    }
    Ok((floors, report))
}

/// The largest change of each paged incident of a metric, as that of a day.
fn peaks(report: &Report, metric: usize) -> Vec<f64> {
    let mut peaks = Vec::new();
    for Judged { flagged, .. } in report.judged.iter().filter(|judged| judged.metric == metric) {
        for direction in Direction::BOTH {
            let of_direction = flagged.iter().filter(|of| of.direction == direction && of.is_stored());
            for flagged in of_direction {
                match (&flagged.outcome, peaks.last_mut()) {
                    (Outcome::GoesOn, Some(peak)) => *peak = day_change(flagged).max(*peak),
                    _ if flagged.is_page() => peaks.push(day_change(flagged)),
                    _ => {}
                }
            }
        }
    }
    peaks
}

/// The change that matters as much in a day. A floor of a window grows with the root of its length.
fn day_change(flagged: &Flagged) -> f64 {
    (flagged.value - flagged.expected).abs() * (24.0 / flagged.hours.max(1) as f64).sqrt()
}

/// A number that is larger than all but the largest `quota`. Zero if there are no more.
fn above_all_but(peaks: &[f64], quota: usize) -> f64 {
    let mut sorted = peaks.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    sorted.get(quota).copied().map_or(0.0, above)
}

fn pages_of<'a>(report: &'a Report, metric: &MetricName) -> Pages<'a> {
    let names = report.pages.iter().filter(|page| page.entries.iter().any(|entry| entry.metric == *metric));
    names.map(|page| (&page.customer, page.at)).collect()
}

fn union(sets: &[Pages<'_>]) -> usize {
    sets.iter().flatten().collect::<BTreeSet<_>>().len()
}
