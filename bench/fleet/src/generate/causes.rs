//! The planted causes: what happens, to which kind of customer, and in which hours.
//!
//! | cause | change | hours |
//! |---|---|---|
//! | leak x3 | 3 times the calls, at least 300 more an hour | 3 or 24 |
//! | leak x10 | 10 times the calls, at least 300 more an hour | 3 or 24 |
//! | leak x40 on the third day | 40 times the calls of a new customer | 12 |
//! | one hour | 30 to 60 times the calls | 1 |
//! | silence | no calls, from a working hour on | 24 to 72 |
//! | silence from a day off on | no calls from the first hour of a day off on, until three days after the work was due | |
//! | silence for good | no calls | to the end |
//! | half | half of the calls | 24 to 72 |
//! | slow growth | 5 % more a day | 384 |
//! | level step | 2 to 3 times the calls | to the end |
//! | night shift | the 24 hours of a day turned by half a day, with the same number of calls | 3 to 5 days |
//! | bytes without calls | 3 to 8 times the bytes of a call | 12 to 48 |
//! | compute alone | 2.5 to 5 times the time of a call | 24 to 72 |
//! | missing job | the nightly job does not run | 3 nights |
//! | whole fleet stops | nothing of any customer | 3 |
//!
//! A cause of a customer begins a day after the first run at the earliest. Unless it lasts to the end, it ends 60 hours
//! before the last run at the latest. No customer has two.

use std::ops::{Range, RangeInclusive};

use detection::Direction::{self, Drop, Spike};

use super::calendar::Calendar;
use super::draw::Draw;
use super::rates::{Rates, Shape};
use crate::usage::WINDOW;

/// A kind of cause, and the kind of customer that it happens to.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) on: &'static str,
    pub(crate) plant: fn(&mut Planting<'_>) -> Planted,
}

/// Where a cause shows.
pub(crate) struct Planted {
    pub(crate) metrics: Vec<usize>,
    pub(crate) directions: Vec<Direction>,
    pub(crate) hours: Range<usize>,
    /// The first hour in which anybody could miss something.
    pub(crate) due: usize,
}

/// The customer to whom something happens.
pub(crate) struct Planting<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) calendar: &'a Calendar,
    pub(crate) history: usize,
    pub(crate) rates: &'a mut Rates,
    pub(crate) draw: &'a mut Draw,
}

