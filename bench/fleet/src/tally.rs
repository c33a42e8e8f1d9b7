//! Counts what a rule did beside what it should have done.
//!
//! * A page is one customer in one run: several metrics are one page. Reminders are messages and no pages.
//! * A page is true if a cause explains it: the window of 24 hours holds an hour of a cause of that series, in a direction
//!   in which the cause shows. All others are false, also the echo of a cause in the other direction.
//! * A cause is found if a page is explained by it. The delay counts from the first hour by whose end the change shows
//!   ([`Cause::visible`]) to the end of the window. The first possible delay is 1 hour.
//! * While all customers have stopped, and on the day after, false drops of single customers count apart.
//! * The time until the end counts from the end of the cause until people read "resolved".

use std::collections::{BTreeMap, BTreeSet};

use detection::Direction;
use detection::incident::Event;

use crate::record::{IncidentKey, Notification, Record};
use crate::usage::{Cause, Month, Subject};

/// Counts of one month, of all customers or of some.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Customers times months of 28 days.
    pub customer_months: f64,
    pub customers: usize,
    pub causes: Vec<OfCause>,
    pub true_pages: usize,
    pub false_pages: usize,
    /// False drops of single customers while all have stopped.
    pub pages_in_stop: usize,
    pub messages: usize,
    /// Hours from the end of a cause until "resolved", one for each incident that was paged for it.
    pub hours_to_end: Vec<f64>,
    /// Messages of an end that came while the cause lasted.
    pub early_ends: usize,
    /// Most pages about one customer.
    pub most_pages: usize,
}

/// What became of one cause.
#[derive(Clone, Debug, PartialEq)]
pub struct OfCause {
    pub kind: String,
    /// The kind of the customer; empty for a cause of all customers.
    pub on: String,
    /// Hours from the first in which it shows to the end of the window of the first page.
    pub delay: Option<usize>,
}

/// A month has four weeks here.
const MONTH: f64 = 28.0 * 24.0;

impl Tally {
    /// Counts all that is about the subjects that are `wanted`. Messages are those of all.
    pub fn of(month: &Month, record: &Record, wanted: impl Fn(Subject) -> bool) -> Self {
        let customers = (0..month.customers.len()).filter(|place| wanted(Subject::Customer(*place))).count();
        let causes = month.causes.iter().filter(|cause| wanted(cause.subject));
        let mut tally = Self {
            customer_months: customers as f64 * month.runs().len() as f64 / MONTH,
            customers,
            causes: causes.map(|cause| OfCause::new(month, cause, record)).collect(),
            messages: record.messages,
            ..Self::default()
        };
        let explained =
            |of: &Notification| month.causes.iter().find(|cause| cause.explains(of.incident.series, of.end));
        let mut pages: BTreeMap<(Subject, usize), Page> = BTreeMap::new();
        let mut paged: BTreeMap<IncidentKey, Option<&Cause>> = BTreeMap::new();
        let mut early: BTreeSet<(Subject, usize)> = BTreeSet::new();
        for of in record.notifications.iter().filter(|of| wanted(of.incident.series.subject)) {
            let before = paged.get(&of.incident).copied().flatten();
            if of.is_page() {
                let cause = explained(of);
                let page = pages.entry((of.incident.series.subject, of.end)).or_default();
                page.is_explained |= cause.is_some();
                page.has_spike |= of.incident.series.direction == Direction::Spike;
                paged.insert(of.incident, before.or(cause));
            } else if of.event.is_closing() {
                tally.end(of, before, &mut early);
            }
        }
        tally.early_ends = early.len();
        for ((subject, end), page) in &pages {
            let is_of_stop = subject.customer().is_some() && !page.has_spike && month.is_in_stop(*end);
            match page {
                Page { is_explained: true, .. } => tally.true_pages += 1,
                _ if is_of_stop => tally.pages_in_stop += 1,
                _ => tally.false_pages += 1,
            }
        }
        let subjects: BTreeSet<Subject> = pages.keys().map(|(subject, _)| *subject).collect();
        let number = |of: &Subject| pages.keys().filter(|(subject, _)| subject == of).count();
        tally.most_pages = subjects.iter().map(number).max().unwrap_or(0);
        tally
    }

    fn end(
        &mut self,
        notification: &Notification,
        cause: Option<&Cause>,
        early: &mut BTreeSet<(Subject, usize)>,
    ) {
        let Some(cause) = cause else { return };
        let over = cause.hours.end + cause.delay;
        if notification.end <= over {
            early.insert((notification.incident.series.subject, notification.end));
        } else if notification.event == Event::Resolved {
            self.hours_to_end.push((notification.end - over) as f64);
        }
    }

