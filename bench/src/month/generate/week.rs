//! Profiles of a week.

/// Hours of a week.
const HOURS: usize = 7 * 24;

/// How usual hours of a week differ, with the mean 1. Hour 0 is Monday 00:00 UTC.
#[derive(Clone, Debug)]
pub(crate) struct Week(Vec<f64>);

impl Week {
    /// From weights by day, Monday is 0, and hour.
    pub(crate) fn of(weight: impl Fn(usize, usize) -> f64) -> Self {
        let weights: Vec<f64> = (0..HOURS).map(|hour| weight(hour / 24, hour % 24)).collect();
        let mean = weights.iter().sum::<f64>() / HOURS as f64;
        Self(weights.into_iter().map(|weight| weight / mean).collect())
    }

    pub(crate) fn at(&self, hour: usize) -> f64 {
        self.0[hour % HOURS]
    }

    /// The busiest hour's share.
    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }

    /// The same in a time zone that is so many hours behind UTC.
    pub(crate) fn later(self, hours: usize) -> Self {
        let mut shares = self.0;
        shares.rotate_right(hours % HOURS);
        Self(shares)
    }
}

/// Busy by day and quiet at night: 1 at the peak, which is at 14:00, down to `night`.
pub(crate) fn awake(hour: usize, night: f64) -> f64 {
    let angle = std::f64::consts::TAU * (hour as f64 - 14.0) / 24.0;
    night + (1.0 - night) * (1.0 + angle.cos()) / 2.0
}

pub(crate) fn is_weekend(day: usize) -> bool {
    day % 7 >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_has_the_mean_one_and_can_be_moved() {
        let week = Week::of(|day, hour| if is_weekend(day) { 0.0 } else { awake(hour, 0.2) });
        let mean = (0..HOURS).map(|hour| week.at(hour)).sum::<f64>() / HOURS as f64;
        assert!((mean - 1.0).abs() < 1e-12);
        assert_eq!((week.at(5 * 24 + 12), week.at(HOURS + 14)), (0.0, week.most()));
        assert!((week.at(2) / week.at(14) - 0.2).abs() < 1e-12);
        let later = week.clone().later(5);
        assert_eq!((later.at(19), later.at(0)), (week.at(14), week.at(HOURS - 5)));
    }
}
