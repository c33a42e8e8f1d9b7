//! Services at five minutes: which windows the rules for traces tell, in faults and without one.
//!
//! The first half of a service's usual windows is its baseline, the second half is judged, and so are the windows of each
//! fault. A fault is found if a window of any service is told. So a rule is judged by what a person would be paged for.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use catalog::{Catalog, MetricRule};
use detection::rules::{Counts, Persistence, Rate, Rule};
use detection::{Baseline, Histogram, Reason, Verdict};

use super::share::Share;

/// Five minutes of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    pub requests: u64,
    pub failed: u64,
    /// In milliseconds. Without requests there is none.
    pub latency: Histogram,
}

/// Windows in order of time, by service.
pub type Services = BTreeMap<String, Vec<Window>>;

/// Where a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shows {
    InLatency,
    InFailures,
}

/// The windows around a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    pub shows: Shows,
    pub services: Services,
}

/// Says which windows are told.
#[derive(Clone, Debug, PartialEq)]
pub enum Judge {
    /// Rules of latency, each with the number of windows that it takes.
    Latency(Vec<MetricRule>),
    Failures(Rate),
    /// The 95th percentile of a window is three standard deviations above the mean of those of the baseline.
    LatencyZ3,
    /// The share of failed requests is.
    FailuresZ3,
}

/// What a judge tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Of the windows without a fault.
    pub usual: Share,
    /// Of the faults.
    pub issues: BTreeMap<Shows, Share>,
}

/// The baseline of a service, in the forms that judges ask for.
struct Past {
    latency: Histogram,
    counts: Counts,
    percentiles: Option<Baseline>,
    rates: Option<Baseline>,
}

/// A rule takes windows with fewer requests for too few, so the plain judges do, too.
const LEAST_REQUESTS: u64 = 20;

/// What a judge tells of services without a fault, and of the windows around faults.
pub fn told(usual: &Services, issues: &[Issue], judge: &Judge) -> Told {
    let mut told = Told::default();
    let mut pasts = BTreeMap::new();
    for (service, windows) in usual {
        let (before, after) = windows.split_at(windows.len() / 2);
        let past = Past::of(before);
        told.usual += Share::of(judge.tells(&past, after).into_iter().flatten());
        pasts.insert(service, past);
    }
    for issue in issues {
        let is_told = issue.services.iter().any(|(service, windows)| {
            pasts.get(service).is_some_and(|past| judge.tells(past, windows).contains(&Some(true)))
        });
        *told.issues.entry(issue.shows).or_default() += Share::of([is_told]);
    }
    told
}

impl Judge {
    /// The rules of latency and of failures of the preset `traces_otel`.
    ///
    /// # Errors
    ///
    /// When the preset lacks one.
    pub fn of_preset() -> Result<[Self; 2]> {
        let catalog = Catalog::from_files("preset:traces_otel")?;
        let latency = rules(&catalog, "trace_latency")?.to_vec();
        let rate = rules(&catalog, "trace_error_rate")?.iter().find_map(|of| match &of.rule {
            Rule::Rate(rate) => Some(*rate),
            _ => None,
        });
        let rate = rate.context("the metric trace_error_rate of the preset has no rate rule")?;
        Ok([Self::Latency(latency), Self::Failures(rate)])
    }

    /// Whether each window is told. `None` where there is no verdict.
    fn tells(&self, past: &Past, windows: &[Window]) -> Vec<Option<bool>> {
        match self {
            Self::Latency(rules) => {
                let of_rules = rules.iter().map(|MetricRule { rule, lasting }| {
                    let verdicts = windows.iter().map(|window| past.latency_by(rule, window));
                    lasting_flags(*lasting, &verdicts.map(|verdict| flag(&verdict)).collect::<Vec<_>>())
                });
                let of_rules: Vec<Vec<Option<bool>>> = of_rules.collect();
                (0..windows.len())
                    .map(|place| {
                        of_rules.iter().filter_map(|flags| flags[place]).reduce(|one, other| one || other)
                    })
                    .collect()
            }
            Self::Failures(rate) => {
                windows.iter().map(|window| flag(&rate.judge(window.counts(), past.counts))).collect()
            }
            Self::LatencyZ3 => above(windows, past.percentiles.as_ref(), Window::p95),
            Self::FailuresZ3 => above(windows, past.rates.as_ref(), |window| Some(window.counts().rate())),
        }
    }
}

impl Window {
    fn counts(&self) -> Counts {
        Counts { events: self.requests, bad: self.failed }
    }

    fn p95(&self) -> Option<f64> {
        self.latency.percentile(0.95)
    }
}

impl Past {
    /// What a rule says of the latency of a window. No other rules judge latency.
    fn latency_by(&self, rule: &Rule, window: &Window) -> Verdict {
        match (rule, window.p95(), &self.percentiles) {
            (Rule::Percentile(rule), ..) => rule.judge_window(&window.latency, &self.latency),
            (Rule::Deviation(rule), Some(p95), Some(past)) if window.requests >= rule.min_events => {
                rule.judge(p95, past, false)
            }
            _ => Verdict::Undetermined(Reason::InsufficientData),
        }
    }

