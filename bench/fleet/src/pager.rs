//! From scores to pages, the same way for every rule that is only a score.
//!
//! An incident of a series and direction opens and pages when the score of some window reaches the threshold. It ends
//! by the detector's rules ([`incident::ending`]): after some calm runs of the shortest window that spoke, unless a change of
//! the same share would not show. Afterwards a window that still holds hours of the incident opens no other one.
//!
//! The incidents of a customer in one direction are one story. Its first page is told, and its last end.
//!
//! A rule that watches all customers together, too ([`Scorer::watches_all`]), sees them stop when their sum drops in the
//! last hour, and with it a fifth of the customers. Until that is over it opens no drop of a single customer. A rule that
//! knows what recurs ([`Scorer::knows_recurrence`]) does not page what the detector calls recurring ([`incident::recurs`]).

use std::collections::{BTreeMap, BTreeSet};

use detection::Direction;
use detection::hours::{ByLength, LENGTHS};
use detection::incident::{self, CALM_HOURS, Event, INSIDE};

use crate::record::{IncidentKey, Judge, Notification, Record};
use crate::usage::{Metric, Month, SeriesKey, Subject};
use recurrence::Recurrence;

mod recurrence;

/// A rule that is a score of each series in each run.
pub trait Scorer: Sync {
    fn name(&self) -> &str;

    /// The scores of one series, of the windows that end after each hour from [`Usage::first_end`] on.
    fn scores(&self, series: &Usage<'_>) -> Vec<Score>;

    /// Whether the rule also judges the sum of all customers.
    fn watches_all(&self) -> bool {
        false
    }

    fn knows_recurrence(&self) -> bool {
        false
    }
}

/// The scores of the windows of one run, negative below what is expected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    pub by_length: ByLength<f64>,
    /// The same with windows that open no incident, but keep one open.
    pub lasting: ByLength<f64>,
    /// How far the value is from what is expected, in the metric's unit.
    pub distance: f64,
    /// How far the windows are from what is expected, as a share of it.
    pub change: ByLength<f64>,
    /// From which such share on a drop would show, and a spike. Zero of a rule that does not know.
    pub shows: ByLength<[f64; 2]>,
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

/// The scores of all series and runs of a month.
#[derive(Clone, Debug)]
pub struct Scores {
    /// By customer, then metric, then run. Scores of all customers together come last, if the rule has them.
    subjects: Vec<(Subject, Vec<Vec<Score>>)>,
    knows_recurrence: bool,
}

/// Share of the customers that drop when all stop: some are idle at that hour.
const STOPPED: f64 = 0.2;

/// No score is beyond this.
const MOST: f64 = 1e6;

impl Score {
    /// The score of a single window of so many hours. Zero of a change that does not matter.
    pub fn of(usage: &Usage<'_>, hours: usize, score: f64, found: f64, expected: f64) -> Self {
        let Metric { min_change, min_relative_change, .. } = usage.month.metrics[usage.metric];
        let min_change = min_change * (hours as f64 / 24.0).sqrt();
        let change = (found - expected).abs();
        if score.is_nan() || change < min_change || change < min_relative_change * expected.abs() {
            return Self::default();
        }
        let score = score.clamp(-MOST, MOST);
        Self {
            by_length: LENGTHS.map(|length| if length == hours { score } else { 0.0 }),
            lasting: LENGTHS.map(|length| if length == hours { score } else { 0.0 }),
            distance: change,
            ..Self::default()
        }
    }
}

impl Scores {
    pub fn of(scorer: &dyn Scorer, month: &Month) -> Self {
        let of_subject = |(subject, usage, delay): (Subject, &[Vec<f64>], usize)| {
            let of_metric = |(metric, values): (usize, &Vec<f64>)| {
                // Later hours have not arrived in the last run.
                let (values, first_end) = (&values[..month.hours - delay], month.history + 1 - delay);
                scorer.scores(&Usage { month, subject, metric, values, first_end })
            };
            (subject, usage.iter().enumerate().map(of_metric).collect())
        };
        let customers = month.customers.iter().enumerate();
        let mut subjects: Vec<_> = customers
            .map(|(place, customer)| of_subject((Subject::Customer(place), &customer.usage, customer.delay)))
            .collect();
        if scorer.watches_all() {
            subjects.push(of_subject((Subject::All, &month.sums(), 0)));
        }
        Self { subjects, knows_recurrence: scorer.knows_recurrence() }
    }

