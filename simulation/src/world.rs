//! The world of a seed: customers and their usage hour by hour, the rules, the caps and the planned events.

use catalog::{Aggregate, MetricSpec};
use detection::incident::Rules;
use detection::model::{HourModel, Memory, Transform, WindowModel};
use detection::{
    Assessment, Baseline, BaselineDays, CustomerId, Hour, Mute, Policy, Settings, Severity, Window, ensemble,
};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use detector::App;

/// Hours of usage before the first run: the baseline of its window.
pub(crate) const HISTORY: usize = 31 * 24;

/// Hours of usual usage after the last planted event.
const AFTERWARDS: usize = 24 + 60;

/// Usual spread of a value over six hours, as a share of the value. The spread of a day is half as much.
const NOISE: f64 = 0.1;

pub(crate) struct World {
    pub(crate) rules: Rules,
    /// Whether runs look for missed hours. The schedules of seeds do not, so that the effects of late runs show.
    pub(crate) closes_gaps: bool,
    pub(crate) max_per_run: usize,
    pub(crate) max_per_customer: usize,
    pub(crate) mutes: Policy,
    pub(crate) customers: Vec<CustomerId>,
    /// Places of the metrics in the catalog.
    pub(crate) metrics: Vec<usize>,
    /// By customer and metric: the usage of each hour.
    usage: Vec<Vec<f64>>,
    /// By customer and metric: the value of the 24 hours that end at each hour.
    windows: Vec<Vec<Option<f64>>>,
    /// Hours in which things happen, from [`HISTORY`] on.
    pub(crate) hours: usize,
    /// The first event of each customer.
    first_event: Vec<Timestamp>,
}

/// An event that happens to nearly all customers at once.
#[derive(Clone, Copy)]
struct Storm {
    at: usize,
    /// The storm comes back as soon as its day is over. One window lies between the two.
    again: bool,
}

impl World {
    pub(crate) fn new(rng: &mut ChaCha8Rng, app: &App) -> Self {
        let hours = rng.random_range(24..=60);
        let customers: Vec<_> = (0..rng.random_range(1..=4_usize))
            .map(|n| CustomerId::new(format!("customer {n}")).unwrap())
            .collect();
        let mut metrics: Vec<usize> = (0..app.catalog.metrics().len()).collect();
        let wanted = rng.random_range(1..=2);
        while metrics.len() > wanted {
            metrics.remove(rng.random_range(0..metrics.len()));
        }
        // In a storm everything happens at once, and the caps are small.
        let storm = rng
            .random_bool(0.4)
            .then(|| Storm { at: HISTORY + rng.random_range(2..hours / 2), again: rng.random_bool(0.5) });
        let series = customers.iter().flat_map(|_| metrics.clone());
        let usage: Vec<_> =
            series.clone().map(|metric| usage(rng, &app.catalog.metrics()[metric], hours, storm)).collect();
        let windows = usage
            .iter()
            .zip(series)
            .map(|(usage, metric)| by_window(usage, app.catalog.metrics()[metric].aggregate))
            .collect();
        let rules = Rules {
            resolve_after: rng.random_range(1..=3),
            reopen_within: SignedDuration::from_hours(one_of(rng, &[0, 2, 6, 12])),
            accept_after: SignedDuration::from_hours(one_of(rng, &[0, 24, 72])),
            repeat_interval: SignedDuration::from_hours(one_of(rng, &[0, 6, 24])),
            min_severity: one_of(rng, &[Severity::Critical, Severity::Critical, Severity::Warning]),
        };
        let mutes = if rng.random_bool(0.25) { vec![mute(rng, app, &metrics, hours)] } else { Vec::new() };
        let first_event = customers
            .iter()
            .map(|_| hour(if rng.random_bool(0.8) { 0 } else { 24 * rng.random_range(1..=20) }))
            .collect();
        Self {
            rules,
            closes_gaps: false,
            max_per_run: one_of(rng, &[0, 1, 2, 3, 25, 25]),
            max_per_customer: one_of(rng, &[1, 2, 10]),
            mutes: Policy { mutes, ..Policy::default() },
            customers,
            metrics,
            usage,
            windows,
            hours,
            first_event,
        }
    }

    /// Gives a detector the rules and caps of this world.
    pub(crate) fn rule(&self, app: &mut App) {
        app.incidents.rules = self.rules;
        app.alerting.max_per_run = self.max_per_run;
        app.alerting.max_per_customer = self.max_per_customer;
    }

    /// What the classical detector makes of the hours of a series that end at this hour.
    pub(crate) fn assess(
        &self,
        customer: usize,
        metric: usize,
        end: usize,
        spec: &MetricSpec,
        settings: &Settings,
    ) -> Assessment {
        let place = customer * self.metrics.len() + metric;
        let first = Hour::holding(hour(end)).plus(-24);
        let hours = spec.hours(first, self.usage[place].get(end - 24..end).unwrap_or_default(), first);
        let window = Window::closing_at(hour(end)).unwrap();
        let counted = window.counted(self.first_event[customer], window.oldest(BaselineDays::default()));
        let earlier = (1..=counted).filter_map(|age| end.checked_sub(24 * age));
        let earlier = earlier.filter_map(|end| self.windows[place].get(end).copied().flatten());
        let of_day = WindowModel {
            expected: 0.0,
            spread: 0.0,
            samples: 1.0,
            freedom: 1.0,
            gate: None,
            classical: Baseline::of(earlier),
            excluded: 0,
        };
        let row = HourModel {
            days: 31,
            transform: Transform::Plain,
            windows: [None, None, None, Some(of_day)],
            before: None,
            memory: Memory::default(),
        };
        ensemble::judge(&hours.recent(first.plus(23)), &row, settings)
    }