    /// Sums of several months.
    pub fn sum<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        tallies.into_iter().fold(Self::default(), |mut sum, tally| {
            sum.customer_months += tally.customer_months;
            sum.customers += tally.customers;
            sum.causes.extend(tally.causes.iter().cloned());
            sum.true_pages += tally.true_pages;
            sum.false_pages += tally.false_pages;
            sum.pages_in_stop += tally.pages_in_stop;
            sum.messages += tally.messages;
            sum.hours_to_end.extend(&tally.hours_to_end);
            sum.early_ends += tally.early_ends;
            sum.most_pages = sum.most_pages.max(tally.most_pages);
            sum
        })
    }

    /// Share of the causes that were found.
    pub fn found(&self) -> Option<f64> {
        self.within(usize::MAX)
    }

    /// Share of the causes of which people knew within so many hours.
    pub fn within(&self, hours: usize) -> Option<f64> {
        share(&self.causes, |cause| cause.is_found_within(hours))
    }

    pub fn delay(&self) -> Option<f64> {
        median(self.causes.iter().filter_map(|cause| cause.delay).map(|delay| delay as f64).collect())
    }

    /// True ones of the pages.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.true_pages as f64, (self.true_pages + self.false_pages) as f64)
    }

    pub fn false_pages_a_customer_month(&self) -> Option<f64> {
        ratio(self.false_pages as f64, self.customer_months)
    }

    pub fn messages_a_customer_month(&self) -> Option<f64> {
        ratio(self.messages as f64, self.customer_months)
    }

    pub fn time_to_end(&self) -> Option<f64> {
        median(self.hours_to_end.clone())
    }

    /// Share of the silences of weekly and business-hours customers that were found within three hours.
    pub fn silences(&self) -> Option<f64> {
        let is_such = |of: &&OfCause| {
            of.kind.starts_with("silence") && (of.on.starts_with("business") || of.on.starts_with("weekend"))
        };
        let silences: Vec<OfCause> = self.causes.iter().filter(is_such).cloned().collect();
        share(&silences, |cause| cause.is_found_within(3))
    }

    /// Share of the stops of all customers that were found within the hour.
    pub fn stops(&self) -> Option<f64> {
        let stops: Vec<OfCause> = self.causes.iter().filter(|of| of.on.is_empty()).cloned().collect();
        share(&stops, |cause| cause.is_found_within(1))
    }
}

/// What the notifications about one customer in one run are together.
#[derive(Default)]
struct Page {
    is_explained: bool,
    has_spike: bool,
}

impl OfCause {
    fn new(month: &Month, cause: &Cause, record: &Record) -> Self {
        let pages = record.notifications.iter().filter(|notification| notification.is_page());
        let explained = pages.filter(|page| cause.explains(page.incident.series, page.end));
        let delay = explained.map(|page| page.end.saturating_sub(cause.visible)).min();
        let on = cause.subject.customer().map(|place| month.customers[place].kind.clone());
        Self { kind: cause.kind.clone(), on: on.unwrap_or_default(), delay }
    }

    fn is_found_within(&self, hours: usize) -> bool {
        self.delay.is_some_and(|delay| delay <= hours)
    }
}

/// The lower one of the two in the middle; none of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

