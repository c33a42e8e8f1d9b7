//! The usage of one customer, window by window, before any event is made.
//!
//! The plan is made in windows of a day: window 0 is the 24 hours before the end, window i the same hours i days earlier. The
//! events then add up to the plan exactly. So ordinary usage is ordinary by construction, and not by luck:
//!
//! * Noise is bounded, and that of the last 30 days is a shuffled ladder (see [`noise`]). Its standard deviation is known
//!   beforehand and cannot come out small by chance. A small one would make a normal day look extraordinary.
//! * The current window draws its noise from the inner quarter of that range, and so the weights of its hours and jobs.
//! * Growth is a few percent in 30 days.
//! * Customers too small or too irregular for statistics stay below the `min_change` of every metric.

use super::calendar::{Calendar, Rhythm};
use super::draw::Draw;
use super::labels::Planted;
use super::scenario::{self, Scenario};
use super::usage::{BASELINE_WINDOWS, Habit, Series, Usage, round};

/// All inputs of the rows.
#[derive(Clone, Copy)]
pub(crate) struct World {
    pub(crate) seed: u64,
    /// Hours since 1970-01-01T00:00Z.
    pub(crate) end_hour: i64,
    pub(crate) days: usize,
}

pub(crate) struct CustomerPlan {
    pub(crate) number: u64,
    pub(crate) id: String,
    pub(crate) calendar: Calendar,
    pub(crate) usage: Usage,
    /// A new customer's first hour, counted from the start of the oldest window that has usage.
    pub(crate) first_hour: usize,
    /// Day and night change places in the current window.
    pub(crate) is_shifted: bool,
    pub(crate) planted: Vec<Planted>,
    /// Continues into the events.
    pub(crate) draw: Draw,
}

pub(crate) fn customer_id(number: u64) -> String {
    format!("cust_{number:04}")
}

pub(crate) fn plan(world: World, number: u64) -> CustomerPlan {
    let scenario = scenario::of(world.seed, number);
    let mut draw = Draw::stream(world.seed, number);
    let habit = scenario.map_or_else(|| ordinary_habit(&mut draw), Scenario::habit);
    // A weekend would widen the spread of the baseline, and so shrink the z-score of the planted anomaly.
    let rhythm = if scenario.is_some() { Rhythm::Steady } else { habit.rhythm(&mut draw) };
    let is_shifted = scenario == Some(Scenario::NightShift);
    let calendar = match scenario {
        Some(Scenario::NightShift) => Calendar::asleep_at(world.end_hour - 1),
        Some(Scenario::WeeklySilence) => Calendar::due_at(world.end_hour - 1),
        _ => Calendar::draw(rhythm, &mut draw),
    };
    let first_window = habit.first_window(scenario, &mut draw).min(world.days - 1);
    let mut sizes = Sizes::draw(habit, scenario, &mut draw);
    if rhythm != Rhythm::Steady {
        sizes.calm(calendar.weekend_depth());
    }
    let mut usage = usage(world, &calendar, &sizes, habit, &mut draw);

    // A new customer starts somewhere within its first window. One event at least must lie in that window.
    let mut first_hour = 0;
    if first_window < world.days - 1 {
        for series in [&mut usage.api, &mut usage.storage, &mut usage.compute] {
            series.events[first_window + 1..].fill(0);
            series.amounts[first_window + 1..].fill(0);
        }
        first_hour = draw.whole(0, 20) as usize;
    }
    let planted = scenario.map_or_else(Vec::new, |scenario| scenario.apply(&mut usage, &mut draw));
    CustomerPlan { number, id: customer_id(number), calendar, usage, first_hour, is_shifted, planted, draw }
}

fn ordinary_habit(draw: &mut Draw) -> Habit {
    match draw.unit() {
        share if share < 0.78 => Habit::Regular,
        share if share < 0.86 => Habit::Quiet,
        share if share < 0.93 => Habit::Sparse,
        _ => Habit::New,
    }
}

