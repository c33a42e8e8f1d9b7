//! From the shape of a customer to hours of usage.
//!
//! The expected calls of an hour are the product of
//!
//! ```text
//! level * week[local hour of the week] * (1 + growth)^days * ramp * fade * bursts and jobs * day effect * hour effect
//! ```
//!
//! * The day effect is one log-normal factor for each local day: some days are busier for no reason that anybody knows.
//! * The hour effect is a log-normal factor whose logarithm follows an autoregression of order 1. With a memory of 0.8 a
//!   busy hour is followed by a busy hour.
//! * Both have the mean 1.
//!
//! Causes change expected values, and the draws come last. So a cause has the noise of its customer.
//!
//! * Calls are drawn from a negative binomial distribution: mean `m`, variance `m + m² / dispersion`. Those of a machine
//!   are the mean with an error of half a percent.
//! * Each call has a random number of bytes, Gamma-distributed with the shape 0.5, and takes a random time,
//!   Gamma-distributed with the shape 1. The sum over the calls of an hour is drawn at once.
//! * Bytes and time of a call have day effects of their own, of half the size.

use std::ops::Range;

use super::calendar::{Calendar, Local, Week};
use super::draw::Draw;

/// How one customer uses the product.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Calls of an average hour.
    pub(crate) level: f64,
    pub(crate) week: Week,
    /// Growth of a day, as a share. Negative of a customer that shrinks.
    pub(crate) growth: f64,
    /// Standard deviation of the logarithm of the day effect, and of the hour effect.
    pub(crate) day_effect: f64,
    pub(crate) hour_effect: f64,
    /// Correlation of the hour effect with that of the hour before.
    pub(crate) memory: f64,
    /// None of a machine, whose calls are the same each time.
    pub(crate) dispersion: Option<f64>,
    /// Hours that are a multiple of what is usual, by nature of the customer.
    pub(crate) peaks: Vec<(Range<usize>, f64)>,
    /// First hour with usage, and the hours until the level is reached.
    pub(crate) begins: usize,
    pub(crate) ramp: usize,
    /// The hours in which usage goes down to nothing, for good.
    pub(crate) fade: Option<Range<usize>>,
    /// Means of a call.
    pub(crate) bytes: f64,
    pub(crate) milliseconds: f64,
}

/// What is expected of each hour.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    pub(crate) calls: Vec<f64>,
    /// Of a call.
    pub(crate) bytes: Vec<f64>,
    pub(crate) milliseconds: Vec<f64>,
}

/// Shapes of the Gamma distributions of one call.
const BYTES_SHAPE: f64 = 0.5;
const TIME_SHAPE: f64 = 1.0;

/// Relative error of a machine's calls.
const MACHINE_ERROR: f64 = 0.005;

impl Rates {
    pub(crate) fn of(shape: &Shape, calendar: &Calendar, draw: &mut Draw) -> Self {
        let hours = calendar.len();
        let mut rates = Self {
            calls: Vec::with_capacity(hours),
            bytes: Vec::with_capacity(hours),
            milliseconds: Vec::with_capacity(hours),
        };
        let fresh = (1.0 - shape.memory * shape.memory).sqrt();
        let (mut logarithm, mut today, mut day, mut bytes, mut milliseconds) =
            (draw.normal(shape.hour_effect), None, 1.0, 1.0, 1.0);
        for hour in 0..hours {
            let local = calendar.at(hour);
            if today != Some(local.day) {
                today = Some(local.day);
                day = draw.factor(shape.day_effect);
                bytes = shape.bytes * draw.factor(shape.day_effect / 2.0);
                milliseconds = shape.milliseconds * draw.factor(shape.day_effect / 2.0);
            }
            let effect = (logarithm - shape.hour_effect * shape.hour_effect / 2.0).exp();
            rates.calls.push(shape.usual(hour, local) * shape.peak(hour) * day * effect);
            rates.bytes.push(bytes);
            rates.milliseconds.push(milliseconds);
            logarithm = shape.memory * logarithm + fresh * draw.normal(shape.hour_effect);
        }
        rates
    }

