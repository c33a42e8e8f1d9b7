//! Usage with known causes: the input of a judge, whether it was generated or read from somewhere.

use std::ops::Range;

use detection::model::{PeerWeek, Peers, Shapes};
use detection::{Aggregate, Calendar, CustomerId, Direction, Hour, Hours, MetricName, Thresholds};
use jiff::{SignedDuration, Timestamp};

/// Usage of many customers hour by hour, and all that ought to be found in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Month {
    /// Start of hour 0, a full hour.
    pub start: Timestamp,
    pub hours: usize,
    /// Hours before the first run. The runs are for the windows that end after each later hour.
    pub history: usize,
    pub metrics: Vec<Metric>,
    pub customers: Vec<Customer>,
    pub causes: Vec<Cause>,
}

/// A count or a sum that is watched of every customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    pub name: MetricName,
    /// Least change of a day's sum that matters, in the metric's unit.
    pub min_change: f64,
    /// Least change that matters, as a share of what is expected.
    pub min_relative_change: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    pub id: CustomerId,
    /// The group that reports show the customer in.
    pub kind: String,
    /// The time zone that operators declared for the customer, by its IANA name. UTC where they declared none.
    pub time_zone: Option<&'static str>,
    /// Hours by which usage of this customer arrives late. Operators declared them.
    pub delay: usize,
    /// By metric, then by hour.
    pub usage: Vec<Vec<f64>>,
}

/// Something that people want to know, and that shows in usage.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The group that reports show the cause in.
    pub kind: String,
    pub subject: Subject,
    /// Places of the metrics in which the cause shows.
    pub metrics: Vec<usize>,
    pub directions: Vec<Direction>,
    /// The hours whose usage the cause changes.
    pub hours: Range<usize>,
    /// The first hour by whose end somebody who knows the customer well would see the change.
    pub visible: usize,
    /// Hours by which the usage arrives late.
    pub delay: usize,
}

/// The owner of usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// By the place in the month.
    Customer(usize),
    /// All customers together.
    All,
}

/// One direction of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    pub subject: Subject,
    pub metric: usize,
    pub direction: Direction,
}

/// Hours of the longest window that is judged.
pub const WINDOW: usize = detection::window::HOURS as usize;

impl Metric {
    /// A metric with the detector's least relative change.
    pub fn new(name: MetricName, min_change: f64) -> Self {
        Self { name, min_change, min_relative_change: Thresholds::default().min_relative_change }
    }
}

/// Hours of the metric at this place: the first one counts events, and the others are sums. The rollup has no row of an hour
/// without usage.
pub fn hours(first: Hour, values: &[f64], metric: usize) -> Hours {
    let values: Vec<_> = values.iter().map(|value| Some(*value).filter(|value| *value != 0.0)).collect();
    Hours::new(if metric == 0 { Aggregate::Count } else { Aggregate::Sum }, true, first, &values)
}

impl Month {
    /// The shapes of days of all customers, for series in their first days.
    pub fn peers(&self) -> Peers {
        let (first, mut peers) = (Hour::holding(self.start), Peers::default());
        let days = (self.history.saturating_sub(Calendar::HOURS)..self.hours).step_by(Calendar::HOURS);
        for week in days.chain(self.hours.checked_sub(1)).map(|hour| PeerWeek::of(first.plus(hour as i64))) {
            if !peers.knows(week) {
                let of_metric = |metric: usize| {
                    let mut shapes = Shapes::default();
                    self.customers.iter().for_each(|customer| {
                        shapes.add(&hours(first, &customer.usage[metric], metric), week);
                    });
                    shapes.profile()
                };
                peers.insert(week, (0..self.metrics.len()).map(of_metric).collect());
            }
        }
        peers
    }

    /// The hours after which a run takes place. A run at 5 judges windows whose last hour is 4.
    pub fn runs(&self) -> Range<usize> {
        self.history + 1..self.hours + 1
    }

    /// Start of the hour of this number.
    pub fn at(&self, hour: usize) -> Timestamp {
        self.start + SignedDuration::from_hours(i64::try_from(hour).unwrap_or(i64::MAX))
    }

    /// The number of the hour that begins then; none before hour 0.
    pub fn number(&self, time: Timestamp) -> Option<usize> {
        usize::try_from(time.duration_since(self.start).as_hours()).ok()
    }

    /// The same with the first runs only.
    pub fn first_runs(self, runs: usize) -> Self {
        Self { hours: self.hours.min(self.history + runs), ..self }
    }

    /// Usage of all customers together, as far as it has arrived by the run after each hour: by metric, then by hour.
    pub fn sums(&self) -> Vec<Vec<f64>> {
        let sum = |metric: usize, hour: usize| {
            let timely = self.customers.iter().filter(|customer| customer.delay == 0);
            timely.map(|customer| customer.usage[metric][hour]).sum()
        };
        (0..self.metrics.len())
            .map(|metric| (0..self.hours).map(|hour| sum(metric, hour)).collect())
            .collect()
    }

    /// Hours in which all customers stopped, with the day after them. What single customers do then is part of the stop.
    pub fn is_in_stop(&self, end: usize) -> bool {
        self.causes.iter().any(|cause| cause.subject == Subject::All && cause.is_in_window(end))
    }
}

impl Cause {
    /// Whether the window that ends at `end` holds an hour of the cause.
    pub fn is_in_window(&self, end: usize) -> bool {
        self.hours.start < end && end < self.hours.end + self.delay + WINDOW
    }

    /// Whether the cause explains an anomaly of this series in the window that ends at `end`.
    pub fn explains(&self, key: SeriesKey, end: usize) -> bool {
        self.subject == key.subject
            && self.directions.contains(&key.direction)
            && self.metrics.contains(&key.metric)
            && self.is_in_window(end)
    }
}

impl Subject {
    pub fn customer(self) -> Option<usize> {
        match self {
            Self::Customer(place) => Some(place),
            Self::All => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_explains_its_series_as_long_as_a_window_holds_one_of_its_hours() {
        let cause = Cause {
            kind: String::from("leak"),
            subject: Subject::Customer(3),
            metrics: vec![0, 1],
            directions: vec![Direction::Spike],
            hours: 100..102,
            visible: 100,
            delay: 0,
        };
        let key = SeriesKey { subject: Subject::Customer(3), metric: 1, direction: Direction::Spike };
        for (end, explained) in [(100, false), (101, true), (125, true), (126, false)] {
            assert_eq!(cause.explains(key, end), explained, "{end}");
        }
        assert!(Cause { delay: 6, ..cause.clone() }.explains(key, 131), "late usage is judged late");
        for other in [
            SeriesKey { subject: Subject::Customer(2), ..key },
            SeriesKey { subject: Subject::All, ..key },
            SeriesKey { metric: 2, ..key },
            SeriesKey { direction: Direction::Drop, ..key },
        ] {
            assert!(!cause.explains(other, 101), "{other:?}");
        }
    }
}
