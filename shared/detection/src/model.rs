//! The model of a series: what its past says about each hour of a day, as plain numbers.
//!
//! A model is fitted once a day and serves the 24 hours from its day on. The fit is a pure function of the hours in the
//! 32 days before. So a model that is fitted again is the same to the last bit.
//!
//! Each hour has a row of its own. The row holds all that a check of the windows that end with this hour needs. Its
//! expectations are those of the day at hand: weekdays and weekends are settled in the fit.

mod cell;
mod clocks;
mod gate;
mod memory;
mod muted;
mod numbers;
mod peers;
mod profile;
mod robust;
mod transform;

use serde::{Deserialize, Serialize};

use crate::Baseline;
use crate::baseline::Values;
use crate::calendar::Calendar;
use crate::hour::Hour;
use crate::hours::{Aggregate, ByLength, Hours, LENGTHS, Recent, windows};
use crate::sorted::MAD_TO_SPREAD;
use cell::{Cell, Past};
use gate::Gate;
use muted::Muted;
use robust::median_of;

pub use memory::Memory;
pub use numbers::{LAYOUT, NUMBERS, USUAL, usual_of};
pub use profile::{PeerWeek, Peers, Profile, Shapes};
pub use transform::Transform;

/// What is known of a series for the 24 hours of a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The first hour that the model serves.
    pub day: Hour,
    /// A row for each hour of the day.
    pub rows: Vec<HourModel>,
}

/// What is known of the windows that end with one hour.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HourModel {
    /// Whole days that the series was known for when the model was fitted, at most 31.
    pub days: u16,
    pub transform: Transform,
    /// By length. `None` where too little is known to judge.
    pub windows: ByLength<Option<WindowModel>>,
    /// The expectation of the hour before this one, transformed. `None` if it is not known.
    pub before: Option<f64>,
    pub memory: Memory,
}

/// What is known of a window of one length. The transform's scale is that of the row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowModel {
    /// The usual value, transformed.
    pub expected: f64,
    /// Standard deviation of one value about it, transformed. Never negative.
    pub spread: f64,
    /// The number of values of equal weight that would give as good an expectation. Above zero.
    pub samples: f64,
    /// Degrees of freedom of the spread. Above zero.
    pub freedom: f64,
    /// How far a spike must rise above the expectation, transformed, because windows of this length do so at other hours
    /// or did so a month ago. `None` for no gate.
    pub gate: Option<f64>,
    /// Mean, sample deviation and number of the same windows of the days before, in the metric's unit. `None` below
    /// two.
    pub classical: Option<Baseline>,
    /// Windows that these figures leave out, because they hold an hour of an incident.
    pub excluded: usize,
}

/// More days are not counted.
const MOST_DAYS: u16 = 31;

/// Days below which a series is judged by its peers.
pub const FIRST_DAYS: u16 = 7;

/// Degrees of freedom that say that the spread is as good as known.
const CERTAIN: f64 = 1e6;

/// The robust variance of the residuals of all hours times this is that of a new value.
const POOLED: f64 = 1.17;

/// A count that varies like one of independent events has their spread, which is known. This is so when the residuals of
/// all hours are so many times that spread. A constant count is none of these.
const LIKE_A_COUNT: std::ops::RangeInclusive<f64> = 0.5..=1.02;

/// And when those of the window are not larger than so many times.
const LIKE_A_WINDOW: f64 = 1.26;

/// Below this root of a count its distribution is too skewed.
const ENOUGH_OF_COUNT: f64 = 3.0;

/// The choice of the levels moves an expectation, which adds to a known spread.
const CHOICE: f64 = 1.03;

/// Larger values than so many times the usual daily maximum count as this much. So one absurd value moves nothing.
const WINSOR: f64 = 1.5;