    /// The usage that is drawn: calls, bytes and milliseconds, each by hour.
    pub(crate) fn usage(&self, dispersion: Option<f64>, draw: &mut Draw) -> Vec<Vec<f64>> {
        let mut usage = vec![Vec::new(); 3];
        for ((calls, bytes), milliseconds) in self.calls.iter().zip(&self.bytes).zip(&self.milliseconds) {
            let calls = match dispersion {
                Some(dispersion) => draw.count(*calls, dispersion),
                None => (calls * (1.0 + draw.normal(MACHINE_ERROR))).round().max(0.0),
            };
            usage[0].push(calls);
            // The answers of a machine are alike, too.
            let sum = |draw: &mut Draw, shape: f64, mean: f64| match dispersion {
                Some(_) => draw.sum_of_sizes(calls, shape, mean).round(),
                None => (calls * mean * (1.0 + draw.normal(MACHINE_ERROR))).round().max(0.0),
            };
            usage[1].push(sum(draw, BYTES_SHAPE, *bytes));
            usage[2].push(sum(draw, TIME_SHAPE, *milliseconds));
        }
        usage
    }

    /// The expected sum of each metric in an hour: calls, bytes, milliseconds.
    pub(crate) fn sums(&self, hour: usize) -> [f64; 3] {
        let calls = self.calls[hour];
        [calls, calls * self.bytes[hour], calls * self.milliseconds[hour]]
    }
}

impl Shape {
    /// The expected calls of an hour in which nothing happens.
    pub(crate) fn usual(&self, hour: usize, local: Local) -> f64 {
        let Some(age) = hour.checked_sub(self.begins) else { return 0.0 };
        let ramp = if age < self.ramp { (age + 1) as f64 / self.ramp as f64 } else { 1.0 };
        let fade = self.fade.as_ref().map_or(1.0, |fade| {
            1.0 - (hour.saturating_sub(fade.start) as f64 / fade.len().max(1) as f64).min(1.0)
        });
        let grown = (1.0 + self.growth).powf(hour as f64 / 24.0);
        self.level * self.week.at(local) * grown * ramp * fade
    }

    fn peak(&self, hour: usize) -> f64 {
        self.peaks.iter().filter(|(hours, _)| hours.contains(&hour)).map(|(_, factor)| factor).product()
    }