    /// The first hour after which no window holds anything unusual.
    pub(crate) fn quiet_from(&self) -> usize {
        HISTORY + self.hours + 24
    }
}

/// The full hour of this number.
pub(crate) fn hour(n: usize) -> Timestamp {
    Timestamp::from_second(1_793_491_200 + 3_600 * n as i64).unwrap()
}

/// The number of a full hour.
pub(crate) fn number(hour: Timestamp) -> usize {
    usize::try_from((hour.as_second() - 1_793_491_200) / 3_600).unwrap()
}

/// Usage hour by hour, with its planted events.
fn usage(rng: &mut ChaCha8Rng, spec: &MetricSpec, hours: usize, storm: Option<Storm>) -> Vec<f64> {
    let (end, base) = (HISTORY + hours, spec.min_change * 20.0);
    let mut usage = Vec::with_capacity(end + AFTERWARDS);
    for _ in 0..end.div_ceil(6) {
        let noise = NOISE * 3.0_f64.sqrt() * rng.random_range(-1.0..1.0);
        usage.extend([base * (1.0 + noise); 6]);
    }
    usage.truncate(end);
    if let Some(Storm { at, again }) = storm.filter(|_| rng.random_bool(0.8)) {
        let size = rng.random_range(8.0..40.0);
        if again {
            multiply(&mut usage, at, 1, |_| 1.0 + size);
            multiply(&mut usage, at + 25, 1, |_| 1.0 + size);
        } else {
            multiply(&mut usage, at, rng.random_range(1..=5), |_| 1.0 + size);
        }
    }
    for _ in 0..rng.random_range(0..=3) {
        let at = HISTORY + rng.random_range(0..hours);
        // The share of a window's usage in standard deviations.
        let deviations = |z: f64| z * NOISE / 2.0 * 24.0;
        match rng.random_range(0..7) {
            0 | 1 => {
                let length = rng.random_range(1..=5);
                let z = one_of(rng, &[4.0, 7.0, 20.0, 60.0]);
                multiply(&mut usage, at, length, |_| 1.0 + deviations(z) / length as f64);
            }
            // A deviation that grows on its first day.
            2 => {
                multiply(&mut usage, at, 1, |_| 1.0 + deviations(4.0));
                let later = rng.random_range(2..=8);
                multiply(&mut usage, at + later, 1, |_| 1.0 + deviations(20.0));
            }
            3 => {
                let share = rng.random_range(0.0..0.5);
                multiply(&mut usage, at, rng.random_range(6..=16), |_| share);
            }
            4 => {
                let share = one_of(rng, &[0.3, 1.3, 1.6, 2.5]);
                multiply(&mut usage, at, rng.random_range(26..=90), |_| share);
            }
            5 => {
                let length = rng.random_range(10..=50);
                multiply(&mut usage, at, length, |n| 1.0 + 1.5 * n as f64 / length as f64);
            }
            // Usage around the threshold, so that the deviation comes and goes.
            _ => {
                for n in 0..3 {
                    let z = rng.random_range(2.0..4.0);
                    multiply(&mut usage, at + n * 25, 1, |_| 1.0 + deviations(z));
                }
            }
        }
    }
    // The usual peak of a day lies above the usual value.
    let usual = if spec.aggregate == Aggregate::Max { base * (1.0 + NOISE) } else { base };
    usage.extend([usual; AFTERWARDS]);
    usage
}

fn multiply(usage: &mut [f64], at: usize, length: usize, by: impl Fn(usize) -> f64) {
    usage.iter_mut().skip(at).take(length).enumerate().for_each(|(n, value)| *value *= by(n));
}

fn by_window(usage: &[f64], aggregate: Aggregate) -> Vec<Option<f64>> {
    if aggregate == Aggregate::Max {
        let peak = |start: usize| usage[start..start + 24].iter().copied().fold(0.0, f64::max);
        return (0..=usage.len()).map(|end| end.checked_sub(24).map(peak)).collect();
    }
    let sums = usage.iter().scan(0.0, |sum, value| {
        *sum += value;
        Some(*sum)
    });
    let sums: Vec<f64> = std::iter::once(0.0).chain(sums).collect();
    (0..=usage.len()).map(|end| end.checked_sub(24).map(|start| sums[end] - sums[start])).collect()
}

fn mute(rng: &mut ChaCha8Rng, app: &App, metrics: &[usize], hours: usize) -> Mute {
    let from = HISTORY + rng.random_range(0..hours);
    let metric = rng.random_bool(0.5).then(|| app.catalog.metrics()[metrics[0]].name.clone());
    let until = Some(hour(from + rng.random_range(1..=20)));
    let reason = "a planned event".to_owned();
    Mute { metric, from: Some(hour(from)), until, rrule: None, time_zone: None, reason }
}

pub(crate) fn one_of<T: Copy>(rng: &mut ChaCha8Rng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len())]
}
