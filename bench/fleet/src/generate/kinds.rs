//! The kinds of customers, and the formula of each. [`rates`](super::rates) explains the terms.
//!
//! | kind | level, calls an hour | week, by local time | noise | by nature |
//! |---|---|---|---|---|
//! | steady | 100 to 3,000 | a wave from 0.6 at night to 1 by day; weekends 0.9 | day 0.05, hour 0.1 | |
//! | noisy | 50 to 1,000 | the same wave | day 0.25, hour 0.5 with memory 0.85, dispersion 3 | |
//! | business hours, in five zones | 100 to 3,000 | 8 to 18 h on weekdays, else 0.08; weekends 0.05 | day 0.08, hour 0.15 | London's zone is declared nowhere |
//! | weekend | 50 to 1,000 | 10 to 22 h on weekends, else 0.3; weekdays 0.08 | day 0.12, hour 0.2 | |
//! | growing | 100 to 1,000 | steady | day 0.06, hour 0.1 | 0.6 to 1.5 % more a day |
//! | shrinking | 500 to 3,000 | steady | day 0.06, hour 0.1 | 0.6 to 1.5 % less a day |
//! | tiny | 0.2 to 3 | awake by day | dispersion 1 | below the floors |
//! | idle | none | | | a few calls on one day in ten |
//! | bursty | 20 to 200 | flat | day 0.15, hour 0.3 | every two days a burst of 1 to 6 hours, 5 to 25 times the usual |
//! | nightly job | 20 to 100 | flat | day 0.08, hour 0.1 | each night at the same local hour 2 hours of 10 to 30 times the usual |
//! | weekly job | 50 to 300 | steady | day 0.06, hour 0.1 | on one weekday 2 to 5 hours, 10 to 30 times the usual |
//! | monthly job | 50 to 300 | steady | day 0.06, hour 0.1 | on one day of each month 3 to 6 hours, 15 to 40 times the usual |
//! | machine | 200 to 2,000 | flat | half a percent | |
//! | new | 50 to 500 | business hours | day 0.1, hour 0.2 | first usage in the first ten days of the runs, two days to the level |
//! | leaving | 100 to 1,000 | steady | day 0.06, hour 0.1 | goes down to nothing within two or three weeks of the runs |
//! | giant | 20,000 to 200,000 | a wave from 0.5 to 1; weekends 0.75 | day 0.03, hour 0.05, dispersion 400 | |
//! | late uploader | 100 to 1,000 | steady | day 0.05, hour 0.1 | usage arrives 4 to 12 hours late |
//!
//! Nothing in this table is a cause: a page about any of it is a false one.

use super::calendar::{
    BERLIN, Calendar, KOLKATA, LONDON, NEW_YORK, SYDNEY, UTC, Week, Zone, awake, is_weekend,
};
use super::draw::Draw;
use super::rates::Shape;

/// A kind of customer, and how many there are.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) customers: usize,
    pub(crate) zone: Zone,
    /// Whether operators declared the zone.
    pub(crate) is_declared: bool,
    pub(crate) is_late: bool,
    pub(crate) shape: fn(&mut Draw, &Span<'_>) -> Shape,
}

/// The hours that a shape is for.
pub(crate) struct Span<'a> {
    pub(crate) calendar: &'a Calendar,
    /// Hours before the first run.
    pub(crate) history: usize,
}

