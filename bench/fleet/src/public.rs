//! Labelled series of the public: how well scores tell the labelled hours from the others.
//!
//! Each series is judged hour by hour by the hours before it, after a week of history. The measure is
//! [`vus_pr`](crate::vus::vus_pr), with tolerances of up to a day. No threshold and no floor is applied, and no
//! parameter is fitted to the sets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use detection::calendar::Calendar;
use detection::hours::LENGTHS;
use detection::model::Profile;
use detection::{
    Aggregate, CustomerId, Detail, Hour, Hours, MetricName, Model, Settings, Thresholds, TimeZone, ensemble,
};
use jiff::Timestamp;

use crate::compare::in_parallel;
use crate::goal::{Goal, number};
use crate::judges::PEERS;
use crate::pager::{Scorer, Usage};
use crate::usage::{Customer, Metric, Month, Subject};
use crate::vus::vus_pr;

mod files;

pub use files::read;

/// What the values of a set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Amounts of usage: an hour is the sum of its values.
    Usage,
    /// Levels of services: an hour is the mean of its values.
    Service,
    /// Levels of machines, for which nothing better than today's rule is promised.
    Machine,
}

/// A series with labels, hour by hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// The set that the series belongs to.
    pub set: String,
    pub kind: Kind,
    pub start: Timestamp,
    /// NaN for hours without a value.
    pub values: Vec<f64>,
    /// Whether people call the hour odd.
    pub labels: Vec<bool>,
}

/// Hours before the first one that counts.
const HISTORY: usize = 7 * DAY;

const DAY: usize = 24;

/// How much higher than the rule of today ours is to be.
const MORE: [(Kind, f64); 2] = [(Kind::Usage, 0.3), (Kind::Service, 0.2)];

/// How much lower than the best single detector ours may be.
const LESS: f64 = 0.03;

/// The table of all sets, and the goals that are missed by more than a tenth.
pub fn table(series: &[Labelled]) -> (String, Vec<String>) {
    let mut sets: BTreeMap<(&str, &'static str), Vec<&Labelled>> = BTreeMap::new();
    for one in series.iter().filter(|one| one.counts()) {
        sets.entry((&one.set, one.kind.name())).or_default().push(one);
    }
    let names: Vec<&str> =
        ["ours", "windows alone", "memory alone"].into_iter().chain(PEERS.map(Scorer::name)).collect();
    let mut text = format!(
        "| public set, VUS-PR | series | {} | goal | goal met |\n|---|---|{}---|---|\n",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    let mut missed = Vec::new();
    for ((set, kind), series) in sets {
        let figures = in_parallel(&series, |one| one.figures());
        let mean = |place: usize| {
            let sum: f64 = figures.iter().map(|figures| figures[place]).sum();
            sum / figures.len() as f64
        };
        let means: Vec<f64> = (0..names.len()).map(mean).collect();
        let goal = goal(series[0].kind, &means);
        if goal.is_met(Some(means[0])) == Some(false) {
            missed.push(format!("VUS-PR on {set}"));
        }
        let cells: Vec<String> = means.iter().map(|value| number(Some(*value), 2)).collect();
        let mark = goal.mark(Some(means[0]));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {set} ({kind}) | {} | {} | {} | {mark} |",
            series.len(),
            cells.join(" | "),
            goal.text()
        );
    }
    (text, missed)
}

/// Ours must be that much higher than the rule of today, and not lower than the best of the others.
fn goal(kind: Kind, means: &[f64]) -> Goal {
    let more = MORE.iter().find(|(of, _)| *of == kind).map(|(_, more)| *more);
    let today = means.get(3).copied().unwrap_or(0.0);
    let best = means.iter().skip(1).copied().fold(0.0, f64::max);
    let more = more.map_or(0.0, |more| today + more);
    Goal::AtLeast(more.max(best - LESS))
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Service => "service",
            Self::Machine => "machine",
        }
    }
}

impl Labelled {
    /// Whether an hour is labelled after the history.
    fn counts(&self) -> bool {
        self.labels.iter().skip(HISTORY).any(|label| *label)
    }

    /// By column: the figure of the series.
    fn figures(&self) -> Vec<f64> {
        let labels = &self.labels[HISTORY..];
        let of_models = self.models();
        let peers = PEERS.map(|peer| self.peer(peer));
        let scores = of_models.iter().chain(&peers);
        scores.map(|scores| vus_pr(labels, scores, DAY).unwrap_or(0.0)).collect()
    }

