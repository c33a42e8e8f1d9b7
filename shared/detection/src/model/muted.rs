//! Muted hours of the past: people said that their values are not usual.
//!
//! An hour gets the median of the same local hours that are not muted. So its windows lose it on both sides of a
//! comparison, and keep their other hours. One value of any size moves no median. An hour that is always muted is nothing.

use crate::calendar::{Calendar, Local};
use crate::hours::{ByLength, Hours, LENGTHS, is_mostly_muted};
use crate::sorted::median;

/// The muted hours of a span by place.
pub(super) struct Muted(Vec<bool>);

impl Muted {
    /// Replaces the values of the muted hours.
    pub(super) fn fill(hours: &Hours, calendar: &Calendar, span: &mut [f64]) -> Self {
        let begin = calendar.begin();
        let muted: Vec<bool> =
            (0..span.len()).map(|place| hours.is_muted(begin.plus(place as i64))).collect();
        for (value, muted) in span.iter_mut().zip(&muted) {
            if *muted {
                *value = f64::NAN;
            }
        }
        let usual = Usual::of(span, calendar.span());
        for ((value, muted), own) in span.iter_mut().zip(&muted).zip(calendar.span()) {
            if *muted {
                *value = usual.at(*own).or(hours.aggregate().nothing()).unwrap_or(f64::NAN);
            }
        }
        Self(muted)
    }

    /// Takes the values from windows whose hours are mostly muted.
    pub(super) fn take_out(&self, windows: &mut ByLength<Vec<f64>>) {
        for (values, length) in windows.iter_mut().zip(LENGTHS) {
            for (place, hours) in self.0.windows(length).enumerate() {
                if is_mostly_muted(hours) {
                    values[place + length - 1] = f64::NAN;
                }
            }
        }
    }

    /// Whether the window of a length that ends at a place holds a muted hour.
    pub(super) fn touches(&self, place: usize, length: usize) -> bool {
        self.0[(place + 1).saturating_sub(length)..=place].contains(&true)
    }
}

/// The medians of the local hours of the day.
struct Usual {
    all_days: [Option<f64>; Calendar::HOURS],
    /// Of weekdays, and of weekends.
    by_class: [[Option<f64>; Calendar::HOURS]; 2],
}

impl Usual {
    /// * `span`: values by place, NaN for gaps.
    fn of(span: &[f64], local: &[Local]) -> Self {
        let mut values = [const { [const { Vec::new() }; Calendar::HOURS] }; 2];
        for (value, local) in span.iter().zip(local).filter(|(value, _)| !value.is_nan()) {
            let of_class: &mut [Vec<f64>; Calendar::HOURS] = &mut values[usize::from(local.is_weekend())];
            of_class[usize::from(local.hour) % Calendar::HOURS].push(*value);
        }
        let all_days = std::array::from_fn(|hour| {
            median_of_any([values[0][hour].as_slice(), &values[1][hour]].concat())
        });
        Self { all_days, by_class: values.map(|of_class| of_class.map(median_of_any)) }
    }

    /// The median of days of the same class, or of all days.
    fn at(&self, local: Local) -> Option<f64> {
        let hour = usize::from(local.hour) % Calendar::HOURS;
        self.by_class[usize::from(local.is_weekend())][hour].or(self.all_days[hour])
    }
}

fn median_of_any(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    median(&values)
}
