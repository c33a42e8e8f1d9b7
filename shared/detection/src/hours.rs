//! The hours of one series, and the windows that end with each of them.
//!
//! An hour has a value or is a gap. An hour without events is zero for counts and sums, and a gap for levels. A broken
//! value is a gap too, and is told: one broken event must not keep a series from being judged for a month.
//!
//! The value of a window is always added up in the same order, so that a window has the same value to the last bit
//! wherever it is computed.

use crate::hour::Hour;
use crate::{Missing, Reason};

/// How the hours of a window make its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// A number of events. Its noise is known: that of a Poisson process.
    Count,
    Sum,
    Max,
    Min,
    Mean,
    /// The value of the newest hour that has one.
    Last,
}

/// The lengths of the windows in hours, shortest first.
pub const LENGTHS: [usize; 4] = [1, 3, 6, 24];

/// A value for each of [`LENGTHS`].
pub type ByLength<T> = [T; 4];

/// The hours of one series in order. There are no hours outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    aggregate: Aggregate,
    never_negative: bool,
    first: Hour,
    /// NaN for gaps.
    values: Vec<f64>,
    known_since: Option<Hour>,
    broken: Vec<(Hour, Reason)>,
    /// By place, or empty if nothing is muted.
    muted: Vec<bool>,
    /// By place, or empty: hours that no usual value is made of.
    out: Vec<bool>,
}

/// The newest day of a series: the hours that windows of a run are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recent {
    pub(crate) aggregate: Aggregate,
    pub(crate) never_negative: bool,
    pub(crate) newest: Hour,
    /// Oldest first, NaN for gaps.
    pub(crate) values: [f64; 24],
    /// Hours whose own value does not count, because people muted them.
    pub(crate) muted: [bool; 24],
    /// Why the newest of the broken hours has no value.
    pub(crate) fault: Option<Reason>,
}

impl Aggregate {
    /// The meaning of an hour without events.
    pub fn missing(self) -> Missing {
        match self {
            Self::Count | Self::Sum => Missing::Zero,
            Self::Max | Self::Min | Self::Mean | Self::Last => Missing::Gap,
        }
    }

    /// The value of an hour that is to count as nothing in a window. `None` if the window is better without it.
    pub(crate) fn nothing(self) -> Option<f64> {
        self.missing().value(None)
    }
}

impl Hours {
    /// * `first`: the hour of the first value.
    /// * `values`: hour by hour, oldest first, `None` for an hour without events.
    /// * `never_negative`: whether a negative value can only be broken data, as for counts.
    ///
    /// The series is known from its first hour with events on.
    pub fn new(aggregate: Aggregate, never_negative: bool, first: Hour, values: &[Option<f64>]) -> Self {
        let mut broken = Vec::new();
        let known_since = values.iter().position(Option::is_some).map(|place| first.plus(place as i64));
        let value = |(place, value): (usize, &Option<f64>)| match aggregate.missing().value(*value) {
            None => f64::NAN,
            Some(value) => match Reason::of_broken(value, never_negative) {
                None => value,
                Some(reason) => {
                    broken.push((first.plus(place as i64), reason));
                    f64::NAN
                }
            },
        };
        let values = values.iter().enumerate().map(value).collect();
        Self {
            aggregate,
            never_negative,
            first,
            values,
            known_since,
            broken,
            muted: Vec::new(),
            out: Vec::new(),
        }
    }

    /// The same for a series that is known from another hour on. Its hours without events count as zeros from then on,
    /// if it is a count or a sum.
    #[must_use]
    pub fn known_since(self, hour: Hour) -> Self {
        Self { known_since: Some(hour), ..self }
    }

    /// The same without some hours: those of incidents. No usual value is made of a window that holds one of them. A
    /// model knows of them only how far such a series may rise.
    #[must_use]
    pub fn without(self, is_out: impl Fn(Hour) -> bool) -> Self {
        let out = (0..self.values.len()).map(|place| is_out(self.first.plus(place as i64))).collect();
        Self { out, ..self }
    }

    /// The same with muted hours. Their values do not count, and windows get their usual values instead. So a planned
    /// event of an hour hides nothing of the rest of the day.
    #[must_use]
    pub fn muted(self, is_muted: impl Fn(Hour) -> bool) -> Self {
        let muted = (0..self.values.len()).map(|place| is_muted(self.first.plus(place as i64))).collect();
        Self { muted, ..self }
    }