impl Model {
    /// The model of a series for the day of `calendar`. `hours` may reach beyond the calendar's span on both sides.
    ///
    /// There is no expectation of a window in which the clocks of the calendar change.
    ///
    /// * `peers`: the shape of a day of all customers, for a series in its first days.
    pub fn fit(hours: &Hours, calendar: &Calendar, peers: &Profile) -> Self {
        let fitted = Fit::new(hours, calendar);
        let mut rows = fitted.rows_of_all(calendar, peers);
        fitted.add_classical(&mut rows, calendar);
        for (hour, row) in rows.iter_mut().enumerate() {
            for (place, window) in row.windows.iter_mut().enumerate() {
                *window = window.filter(|_| !calendar.is_torn(hour, place));
            }
        }
        Self { day: calendar.day(), rows }
    }

    /// The row of the windows that end with an hour of the model's day. `None` for an hour of another day.
    pub fn row(&self, newest: Hour) -> Option<&HourModel> {
        self.rows.get(usize::try_from(newest.since(self.day)).ok()?)
    }

    /// The newest day with the usual values of its muted hours in their place.
    #[must_use]
    pub fn fill_muted(&self, recent: Recent) -> Recent {
        recent.with_usual(|hour| self.row(same_hour(self.day, hour))?.usual())
    }
}

/// The hour of a model's day that says what is usual in an hour. Hours before the day get that of the same hour a day
/// later.
///
/// * `day`: the first hour that the model serves.
fn same_hour(day: Hour, hour: Hour) -> Hour {
    day.plus(hour.since(day).rem_euclid(Calendar::HOURS as i64))
}

impl HourModel {
    /// The usual value of the hour itself. `None` where too little is known.
    fn usual(&self) -> Option<f64> {
        Some(self.transform.inverse(self.windows[0]?.expected))
    }

    /// Whether the series is in its first days, so that its peers stand for its past.
    pub fn is_new(&self) -> bool {
        self.days < FIRST_DAYS
    }
}

/// The past of a series on the way to its model.
struct Fit {
    aggregate: Aggregate,
    days: u16,
    transform: Transform,
    hours: Vec<f64>,
    /// By length and place: the windows that end with each hour, NaN without a value.
    windows: ByLength<Vec<f64>>,
    muted: Option<Muted>,
    transformed: ByLength<Vec<f64>>,
    /// The transformed windows without those that hold an hour of an incident. `None` if none does.
    calm: Option<ByLength<Vec<f64>>>,
}

impl Fit {
    fn new(hours: &Hours, calendar: &Calendar) -> Self {
        let mut span = vec![f64::NAN; Calendar::SPAN];
        hours.copy(calendar.begin(), &mut span);
        let known = hours.first_known().map_or(0, |first| calendar.day().since(first.max(calendar.begin())));
        let days = u16::try_from(known / Calendar::HOURS as i64).unwrap_or(0).min(MOST_DAYS);
        let aggregate = hours.aggregate();
        let muted = hours.has_muted().then(|| Muted::fill(hours, calendar, &mut span));
        let mut windows = windows(aggregate, &span);
        let unknown = hours.first_known().map_or(0, |first| first.since(calendar.begin()).max(0));
        keep_whole(&mut windows, usize::try_from(unknown).unwrap_or(usize::MAX));
        if let Some(muted) = &muted {
            muted.take_out(&mut windows);
        }
        let is_amount = matches!(aggregate, Aggregate::Count | Aggregate::Sum) && hours.never_negative();
        let transform = if is_amount { Transform::Root } else { Transform::Plain };
        let mut transformed = windows.clone();
        for values in &mut transformed {
            let largest = gate::third_largest(values);
            let limit =
                largest.filter(|_| hours.never_negative()).map_or(f64::MAX, |largest| WINSOR * largest);
            for value in values.iter_mut() {
                // The least of NaN and the limit is the limit.
                *value = if value.is_nan() { *value } else { transform.apply(value.min(limit)) };
            }
        }
        let mut fitted =
            Self { aggregate, days, transform, hours: span, windows, muted, transformed, calm: None };
        if hours.has_out() {
            fitted.take_out(|place| hours.is_out(calendar.begin().plus(place as i64)));
        }
        fitted
    }