    /// Scores of the models: the largest of all, of the windows, and of the memory.
    fn models(&self) -> [Vec<f64>; 3] {
        let first = Hour::holding(self.start);
        let values: Vec<_> = self.values.iter().map(|value| Some(*value).filter(|of| !of.is_nan())).collect();
        let never_negative = self.values.iter().all(|value| value.is_nan() || *value >= 0.0);
        let aggregate = match self.kind {
            Kind::Usage => Aggregate::Sum,
            Kind::Service | Kind::Machine => Aggregate::Mean,
        };
        let hours = Hours::new(aggregate, never_negative, first, &values);
        let plain = Thresholds { min_relative_change: 0.0, ..Thresholds::default() };
        let mut scores = [const { Vec::new() }; 3];
        let Ok(settings) = Settings::new(plain) else { return scores };
        for day in (HISTORY..self.values.len()).step_by(DAY) {
            let begin = first.plus(day as i64);
            let model = Model::fit(&hours, &Calendar::new(&TimeZone::utc(), begin), &Profile::FLAT);
            for newest in (day..self.values.len().min(day + DAY)).map(|hour| first.plus(hour as i64)) {
                let views =
                    model.row(newest).map(|row| ensemble::judge(&hours.recent(newest), row, &settings));
                let (mut windows, mut memory) = (0.0_f64, 0.0_f64);
                for view in views.iter().flat_map(|of| &of.views) {
                    let score = view.opinion.score.abs();
                    match view.opinion.detail {
                        Detail::Seasonal { .. } => windows = windows.max(score),
                        _ => memory = memory.max(score),
                    }
                }
                for (scores, score) in scores.iter_mut().zip([windows.max(memory), windows, memory]) {
                    scores.push(score);
                }
            }
        }
        scores
    }

    /// Scores of a rule to compare with, whose change may be of any size.
    fn peer(&self, peer: &dyn Scorer) -> Vec<f64> {
        let Some((month, values)) = self.month() else { return Vec::new() };
        let usage = Usage {
            month: &month,
            subject: Subject::Customer(0),
            metric: 0,
            values: &values,
            first_end: HISTORY + 1,
        };
        let largest = |of: [f64; LENGTHS.len()]| of.into_iter().map(f64::abs).fold(0.0, f64::max);
        peer.scores(&usage).into_iter().map(|score| largest(score.by_length)).collect()
    }

    /// The series as the only one of a month. An hour without a value has that of the hour before.
    fn month(&self) -> Option<(Month, Vec<f64>)> {
        let mut last = self.values.iter().copied().find(|value| !value.is_nan())?;
        let fill = |value: &f64| {
            last = if value.is_nan() { last } else { *value };
            last
        };
        let values: Vec<f64> = self.values.iter().map(fill).collect();
        let month = Month {
            start: self.start,
            hours: values.len(),
            history: HISTORY,
            metrics: vec![Metric {
                name: MetricName::new("value").ok()?,
                min_change: 0.0,
                min_relative_change: 0.0,
            }],
            customers: vec![Customer {
                id: CustomerId::new("series").ok()?,
                kind: String::new(),
                time_zone: None,
                delay: 0,
                usage: vec![values.clone()],
            }],
            causes: Vec::new(),
        };
        Some((month, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five weeks with a day and a week, and a burst of three hours in the fourth week.
    fn series(burst: f64) -> Labelled {
        let usual = |hour: usize| 100.0 + 50.0 * (hour % 24 / 12) as f64 + (hour * 37 % 11) as f64;
        let is_odd = |hour: usize| (600..603).contains(&hour);
        Labelled {
            set: String::from("made"),
            kind: Kind::Usage,
            start: Timestamp::constant(1_795_478_400, 0),
            values: (0..35 * DAY).map(|hour| usual(hour) * if is_odd(hour) { burst } else { 1.0 }).collect(),
            labels: (0..35 * DAY).map(is_odd).collect(),
        }
    }

    #[test]
    fn a_burst_is_told_from_the_rest_by_all_scores_and_nothing_by_none() {
        let found = series(20.0).figures();
        assert_eq!(found.len(), 3 + PEERS.len());
        assert!(found[..3].iter().all(|figure| *figure > 0.4), "{found:?}");
        // With the labels elsewhere, nothing is found.
        let mut wrong = series(1.0);
        wrong.values[700] = 5_000.0;
        assert!(wrong.figures()[0] < 0.3);
    }

    #[test]
    fn the_table_has_a_row_for_each_set_with_labels() {
        let without = Labelled { labels: vec![false; 35 * DAY], set: String::from("calm"), ..series(1.0) };
        let (text, missed) = table(&[series(20.0), without]);
        assert!(text.contains("| made (usage) | 1 | ") && !text.contains("calm"), "{text}");
        assert_eq!(missed.is_empty(), !text.contains("missed"), "{text}");
    }

    #[test]
    fn a_goal_is_the_stricter_one() {
        // Columns: ours, windows, memory, today, another.
        let of = |kind, means: [f64; 5]| goal(kind, &means).text();
        assert_eq!(of(Kind::Usage, [0.0, 0.2, 0.1, 0.4, 0.3]), "at least 0.70");
        assert_eq!(of(Kind::Service, [0.0, 0.2, 0.9, 0.4, 0.3]), "at least 0.87");
        assert_eq!(of(Kind::Machine, [0.0, 0.2, 0.1, 0.4, 0.3]), "at least 0.37");
    }
}