const fn kind(
    name: &'static str,
    customers: usize,
    zone: Zone,
    shape: fn(&mut Draw, &Span<'_>) -> Shape,
) -> Kind {
    Kind { name, customers, zone, is_declared: true, is_late: false, shape }
}

pub(crate) const KINDS: [Kind; 21] = [
    kind("steady", 9, UTC, steady),
    kind("noisy", 4, UTC, noisy),
    kind("business hours, New York", 4, NEW_YORK, business_hours),
    kind("business hours, Berlin", 4, BERLIN, business_hours),
    kind("business hours, Kolkata", 3, KOLKATA, business_hours),
    kind("business hours, Sydney", 3, SYDNEY, business_hours),
    Kind { is_declared: false, ..kind("business hours, London", 3, LONDON, business_hours) },
    kind("weekend", 5, BERLIN, weekend),
    kind("growing", 3, UTC, growing),
    kind("shrinking", 2, UTC, shrinking),
    kind("tiny", 3, UTC, tiny),
    kind("idle", 2, UTC, idle),
    kind("bursty", 4, UTC, bursty),
    kind("nightly job", 3, BERLIN, nightly_job),
    kind("weekly job", 3, UTC, weekly_job),
    kind("monthly job", 3, UTC, monthly_job),
    kind("machine", 3, UTC, machine),
    kind("new", 3, NEW_YORK, new),
    kind("leaving", 2, UTC, leaving),
    kind("giant", 4, UTC, giant),
    Kind { is_late: true, ..kind("late uploader", 3, UTC, late_uploader) },
];

fn steady(draw: &mut Draw, _: &Span<'_>) -> Shape {
    Shape {
        level: draw.size(100.0, 3_000.0),
        week: Week::of(|day, hour| awake(hour, 0.6) * if is_weekend(day) { 0.9 } else { 1.0 }),
        growth: 0.0,
        day_effect: 0.05,
        hour_effect: 0.1,
        memory: 0.7,
        dispersion: Some(50.0),
        peaks: Vec::new(),
        begins: 0,
        ramp: 0,
        fade: None,
        bytes: draw.size(2e3, 50e3),
        milliseconds: draw.size(5.0, 200.0),
    }
}

fn noisy(draw: &mut Draw, span: &Span<'_>) -> Shape {
    Shape {
        level: draw.size(50.0, 1_000.0),
        day_effect: 0.25,
        hour_effect: 0.5,
        memory: 0.85,
        dispersion: Some(3.0),
        ..steady(draw, span)
    }
}

fn business_hours(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let week = Week::of(|day, hour| match hour {
        _ if is_weekend(day) => 0.05,
        8..18 => 1.0,
        _ => 0.08,
    });
    Shape {
        level: draw.size(100.0, 3_000.0),
        week,
        day_effect: 0.08,
        hour_effect: 0.15,
        ..steady(draw, span)
    }
}

fn weekend(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let week = Week::of(|day, hour| match hour {
        _ if !is_weekend(day) => 0.08,
        10..22 => 1.0,
        _ => 0.3,
    });
    Shape { level: draw.size(50.0, 1_000.0), week, day_effect: 0.12, hour_effect: 0.2, ..steady(draw, span) }
}

fn growing(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let (level, growth) = (draw.size(100.0, 1_000.0), draw.between(0.006, 0.015));
    Shape { level, growth, day_effect: 0.06, ..steady(draw, span) }
}

fn shrinking(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let (level, growth) = (draw.size(500.0, 3_000.0), -draw.between(0.006, 0.015));
    Shape { level, growth, day_effect: 0.06, ..steady(draw, span) }
}

fn tiny(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let week = Week::of(|_, hour| awake(hour, 0.0));
    Shape { level: draw.size(0.2, 3.0), week, dispersion: Some(1.0), ..steady(draw, span) }
}

fn idle(draw: &mut Draw, span: &Span<'_>) -> Shape {
    // The level is that of the days with calls; on all others a factor takes it away.
    let days = span.calendar.len() / 24;
    let quiet = (0..days).filter(|_| !draw.chance(0.1)).map(|day| (24 * day..24 * (day + 1), 0.0));
    let peaks = quiet.collect();
    Shape { level: draw.size(0.2, 1.0), peaks, dispersion: Some(1.0), ..tiny(draw, span) }
}

fn bursty(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let mut peaks = Vec::new();
    let mut hour = 0;
    while hour < span.calendar.len() {
        if draw.chance(1.0 / 48.0) {
            let length = draw.whole(1..=6);
            peaks.push((hour..hour + length, draw.size(5.0, 25.0)));
            hour += length;
        }
        hour += 1;
    }
    let week = Week::of(|_, _| 1.0);
    Shape {
        level: draw.size(20.0, 200.0),
        week,
        peaks,
        day_effect: 0.15,
        hour_effect: 0.3,
        ..steady(draw, span)
    }
}

fn nightly_job(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let (at, size) = (draw.whole(0..=5), draw.size(10.0, 30.0));
    // An hour that the clocks repeat has the job once.
    let mut starts = span.calendar.find(|local| local.hour == at);
    starts.dedup_by_key(|start| span.calendar.at(*start).day);
    let peaks = starts.into_iter().map(|start| (start..start + 2, size)).collect();
    let week = Week::of(|_, _| 1.0);
    Shape { level: draw.size(20.0, 100.0), week, peaks, day_effect: 0.08, ..steady(draw, span) }
}

fn weekly_job(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let (weekday, at, length) = (draw.whole(0..=6), draw.whole(0..=20), draw.whole(2..=5));
    let size = draw.size(10.0, 30.0);
    let starts = span.calendar.find(|local| local.weekday == weekday && local.hour == at);
    let peaks = starts.into_iter().map(|start| (start..start + length, size)).collect();
    Shape { level: draw.size(50.0, 300.0), peaks, day_effect: 0.06, ..steady(draw, span) }
}

fn monthly_job(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let (day, at, length) = (draw.whole(1..=28), draw.whole(0..=18), draw.whole(3..=6));
    let size = draw.size(15.0, 40.0);
    let starts = span.calendar.find(|local| local.day_of_month == day && local.hour == at);
    let peaks = starts.into_iter().map(|start| (start..start + length, size)).collect();
    Shape { level: draw.size(50.0, 300.0), peaks, day_effect: 0.06, ..steady(draw, span) }
}

fn machine(draw: &mut Draw, span: &Span<'_>) -> Shape {
    Shape {
        level: draw.size(200.0, 2_000.0),
        week: Week::of(|_, _| 1.0),
        day_effect: 0.0,
        hour_effect: 0.0,
        dispersion: None,
        ..steady(draw, span)
    }
}

fn new(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let begins = span.history + 24 * draw.whole(0..=9) + draw.whole(12..=20);
    let level = draw.size(50.0, 500.0);
    Shape { level, begins, ramp: 2 * 24, day_effect: 0.1, hour_effect: 0.2, ..business_hours(draw, span) }
}

fn leaving(draw: &mut Draw, span: &Span<'_>) -> Shape {
    let begins = span.history + 24 * draw.whole(0..=5);
    let fade = Some(begins..begins + 24 * draw.whole(14..=20));
    Shape { level: draw.size(100.0, 1_000.0), fade, day_effect: 0.06, ..steady(draw, span) }
}

fn giant(draw: &mut Draw, span: &Span<'_>) -> Shape {
    Shape {
        level: draw.size(20e3, 200e3),
        week: Week::of(|day, hour| awake(hour, 0.5) * if is_weekend(day) { 0.75 } else { 1.0 }),
        day_effect: 0.03,
        hour_effect: 0.05,
        dispersion: Some(400.0),
        ..steady(draw, span)
    }
}

fn late_uploader(draw: &mut Draw, span: &Span<'_>) -> Shape {
    Shape { level: draw.size(100.0, 1_000.0), ..steady(draw, span) }
}