    /// Makes no expectation of windows that hold one of these hours.
    fn take_out(&mut self, is_out: impl Fn(usize) -> bool) {
        let mut calm = self.transformed.clone();
        for place in (0..Calendar::SPAN).filter(|place| is_out(*place)) {
            self.hours[place] = f64::NAN;
            for (values, length) in calm.iter_mut().zip(LENGTHS) {
                let end = values.len().min(place + length);
                values[place..end].fill(f64::NAN);
            }
        }
        self.calm = Some(calm);
    }

    /// The windows of a length that expectations are made of.
    fn usual(&self, place: usize) -> &[f64] {
        self.calm.as_ref().map_or(&self.transformed[place], |calm| &calm[place])
    }

    /// The rows by what is known of the customer's clocks.
    fn rows_of_all(&self, calendar: &Calendar, peers: &Profile) -> Vec<HourModel> {
        if calendar.others().is_empty() || clocks::is_flat(calendar, &self.transformed[0]) {
            return self.rows(calendar, peers);
        }
        let calendars: Vec<&Calendar> = std::iter::once(calendar).chain(calendar.others()).collect();
        let plausible = clocks::plausibilities(&calendars, &self.transformed[0]);
        let plausible = plausible.into_iter().zip(calendars).filter(|(weight, _)| *weight > 0.0);
        let rows: Vec<(f64, Vec<HourModel>)> =
            plausible.map(|(weight, calendar)| (weight, self.rows(calendar, peers))).collect();
        let of_hour =
            |hour: usize| rows.iter().map(|(weight, rows)| (*weight, rows[hour])).collect::<Vec<_>>();
        (0..Calendar::HOURS).filter_map(|hour| clocks::mixed(&of_hour(hour))).collect()
    }

    fn rows(&self, calendar: &Calendar, peers: &Profile) -> Vec<HourModel> {
        let weights = cell::weights();
        let mut residuals = vec![f64::NAN; Calendar::SPAN];
        let past = Past {
            earlier: calendar.earlier_than_before(),
            length: 0,
            class: calendar.class_before(),
            values: self.usual(0),
            all: &self.transformed[0],
        };
        let before = cell::fit(&past, &weights, &mut residuals);
        let before = before.map(|cell| cell.expected);
        let mut memory = Memory::default();
        let mut busiest = None;
        let mut by_length = [const { Vec::new() }; 4];
        for (place, length) in LENGTHS.into_iter().enumerate() {
            residuals.fill(f64::NAN);
            let median;
            (by_length[place], median) =
                self.cells(place, length, &weights, &mut residuals, &mut busiest, (calendar, peers));
            if length == 1 {
                memory = memory::fit(&residuals, median);
            }
        }
        let row = |hour: usize| HourModel {
            days: self.days,
            transform: self.transform,
            windows: std::array::from_fn(|place| by_length[place][hour]),
            before: match hour.checked_sub(1) {
                None => before,
                Some(before) => by_length[0][before].map(|window: WindowModel| window.expected),
            },
            memory,
        };
        (0..Calendar::HOURS).map(row).collect()
    }

