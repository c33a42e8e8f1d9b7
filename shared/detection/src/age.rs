//! The reach of a baseline, and the ages of its windows.

use std::fmt;

/// How many days a baseline reaches back: 1 to 90.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaselineDays(u8);

/// The age of a window: 0 is the current window, 1 the one before it, and so on up to the oldest of the longest
/// baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Age(u8);

/// Ages of windows that a baseline leaves out, as far as enough windows remain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excluded(u128);

impl BaselineDays {
    pub const MIN: u16 = 1;
    pub const MAX: u16 = 90;

    /// `None` outside of [`BaselineDays::MIN`] to [`BaselineDays::MAX`].
    pub fn new(days: u16) -> Option<Self> {
        (Self::MIN..=Self::MAX).contains(&days).then_some(())?;
        u8::try_from(days).ok().map(Self)
    }

    pub fn get(self) -> u16 {
        self.0.into()
    }

    /// The age of the oldest window, for windows that are this many days apart. 0 if no window fits.
    pub(crate) fn oldest(self, stride_days: u8) -> Age {
        Age(self.0.checked_div(stride_days).unwrap_or(0))
    }
}

impl Default for BaselineDays {
    fn default() -> Self {
        Self(30)
    }
}

impl fmt::Display for BaselineDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Age {
    /// The age of the current window.
    pub const CURRENT: Self = Self(0);

    /// The age of the window before it.
    pub const NEWEST: Self = Self(1);

    /// `None` beyond the longest baseline.
    pub fn new(age: usize) -> Option<Self> {
        u8::try_from(age).ok().filter(|age| u16::from(*age) <= BaselineDays::MAX).map(Self)
    }

    /// The place among the values of a series.
    pub fn get(self) -> usize {
        self.0.into()
    }

    /// The earlier windows up to this age, the newest first.
    pub fn earlier_windows(self) -> impl Iterator<Item = Self> {
        (1..=self.0).map(Self)
    }
}

impl Excluded {
    /// The windows from one age to another, both included.
    pub fn between(newest: Age, oldest: Age) -> Self {
        (newest.0..=oldest.0).map(Age).collect()
    }

    pub fn holds(self, age: Age) -> bool {
        self.0 & Self::bit(age) != 0
    }

    /// The ages of both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The newest and the oldest age.
    pub fn ends(self) -> Option<(Age, Age)> {
        let mut ages = (0..=BaselineDays::MAX as u8).map(Age).filter(|age| self.holds(*age));
        let newest = ages.next()?;
        Some((newest, ages.next_back().unwrap_or(newest)))
    }

    /// Every age is smaller than the number of bits.
    fn bit(age: Age) -> u128 {
        1 << age.0
    }
}

impl FromIterator<Age> for Excluded {
    fn from_iter<T: IntoIterator<Item = Age>>(ages: T) -> Self {
        Self(ages.into_iter().fold(0, |bits, age| bits | Self::bit(age)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ages_of_a_baseline_can_be_made() {
        assert_eq!([0, 1, 90].map(|age| Age::new(age).map(Age::get)), [Some(0), Some(1), Some(90)]);
        for age in [91, 127, 128, 255, 256, usize::MAX] {
            assert_eq!(Age::new(age), None, "{age}");
        }
        assert_eq!(
            [0, 1, 90, 91, u16::MAX].map(|days| BaselineDays::new(days).is_some()),
            [false, true, true, false, false]
        );
    }

    #[test]
    fn windows_that_fit_into_the_days() {
        let oldest = |days: u16, stride: u8| BaselineDays::new(days).unwrap().oldest(stride).get();
        assert_eq!(
            (oldest(30, 1), oldest(30, 7), oldest(90, 14), oldest(13, 14), oldest(90, 92)),
            (30, 4, 6, 0, 0)
        );
    }

    #[test]
    fn every_age_can_be_left_out() {
        let ages: Vec<Age> = (0..=90).map(|age| Age::new(age).unwrap()).collect();
        for age in &ages {
            let excluded: Excluded = [*age].into_iter().collect();
            assert_eq!(ages.iter().filter(|other| excluded.holds(**other)).collect::<Vec<_>>(), [age]);
            assert_eq!(excluded.ends(), Some((*age, *age)));
        }
        let some = Excluded::between(ages[3], ages[5]).and(Excluded::between(ages[90], ages[90]));
        assert_eq!(some.ends(), Some((ages[3], ages[90])));
        assert_eq!(Excluded::between(ages[5], ages[3]).ends(), None);
    }
}
