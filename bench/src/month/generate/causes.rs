//! The planted causes: what happens, to which kind of customer, and in which hours.
//!
//! | cause | change | hours |
//! |---|---|---|
//! | leaked key | 5 to 20 times the calls, at least 300 more an hour | 6 to 30 |
//! | retry loop | 4 to 8 times the calls, each with a fifth of bytes and time | 4 to 12 |
//! | drop | 0.2 to 0.5 of the calls | 24 to 72 |
//! | silence | no calls | 24 to 60 |
//! | weekly customer silent | no calls of a weekend customer, from a Saturday on | 216 |
//! | night shift | nights of weekdays as busy as days | 3 to 5 nights |
//! | slow growth | 4 % more a day | 384 |
//! | weekend burst | a weekend as busy as weekdays | 48 |
//! | larger payloads | 3 to 8 times the bytes of a call | 12 to 48 |
//! | slower code | 2.5 to 5 times the time of a call | 24 to 96 |
//! | step up | 2.5 to 4 times the calls | 192 |
//! | creeping drop | 7 % less a day | 384 |
//! | one hour | 30 to 60 times the calls | 1 |
//! | runaway job | the monthly job runs all day | 30 |
//! | abuse by a new customer | 8 to 15 times the calls | 12 to 24 |
//! | giant uses more | 1.4 to 1.6 times the calls | 24 to 48 |
//!
//! A cause begins a day after the first run at the earliest, and ends 60 hours before the last one at the latest.
//! No customer has two.

use std::ops::{Range, RangeInclusive};

use detection::Direction::{self, Drop, Spike};

use super::draw::Draw;
use super::rates::{Rates, Shape};
use super::week::is_weekend;
use super::{HISTORY, HOURS};

/// A kind of cause, and the kind of customer that it happens to.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) on: &'static str,
    pub(crate) plant: fn(&mut Planting<'_>) -> Planted,
}

/// Where a cause shows.
pub(crate) struct Planted {
    pub(crate) metrics: Vec<usize>,
    pub(crate) direction: Direction,
    pub(crate) hours: Range<usize>,
}

/// The customer to whom something happens.
pub(crate) struct Planting<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) rates: &'a mut Rates,
    pub(crate) draw: &'a mut Draw,
}

const fn plan(name: &'static str, on: &'static str, plant: fn(&mut Planting<'_>) -> Planted) -> Plan {
    Plan { name, on, plant }
}

pub(crate) const PLANS: [Plan; 31] = [
    plan("leaked key", "steady", leaked_key),
    plan("leaked key", "business hours", leaked_key),
    plan("leaked key", "growing", leaked_key),
    plan("leaked key", "tiny", leaked_key),
    plan("retry loop", "steady", retry_loop),
    plan("retry loop", "noisy", retry_loop),
    plan("drop", "steady", drop_of_calls),
    plan("drop", "business hours", drop_of_calls),
    plan("drop", "giant", drop_of_calls),
    plan("silence", "steady", silence),
    plan("silence", "business hours", silence),
    plan("silence", "noisy", silence),
    plan("weekly customer silent", "weekend", weekly_customer_silent),
    plan("weekly customer silent", "weekend", weekly_customer_silent),
    plan("night shift", "business hours", night_shift),
    plan("night shift", "business hours", night_shift),
    plan("slow growth", "steady", slow_growth),
    plan("slow growth", "business hours", slow_growth),
    plan("weekend burst", "business hours", weekend_burst),
    plan("weekend burst", "business hours", weekend_burst),
    plan("larger payloads", "steady", larger_payloads),
    plan("larger payloads", "weekend", larger_payloads),
    plan("slower code", "steady", slower_code),
    plan("slower code", "growing", slower_code),
    plan("step up", "noisy", step_up),
    plan("creeping drop", "growing", creeping_drop),
    plan("one hour", "steady", one_hour),
    plan("one hour", "bursty", one_hour),
    plan("runaway job", "monthly job", runaway_job),
    plan("abuse by a new customer", "new", abuse),
    plan("giant uses more", "giant", giant_uses_more),
];

/// Calls, and with them bytes and time.
const ALL: [usize; 3] = [0, 1, 2];

fn leaked_key(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.anywhere(6..=30), of.draw.between(5.0, 20.0));
    of.calls(&hours, |calls, _| calls + (calls * (size - 1.0)).max(300.0));
    Planted::new(&ALL, Spike, hours)
}

fn retry_loop(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(4..=12), of.draw.between(4.0, 8.0));
    of.calls(&hours, |calls, _| calls * size);
    hours.clone().for_each(|hour| {
        of.rates.bytes[hour] /= 5.0;
        of.rates.milliseconds[hour] /= 5.0;
    });
    Planted::new(&ALL[..1], Spike, hours)
}

fn drop_of_calls(of: &mut Planting<'_>) -> Planted {
    let (hours, share) = (of.at_work(24..=72), of.draw.between(0.2, 0.5));
    of.calls(&hours, |calls, _| calls * share);
    Planted::new(&ALL, Drop, hours)
}

fn silence(of: &mut Planting<'_>) -> Planted {
    let hours = of.at_work(24..=60);
    of.calls(&hours, |_, _| 0.0);
    Planted::new(&ALL, Drop, hours)
}

fn weekly_customer_silent(of: &mut Planting<'_>) -> Planted {
    let saturday = HISTORY + 24 * (7 * of.draw.whole(0..=1) + 5);
    let hours = saturday..saturday + 9 * 24;
    of.calls(&hours, |_, _| 0.0);
    Planted::new(&ALL, Drop, hours)
}

