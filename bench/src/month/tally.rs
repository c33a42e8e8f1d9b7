//! Counts what a rule did beside what it should have done.
//!
//! * A cause is found if an anomaly that it explains is stored, and paged if people were paged about one.
//! * The delay of a page counts from the start of the cause to the end of the window. The first possible delay is 1 hour.
//! * A page is true if a cause explains it: the window holds an hour of a cause of the series, in its direction. A paged
//!   incident is true if one of its pages is. All others are false, also the echo of a cause in the other direction.
//! * The time until the end counts from the end of the cause until people read "resolved".

use std::collections::BTreeMap;

use detection::incident::Event;

use super::record::{IncidentKey, Notification, Record};
use super::usage::{Cause, Month};

/// Counts of one month, of all customers or of some.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Customers times months of 28 days.
    pub customer_months: f64,
    pub customers: usize,
    pub causes: Vec<OfCause>,
    pub anomalies: usize,
    pub open_anomalies: usize,
    pub incidents: usize,
    pub open_incidents: usize,
    pub paged_true: usize,
    pub paged_false: usize,
    pub pages: usize,
    pub false_pages: usize,
    pub reminders: usize,
    /// Ends of which people were notified.
    pub ends: usize,
    /// Hours from the end of a cause until "resolved", one for each incident that was paged for it.
    pub hours_to_end: Vec<f64>,
    /// Ends that came while the cause lasted.
    pub early_ends: usize,
}

/// What became of one cause.
#[derive(Clone, Debug, PartialEq)]
pub struct OfCause {
    pub kind: String,
    pub is_found: bool,
    /// Hours from its start to the end of the window of the first page.
    pub delay: Option<usize>,
}

/// A month has four weeks here.
const MONTH: f64 = 28.0 * 24.0;

impl Tally {
    /// Counts all that is about the customers who are `wanted`.
    pub fn of(month: &Month, record: &Record, wanted: impl Fn(usize) -> bool) -> Self {
        let customers = (0..month.customers.len()).filter(|customer| wanted(*customer)).count();
        let causes = causes_of_customers(month);
        let explained = |notification: &Notification| {
            let series = notification.incident.series;
            let of_customer = causes.get(&series.customer);
            let cause =
                of_customer.into_iter().flatten().find(|cause| cause.explains(series, notification.end));
            cause.copied()
        };
        let mut tally = Self {
            customer_months: customers as f64 * month.runs().len() as f64 / MONTH,
            customers,
            causes: month
                .causes
                .iter()
                .filter(|c| wanted(c.customer))
                .map(|c| OfCause::new(c, record))
                .collect(),
            ..Self::default()
        };
        for anomaly in record.anomalies.iter().filter(|anomaly| wanted(anomaly.series.customer)) {
            tally.anomalies += 1;
            tally.open_anomalies += usize::from(anomaly.is_open);
        }
        for incident in record.incidents.iter().filter(|incident| wanted(incident.id.series.customer)) {
            tally.incidents += 1;
            tally.open_incidents += usize::from(incident.is_open);
        }
        let mut paged: BTreeMap<IncidentKey, Option<&Cause>> = BTreeMap::new();
        for notification in record.notifications.iter().filter(|of| wanted(of.incident.series.customer)) {
            let before = paged.get(&notification.incident).copied().flatten();
            if notification.is_page() {
                let cause = explained(notification);
                tally.pages += 1;
                tally.false_pages += usize::from(cause.is_none());
                tally.reminders += usize::from(notification.event == Event::Reminder);
                paged.insert(notification.incident, before.or(cause));
            } else {
                tally.ends += 1;
                tally.end(notification, before);
            }
        }
        tally.paged_true = paged.values().flatten().count();
        tally.paged_false = paged.len() - tally.paged_true;
        tally
    }

    fn end(&mut self, notification: &Notification, cause: Option<&Cause>) {
        match cause {
            Some(cause) if notification.end <= cause.hours.end => self.early_ends += 1,
            Some(cause) if notification.event == Event::Resolved => {
                self.hours_to_end.push((notification.end - cause.hours.end) as f64);
            }
            _ => {}
        }
    }

    pub fn found(&self) -> usize {
        self.causes.iter().filter(|cause| cause.is_found).count()
    }

    pub fn paged(&self) -> usize {
        self.causes.iter().filter(|cause| cause.delay.is_some()).count()
    }

    /// Causes of which people knew within so many hours.
    pub fn paged_within(&self, hours: usize) -> usize {
        self.causes.iter().filter(|cause| cause.delay.is_some_and(|delay| delay <= hours)).count()
    }

    pub fn delay(&self) -> Option<f64> {
        median(self.causes.iter().filter_map(|cause| cause.delay).map(|delay| delay as f64).collect())
    }

    /// True ones of the paged incidents.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.paged_true as f64, (self.paged_true + self.paged_false) as f64)
    }

    pub fn false_pages_a_customer_month(&self) -> Option<f64> {
        ratio(self.false_pages as f64, self.customer_months)
    }

    pub fn time_to_end(&self) -> Option<f64> {
        median(self.hours_to_end.clone())
    }
}

