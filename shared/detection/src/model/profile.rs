//! The usual shape of a day of all customers of a metric: what stands for the past of a series in its first days.
//!
//! The shape is that of a whole week, made of the share that each hour of the day has in a customer's week. Every customer
//! counts the same, so that one giant is not the shape of all. Hours are those of UTC, because nobody knows the clocks of
//! most customers.
//!
//! A week serves all models whose day begins in the seven days after the day that follows it. So a profile is a pure function
//! of hours that are over, and events have a day to arrive.

use std::collections::BTreeMap;

use crate::calendar::Calendar;
use crate::hour::Hour;
use crate::hours::Hours;

/// The share of each hour of the day in UTC, with a mean of one. In single precision, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile([f32; Calendar::HOURS]);

/// The week whose hours make the profiles of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerWeek {
    first: Hour,
}

/// The shapes of customers on the way to their profile.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shapes {
    shares: [f64; Calendar::HOURS],
    customers: u32,
}

/// The profiles of all metrics, by week.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peers(BTreeMap<PeerWeek, Vec<Profile>>);

/// Fewer customers have no common shape.
const FEWEST: u32 = 5;

const DAY: usize = Calendar::HOURS;

impl Profile {
    /// How many numbers a profile is stored as.
    pub const NUMBERS: usize = DAY;

    /// No hour is special.
    pub const FLAT: Self = Self([1.0; DAY]);

    /// The profile of amounts by hour of the day. `None` if they have no positive sum, or one of them is negative or no
    /// number.
    pub fn of(amounts: [f64; DAY]) -> Option<Self> {
        let mean = amounts.iter().sum::<f64>() / DAY as f64;
        let is_amount = |amount: &f64| amount.is_finite() && *amount >= 0.0;
        (mean > 0.0 && mean.is_finite() && amounts.iter().all(is_amount))
            .then(|| Self(amounts.map(|amount| (amount / mean) as f32)))
    }

    /// The profile of stored numbers. `None` if they are none.
    pub fn of_numbers(numbers: &[f32]) -> Option<Self> {
        let numbers: [f32; DAY] = numbers.try_into().ok()?;
        let are_sound = numbers.iter().all(|number| (0.0..=DAY as f32 + 1.0).contains(number));
        are_sound.then_some(Self(numbers))
    }

    pub fn to_numbers(self) -> [f32; DAY] {
        self.0
    }

    pub(super) fn at(&self, hour: Hour) -> f64 {
        f64::from(self.0[usize::from(hour.of_day()) % DAY])
    }
}

impl PeerWeek {
    /// Hours of a week.
    pub const HOURS: usize = 7 * DAY;

    /// The week for the model of the 24 hours from `day` on. It ends one to eight days before.
    pub fn of(day: Hour) -> Self {
        let epoch = Hour::default();
        let (day_before, week) = (day.plus(-(DAY as i64)), Self::HOURS as i64);
        Self { first: epoch.plus((day_before.since(epoch).div_euclid(week) - 1).saturating_mul(week)) }
    }

    /// Its first hour.
    pub fn first(self) -> Hour {
        self.first
    }

    /// The first hour after it.
    pub fn end(self) -> Hour {
        self.first.plus(Self::HOURS as i64)
    }
}

impl Shapes {
    /// Adds the series of a customer. A series counts if the first day of the week has a value, so that nobody is a peer who
    /// came within the week.
    pub fn add(&mut self, hours: &Hours, week: PeerWeek) {
        let mut values = [f64::NAN; PeerWeek::HOURS];
        hours.copy(week.first, &mut values);
        if values[..DAY].iter().all(|value| value.is_nan() || *value == 0.0) {
            return;
        }
        let zero = hours.aggregate().nothing();
        let of_hour = |hour: usize| {
            let values = values.iter().skip(hour).step_by(DAY);
            let known = values.filter_map(|value| if value.is_nan() { zero } else { Some(*value) });
            let (count, sum) = known.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
            (count > 0.0).then(|| sum / count)
        };
        let of_hours: [Option<f64>; DAY] = std::array::from_fn(of_hour);
        let known = of_hours.iter().flatten();
        let usual = known.clone().sum::<f64>() / known.count() as f64;
        // Nothing is known of the level at an hour that never has a value.
        let Some(Profile(shares)) = Profile::of(of_hours.map(|value| value.unwrap_or(usual))) else { return };
        self.shares.iter_mut().zip(shares).for_each(|(sum, share)| *sum += f64::from(share));
        self.customers += 1;
    }

    /// Their profile. Flat, if they are too few.
    pub fn profile(&self) -> Profile {
        let profile = Profile::of(self.shares).filter(|_| self.customers >= FEWEST);
        profile.unwrap_or(Profile::FLAT)
    }
}

impl Peers {
    /// Adds a week with the profile of each metric, in the order of the catalog.
    pub fn insert(&mut self, week: PeerWeek, profiles: Vec<Profile>) {
        self.0.insert(week, profiles);
    }

    pub fn knows(&self, week: PeerWeek) -> bool {
        self.0.contains_key(&week)
    }