fn night_shift(of: &mut Planting<'_>) -> Planted {
    let monday = HISTORY + 24 * 7 * of.draw.whole(0..=2);
    let (first, nights) = (monday + 24 * of.draw.whole(0..=1), of.draw.whole(3..=5));
    let (shape, busy) = (of.shape, of.shape.week.most());
    let share = |hour: usize| shape.week.at(hour) / busy;
    let is_night = |hour: &usize| share(*hour) < 0.3 && !is_weekend(hour / 24);
    let nights: Vec<usize> = (first + 12..first + 12 + 24 * nights).filter(is_night).collect();
    for hour in &nights {
        of.rates.calls[*hour] *= 0.9 / share(*hour);
    }
    let (first, last) = (nights.first().copied().unwrap_or(first), nights.last().copied().unwrap_or(first));
    Planted::new(&ALL, Spike, first..last + 1)
}

fn slow_growth(of: &mut Planting<'_>) -> Planted {
    let hours = of.anywhere(384..=384);
    of.calls(&hours, |calls, hour| calls * 1.04_f64.powf(hour as f64 / 24.0));
    Planted::new(&ALL, Spike, hours)
}

fn weekend_burst(of: &mut Planting<'_>) -> Planted {
    let saturday = HISTORY + 24 * (7 * of.draw.whole(0..=2) + 5);
    let (hours, shape) = (saturday..saturday + 48, of.shape);
    // As on Wednesday and Thursday.
    let busier = |hour: usize| shape.week.at(hour - 72) / shape.week.at(hour);
    of.calls(&hours, |calls, hour| calls * busier(saturday + hour));
    Planted::new(&ALL, Spike, hours)
}

fn larger_payloads(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(12..=48), of.draw.between(3.0, 8.0));
    of.rates.bytes[hours.clone()].iter_mut().for_each(|bytes| *bytes *= size);
    Planted::new(&ALL[1..2], Spike, hours)
}

fn slower_code(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(24..=96), of.draw.between(2.5, 5.0));
    of.rates.milliseconds[hours.clone()].iter_mut().for_each(|time| *time *= size);
    Planted::new(&ALL[2..], Spike, hours)
}

fn step_up(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(192..=192), of.draw.between(2.5, 4.0));
    of.calls(&hours, |calls, _| calls * size);
    Planted::new(&ALL, Spike, hours)
}

fn creeping_drop(of: &mut Planting<'_>) -> Planted {
    let hours = of.anywhere(384..=384);
    of.calls(&hours, |calls, hour| calls * 0.93_f64.powf(hour as f64 / 24.0));
    Planted::new(&ALL, Drop, hours)
}

fn one_hour(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(1..=1), of.draw.between(30.0, 60.0));
    of.calls(&hours, |calls, _| calls * size);
    Planted::new(&ALL, Spike, hours)
}

fn runaway_job(of: &mut Planting<'_>) -> Planted {
    let size = of.shape.peaks.first().map_or(15.0, |(_, size)| *size);
    let hours = of.anywhere(30..=30);
    of.calls(&hours, |calls, _| calls * size);
    Planted::new(&ALL, Spike, hours)
}

fn abuse(of: &mut Planting<'_>) -> Planted {
    // Ten days after the youngest of them began.
    let (start, length) = (HISTORY + 24 * of.draw.whole(20..=23), of.draw.whole(12..=24));
    let (hours, size) = (start..start + length, of.draw.between(8.0, 15.0));
    of.calls(&hours, |calls, _| calls * size);
    Planted::new(&ALL, Spike, hours)
}

fn giant_uses_more(of: &mut Planting<'_>) -> Planted {
    let (hours, size) = (of.at_work(24..=48), of.draw.between(1.4, 1.6));
    of.calls(&hours, |calls, _| calls * size);
    Planted::new(&ALL, Spike, hours)
}

impl Planted {
    fn new(metrics: &[usize], direction: Direction, hours: Range<usize>) -> Self {
        Self { metrics: metrics.to_vec(), direction, hours }
    }
}

impl Planting<'_> {
    /// Hours at any time.
    fn anywhere(&mut self, length: RangeInclusive<usize>) -> Range<usize> {
        let length = self.draw.whole(length);
        let start = self.draw.whole(HISTORY + 24..=HOURS - 60 - length);
        start..start + length
    }

    /// The same, but the first of them is one in which the customer works. Days off are two in a row at the most.
    fn at_work(&mut self, length: RangeInclusive<usize>) -> Range<usize> {
        let Range { start, end } = self.anywhere(length);
        let busy = self.shape.week.most() / 2.0;
        let is_at_work = |hour: &usize| self.shape.week.at(*hour) >= busy;
        let earlier = (start - 24 * 7..=start).rev().find(is_at_work).unwrap_or(start);
        let begins =
            (start..=start + 24 * 7).find(is_at_work).filter(|begins| begins + end - start <= HOURS - 60);
        let begins = begins.unwrap_or(earlier);
        begins..begins + end - start
    }

    /// Changes the expected calls, given them and the number of the hour within the cause.
    fn calls(&mut self, hours: &Range<usize>, change: impl Fn(f64, usize) -> f64) {
        for (number, calls) in self.rates.calls[hours.clone()].iter_mut().enumerate() {
            *calls = change(*calls, number);
        }
    }
}