impl OfCause {
    fn new(cause: &Cause, record: &Record) -> Self {
        let is_found = record.anomalies.iter().any(|anomaly| cause.explains(anomaly.series, anomaly.end));
        let pages = record.notifications.iter().filter(|notification| notification.is_page());
        let explained = pages.filter(|page| cause.explains(page.incident.series, page.end));
        let delay = explained.map(|page| page.end - cause.hours.start).min();
        Self { kind: cause.kind.clone(), is_found, delay }
    }
}

fn causes_of_customers(month: &Month) -> BTreeMap<usize, Vec<&Cause>> {
    let mut of_customers: BTreeMap<usize, Vec<&Cause>> = BTreeMap::new();
    for cause in &month.causes {
        of_customers.entry(cause.customer).or_default().push(cause);
    }
    of_customers
}

/// The lower one of the two in the middle; none of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use detection::{CustomerId, Direction, MetricName};
    use jiff::Timestamp;

    use super::*;
    use crate::month::record::{Anomaly, Incident};
    use crate::month::usage::{Customer, SeriesKey};

    const SPIKE: SeriesKey = SeriesKey { customer: 0, metric: 0, direction: Direction::Spike };
    const ECHO: SeriesKey = SeriesKey { direction: Direction::Drop, ..SPIKE };
    const OTHER: SeriesKey = SeriesKey { customer: 1, ..SPIKE };

    /// Two customers; of the first one the hours 100 to 109 are a spike.
    fn month() -> Month {
        let customer = |id: &str| Customer {
            id: CustomerId::new(id).unwrap(),
            kind: String::from("steady"),
            usage: vec![vec![1.0; 200]],
        };
        Month {
            start: Timestamp::UNIX_EPOCH,
            hours: 200,
            history: 50,
            metrics: vec![MetricName::new("api_calls").unwrap()],
            customers: vec![customer("a"), customer("b")],
            causes: vec![Cause {
                kind: String::from("leaked key"),
                customer: 0,
                metrics: vec![0],
                direction: Direction::Spike,
                hours: 100..110,
            }],
        }
    }

    fn notification(series: SeriesKey, opened: usize, event: Event, end: usize) -> Notification {
        Notification { incident: IncidentKey { series, opened }, event, end }
    }

    fn tally(notifications: Vec<Notification>) -> Tally {
        let anomalies = notifications.iter().filter(|of| of.is_page());
        let anomalies =
            anomalies.map(|of| Anomaly { series: of.incident.series, end: of.end, is_open: of.end > 120 });
        let record = Record {
            anomalies: anomalies.collect(),
            incidents: vec![Incident { id: IncidentKey { series: SPIKE, opened: 102 }, is_open: true }],
            notifications,
            messages: 0,
        };
        Tally::of(&month(), &record, |_| true)
    }

    #[test]
    fn a_page_of_the_cause_is_true_and_everything_else_is_false() {
        let tally = tally(vec![
            notification(SPIKE, 60, Event::Opened, 60),
            notification(SPIKE, 60, Event::Resolved, 90),
            notification(SPIKE, 102, Event::Opened, 102),
            notification(SPIKE, 102, Event::Reminder, 126),
            notification(ECHO, 102, Event::Opened, 102),
            notification(OTHER, 103, Event::Opened, 103),
            notification(SPIKE, 102, Event::Resolved, 136),
        ]);
        assert_eq!((tally.paged_true, tally.paged_false), (1, 3));
        assert_eq!((tally.pages, tally.false_pages, tally.reminders, tally.ends), (5, 3, 1, 2));
        assert_eq!(
            (tally.precision(), tally.delay(), tally.time_to_end()),
            (Some(0.25), Some(2.0), Some(26.0))
        );
        assert_eq!(
            (tally.found(), tally.paged(), tally.paged_within(1), tally.paged_within(2)),
            (1, 1, 0, 1)
        );
        assert_eq!((tally.anomalies, tally.open_anomalies), (5, 1));
        assert_eq!((tally.incidents, tally.open_incidents, tally.early_ends), (1, 1, 0));
        let months = 2.0 * 150.0 / MONTH;
        assert_eq!(tally.false_pages_a_customer_month(), Some(3.0 / months));
    }

    #[test]
    fn an_end_that_comes_while_the_cause_lasts_is_early_and_none_of_the_others() {
        let early = tally(vec![
            notification(SPIKE, 101, Event::Opened, 101),
            notification(SPIKE, 101, Event::Accepted, 108),
        ]);
        assert_eq!((early.early_ends, early.time_to_end(), early.delay()), (1, None, Some(1.0)));
    }

    #[test]
    fn a_rule_that_says_nothing_finds_nothing() {
        let silent = tally(Vec::new());
        assert_eq!((silent.found(), silent.paged(), silent.delay(), silent.precision()), (0, 0, None, None));
        assert_eq!((silent.causes.len(), silent.pages), (1, 0));
    }

    #[test]
    fn the_customers_that_are_not_wanted_do_not_count() {
        let record = Record {
            notifications: vec![
                notification(SPIKE, 102, Event::Opened, 102),
                notification(OTHER, 103, Event::Opened, 103),
            ],
            ..Record::default()
        };
        let of_other = Tally::of(&month(), &record, |customer| customer == 1);
        assert_eq!((of_other.customers, of_other.causes.len()), (1, 0));
        assert_eq!((of_other.paged_true, of_other.paged_false), (0, 1));
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
