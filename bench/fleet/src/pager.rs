//! From scores to pages, the same way for every rule that is only a score.
//!
//! An incident of a series and direction opens and pages at a score of the threshold, and ends when two runs in a row have
//! less than 0.7 of it.

use std::collections::BTreeSet;

use detection::Direction;
use detection::incident::Event;

use crate::record::{IncidentKey, Judge, Notification, Record};
use crate::usage::{Month, SeriesKey, Subject};

/// A rule that is a score of each series in each run.
pub trait Scorer: Sync {
    fn name(&self) -> &str;

    /// The scores of one series, of the windows that end after each of `ends`.
    fn scores(&self, series: &Usage<'_>) -> Vec<f64>;
}

/// The hours of one series, and the runs that judge them.
#[derive(Clone, Copy, Debug)]
pub struct Usage<'a> {
    pub month: &'a Month,
    pub subject: Subject,
    pub metric: usize,
    pub values: &'a [f64],
    /// The first window that is judged ends with this hour, and the last one with the last hour. Each hour between has one.
    pub first_end: usize,
}

/// A scorer with the threshold at which a score pages.
#[derive(Clone, Copy)]
pub struct AtThreshold<'a> {
    pub scorer: &'a dyn Scorer,
    pub threshold: f64,
}

/// The scores of all customers, metrics and runs of a month.
#[derive(Clone, Debug)]
pub struct Scores(Vec<Vec<Vec<f64>>>);

/// Runs in a row that must be calm, and the share of the threshold below which they are.
const CALM_RUNS: usize = 2;
const CALM: f64 = 0.7;

impl Usage<'_> {
    /// Least change that matters in so many hours: that of a day times the square root of their share of a day.
    pub fn min_change(&self, hours: usize) -> f64 {
        self.month.metrics[self.metric].min_change * (hours as f64 / 24.0).sqrt()
    }

    /// The score, or zero of a change that does not matter.
    pub fn with_floors(&self, score: f64, found: f64, expected: f64, hours: usize) -> f64 {
        let change = (found - expected).abs();
        let matters = change >= self.min_change(hours) && change >= MIN_RELATIVE_CHANGE * expected.abs();
        if matters && !score.is_nan() { score.clamp(-MOST, MOST) } else { 0.0 }
    }
}

/// The default of the detector: a change of less than a tenth does not matter.
pub const MIN_RELATIVE_CHANGE: f64 = 0.1;

/// No score is beyond this.
const MOST: f64 = 1e6;

impl Scores {
    pub fn of(scorer: &dyn Scorer, month: &Month) -> Self {
        let of_customer = |(place, customer): (usize, &crate::usage::Customer)| {
            let of_metric = |(metric, values): (usize, &Vec<f64>)| {
                let usage = Usage {
                    month,
                    subject: Subject::Customer(place),
                    metric,
                    // Later hours have not arrived in the last run.
                    values: &values[..month.hours - customer.delay],
                    first_end: month.history + 1 - customer.delay,
                };
                scorer.scores(&usage)
            };
            customer.usage.iter().enumerate().map(of_metric).collect()
        };
        Self(month.customers.iter().enumerate().map(of_customer).collect())
    }

    /// What a rule does that pages at this threshold.
    pub fn record(&self, month: &Month, threshold: f64) -> Record {
        let mut notifications = Vec::new();
        for (place, metrics) in self.0.iter().enumerate() {
            for (metric, scores) in metrics.iter().enumerate() {
                for direction in [Direction::Spike, Direction::Drop] {
                    let series = SeriesKey { subject: Subject::Customer(place), metric, direction };
                    notifications.extend(incidents(series, scores, month.history + 1, threshold));
                }
            }
        }
        notifications.sort_by_key(|of| of.end);
        Record { messages: messages(&notifications), notifications }
    }
}

impl Judge for AtThreshold<'_> {
    fn name(&self) -> &str {
        self.scorer.name()
    }

    fn judge(&self, month: &Month) -> anyhow::Result<Record> {
        Ok(Scores::of(self.scorer, month).record(month, self.threshold))
    }
}

/// The incidents of one direction of a series.
fn incidents(series: SeriesKey, scores: &[f64], first_end: usize, threshold: f64) -> Vec<Notification> {
    let sign = if series.direction == Direction::Spike { 1.0 } else { -1.0 };
    let (mut open, mut calm, mut notifications) = (None, 0, Vec::new());
    for (number, score) in scores.iter().enumerate() {
        let (score, end) = (sign * score, first_end + number);
        match open {
            None if score >= threshold => {
                let incident = IncidentKey { series, opened: end };
                (open, calm) = (Some(incident), 0);
                notifications.push(Notification { incident, event: Event::Opened, end });
            }
            None => {}
            Some(_) if score >= CALM * threshold => calm = 0,
            Some(incident) => {
                calm += 1;
                if calm == CALM_RUNS {
                    open = None;
                    notifications.push(Notification { incident, event: Event::Resolved, end });
                }
            }
        }
    }
    notifications
}

/// A customer's pages in a run are one message, and so are the ends.
pub fn messages(notifications: &[Notification]) -> usize {
    let message = |of: &Notification| (of.incident.series.subject, of.end, of.event.is_closing());
    notifications.iter().map(message).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIES: SeriesKey =
        SeriesKey { subject: Subject::Customer(0), metric: 0, direction: Direction::Spike };

    #[test]
    fn an_incident_pages_once_and_ends_after_two_calm_runs() {
        let scores = [0.0, 5.0, 9.0, 3.0, 4.0, 3.4, 3.4, 0.0, -7.0, 6.0];
        let found: Vec<_> = incidents(SERIES, &scores, 100, 5.0)
            .iter()
            .map(|of| (of.event, of.incident.opened, of.end))
            .collect();
        assert_eq!(
            found,
            [(Event::Opened, 101, 101), (Event::Resolved, 101, 106), (Event::Opened, 109, 109)]
        );
        let drops = incidents(SeriesKey { direction: Direction::Drop, ..SERIES }, &scores, 100, 5.0);
        assert_eq!(drops.iter().map(|of| of.end).collect::<Vec<_>>(), [108]);
    }

    #[test]
    fn pages_of_several_metrics_are_one_message() {
        let of = |metric, event, end| Notification {
            incident: IncidentKey { series: SeriesKey { metric, ..SERIES }, opened: 1 },
            event,
            end,
        };
        let notifications = [
            of(0, Event::Opened, 1),
            of(1, Event::Opened, 1),
            of(0, Event::Resolved, 4),
            of(1, Event::Resolved, 5),
        ];
        assert_eq!(messages(&notifications), 3);
    }
}