const fn plan(name: &'static str, on: &'static str, plant: fn(&mut Planting<'_>) -> Planted) -> Plan {
    Plan { name, on, plant }
}

/// The first customer of a kind gets the kind's first cause, the second one the second.
pub(crate) const PLANS: [Plan; 42] = [
    plan("leak x3, 3 h", "steady", |of| leak(of, 3.0, 3)),
    plan("leak x10, 3 h", "steady", |of| leak(of, 10.0, 3)),
    plan("silence", "steady", silence),
    plan("half", "steady", half),
    plan("slow growth", "steady", slow_growth),
    plan("level step", "steady", level_step),
    plan("bytes without calls", "steady", bytes_without_calls),
    plan("one hour", "steady", one_hour),
    plan("leak x10, 24 h", "noisy", |of| leak(of, 10.0, 24)),
    plan("silence for good", "noisy", silence_for_good),
    plan("leak x3, 24 h", "business hours, New York", |of| leak(of, 3.0, 24)),
    plan("silence from a day off on", "business hours, New York", silence_from_a_day_off),
    plan("night shift", "business hours, Berlin", night_shift),
    plan("silence for good", "business hours, Berlin", silence_for_good),
    plan("leak x10, 3 h", "business hours, Kolkata", |of| leak(of, 10.0, 3)),
    plan("compute alone", "business hours, Kolkata", compute_alone),
    plan("half", "business hours, Sydney", half),
    plan("silence", "business hours, Sydney", silence),
    plan("leak x3, 24 h", "business hours, London", |of| leak(of, 3.0, 24)),
    plan("silence from a day off on", "weekend", silence_from_a_day_off),
    plan("silence", "weekend", silence),
    plan("leak x10, 3 h", "weekend", |of| leak(of, 10.0, 3)),
    plan("leak x3, 24 h", "weekend", |of| leak(of, 3.0, 24)),
    plan("leak x3, 3 h", "growing", |of| leak(of, 3.0, 3)),
    plan("silence", "growing", silence),
    plan("level step", "shrinking", level_step),
    plan("leak x10, 24 h", "tiny", |of| leak(of, 10.0, 24)),
    plan("leak x10, 24 h", "idle", |of| leak(of, 10.0, 24)),
    plan("leak x10, 24 h", "bursty", |of| leak(of, 10.0, 24)),
    plan("missing job", "nightly job", missing_job),
    plan("leak x3, 24 h", "nightly job", |of| leak(of, 3.0, 24)),
    plan("leak x10, 3 h", "weekly job", |of| leak(of, 10.0, 3)),
    plan("level step", "machine", level_step),
    plan("one hour", "machine", one_hour),
    plan("leak x40 on the third day", "new", leak_of_a_new_customer),
    plan("leak x10, 24 h", "new", |of| leak(of, 10.0, 24)),
    plan("half", "giant", half),
    plan("leak x3, 3 h", "giant", |of| leak(of, 3.0, 3)),
    plan("compute alone", "giant", compute_alone),
    plan("silence", "late uploader", silence),
    plan("leak x10, 3 h", "late uploader", |of| leak(of, 10.0, 3)),
    plan("bytes without calls", "monthly job", bytes_without_calls),
];

/// Hours in which the whole fleet stops: from the third Wednesday of the runs, 10:00 UTC.
pub(crate) fn stop(history: usize) -> Range<usize> {
    let start = history + 24 * 16 + 10;
    start..start + 3
}

/// Whether a page of that hour could be taken for one about the stop.
pub(crate) fn is_near_stop(hour: usize, history: usize) -> bool {
    let stop = stop(history);
    (stop.start - 12..stop.end + WINDOW).contains(&hour)
}

/// Calls, and with them bytes and time.
pub(crate) const ALL: [usize; 3] = [0, 1, 2];

/// Hours between the last cause that ends and the last run.
const REST: usize = 60;

fn leak(of: &mut Planting<'_>, size: f64, length: usize) -> Planted {
    let hours = of.anywhere(length..=length);
    of.calls(&hours, |calls, _| calls + (calls * (size - 1.0)).max(300.0));
    Planted::new(&ALL, Spike, hours)
}

fn leak_of_a_new_customer(of: &mut Planting<'_>) -> Planted {
    let start = of.at_work_from(of.shape.begins + 2 * 24);
    let hours = start..start + 12;
    of.calls(&hours, |calls, _| calls * 40.0);
    Planted::new(&ALL, Spike, hours)
}

fn one_hour(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(1..=1), of.draw.between(30.0, 60.0));
    of.calls(&hours, |calls, _| calls * size);
    Planted::new(&ALL, Spike, hours)
}

fn silence(of: &mut Planting<'_>) -> Planted {
    let hours = of.at_work(24..=72);
    of.calls(&hours, |_, _| 0.0);
    Planted::new(&ALL, Drop, hours)
}

fn silence_from_a_day_off(of: &mut Planting<'_>) -> Planted {
    let is_off = |of: &Planting<'_>, hour: usize| of.share(hour) < 0.5;
    let any = of.anywhere(240..=240).start;
    // The first hour of at least 36 that are off.
    let days_off = |hour: &usize| (*hour..hour + 36).all(|hour| is_off(of, hour)) && !is_off(of, hour - 1);
    let start = (any..any + 168).find(days_off).unwrap_or(any);
    let due = of.at_work_from(start);
    let hours = start..due + 72;
    of.calls(&hours, |_, _| 0.0);
    Planted { due, ..Planted::new(&ALL, Drop, hours) }
}

fn silence_for_good(of: &mut Planting<'_>) -> Planted {
    let hours = of.at_work(72..=72).start..of.calendar.len();
    of.calls(&hours, |_, _| 0.0);
    Planted::new(&ALL, Drop, hours)
}

fn half(of: &mut Planting<'_>) -> Planted {
    let hours = of.at_work(24..=72);
    of.calls(&hours, |calls, _| calls / 2.0);
    Planted::new(&ALL, Drop, hours)
}

