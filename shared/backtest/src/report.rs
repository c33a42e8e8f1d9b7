//! Pages of customers, and how many there are.

use std::collections::{BTreeMap, BTreeSet};

use detection::incident::Event;
use detection::{CustomerId, Direction, MetricName, Severity};
use jiff::Timestamp;
use serde::Serialize;

use crate::configuration::Configuration;
use crate::flagged::{Flagged, Judged, Outcome};
use crate::span::Span;
use crate::usage::Customer;

/// What became of customers so far, on its way to a report.
pub struct Tally<'a> {
    span: Span,
    configuration: &'a Configuration,
    customers: usize,
    /// By metric: series with a value.
    series: Vec<usize>,
    judged: Vec<Judged>,
    odd_hours: usize,
    /// The customer whose odd hours are all kept. `None` keeps those of all customers.
    shown: Option<Option<CustomerId>>,
}

/// What a configuration makes of usage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub totals: Totals,
    /// In the order of time, then of customers.
    pub pages: Vec<Page>,
    pub by_metric: Vec<Count>,
    /// Customers with a page or a warning, those with the most pages first.
    pub by_customer: Vec<Count>,
    /// What was odd of each series.
    #[serde(skip)]
    pub judged: Vec<Judged>,
}

/// The time of a report, and what there is of each kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Totals {
    /// Start of the first judged hour.
    pub from: Timestamp,
    /// End of the last one.
    pub to: Timestamp,
    pub days: i64,
    /// Days of history before the first judged hour, at most as many as a model uses.
    pub history_days: i64,
    pub customers: usize,
    pub series: usize,
    pub pages_a_customer_month: f64,
    /// Anomalies that are stored.
    pub anomalies: usize,
    /// Those that are warnings of which nobody is told.
    pub warnings: usize,
    /// Messages that incidents are over, or that their levels count as normal. All that one run tells of the ends of one
    /// customer is one message.
    pub ends: usize,
    /// Messages that only say that incidents are still open.
    pub reminders: usize,
}

/// All that one run tells of one customer is one page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    pub customer: CustomerId,
    /// End of the hour that led to it.
    pub at: Timestamp,
    pub entries: Vec<PageEntry>,
}

/// A series on a page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PageEntry {
    pub metric: MetricName,
    pub direction: Direction,
    pub event: Event,
    pub severity: Severity,
    /// In thresholds.
    pub score: f64,
    /// The length of the window that spoke.
    pub hours: usize,
    pub sentence: String,
}

/// The numbers of a metric or of a customer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Count {
    pub name: String,
    pub pages: usize,
    pub pages_a_customer_month: f64,
    pub warnings: usize,
}

/// Days of a customer-month.
pub(crate) const MONTH_DAYS: f64 = 30.0;

impl<'a> Tally<'a> {
    pub fn new(span: Span, configuration: &'a Configuration) -> Self {
        let series = vec![0; configuration.metrics().len()];
        Self { span, configuration, customers: 0, series, judged: Vec::new(), odd_hours: 0, shown: None }
    }

    /// Keeps only the stored anomalies of all customers but this one. So the report of many customers stays small.
    #[must_use]
    pub fn showing(self, customer: Option<CustomerId>) -> Self {
        Self { shown: Some(customer), ..self }
    }

    /// Adds a customer. The order of customers does not matter.
    pub fn add(&mut self, customer: &Customer, judged: Vec<Judged>) {
        self.customers += 1;
        for series in &customer.series {
            if let Some(number) = self.series.get_mut(series.metric) {
                *number += 1;
            }
        }
        let known = self.judged.len();
        match &self.shown {
            Some(shown) if shown.as_ref() != Some(&customer.id) => {
                for mut series in judged {
                    series.flagged.retain(Flagged::is_stored);
                    if !series.flagged.is_empty() || !series.ends.is_empty() {
                        self.judged.push(series);
                    }
                }
            }
            _ => self.judged.extend(judged),
        }
        self.odd_hours += self.judged.iter().skip(known).map(|series| series.flagged.len()).sum::<usize>();
    }

    /// The number of odd hours that are kept.
    pub fn odd_hours(&self) -> usize {
        self.odd_hours
    }