    /// The profile for the model of the 24 hours from `day` on, of the metric at this place of the catalog. Flat, if it is
    /// not known.
    pub fn of(&self, day: Hour, metric: usize) -> &Profile {
        let of_week = self.0.get(&PeerWeek::of(day));
        of_week.and_then(|profiles| profiles.get(metric)).unwrap_or(&Profile::FLAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aggregate;

    fn hour(at: &str) -> Hour {
        Hour::holding(at.parse().unwrap())
    }

    fn week() -> PeerWeek {
        PeerWeek::of(hour("2026-11-24T05:00:00Z"))
    }

    /// An office in UTC, of so many calls an hour.
    fn office(calls: f64, from: i64) -> Hours {
        let value = |place: usize| Some(if (8..18).contains(&(place % 24)) { 10.0 * calls } else { calls });
        let values: Vec<_> = (0..PeerWeek::HOURS + 48).map(value).collect();
        Hours::new(Aggregate::Sum, true, week().first().plus(from), &values)
    }

    #[test]
    fn a_profile_has_a_mean_of_one() {
        assert_eq!(Profile::of([5.0; 24]), Some(Profile::FLAT));
        for broken in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut amounts = [broken; 24];
            assert_eq!(Profile::of(amounts), None, "{broken}");
            amounts[1..].fill(1.0);
            assert_eq!(Profile::of(amounts).is_some(), broken == 0.0, "{broken}");
        }
    }

    #[test]
    fn a_profile_is_read_back_as_it_was_stored() {
        let mut amounts: [f64; 24] = std::array::from_fn(|hour| 0.1 + hour as f64);
        for _ in 0..2 {
            let profile = Profile::of(amounts).unwrap();
            assert_eq!(Profile::of_numbers(&profile.to_numbers()), Some(profile));
            // All of a day in one hour.
            amounts = [0.0; 24];
            amounts[3] = 1.0;
        }
        for broken in [-1.0, f32::NAN, f32::INFINITY, 30.0] {
            let mut numbers = Profile::FLAT.to_numbers();
            numbers[7] = broken;
            assert_eq!(Profile::of_numbers(&numbers), None, "{broken}");
        }
        assert_eq!(Profile::of_numbers(&[1.0; 23]), None);
    }

    #[test]
    fn a_week_ends_a_day_or_more_before_the_models_that_it_serves() {
        // 1970 began with a Thursday.
        for (day, first) in [
            ("2026-11-20T00:00:00Z", "2026-11-12T00:00:00Z"),
            ("2026-11-26T23:00:00Z", "2026-11-12T00:00:00Z"),
            ("2026-11-27T00:00:00Z", "2026-11-19T00:00:00Z"),
            ("1960-01-01T00:00:00Z", "1959-12-24T00:00:00Z"),
        ] {
            let week = PeerWeek::of(hour(day));
            assert_eq!(week.first(), hour(first), "{day}");
            assert!((24..=8 * 24).contains(&hour(day).since(week.end())), "{day}");
        }
    }

    #[test]
    fn every_customer_counts_the_same() {
        let mut shapes = Shapes::default();
        for calls in [1e-3, 1.0, 1.0, 7.0] {
            shapes.add(&office(calls, 0), week());
        }
        // Too few.
        assert_eq!(shapes.profile(), Profile::FLAT);
        let flat = vec![Some(1e9); PeerWeek::HOURS];
        shapes.add(&Hours::new(Aggregate::Sum, true, week().first(), &flat), week());
        let profile = shapes.profile();
        // Ten hours of 10 and fourteen of 1 are 114. A fifth of all is flat.
        let (day, night) = (0.8 * 240.0 / 114.0 + 0.2, 0.8 * 24.0 / 114.0 + 0.2);
        for hour in 0..24 {
            let expected = if (8..18).contains(&hour) { day } else { night };
            let found = profile.at(week().first().plus(hour));
            assert!((found - expected).abs() < 1e-6, "{hour}: {found} and not {expected}");
        }
    }

    #[test]
    fn who_came_within_the_week_or_has_no_usage_is_no_peer() {
        let mut shapes = Shapes::default();
        for _ in 0..FEWEST {
            shapes.add(&office(1.0, 24), week());
            shapes.add(&office(1.0, 400), week());
            shapes.add(&office(0.0, 0), week());
            shapes.add(&office(-1.0, 0), week());
        }
        assert_eq!((shapes.profile(), shapes.customers), (Profile::FLAT, 0));
        // Usage of the weeks before and after does not matter.
        shapes.add(&office(1.0, -48), week());
        assert_eq!(shapes.customers, 1);
    }

    #[test]
    fn an_hour_in_which_a_level_is_never_known_is_as_usual() {
        let value = |place: usize| match place % 24 {
            3 => None,
            4 => Some(23.0),
            _ => Some(1.0),
        };
        let values: Vec<_> = (0..PeerWeek::HOURS).map(value).collect();
        let (mut levels, mut sums) = (Shapes::default(), Shapes::default());
        for _ in 0..FEWEST {
            levels.add(&Hours::new(Aggregate::Max, true, week().first(), &values), week());
            sums.add(&Hours::new(Aggregate::Sum, true, week().first(), &values), week());
        }
        let never = week().first().plus(3);
        assert!((levels.profile().at(never) - 1.0).abs() < 1e-6);
        assert_eq!(sums.profile().at(never), 0.0);
    }

    #[test]
    fn a_profile_that_is_not_known_is_flat() {
        let mut peers = Peers::default();
        let profile = Profile::of(std::array::from_fn(|hour| hour as f64)).unwrap();
        peers.insert(week(), vec![Profile::FLAT, profile]);
        let day = hour("2026-11-24T05:00:00Z");
        assert_eq!((peers.of(day, 1), peers.of(day, 2)), (&profile, &Profile::FLAT));
        assert_eq!(peers.of(day.plus(7 * 24), 1), &Profile::FLAT);
        assert!(peers.knows(week()) && !peers.knows(PeerWeek::of(day.plus(7 * 24))));
    }
}