    /// The same with muted hours that are marked, from the hour `first` on.
    #[must_use]
    pub fn muted_at(self, first: Hour, muted: &[bool]) -> Self {
        let place = |hour: Hour| usize::try_from(hour.since(first)).ok();
        self.muted(|hour| place(hour).and_then(|place| muted.get(place)).is_some_and(|muted| *muted))
    }

    pub fn aggregate(&self) -> Aggregate {
        self.aggregate
    }

    /// The hours with broken values, oldest first.
    pub fn broken(&self) -> &[(Hour, Reason)] {
        &self.broken
    }

    /// The first hour of which something is known. `None` for a series without any event.
    pub fn first_known(&self) -> Option<Hour> {
        self.known_since
    }

    pub(crate) fn never_negative(&self) -> bool {
        self.never_negative
    }

    /// The day that ends with the hour `newest`.
    pub fn recent(&self, newest: Hour) -> Recent {
        let mut values = [f64::NAN; 24];
        self.copy(newest.plus(-23), &mut values);
        let is_of_day = |hour: Hour| (0..24).contains(&newest.since(hour));
        let mut broken = self.broken.iter().rev();
        let fault = broken.find(|(hour, _)| is_of_day(*hour)).map(|(_, reason)| *reason);
        let (aggregate, never_negative) = (self.aggregate, self.never_negative);
        let muted = std::array::from_fn(|place| self.is_muted(newest.plus(place as i64 - 23)));
        Recent { aggregate, never_negative, newest, values, muted, fault }
    }

    /// The value of the 24 hours that end with the hour `newest`. `None` if it is not known.
    pub fn day_until(&self, newest: Hour) -> Option<f64> {
        self.recent(newest).windows().last().copied().filter(|value| !value.is_nan())
    }

    /// Whether an hour is taken out.
    pub(crate) fn is_out(&self, hour: Hour) -> bool {
        let place = usize::try_from(hour.since(self.first)).ok();
        place.and_then(|place| self.out.get(place)).is_some_and(|out| *out)
    }

    pub(crate) fn has_out(&self) -> bool {
        self.out.contains(&true)
    }

    pub(crate) fn has_muted(&self) -> bool {
        self.muted.contains(&true)
    }

    pub(crate) fn is_muted(&self, hour: Hour) -> bool {
        let place = usize::try_from(hour.since(self.first)).ok();
        place.and_then(|place| self.muted.get(place)).is_some_and(|muted| *muted)
    }

    /// Copies the hours from `from` on. Hours that are not known become gaps.
    pub(crate) fn copy(&self, from: Hour, into: &mut [f64]) {
        let Some(known_since) = self.known_since else { return into.fill(f64::NAN) };
        let begin = from.since(self.first);
        let unknown = known_since.since(from);
        for (place, value) in into.iter_mut().enumerate() {
            let place = place as i64;
            let at = usize::try_from(begin.saturating_add(place)).unwrap_or(usize::MAX);
            let known = self.values.get(at).filter(|_| place >= unknown);
            *value = known.copied().unwrap_or(f64::NAN);
        }
    }
}

impl Recent {
    /// The value of each hour, oldest first.
    pub(crate) fn known_values(&self) -> [Option<f64>; 24] {
        self.values.map(|value| Some(value).filter(|value| !value.is_nan()))
    }

    /// The same while a planned event goes on: if the newest hour is muted, the hours of that event keep their values, so
    /// that its anomaly shows. Who judges does not tell people about it.
    #[must_use]
    pub fn with_present_event(mut self) -> Self {
        self.muted.iter_mut().rev().take_while(|muted| **muted).for_each(|muted| *muted = false);
        self
    }