    /// The score of a series in the run at `end`.
    pub fn at(&self, subject: Subject, metric: usize, end: usize, month: &Month) -> Option<Score> {
        let (_, metrics) = self.subjects.iter().find(|(of, _)| *of == subject)?;
        metrics.get(metric)?.get(end.checked_sub(month.history + 1)?).copied()
    }

    /// What a rule does that pages at this threshold.
    pub fn record(&self, month: &Month, threshold: f64) -> Record {
        let of_all = self.of_all(threshold).unwrap_or_default();
        let stops = stops(&of_all, month, threshold);
        let mut notifications = Vec::new();
        for (subject, metrics) in &self.subjects {
            let metrics = if *subject == Subject::All { &of_all } else { metrics };
            let delay = subject.customer().map_or(0, |place| month.customers[place].delay);
            let mut recurrence = Recurrence::of(month, *subject).filter(|_| self.knows_recurrence);
            for (metric, scores) in metrics.iter().enumerate() {
                for direction in [Direction::Spike, Direction::Drop] {
                    let series = SeriesKey { subject: *subject, metric, direction };
                    let is_single_drop = subject.customer().is_some() && direction == Direction::Drop;
                    let held = if is_single_drop { &stops[..] } else { &[] };
                    let machine = Machine { series, threshold, held, delay, first_end: month.history + 1 };
                    notifications.extend(machine.incidents(scores, recurrence.as_mut()));
                }
            }
        }
        notifications.sort_by_key(|of| (of.end, of.event.is_closing()));
        let notifications = told(notifications);
        Record { messages: messages(&notifications), notifications }
    }

    /// The scores of all customers together. Nothing but the drops of a stop is left of them.
    fn of_all(&self, threshold: f64) -> Option<Vec<Vec<Score>>> {
        let (_, metrics) = self.subjects.iter().find(|(subject, _)| *subject == Subject::All)?;
        let singles = self.subjects.iter().filter(|(subject, _)| subject.customer().is_some());
        let singles: Vec<&Vec<Vec<Score>>> = singles.map(|(_, metrics)| metrics).collect();
        let drops = |metrics: &Vec<Vec<Score>>, run: usize| {
            metrics.iter().any(|scores| scores[run].by_length[0] <= -INSIDE * threshold)
        };
        let have_dropped = |run: usize| {
            let number = singles.iter().filter(|metrics| drops(metrics, run)).count();
            number as f64 >= STOPPED * singles.len() as f64
        };
        let runs = metrics.first().map_or(0, Vec::len);
        let is_stop: Vec<bool> = (0..runs).map(have_dropped).collect();
        let of_stop = |scores: &Vec<Score>| {
            let score = |(score, is_stop): (&Score, &bool)| {
                let [hour, ..] = score.by_length;
                let by_length = [if *is_stop { hour.min(0.0) } else { 0.0 }, 0.0, 0.0, 0.0];
                Score { by_length, lasting: by_length, ..*score }
            };
            scores.iter().zip(&is_stop).map(score).collect()
        };
        Some(metrics.iter().map(of_stop).collect())
    }
}

/// By run: the last run until then in which all customers together had dropped.
fn stops(of_all: &[Vec<Score>], month: &Month, threshold: f64) -> Vec<Option<usize>> {
    let has_dropped = |run: usize| of_all.iter().any(|scores| scores[run].by_length[0] <= -threshold);
    let last = |last: &mut Option<usize>, run: usize| {
        if has_dropped(run) {
            *last = Some(month.history + 1 + run);
        }
        Some(*last)
    };
    (0..month.runs().len()).scan(None, last).collect()
}

impl Judge for AtThreshold<'_> {
    fn name(&self) -> &str {
        self.scorer.name()
    }

    fn judge(&self, month: &Month) -> anyhow::Result<Record> {
        Ok(Scores::of(self.scorer, month).record(month, self.threshold))
    }
}

/// Follows one direction of a series.
struct Machine<'a> {
    series: SeriesKey,
    threshold: f64,
    /// By run: the last run until then whose last hour opens nothing.
    held: &'a [Option<usize>],
    /// Hours by which the usage is late. So a stop shows later, too.
    delay: usize,
    first_end: usize,
}

/// An open incident.
struct Open {
    key: IncidentKey,
    is_paged: bool,
    /// The shortest window that has spoken.
    length: usize,
    calm_runs: u32,
    /// The change of that window when it last spoke, as a share.
    change: f64,
}