    /// What became of all customers.
    pub fn report(self) -> Report {
        let Self { span, configuration, customers, series, mut judged, .. } = self;
        judged.sort_by(|a, b| (&a.customer, a.metric).cmp(&(&b.customer, b.metric)));
        let names: Vec<&MetricName> = configuration.metrics().iter().map(|spec| &spec.name).collect();
        let pages = pages(&judged, &names);
        let all = || judged.iter().flat_map(|series| &series.flagged);
        let told = |event: Event| told_at(&judged, event);
        let ends = judged.iter().flat_map(|series| series.ends.iter().map(|end| (*end, &series.customer)));
        let ends: BTreeSet<_> = ends.chain(told(Event::Accepted)).collect();
        let is_page = |(at, customer): &(Timestamp, &CustomerId)| {
            pages.binary_search_by(|page| (page.at, &page.customer).cmp(&(*at, *customer))).is_ok()
        };
        let reminders: BTreeSet<_> = told(Event::Reminder).filter(|told| !is_page(told)).collect();
        let months = customer_months(customers, span.days());
        let by_metric = |(place, name): (usize, &&MetricName)| {
            let of_metric = |page: &&Page| page.entries.iter().any(|entry| entry.metric == **name);
            let number = pages.iter().filter(of_metric).count();
            let warnings = warnings(judged.iter().filter(|series| series.metric == place));
            (series[place] > 0).then(|| Count::new(name.to_string(), number, warnings, months))
        };
        let by_metric = names.iter().enumerate().filter_map(by_metric).collect();
        let totals = Totals {
            from: span.judged.start(),
            to: span.end.start(),
            days: span.days(),
            history_days: span.history_days(),
            customers,
            series: series.iter().sum(),
            pages_a_customer_month: rate(pages.len(), months),
            anomalies: all().filter(|of| of.is_stored()).count(),
            warnings: warnings(judged.iter()),
            ends: ends.len(),
            reminders: reminders.len(),
        };
        Report { totals, by_metric, by_customer: by_customer(&pages, &judged, span), pages, judged }
    }
}

/// The customers with a page or a warning, those with the most pages first.
fn by_customer(pages: &[Page], judged: &[Judged], span: Span) -> Vec<Count> {
    let one = customer_months(1, span.days());
    let mut counts: BTreeMap<&CustomerId, (usize, usize)> = BTreeMap::new();
    for page in pages {
        counts.entry(&page.customer).or_default().0 += 1;
    }
    for series in judged {
        let silent = warnings(std::iter::once(series));
        if silent > 0 {
            counts.entry(&series.customer).or_default().1 += silent;
        }
    }
    let count = |(customer, (pages, warnings)): (&CustomerId, _)| {
        Count::new(customer.to_string(), pages, warnings, one)
    };
    let mut counts: Vec<Count> = counts.into_iter().map(count).collect();
    counts.sort_by(|a, b| (b.pages, b.warnings, &a.name).cmp(&(a.pages, a.warnings, &b.name)));
    counts
}

impl Report {
    /// What was odd of the series of a customer, of one metric or of all.
    pub fn of_customer<'a>(
        &'a self,
        customer: &'a CustomerId,
        metric: Option<usize>,
    ) -> impl Iterator<Item = &'a Judged> {
        let is_meant = move |judged: &&Judged| {
            judged.customer == *customer && metric.is_none_or(|metric| metric == judged.metric)
        };
        self.judged.iter().filter(is_meant)
    }
}

impl Count {
    fn new(name: String, pages: usize, warnings: usize, months: f64) -> Self {
        Self { name, pages, pages_a_customer_month: rate(pages, months), warnings }
    }
}

impl Page {
    /// Whether both are about the same direction of the same metric.
    pub(crate) fn shares_series(&self, other: &Self) -> bool {
        let is_of = |a: &PageEntry, b: &PageEntry| (&a.metric, a.direction) == (&b.metric, b.direction);
        self.customer == other.customer
            && self.entries.iter().any(|own| other.entries.iter().any(|entry| is_of(own, entry)))
    }
}

pub(crate) fn customer_months(customers: usize, days: i64) -> f64 {
    customers as f64 * days as f64 / MONTH_DAYS
}

fn rate(pages: usize, months: f64) -> f64 {
    if months > 0.0 { pages as f64 / months } else { 0.0 }
}

fn warnings<'a>(judged: impl Iterator<Item = &'a Judged>) -> usize {
    judged.flat_map(|series| &series.flagged).filter(|of| of.is_silent_warning()).count()
}

/// The times at which customers are told of an event.
fn told_at(judged: &[Judged], event: Event) -> impl Iterator<Item = (Timestamp, &CustomerId)> {
    judged.iter().flat_map(move |series| {
        let told = series.flagged.iter().filter(move |of| of.outcome == Outcome::Paged { event });
        told.map(|of| (of.at, &series.customer))
    })
}

/// One page for each customer and run, in the order of time and then of customers.
fn pages(judged: &[Judged], names: &[&MetricName]) -> Vec<Page> {
    let mut pages: BTreeMap<(Timestamp, &CustomerId), Vec<PageEntry>> = BTreeMap::new();
    for series in judged {
        let Some(metric) = names.get(series.metric) else { continue };
        for flagged in series.flagged.iter().filter(|flagged| flagged.is_page()) {
            let Outcome::Paged { event } = flagged.outcome else { continue };
            let Flagged { direction, severity, score, hours, .. } = *flagged;
            let (metric, sentence) = ((*metric).clone(), flagged.sentence.clone());
            let entry = PageEntry { metric, direction, event, severity, score, hours, sentence };
            pages.entry((flagged.at, &series.customer)).or_default().push(entry);
        }
    }
    let page = |((at, customer), entries): ((Timestamp, &CustomerId), _)| Page {
        customer: customer.clone(),
        at,
        entries,
    };
    pages.into_iter().map(page).collect()
}