impl Habit {
    fn rhythm(self, draw: &mut Draw) -> Rhythm {
        match self {
            Habit::Regular => match draw.unit() {
                share if share < 0.35 => Rhythm::Steady,
                share if share < 0.8 => Rhythm::Business,
                _ => Rhythm::Consumer,
            },
            // With few windows to compare with, a weekend alone could look extraordinary.
            Habit::Quiet | Habit::Sparse | Habit::New => Rhythm::Steady,
        }
    }

    /// The window of the first event: the oldest, except for new customers.
    fn first_window(self, scenario: Option<Scenario>, draw: &mut Draw) -> usize {
        match (self, scenario) {
            // Most of a week, in which a series is judged by its own level.
            (Habit::New, Some(_)) => 6,
            (Habit::New, None) => draw.whole(3, 25) as usize,
            _ => usize::MAX,
        }
    }
}

/// The usage of a customer on a plain day, and its variation.
struct Sizes {
    calls: f64,
    bytes_per_call: f64,
    readings: u64,
    stored: f64,
    jobs: f64,
    cpu_ms: f64,
    /// Largest relative deviation of calls and of CPU time.
    noise: f64,
    /// Largest relative deviation of the bytes per call.
    bytes_noise: f64,
    stored_noise: f64,
    /// Relative growth in 30 days.
    growth: f64,
    stored_growth: f64,
}

impl Sizes {
    fn draw(habit: Habit, scenario: Option<Scenario>, draw: &mut Draw) -> Self {
        let ordinary = Self {
            calls: draw.size(100.0, 3),
            bytes_per_call: draw.size(2_000.0, 5),
            readings: *draw.pick(&[4, 6, 8, 12, 24]),
            stored: if draw.chance(0.85) { draw.size(4_000.0, 7) } else { 0.0 },
            jobs: draw.between(16.0, 40.0),
            cpu_ms: if draw.chance(0.75) { draw.size(120_000.0, 5) } else { 0.0 },
            noise: draw.between(0.03, 0.12),
            bytes_noise: draw.between(0.02, 0.06),
            stored_noise: if draw.chance(0.15) { 0.0 } else { draw.between(0.002, 0.03) },
            growth: draw.between(-0.02, 0.04),
            stored_growth: if draw.chance(0.15) { 0.0 } else { draw.between(0.0, 0.08) },
        };
        match (habit, scenario) {
            (Habit::Quiet | Habit::Sparse, _) => Self {
                calls: draw.between(5.0, 30.0),
                bytes_per_call: draw.between(500.0, 5_000.0),
                stored: if draw.chance(0.5) { draw.between(50.0, 700.0) } else { 0.0 },
                jobs: draw.between(1.0, 4.0),
                cpu_ms: if draw.chance(0.5) { draw.between(1_000.0, 15_000.0) } else { 0.0 },
                ..ordinary
            },
            // The noise is small enough to keep a new customer within the relative floor, however few its windows are.
            (Habit::New, None) => Self {
                noise: draw.between(0.01, 0.03),
                bytes_noise: 0.01,
                stored_noise: 0.01,
                growth: draw.between(0.0, 0.03),
                stored_growth: 0.02,
                ..ordinary
            },
            // The size is large enough for a change to exceed every floor by far.
            (_, Some(scenario)) => Self {
                calls: draw.between(550.0, 800.0),
                bytes_per_call: draw.between(60_000.0, 90_000.0),
                stored: draw.between(20_000.0, 400_000.0),
                jobs: draw.between(10.0, 40.0),
                cpu_ms: draw.between(800_000.0, 3_600_000.0),
                noise: scenario.noise(draw),
                bytes_noise: scenario.bytes_noise(),
                stored_noise: scenario.stored_noise(draw),
                growth: scenario.growth(draw),
                stored_growth: 0.0,
                ..ordinary
            },
            (Habit::Regular, None) => ordinary,
        }
    }