impl Machine<'_> {
    fn incidents(&self, scores: &[Score], mut recurrence: Option<&mut Recurrence<'_>>) -> Vec<Notification> {
        let sign = if self.series.direction == Direction::Spike { 1.0 } else { -1.0 };
        let place = |length: usize| LENGTHS.iter().position(|of| *of == length).unwrap_or(0);
        let change = |score: &Score, length: usize| score.change[place(length)].abs();
        let (mut open, mut last_hot, mut notifications) = (None::<Open>, 0, Vec::new());
        for (run, score) in scores.iter().enumerate() {
            let end = self.first_end + run;
            let reached_in = |scores: ByLength<f64>, least: f64, is_meant: &dyn Fn(usize) -> bool| {
                let windows = LENGTHS.into_iter().zip(scores);
                let mut reached =
                    windows.filter(|(length, score)| is_meant(*length) && sign * score >= least);
                reached.next().map(|(length, _)| length)
            };
            let reached =
                |least, is_meant: &dyn Fn(usize) -> bool| reached_in(score.by_length, least, is_meant);
            match &mut open {
                None => {
                    let held = run.checked_sub(self.delay).and_then(|run| *self.held.get(run)?);
                    let blocked = held.map_or(0, |held| held + self.delay).max(last_hot);
                    let Some(length) = reached(self.threshold, &|length| {
                        incident::began_after(length, end.saturating_sub(blocked))
                    }) else {
                        continue;
                    };
                    let key = IncidentKey { series: self.series, opened: end };
                    let recurs = recurrence
                        .as_mut()
                        .is_some_and(|known| known.recurs(self.series, end, score.distance));
                    let change = change(score, length);
                    open = Some(Open { key, is_paged: !recurs, length, calm_runs: 0, change });
                    last_hot = end;
                    if !recurs {
                        notifications.push(Notification { incident: key, event: Event::Opened, end });
                    }
                }
                Some(incident) => {
                    incident.length = reached(self.threshold, &|_| true).unwrap_or(24).min(incident.length);
                    let at = place(incident.length);
                    if sign * score.by_length[at] >= self.threshold {
                        incident.change = change(score, incident.length);
                    }
                    let lasts = |length: usize| length <= incident.length;
                    if reached_in(score.lasting, INSIDE * self.threshold, &lasts).is_some() {
                        (incident.calm_runs, last_hot) = (0, end);
                        continue;
                    }
                    let shows_from = score.shows[at][usize::from(sign > 0.0)];
                    if incident::is_hidden(incident.change, shows_from, (end - last_hot) as i64) {
                        continue;
                    }
                    incident.calm_runs += 1;
                    if incident.calm_runs == CALM_HOURS {
                        if incident.is_paged {
                            let incident = incident.key;
                            notifications.push(Notification { incident, event: Event::Resolved, end });
                        }
                        open = None;
                    }
                }
            }
        }
        notifications
    }
}

/// The incidents of one customer and direction that people wait for.
struct Story {
    since: usize,
    first: IncidentKey,
    open: BTreeSet<IncidentKey>,
}

/// What people are told: the first page of each story with all that opens in the same run, and the last end.
///
/// * `notifications`: in the order of the runs; of a run, pages first.
fn told(notifications: Vec<Notification>) -> Vec<Notification> {
    let mut stories: BTreeMap<(Subject, bool), Story> = BTreeMap::new();
    let mut told = Vec::new();
    for of in notifications {
        let SeriesKey { subject, direction, .. } = of.incident.series;
        let key = (subject, direction == Direction::Spike);
        if !of.event.is_closing() {
            let new = || Story { since: of.end, first: of.incident, open: BTreeSet::new() };
            let story = stories.entry(key).or_insert_with(new);
            story.open.insert(of.incident);
            told.extend(Some(of).filter(|of| of.end == story.since));
        } else if let Some(story) = stories.get_mut(&key) {
            story.open.remove(&of.incident);
            if story.open.is_empty() {
                told.push(Notification { incident: story.first, ..of });
                stories.remove(&key);
            }
        }
    }
    told
}

/// A customer's pages in a run are one message, and so are the ends.
pub fn messages(notifications: &[Notification]) -> usize {
    let message = |of: &Notification| (of.incident.series.subject, of.end, of.event.is_closing());
    notifications.iter().map(message).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests;