    /// The relative variance of the sum of so many hours around their expectation, for a metric and these calls.
    pub(crate) fn relative_variance(&self, metric: usize, hours: usize, calls: f64) -> f64 {
        let length = hours as f64;
        let lags: f64 =
            (1..hours).map(|lag| (1.0 - lag as f64 / length) * self.memory.powf(lag as f64)).sum();
        let effects = self.day_effect.powi(2) + self.hour_effect.powi(2) * (1.0 + 2.0 * lags) / length;
        let Some(dispersion) = self.dispersion else { return effects + MACHINE_ERROR.powi(2) };
        let of_call = [1.0, 1.0 + 1.0 / BYTES_SHAPE, 1.0 + 1.0 / TIME_SHAPE][metric];
        let own = if metric == 0 { 0.0 } else { (self.day_effect / 2.0).powi(2) };
        effects + own + 1.0 / (dispersion * length) + of_call / calls.max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::{BERLIN, UTC};
    use super::*;

    fn shape() -> Shape {
        Shape {
            level: 100.0,
            week: Week::of(|_, _| 1.0),
            growth: 0.0,
            day_effect: 0.0,
            hour_effect: 0.0,
            memory: 0.0,
            dispersion: Some(50.0),
            peaks: Vec::new(),
            begins: 0,
            ramp: 0,
            fade: None,
            bytes: 1_000.0,
            milliseconds: 20.0,
        }
    }

    fn rates(shape: &Shape) -> Rates {
        let calendar = Calendar::of(UTC, super::super::START, 24 * 56).unwrap();
        Rates::of(shape, &calendar, &mut Draw::stream(1, 1))
    }

    #[test]
    fn growth_ramp_fade_and_peaks_are_factors() {
        let growing = rates(&Shape { growth: 0.01, ..shape() });
        assert!((growing.calls[24 * 50] / 100.0 - 1.01_f64.powi(50)).abs() < 1e-9);
        let new = rates(&Shape { begins: 48, ramp: 10, peaks: vec![(60..62, 3.0)], ..shape() });
        assert_eq!(
            [47, 48, 57, 60, 61, 62].map(|hour| new.calls[hour]),
            [0.0, 10.0, 100.0, 300.0, 300.0, 100.0]
        );
        let leaving = rates(&Shape { fade: Some(100..110), ..shape() });
        assert_eq!([99, 105, 110, 1_000].map(|hour| leaving.calls[hour]), [100.0, 50.0, 0.0, 0.0]);
    }

    #[test]
    fn the_hour_effect_remembers() {
        let correlation = |memory| {
            let logarithms: Vec<f64> = rates(&Shape { hour_effect: 0.3, memory, ..shape() })
                .calls
                .iter()
                .map(|calls| calls.ln())
                .collect();
            let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
            let deviations: Vec<f64> = logarithms.iter().map(|logarithm| logarithm - mean).collect();
            let product = |lag| deviations.iter().zip(&deviations[lag..]).map(|(a, b)| a * b).sum::<f64>();
            product(1) / product(0)
        };
        assert!(correlation(0.0).abs() < 0.1, "{}", correlation(0.0));
        assert!((correlation(0.8) - 0.8).abs() < 0.1, "{}", correlation(0.8));
    }

    #[test]
    fn a_day_effect_is_one_for_the_local_day() {
        let shape = Shape { day_effect: 0.2, ..shape() };
        let calendar = Calendar::of(BERLIN, super::super::START, 96).unwrap();
        let rates = Rates::of(&shape, &calendar, &mut Draw::stream(1, 1));
        assert_eq!(rates.calls[22], rates.calls[45]);
        assert_ne!(rates.calls[22], rates.calls[46]);
        assert_ne!(rates.bytes[22], rates.bytes[46]);
    }

    #[test]
    fn bytes_and_time_follow_the_calls() {
        let usage = rates(&shape()).usage(Some(50.0), &mut Draw::stream(1, 2));
        let sum = |metric: usize| usage[metric].iter().sum::<f64>();
        assert!((sum(1) / sum(0) / 1_000.0 - 1.0).abs() < 0.02);
        assert!((sum(2) / sum(0) / 20.0 - 1.0).abs() < 0.02);
        let idle = rates(&Shape { level: 0.0, ..shape() }).usage(Some(50.0), &mut Draw::stream(1, 2));
        assert!(idle.iter().flatten().all(|value| *value == 0.0));
    }

    #[test]
    fn the_stated_variance_is_that_of_the_draws() {
        let shape = Shape { day_effect: 0.1, hour_effect: 0.2, memory: 0.7, ..shape() };
        for hours in [1, 6, 24] {
            for metric in 0..3 {
                let (mut sums, mut count) = (Vec::new(), 0.0);
                for stream in 0..30 {
                    let calendar = Calendar::of(UTC, super::super::START, 24 * 56).unwrap();
                    let mut draw = Draw::stream(3, stream);
                    let rates = Rates::of(&shape, &calendar, &mut draw);
                    let usage = rates.usage(shape.dispersion, &mut draw);
                    sums.extend(usage[metric].chunks(24).map(|day| day[..hours].iter().sum::<f64>()));
                    count += 56.0;
                }
                let mean = sums.iter().sum::<f64>() / count;
                let variance = sums.iter().map(|sum| (sum / mean - 1.0).powi(2)).sum::<f64>() / count;
                let stated = shape.relative_variance(metric, hours, 100.0 * hours as f64);
                assert!((variance / stated - 1.0).abs() < 0.2, "{hours} {metric}: {variance} {stated}");
            }
        }
    }
}