fn slow_growth(of: &mut Planting<'_>) -> Planted {
    let hours = of.anywhere(384..=384);
    of.calls(&hours, |calls, hour| calls * 1.05_f64.powf(hour as f64 / 24.0));
    Planted::new(&ALL, Spike, hours)
}

fn level_step(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(72..=72).start..of.calendar.len(), of.draw.between(2.0, 3.0));
    of.calls(&hours, |calls, _| calls * size);
    Planted::new(&ALL, Spike, hours)
}

fn night_shift(of: &mut Planting<'_>) -> Planted {
    let days = of.draw.whole(3..=5);
    let any = of.anywhere(168..=168).start;
    let is_monday = |hour: &usize| of.calendar.at(*hour).weekday == 0 && of.calendar.at(*hour).hour == 0;
    let start = (any..any + 168).find(is_monday).unwrap_or(any);
    for day in 0..days {
        let hours = start + 24 * day..start + 24 * (day + 1);
        of.rates.calls[hours].rotate_left(12);
    }
    Planted { directions: vec![Spike, Drop], ..Planted::new(&ALL, Spike, start..start + 24 * days) }
}

fn bytes_without_calls(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(12..=48), of.draw.between(3.0, 8.0));
    of.rates.bytes[hours.clone()].iter_mut().for_each(|bytes| *bytes *= size);
    Planted::new(&ALL[1..2], Spike, hours)
}

fn compute_alone(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(24..=72), of.draw.between(2.5, 5.0));
    of.rates.milliseconds[hours.clone()].iter_mut().for_each(|time| *time *= size);
    Planted::new(&ALL[2..], Spike, hours)
}

fn missing_job(of: &mut Planting<'_>) -> Planted {
    let any = of.anywhere(96..=96).start;
    let job =
        of.shape.peaks.iter().find(|(hours, _)| hours.start >= any).map_or(any, |(hours, _)| hours.start);
    for (hours, size) in of.shape.peaks.iter().filter(|(hours, _)| (job..job + 72).contains(&hours.start)) {
        of.rates.calls[hours.clone()].iter_mut().for_each(|calls| *calls /= size);
    }
    Planted::new(&ALL, Drop, job..job + 50)
}

impl Planted {
    fn new(metrics: &[usize], direction: Direction, hours: Range<usize>) -> Self {
        Self { metrics: metrics.to_vec(), directions: vec![direction], due: hours.start, hours }
    }
}

impl Planting<'_> {
    /// Hours at any time.
    fn anywhere(&mut self, length: RangeInclusive<usize>) -> Range<usize> {
        let length = self.draw.whole(length);
        let first = self.history.max(self.shape.begins + 9 * 24 * usize::from(self.shape.begins > 0)) + 24;
        let start = self.draw.whole(first..=self.calendar.len() - REST - length);
        start..start + length
    }

    /// The same, but the first of them is one in which the customer works.
    fn at_work(&mut self, length: RangeInclusive<usize>) -> Range<usize> {
        let Range { start, end } = self.anywhere(length);
        let length = end - start;
        let latest = self.calendar.len() - REST - length;
        let begins = Some(self.at_work_from(start)).filter(|begins| *begins <= latest);
        let begins = begins.or_else(|| (0..start).rev().find(|hour| self.is_at_work(*hour))).unwrap_or(start);
        begins..begins + length
    }

    /// The first hour from this one on in which the customer works.
    fn at_work_from(&self, start: usize) -> usize {
        (start..start + 168).find(|hour| self.is_at_work(*hour)).unwrap_or(start)
    }

    fn is_at_work(&self, hour: usize) -> bool {
        self.share(hour) >= 0.5
    }

    /// Usual usage of the hour beside that of the busiest one.
    fn share(&self, hour: usize) -> f64 {
        let last = self.calendar.len() - 1;
        self.shape.week.at(self.calendar.at(hour.min(last))) / self.shape.week.most()
    }

    /// Changes the expected calls, given them and the number of the hour within the cause.
    fn calls(&mut self, hours: &Range<usize>, change: impl Fn(f64, usize) -> f64) {
        for (number, calls) in self.rates.calls[hours.clone()].iter_mut().enumerate() {
            *calls = change(*calls, number);
        }
    }
}
