//! Muted hours of the past: people said that their values are not usual.
//!
//! An hour gets the mean of the same local hours that are not muted. So its windows lose it on both sides of a
//! comparison, and keep their other hours. An hour that is always muted is nothing.

use crate::calendar::{Calendar, Local};
use crate::hours::{ByLength, Hours, LENGTHS, is_mostly_muted};

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
        let local = calendar.span();
        let usual = |own: Local| {
            let same_class = |other: Local| other.is_weekend() == own.is_weekend();
            mean(span, local, |other| other.hour == own.hour && same_class(other))
                .or_else(|| mean(span, local, |other| other.hour == own.hour))
                .or(hours.aggregate().nothing())
        };
        let filled: Vec<Option<f64>> =
            local.iter().zip(&muted).map(|(own, muted)| muted.then(|| usual(*own)).flatten()).collect();
        for (value, filled) in span.iter_mut().zip(filled) {
            *value = filled.unwrap_or(*value);
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

/// The mean of the hours with a value whose local time fits.
fn mean(span: &[f64], local: &[Local], fits: impl Fn(Local) -> bool) -> Option<f64> {
    let fitting = span.iter().zip(local).filter(|(value, local)| !value.is_nan() && fits(**local));
    let (count, sum) = fitting.fold((0.0, 0.0), |(count, sum), (value, _)| (count + 1.0, sum + value));
    (count > 0.0).then(|| sum / count)
}