    /// Keeps noise and growth well below the weekly pattern. Otherwise they could flatten the pattern in the baseline
    /// by chance and add to it in the current window.
    fn calm(&mut self, weekend_depth: f64) {
        self.noise = self.noise.min(weekend_depth / 6.0);
        self.bytes_noise = self.bytes_noise.min(weekend_depth / 12.0);
        self.growth = self.growth.clamp(-weekend_depth / 20.0, weekend_depth / 20.0);
    }
}

fn usage(world: World, calendar: &Calendar, sizes: &Sizes, habit: Habit, draw: &mut Draw) -> Usage {
    let windows = world.days;
    let seasons: Vec<f64> = (0..windows)
        .map(|window| {
            let first_hour = world.end_hour - 24 * (window as i64 + 1);
            calendar.window(first_hour).iter().sum()
        })
        .collect();
    let calls_noise = noise(sizes.noise, windows, draw);
    let bytes_noise = noise(sizes.bytes_noise, windows, draw);
    let cpu_noise = noise(sizes.noise, windows, draw);
    let stored_noise = noise(sizes.stored_noise, windows, draw);
    let trend =
        |growth: f64, window: usize| (1.0 - growth * window as f64 / BASELINE_WINDOWS as f64).max(0.1);

    let calls: Vec<u64> = (0..windows)
        .map(|w| round(sizes.calls * seasons[w] * trend(sizes.growth, w) * (1.0 + calls_noise[w])).max(1))
        .collect();
    let bytes = (0..windows)
        .map(|w| round(calls[w] as f64 * sizes.bytes_per_call * (1.0 + bytes_noise[w])))
        .collect();
    let stored: Vec<u64> = (0..windows)
        .map(|w| round(sizes.stored * trend(sizes.stored_growth, w) * (1.0 + stored_noise[w])))
        .collect();
    let cpu_ms: Vec<u64> = (0..windows)
        .map(|w| round(sizes.cpu_ms * seasons[w] * trend(sizes.growth, w) * (1.0 + cpu_noise[w])))
        .collect();
    let mut usage = Usage {
        api: Series { events: calls, amounts: bytes, bursts: Vec::new() },
        storage: Series {
            events: stored.iter().map(|&peak| if peak > 0 { sizes.readings } else { 0 }).collect(),
            amounts: stored,
            bursts: Vec::new(),
        },
        compute: Series {
            events: (0..windows)
                .map(|w| if cpu_ms[w] > 0 { round(sizes.jobs * seasons[w]).max(1) } else { 0 })
                .collect(),
            amounts: cpu_ms,
            bursts: Vec::new(),
        },
    };
    if habit == Habit::Sparse {
        for window in 0..windows {
            for series in [&mut usage.api, &mut usage.storage, &mut usage.compute] {
                if draw.chance(0.75) {
                    series.events[window] = 0;
                    series.amounts[window] = 0;
                }
            }
        }
    }
    usage
}

/// Relative deviations of at most `size`, one per window.
///
/// The 30 baseline windows get the rungs of a ladder from `-size` to `size`, each moved within its own rung, in random
/// order. They look as irregular as uniform noise, but their standard deviation is always close to `size / sqrt(3)`.
/// The current window stays within a quarter of `size`.
fn noise(size: f64, windows: usize, draw: &mut Draw) -> Vec<f64> {
    let rung = 2.0 * size / BASELINE_WINDOWS as f64;
    let mut ladder: Vec<f64> =
        (0..BASELINE_WINDOWS).map(|step| -size + rung * (step as f64 + draw.unit())).collect();
    draw.shuffle(&mut ladder);
    let mut noise = vec![draw.between(-size / 4.0, size / 4.0)];
    noise.extend(ladder);
    noise.extend((BASELINE_WINDOWS + 1..windows).map(|_| draw.between(-size, size)));
    noise
}