    /// The hours whose own value does not count.
    pub fn muted_hours(&self) -> impl Iterator<Item = Hour> + '_ {
        let muted = self.muted.iter().enumerate().filter(|(_, muted)| **muted);
        muted.map(|(place, _)| self.newest.plus(place as i64 - 23))
    }

    /// The same with the usual values of its muted hours in their place. Where nothing is known of an hour, it counts as
    /// nothing.
    #[must_use]
    pub fn with_usual(mut self, usual: impl Fn(Hour) -> Option<f64>) -> Self {
        for place in 0..24 {
            if self.muted[place] {
                let usual = usual(self.newest.plus(place as i64 - 23)).or(self.aggregate.nothing());
                self.values[place] = usual.unwrap_or(f64::NAN);
            }
        }
        self
    }

    /// The value of the hours of the day that are known. Zero if none is.
    pub(crate) fn of_known_hours(&self) -> f64 {
        let mut known = self.values.iter().copied().filter(|value| !value.is_nan());
        match self.aggregate {
            Aggregate::Count | Aggregate::Sum => known.sum(),
            Aggregate::Max => known.reduce(f64::max).unwrap_or(0.0),
            Aggregate::Min => known.reduce(f64::min).unwrap_or(0.0),
            Aggregate::Mean => known.clone().sum::<f64>() / known.count().max(1) as f64,
            Aggregate::Last => known.next_back().unwrap_or(0.0),
        }
    }

    /// The values of the windows that end with the newest hour. NaN for a window without a value.
    pub(crate) fn windows(&self) -> ByLength<f64> {
        let mut windows = [[0.0; 24]; 4];
        fill_windows(self.aggregate, &self.values, &mut windows.each_mut().map(|values| &mut values[..]));
        let mut values = windows.map(|values| values[23]);
        if self.muted.contains(&true) {
            for (value, length) in values.iter_mut().zip(LENGTHS) {
                if is_mostly_muted(&self.muted[24 - length..]) {
                    *value = f64::NAN;
                }
            }
        }
        values
    }
}

/// Whether more than half of a window's hours are muted. Such a window has no value.
pub(crate) fn is_mostly_muted(window: &[bool]) -> bool {
    2 * window.iter().filter(|muted| **muted).count() > window.len()
}

/// The values of the windows that end with each hour, by length. NaN for a window without a value: one that begins
/// before the first hour, a sum with a gap, or a level without any value.
pub(crate) fn windows(aggregate: Aggregate, hours: &[f64]) -> ByLength<Vec<f64>> {
    let mut windows = LENGTHS.map(|_| vec![0.0; hours.len()]);
    fill_windows(aggregate, hours, &mut windows.each_mut().map(|values| &mut values[..]));
    windows
}

fn fill_windows(aggregate: Aggregate, hours: &[f64], windows: &mut ByLength<&mut [f64]>) {
    match aggregate {
        Aggregate::Count | Aggregate::Sum => combine(hours, windows, |a, b| a + b),
        Aggregate::Max => combine(hours, windows, f64::max),
        Aggregate::Min => combine(hours, windows, f64::min),
        Aggregate::Mean => fill_means(hours, windows),
        Aggregate::Last => combine(hours, windows, |a, b| if b.is_nan() { a } else { b }),
    }
}

/// Each length is made of windows of the next shorter one, always in the same order: 3 of three hours, 6 of two times
/// three, 24 of four times six.
fn combine(hours: &[f64], windows: &mut ByLength<&mut [f64]>, add: impl Fn(f64, f64) -> f64) {
    let [one, three, six, day] = windows;
    for (length, values) in LENGTHS.iter().zip([&mut *one, three, six, day]) {
        let before = values.len().min(length - 1);
        values[..before].fill(f64::NAN);
    }
    one.copy_from_slice(hours);
    for (end, three) in three.iter_mut().enumerate().skip(2) {
        *three = add(add(one[end - 2], one[end - 1]), one[end]);
    }
    for (end, six) in six.iter_mut().enumerate().skip(5) {
        *six = add(three[end - 3], three[end]);
    }
    for (end, day) in day.iter_mut().enumerate().skip(23) {
        *day = add(add(six[end - 18], six[end - 12]), add(six[end - 6], six[end]));
    }
}

/// Means of the hours with a value.
fn fill_means(hours: &[f64], windows: &mut ByLength<&mut [f64]>) {
    let present: Vec<f64> = hours.iter().map(|value| f64::from(u8::from(!value.is_nan()))).collect();
    let filled: Vec<f64> = hours.iter().map(|value| if value.is_nan() { 0.0 } else { *value }).collect();
    let mut counts = LENGTHS.map(|_| vec![0.0; hours.len()]);
    combine(&present, &mut counts.each_mut().map(|values| &mut values[..]), |a, b| a + b);
    combine(&filled, windows, |a, b| a + b);
    for (sums, counts) in windows.iter_mut().zip(counts) {
        // Nothing over nothing is NaN.
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum /= count);
    }
}

#[cfg(test)]
mod tests;
