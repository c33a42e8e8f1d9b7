//! Rules beside each other: each is a judge of the same months. A rule that is only a score gets the threshold at which its
//! false pages come nearest to those of another rule, found on months of other seeds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;

use crate::generate::{generate, generate_jobs};
use crate::pager::{AtThreshold, Scorer, Scores};
use crate::record::Judge;
use crate::tally::Tally;
use crate::usage::Month;

/// What one rule did with the months of all seeds.
#[derive(Clone, Debug)]
pub struct Compared {
    pub name: String,
    /// The threshold of a rule that is only a score.
    pub threshold: Option<f64>,
    /// By seed.
    pub months: Vec<Tally>,
    /// By kind of customer, in the order of the month, all seeds together.
    pub kinds: Vec<(String, Tally)>,
    /// Most pages about one customer with a recurring job, in five months.
    pub pages_of_job: Option<usize>,
}

/// A point of a curve: the threshold, the share of the causes that were found, and the precision of pages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub threshold: f64,
    pub recall: f64,
    pub precision: f64,
}

impl Compared {
    /// All months together.
    pub fn total(&self) -> Tally {
        Tally::sum(&self.months)
    }
}

/// What the judge does with the months of the seeds, and with the jobs of the first seed if these are wanted.
///
/// # Errors
///
/// When a month cannot be made, or the judge cannot be applied to it.
pub fn compare(judge: &dyn Judge, months: &[Month], jobs: Option<&Month>) -> anyhow::Result<Compared> {
    let of_month = |month: &Month| {
        let record = judge.judge(month)?;
        let total = Tally::of(month, &record, |_| true);
        let of_kind = |kind: &String| {
            let is_of_kind = |place: usize| month.customers[place].kind == *kind;
            (kind.clone(), Tally::of(month, &record, |of| of.customer().is_some_and(is_of_kind)))
        };
        anyhow::Ok((total, kinds(month).iter().map(of_kind).collect::<Vec<_>>()))
    };
    let judged: Vec<_> = in_parallel(months, of_month).into_iter().collect::<Result<_, _>>()?;
    let (months, kinds): (Vec<Tally>, Vec<Vec<(String, Tally)>>) = judged.into_iter().unzip();
    let of_kind = |(place, (kind, _)): (usize, &(String, Tally))| {
        (kind.clone(), Tally::sum(kinds.iter().filter_map(|kinds| Some(&kinds.get(place)?.1))))
    };
    let pages_of_job = jobs.map(|jobs| anyhow::Ok(Tally::of(jobs, &judge.judge(jobs)?, |_| true).most_pages));
    Ok(Compared {
        name: judge.name().to_owned(),
        threshold: None,
        months,
        kinds: kinds.first().into_iter().flatten().enumerate().map(of_kind).collect(),
        pages_of_job: pages_of_job.transpose()?,
    })
}

/// The same for a scorer at the threshold at which it comes nearest to so many false pages a customer-month.
///
/// # Errors
///
/// When the scorer cannot be applied to a month.
pub fn compare_at_rate(
    scorer: &dyn Scorer,
    rate: f64,
    others: &[Month],
    months: &[Month],
    jobs: Option<&Month>,
) -> anyhow::Result<Compared> {
    let scores = in_parallel(others, |month| Scores::of(scorer, month));
    let threshold = threshold_at(rate, |threshold| {
        let of =
            |(scores, month): (&Scores, &Month)| Tally::of(month, &scores.record(month, threshold), |_| true);
        let tallies: Vec<Tally> = scores.iter().zip(others).map(of).collect();
        Tally::sum(&tallies).false_pages_a_customer_month().unwrap_or(0.0)
    });
    let compared = compare(&AtThreshold { scorer, threshold }, months, jobs)?;
    Ok(Compared { threshold: Some(threshold), ..compared })
}

