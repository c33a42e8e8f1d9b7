//! Usage with known causes: what a judge gets, whether it was generated or read from somewhere.

use std::ops::Range;

use detection::{CustomerId, Direction, MetricName};
use jiff::{SignedDuration, Timestamp};

/// Usage of many customers hour by hour, and all that ought to be found in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Month {
    /// Start of hour 0, a full hour.
    pub start: Timestamp,
    pub hours: usize,
    /// Hours before the first run. The runs are for the windows that end after each later hour.
    pub history: usize,
    pub metrics: Vec<MetricName>,
    pub customers: Vec<Customer>,
    pub causes: Vec<Cause>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    pub id: CustomerId,
    /// The group that reports show the customer in.
    pub kind: String,
    /// By metric, then by hour.
    pub usage: Vec<Vec<f64>>,
}

/// Something that people want to know, and that shows in usage.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The group that reports show the cause in.
    pub kind: String,
    /// Place of the customer.
    pub customer: usize,
    /// Places of the metrics in which the cause shows.
    pub metrics: Vec<usize>,
    pub direction: Direction,
    /// The hours whose usage the cause changes.
    pub hours: Range<usize>,
}

/// One direction of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    pub customer: usize,
    pub metric: usize,
    pub direction: Direction,
}

/// Hours of a window.
pub const WINDOW: usize = detection::window::HOURS as usize;

impl Month {
    /// The hours after which a run takes place. A run at 5 judges the window of the hours 5 - 24 to 4.
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
}

impl Cause {
    /// Whether the window that ends at `end` holds an hour of the cause.
    pub fn is_in_window(&self, end: usize) -> bool {
        self.hours.start < end && end < self.hours.end + WINDOW
    }

    /// Whether the cause explains an anomaly of this series in the window that ends at `end`.
    pub fn explains(&self, key: SeriesKey, end: usize) -> bool {
        self.customer == key.customer
            && self.direction == key.direction
            && self.metrics.contains(&key.metric)
            && self.is_in_window(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_explains_its_series_as_long_as_a_window_holds_one_of_its_hours() {
        let cause = Cause {
            kind: String::from("leak"),
            customer: 3,
            metrics: vec![0, 1],
            direction: Direction::Spike,
            hours: 100..102,
        };
        let key = SeriesKey { customer: 3, metric: 1, direction: Direction::Spike };
        for (end, explained) in [(100, false), (101, true), (125, true), (126, false)] {
            assert_eq!(cause.explains(key, end), explained, "{end}");
        }
        for other in [
            SeriesKey { customer: 2, ..key },
            SeriesKey { metric: 2, ..key },
            SeriesKey { direction: Direction::Drop, ..key },
        ] {
            assert!(!cause.explains(other, 101), "{other:?}");
        }
    }
}