    fn of(windows: &[Window]) -> Self {
        let mut latency = Histogram::default();
        let mut counts = Counts::default();
        for window in windows {
            latency.merge(&window.latency);
            counts.events += window.requests;
            counts.bad += window.failed;
        }
        let many = windows.iter().filter(|window| window.requests >= LEAST_REQUESTS);
        Self {
            latency,
            counts,
            percentiles: Baseline::of(many.clone().filter_map(Window::p95)),
            rates: Baseline::of(many.map(|window| window.counts().rate())),
        }
    }
}

fn rules<'a>(catalog: &'a Catalog, metric: &str) -> Result<&'a [MetricRule]> {
    Ok(&catalog.find(metric).with_context(|| format!("the preset has no metric {metric}"))?.rules)
}

fn flag(verdict: &Verdict) -> Option<bool> {
    match verdict {
        Verdict::Undetermined(_) => None,
        verdict => Some(matches!(verdict, Verdict::Anomalous(_))),
    }
}

/// Which windows a rule tells that takes several.
fn lasting_flags(lasting: Persistence, flags: &[Option<bool>]) -> Vec<Option<bool>> {
    let known: Vec<bool> = flags.iter().map(|flag| flag.unwrap_or(false)).collect();
    flags.iter().enumerate().map(|(place, flag)| flag.map(|_| lasting.holds(&known[..=place]))).collect()
}

fn above(
    windows: &[Window],
    past: Option<&Baseline>,
    value: impl Fn(&Window) -> Option<f64>,
) -> Vec<Option<bool>> {
    let judged = |window: &Window| {
        let past = past.filter(|_| window.requests >= LEAST_REQUESTS)?;
        Some(value(window)? > past.mean() + 3.0 * past.stddev())
    };
    windows.iter().map(judged).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(failed: u64, latency: f64) -> Window {
        Window { requests: 100, failed, latency: [latency; 100].into_iter().collect() }
    }

    fn services(windows: Vec<Window>) -> Services {
        [(String::from("front"), windows)].into()
    }

    fn issue(shows: Shows, windows: Vec<Window>) -> Issue {
        Issue { shows, services: services(windows) }
    }

    /// 20 windows as usual, and as many of which one is mildly slow.
    fn usual() -> Services {
        let mut windows = vec![window(0, 200.0); 40];
        windows[5] = window(1, 210.0);
        windows[30] = window(0, 290.0);
        services(windows)
    }

    #[test]
    fn the_preset_tells_three_mild_windows_or_one_that_is_twice_as_slow() {
        let [latency, failures] = Judge::of_preset().unwrap();
        let [calm, mild] = [window(0, 200.0), window(0, 290.0)];
        let issues = [
            issue(Shows::InLatency, vec![calm.clone(), mild.clone(), mild.clone(), calm.clone()]),
            issue(Shows::InLatency, vec![mild.clone(), mild.clone(), mild]),
            issue(Shows::InLatency, vec![calm.clone(), window(0, 600.0)]),
            issue(Shows::InFailures, vec![calm, window(9, 200.0)]),
        ];
        let by_latency = told(&usual(), &issues, &latency);
        assert_eq!(by_latency.usual, Share { flagged: 0, judged: 20 });
        assert_eq!(by_latency.issues[&Shows::InLatency], Share { flagged: 2, judged: 3 });
        assert_eq!(by_latency.issues[&Shows::InFailures], Share { flagged: 0, judged: 1 });
        let by_failures = told(&usual(), &issues, &failures);
        assert_eq!(by_failures.issues[&Shows::InFailures], Share { flagged: 1, judged: 1 });
        assert_eq!(by_failures.issues[&Shows::InLatency].flagged, 0);
    }

    #[test]
    fn the_plain_judges_take_one_window() {
        let issues = [
            issue(Shows::InLatency, vec![window(0, 290.0)]),
            issue(Shows::InFailures, vec![window(9, 200.0)]),
        ];
        let by_latency = told(&usual(), &issues, &Judge::LatencyZ3);
        assert_eq!(by_latency.usual.flagged, 1, "the mild window of the second half");
        assert_eq!(by_latency.issues[&Shows::InLatency].flagged, 1);
        assert_eq!(told(&usual(), &issues, &Judge::FailuresZ3).issues[&Shows::InFailures].flagged, 1);
    }

    #[test]
    fn windows_and_services_without_a_verdict_are_not_counted() {
        let few = Window { requests: 3, failed: 3, latency: [900.0; 3].into_iter().collect() };
        let unknown = Issue {
            shows: Shows::InFailures,
            services: [(String::from("other"), vec![window(99, 900.0)])].into(),
        };
        for judge in
            [Judge::of_preset().unwrap().to_vec(), vec![Judge::LatencyZ3, Judge::FailuresZ3]].concat()
        {
            let told = told(&services(vec![few.clone(); 40]), std::slice::from_ref(&unknown), &judge);
            assert_eq!((told.usual.judged, told.issues[&Shows::InFailures].flagged), (0, 0), "{judge:?}");
        }
    }
}
