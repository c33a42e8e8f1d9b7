//! The kinds of customers, and the formula of each. [`rates`](super::rates) explains the terms.
//!
//! | kind | level, calls an hour | week | noise | by nature |
//! |---|---|---|---|---|
//! | steady | 100 to 3,000 | a wave from 0.6 at night to 1 by day; weekends 0.9 | day 0.05, hour 0.1 | |
//! | noisy | 50 to 1,000 | the same wave | day 0.25, hour 0.5 with memory 0.85, dispersion 3 | |
//! | business hours | 100 to 3,000 | 8 to 18 h on weekdays, else 0.08; weekends 0.05 | day 0.08, hour 0.15 | one of three time zones |
//! | weekend | 50 to 1,000 | 10 to 22 h on weekends, else 0.3; weekdays 0.08 | day 0.12, hour 0.2 | |
//! | growing | 100 to 1,000 | steady | day 0.06, hour 0.1 | 0.6 to 1.5 % more a day |
//! | tiny | 0.2 to 3 | awake by day | dispersion 1 | below the floors |
//! | bursty | 20 to 200 | flat | day 0.15, hour 0.3 | every two days a burst of 1 to 6 hours, 5 to 25 times the usual |
//! | monthly job | 50 to 300 | steady | day 0.06, hour 0.1 | on one day of each calendar month 3 to 6 hours, 15 to 40 times the usual |
//! | new | 50 to 500 | business hours | day 0.1, hour 0.2 | first usage in the first ten days of the runs, five days to the level |
//! | giant | 20,000 to 200,000 | a wave from 0.5 to 1; weekends 0.75 | day 0.03, hour 0.05, dispersion 400 | |
//!
//! Nothing in this table is a cause: a page about any of it is a false one.

use super::draw::Draw;
use super::rates::Shape;
use super::week::{Week, awake, is_weekend};
use super::{HISTORY, HOURS};

/// A kind of customer, and how many there are.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) customers: usize,
    pub(crate) shape: fn(&mut Draw) -> Shape,
}

pub(crate) const KINDS: [Kind; 10] = [
    Kind { name: "steady", customers: 10, shape: steady },
    Kind { name: "noisy", customers: 6, shape: noisy },
    Kind { name: "business hours", customers: 9, shape: business_hours },
    Kind { name: "weekend", customers: 5, shape: weekend },
    Kind { name: "growing", customers: 4, shape: growing },
    Kind { name: "tiny", customers: 4, shape: tiny },
    Kind { name: "bursty", customers: 4, shape: bursty },
    Kind { name: "monthly job", customers: 2, shape: monthly_job },
    Kind { name: "new", customers: 3, shape: new },
    Kind { name: "giant", customers: 3, shape: giant },
];

fn steady(draw: &mut Draw) -> Shape {
    Shape {
        level: draw.size(100.0, 3_000.0),
        week: Week::of(|day, hour| awake(hour, 0.6) * if is_weekend(day) { 0.9 } else { 1.0 }),
        growth: 0.0,
        day_effect: 0.05,
        hour_effect: 0.1,
        memory: 0.7,
        dispersion: 50.0,
        peaks: Vec::new(),
        begins: 0,
        ramp: 0,
        bytes: draw.size(2e3, 50e3),
        milliseconds: draw.size(5.0, 200.0),
    }
}

fn noisy(draw: &mut Draw) -> Shape {
    Shape {
        level: draw.size(50.0, 1_000.0),
        day_effect: 0.25,
        hour_effect: 0.5,
        memory: 0.85,
        dispersion: 3.0,
        ..steady(draw)
    }
}

fn business_hours(draw: &mut Draw) -> Shape {
    let week = Week::of(|day, hour| match hour {
        _ if is_weekend(day) => 0.05,
        8..18 => 1.0,
        _ => 0.08,
    });
    Shape {
        level: draw.size(100.0, 3_000.0),
        week: week.later(5 * draw.whole(0..=2)),
        day_effect: 0.08,
        hour_effect: 0.15,
        ..steady(draw)
    }
}

fn weekend(draw: &mut Draw) -> Shape {
    let week = Week::of(|day, hour| match hour {
        _ if !is_weekend(day) => 0.08,
        10..22 => 1.0,
        _ => 0.3,
    });
    Shape { level: draw.size(50.0, 1_000.0), week, day_effect: 0.12, hour_effect: 0.2, ..steady(draw) }
}

fn growing(draw: &mut Draw) -> Shape {
    let (level, growth) = (draw.size(100.0, 1_000.0), draw.between(0.006, 0.015));
    Shape { level, growth, day_effect: 0.06, ..steady(draw) }
}

fn tiny(draw: &mut Draw) -> Shape {
    let week = Week::of(|_, hour| awake(hour, 0.0));
    Shape { level: draw.size(0.2, 3.0), week, dispersion: 1.0, ..steady(draw) }
}

fn bursty(draw: &mut Draw) -> Shape {
    let mut peaks = Vec::new();
    let mut hour = 0;
    while hour < HOURS {
        if draw.chance(1.0 / 48.0) {
            let length = draw.whole(1..=6);
            peaks.push((hour..hour + length, draw.size(5.0, 25.0)));
            hour += length;
        }
        hour += 1;
    }
    let week = Week::of(|_, _| 1.0);
    Shape { level: draw.size(20.0, 200.0), week, peaks, day_effect: 0.15, hour_effect: 0.3, ..steady(draw) }
}

fn monthly_job(draw: &mut Draw) -> Shape {
    // Hour 0 is the 5th of a month with 31 days: the job runs once before the first run of the detector and once after it.
    let (day, hour, length) = (draw.whole(1..=23), draw.whole(0..=20), draw.whole(3..=6));
    let size = draw.size(15.0, 40.0);
    let peaks = [day, day + 31].map(|day| (24 * day + hour..24 * day + hour + length, size)).to_vec();
    Shape { level: draw.size(50.0, 300.0), peaks, day_effect: 0.06, ..steady(draw) }
}

fn new(draw: &mut Draw) -> Shape {
    let begins = HISTORY + 24 * draw.whole(0..=9) + draw.whole(8..=15);
    let level = draw.size(50.0, 500.0);
    Shape { level, begins, ramp: 5 * 24, day_effect: 0.1, hour_effect: 0.2, ..business_hours(draw) }
}

fn giant(draw: &mut Draw) -> Shape {
    Shape {
        level: draw.size(20e3, 200e3),
        week: Week::of(|day, hour| awake(hour, 0.5) * if is_weekend(day) { 0.75 } else { 1.0 }),
        day_effect: 0.03,
        hour_effect: 0.05,
        dispersion: 400.0,
        ..steady(draw)
    }
}