fn share<T>(of: &[T], is_so: impl Fn(&T) -> bool) -> Option<f64> {
    ratio(of.iter().filter(|one| is_so(one)).count() as f64, of.len() as f64)
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use detection::{CustomerId, MetricName};
    use jiff::Timestamp;

    use super::*;
    use crate::usage::{Customer, Metric, SeriesKey};

    const SPIKE: SeriesKey =
        SeriesKey { subject: Subject::Customer(0), metric: 0, direction: Direction::Spike };
    const ECHO: SeriesKey = SeriesKey { direction: Direction::Drop, ..SPIKE };
    const BYTES: SeriesKey = SeriesKey { metric: 1, ..SPIKE };
    const OTHER: SeriesKey = SeriesKey { subject: Subject::Customer(1), ..ECHO };
    const EVERYBODY: SeriesKey = SeriesKey { subject: Subject::All, ..ECHO };

    /// Two customers. The hours 100 to 109 of the first one are a spike that shows from 102 on, and all stop from 150 to 152.
    fn month() -> Month {
        let customer = |id: &str| Customer {
            id: CustomerId::new(id).unwrap(),
            kind: String::from("business hours"),
            time_zone: None,
            delay: 0,
            usage: vec![vec![1.0; 200]; 2],
        };
        let metric = |name: &str| Metric::new(MetricName::new(name).unwrap(), 1.0);
        let leak = Cause {
            kind: String::from("leak"),
            subject: Subject::Customer(0),
            metrics: vec![0],
            directions: vec![Direction::Spike],
            hours: 100..110,
            visible: 102,
            delay: 0,
        };
        let stop = Cause {
            subject: Subject::All,
            directions: vec![Direction::Drop],
            hours: 150..153,
            visible: 150,
            ..leak.clone()
        };
        Month {
            start: Timestamp::UNIX_EPOCH,
            hours: 200,
            history: 50,
            metrics: vec![metric("api_calls"), metric("bandwidth")],
            customers: vec![customer("a"), customer("b")],
            causes: vec![leak, stop],
        }
    }

    fn notification(series: SeriesKey, opened: usize, event: Event, end: usize) -> Notification {
        Notification { incident: IncidentKey { series, opened }, event, end }
    }

    fn tally(notifications: Vec<Notification>) -> Tally {
        Tally::of(&month(), &Record { notifications, messages: 7 }, |_| true)
    }

    #[test]
    fn a_page_of_the_cause_is_true_and_everything_else_is_false() {
        let tally = tally(vec![
            notification(SPIKE, 60, Event::Opened, 60),
            notification(SPIKE, 60, Event::Resolved, 90),
            notification(SPIKE, 104, Event::Opened, 104),
            notification(BYTES, 104, Event::Opened, 104),
            notification(SPIKE, 104, Event::Reminder, 128),
            notification(ECHO, 105, Event::Opened, 105),
            notification(OTHER, 103, Event::Opened, 103),
            notification(SPIKE, 104, Event::Resolved, 136),
        ]);
        assert_eq!((tally.true_pages, tally.false_pages, tally.pages_in_stop), (1, 3, 0));
        assert_eq!(
            (tally.precision(), tally.delay(), tally.time_to_end()),
            (Some(0.25), Some(2.0), Some(26.0))
        );
        assert_eq!((tally.found(), tally.within(1), tally.within(2)), (Some(0.5), Some(0.0), Some(0.5)));
        let months = 2.0 * 150.0 / MONTH;
        assert_eq!(tally.false_pages_a_customer_month(), Some(3.0 / months));
        assert_eq!(tally.messages_a_customer_month(), Some(7.0 / months));
        assert_eq!((tally.early_ends, tally.most_pages), (0, 3));
    }

    #[test]
    fn several_metrics_of_a_customer_in_a_run_are_one_page() {
        let of = |series| notification(series, 60, Event::Opened, 60);
        assert_eq!(tally(vec![of(SPIKE), of(BYTES), of(ECHO)]).false_pages, 1);
        assert_eq!(tally(vec![of(SPIKE), notification(SPIKE, 60, Event::Escalated, 61)]).false_pages, 2);
    }

    #[test]
    fn drops_of_single_customers_while_all_have_stopped_count_apart() {
        let of = |series, end| notification(series, end, Event::Opened, end);
        let found = tally(vec![of(EVERYBODY, 151), of(OTHER, 152), of(OTHER, 176), of(SPIKE, 152)]);
        assert_eq!((found.true_pages, found.pages_in_stop, found.false_pages), (1, 2, 1));
        assert_eq!(found.stops(), Some(1.0));
        assert_eq!(tally(vec![of(EVERYBODY, 152), of(OTHER, 177)]).stops(), Some(0.0));
    }

    #[test]
    fn an_end_that_comes_while_the_cause_lasts_is_early_and_none_of_the_others() {
        let early = tally(vec![
            notification(SPIKE, 101, Event::Opened, 101),
            notification(SPIKE, 101, Event::Accepted, 108),
        ]);
        assert_eq!((early.early_ends, early.time_to_end(), early.delay()), (1, None, Some(0.0)));
    }

    #[test]
    fn a_rule_that_says_nothing_finds_nothing() {
        let silent = tally(Vec::new());
        assert_eq!((silent.found(), silent.delay(), silent.precision()), (Some(0.0), None, None));
        assert_eq!((silent.causes.len(), silent.true_pages, silent.silences()), (2, 0, None));
    }

    #[test]
    fn months_add_up_and_customers_that_are_not_wanted_do_not_count() {
        let notifications =
            vec![notification(SPIKE, 102, Event::Opened, 102), notification(OTHER, 103, Event::Opened, 103)];
        let record = Record { notifications, messages: 0 };
        let of_other = Tally::of(&month(), &record, |subject| subject == Subject::Customer(1));
        assert_eq!((of_other.customers, of_other.causes.len()), (1, 0));
        assert_eq!((of_other.true_pages, of_other.false_pages), (0, 1));
        let all = Tally::of(&month(), &record, |_| true);
        let sum = Tally::sum([&all, &of_other]);
        assert_eq!((sum.customers, sum.causes.len(), sum.true_pages, sum.false_pages), (3, 2, 1, 2));
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