/// Recall and precision of a scorer at these thresholds.
pub fn curve(scorer: &dyn Scorer, months: &[Month], thresholds: &[f64]) -> Vec<Point> {
    let scores = in_parallel(months, |month| Scores::of(scorer, month));
    let point = |threshold: &f64| {
        let of = |(scores, month): (&Scores, &Month)| {
            Tally::of(month, &scores.record(month, *threshold), |_| true)
        };
        let tallies: Vec<Tally> = scores.iter().zip(months).map(of).collect();
        let total = Tally::sum(&tallies);
        Some(Point { threshold: *threshold, recall: total.found()?, precision: total.precision()? })
    };
    thresholds.iter().filter_map(point).collect()
}

/// The months of the seeds, and the fleet of jobs of the first one.
///
/// # Errors
///
/// When a month cannot be made.
pub fn months(seeds: &[u64]) -> anyhow::Result<(Vec<Month>, Option<Month>)> {
    let months = in_parallel(seeds, |seed| generate(*seed).with_context(|| format!("seed {seed}")));
    let jobs = seeds.first().map(|seed| generate_jobs(*seed)).transpose()?;
    Ok((months.into_iter().collect::<Result<_, _>>()?, jobs))
}

/// The threshold whose rate is nearest to this one. A higher threshold has a lower rate.
fn threshold_at(rate: f64, rate_at: impl Fn(f64) -> f64) -> f64 {
    const STEPS: usize = 24;
    let (mut low, mut high) = (0.01_f64, 1e4_f64);
    for _ in 0..STEPS {
        let middle = (low * high).sqrt();
        if rate_at(middle) > rate { low = middle } else { high = middle }
    }
    if (rate_at(low) - rate).abs() < (rate_at(high) - rate).abs() { low } else { high }
}

fn kinds(month: &Month) -> Vec<String> {
    let mut kinds: Vec<String> = Vec::new();
    for customer in &month.customers {
        if !kinds.contains(&customer.kind) {
            kinds.push(customer.kind.clone());
        }
    }
    kinds
}

/// On all processors, in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], of: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { break };
            let result = of(item);
            found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((place, result));
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            threads.spawn(work);
        }
    });
    let mut found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judges::{HourOfDay, Today};

    #[test]
    fn the_threshold_has_the_rate_that_is_nearest() {
        let threshold = threshold_at(0.5, |threshold| 2.0 / threshold);
        assert!((threshold - 4.0).abs() < 0.01, "{threshold}");
        // A rate that jumps from 1 to 0.4: the latter is nearer.
        let threshold = threshold_at(0.5, |threshold| if threshold < 3.0 { 1.0 } else { 0.4 });
        assert!((3.0..3.01).contains(&threshold), "{threshold}");
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..100).collect();
        assert_eq!(in_parallel(&items, |item| item * 2), (0..100).map(|item| item * 2).collect::<Vec<_>>());
    }

    #[test]
    fn rules_stand_beside_each_other_at_about_the_same_rate() {
        let (months, _) = months(&[1]).unwrap();
        let month = months[0].clone().first_runs(240);
        let (others, _) = self::months(&[2]).unwrap();
        let others = [others[0].clone().first_runs(240)];
        let rate = 0.5;
        for scorer in [&Today as &dyn Scorer, &HourOfDay] {
            let compared =
                compare_at_rate(scorer, rate, &others, std::slice::from_ref(&month), None).unwrap();
            let total = compared.total();
            let found = total.false_pages_a_customer_month().unwrap();
            assert!((0.1..2.0).contains(&found), "{}: {found}", compared.name);
            let kinds: usize =
                compared.kinds.iter().map(|(_, tally)| tally.true_pages + tally.false_pages).sum();
            assert_eq!(kinds, total.true_pages + total.false_pages, "{}", compared.name);
            let curve = curve(scorer, std::slice::from_ref(&month), &[1.0, 1e7]);
            assert!(curve[0].recall > 0.2 && curve.len() == 1, "{curve:?}");
        }
    }
}