    /// The models of the windows of one length, by hour of the day, and the median size of their residuals.
    ///
    /// * `busiest`: gets the busiest hour of a series with bursts, for the longer windows.
    fn cells(
        &self,
        place: usize,
        length: usize,
        weights: &[f64],
        residuals: &mut [f64],
        busiest: &mut Option<f64>,
        (calendar, peers): (&Calendar, &Profile),
    ) -> (Vec<Option<WindowModel>>, f64) {
        let values = self.usual(place);
        if self.days < FIRST_DAYS {
            let cells =
                peers::fit(&self.hours, values, length, self.aggregate, self.transform, calendar, peers);
            let model = |hour: usize| {
                let cell = cells.as_ref()?[hour];
                Some(WindowModel::of(cell, cell.variance.sqrt(), CERTAIN))
            };
            return ((0..Calendar::HOURS).map(model).collect(), 0.0);
        }
        let cells: Vec<Option<Cell>> = (0..Calendar::HOURS)
            .map(|hour| {
                let (earlier, class) = (calendar.earlier(hour), calendar.class(hour, place));
                let past = Past { earlier, length: place, class, values, all: &self.transformed[place] };
                cell::fit(&past, weights, residuals)
            })
            .collect();
        let median = median_of(residuals);
        let pooled = MAD_TO_SPREAD * median;
        let pool_freedom = if length == 1 { 4.0 } else { 2.0 };
        let freedom = |cell: &Cell| (cell.spread_samples - 2.0).max(1.0);
        let spread = |cell: Cell| {
            let squares = pool_freedom * POOLED * pooled * pooled + freedom(&cell) * cell.variance;
            let spread = (squares / (pool_freedom + freedom(&cell))).sqrt();
            let known = self.spread_of_count(&cell);
            let is_like_a_count =
                |known: &f64| LIKE_A_COUNT.contains(&(pooled / known)) && spread <= LIKE_A_WINDOW * known;
            let known = known.filter(is_like_a_count);
            (cell, known.unwrap_or(spread))
        };
        let cells: Vec<Option<(Cell, f64)>> = cells.into_iter().map(|cell| cell.map(spread)).collect();
        let raw = (&self.windows[place][..], self.transform);
        let is_sum = matches!(self.aggregate, Aggregate::Count | Aggregate::Sum);
        let lasting = busiest.map(|hour| if is_sum { length as f64 * hour } else { hour });
        let gate = Gate::new(calendar, (place, length), raw, residuals, &cells, lasting);
        if length == 1 && gate.bursts() {
            *busiest = gate::busiest(&self.transformed[0]).map(|value| self.transform.inverse(value));
        }
        let model = |(hour, cell): (usize, &Option<(Cell, f64)>)| {
            let (cell, spread) = (*cell)?;
            let gate = gate.at(hour, cell.expected, spread);
            let is_known = self.spread_of_count(&cell).is_some_and(|known| spread.total_cmp(&known).is_eq());
            let freedom = if is_known { CERTAIN } else { pool_freedom + freedom(&cell) };
            Some(WindowModel { gate, ..WindowModel::of(cell, spread, freedom) })
        };
        (cells.iter().enumerate().map(model).collect(), median)
    }

    /// The spread about the expectation that a count of independent events has. `None` for all else, and for small counts.
    fn spread_of_count(&self, cell: &Cell) -> Option<f64> {
        let of_count = self.transform.least_spread(cell.expected, self.aggregate, 0.0);
        (of_count > 0.0 && cell.expected >= ENOUGH_OF_COUNT).then_some(CHOICE * of_count)
    }

    /// Adds the figures of the same hours of the days before, by the customer's own calendar.
    fn add_classical(&self, rows: &mut [HourModel], calendar: &Calendar) {
        for (hour, row) in rows.iter_mut().enumerate() {
            for (place, window) in row.windows.iter_mut().enumerate() {
                let Some(window) = window else { continue };
                let (values, usual) = (&self.windows[place], self.usual(place));
                let is_touched =
                    |at: usize| self.muted.as_ref().is_some_and(|muted| muted.touches(at, LENGTHS[place]));
                let mut counted = Values::new();
                for at in calendar.earlier(hour).iter().map(|earlier| earlier.place) {
                    if values[at].is_nan() || is_touched(at) {
                        continue;
                    }
                    if usual[at].is_nan() {
                        window.excluded += 1;
                    } else {
                        counted.push(values[at]);
                    }
                }
                window.classical = Baseline::of_slice(&counted);
            }
        }
    }
}

/// Leaves out windows that begin before the series is known, after so many hours. A level would have a value of the rest.
fn keep_whole(windows: &mut ByLength<Vec<f64>>, unknown: usize) {
    for (values, length) in windows.iter_mut().zip(LENGTHS).filter(|_| unknown > 0) {
        let partial = values.len().min(unknown.saturating_add(length - 1));
        values[..partial].fill(f64::NAN);
    }
}

impl WindowModel {
    /// Without a gate and without the classical figures.
    fn of(cell: Cell, spread: f64, freedom: f64) -> Self {
        let Cell { expected, samples, .. } = cell;
        Self { expected, spread, samples, freedom, gate: None, classical: None, excluded: 0 }
    }
}

#[cfg(test)]
mod tests;
