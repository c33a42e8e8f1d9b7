//! The hours of all metrics of an entity together, for the isolation forest.
//!
//! An hour of a series is told by how it compares with the usual one: the median of the same hour of the other weeks. This
//! median needs no calendar, because weeks keep their hours in every time zone. Today's value is no part of what is usual, and
//! no value is compared with itself. The usual value of a window is made of those of its hours.

use crate::calendar::TimeZone;
use crate::detectors::isolation_forest::{self, Parameters};
use crate::features::{Features, SeriesFeatures};
use crate::hour::Hour;
use crate::hours::{ByLength, Hours, windows};
use crate::opinion::SecondOpinion;
use crate::sorted::median;

const WEEK: usize = 168;
const DAY: usize = 24;

/// Earlier hours that the newest one is compared with.
const ROWS: usize = 4 * WEEK;

/// Hours that are read: the windows of the first row begin a day earlier.
const HOURS: usize = ROWS + DAY;

/// Other weeks that a usual value needs: of an earlier hour, and of the newest one.
const LEAST_WEEKS: usize = 2;
const LEAST_WEEKS_OF_NEWEST: usize = 3;

/// Hours of a day that a cosine needs.
const LEAST_HOURS: usize = 18;

/// What an isolation forest says of the newest hour of an entity.
///
/// * `series`: all metrics of the entity, always in the same order.
/// * `id`: of the entity. With `day`, the first hour of its models, it is the seed of the forest.
///
/// `None` if less than a week of hours has a usual value, or no series is known for three weeks.
pub fn isolation(series: &[&Hours], newest: Hour, id: &str, day: Hour) -> Option<SecondOpinion> {
    let seen: Vec<Seen> = series.iter().map(|hours| Seen::new(hours, newest)).collect();
    let at = |place: usize| newest.plus(place as i64 - ROWS as i64);
    let row = |place: usize| {
        let is_known = seen.iter().any(|seen| seen.is_known(place));
        let of_series: Vec<SeriesFeatures> = seen.iter().map(|seen| seen.features(place)).collect();
        let (hour, weekday) = (at(place).of_day(), weekday(at(place)));
        is_known.then(|| Features::new(hour, weekday, &of_series))
    };
    let newest = row(ROWS)?;
    let earlier: Vec<Features> = (0..ROWS).filter_map(row).collect();
    isolation_forest::judge(&earlier, &newest, seed(id, day), &Parameters::default())
}

/// The values of a series beside the usual ones.
struct Seen {
    /// By length and place of the hours read. NaN where nothing is known.
    values: ByLength<Vec<f64>>,
    usual: ByLength<Vec<f64>>,
}

impl Seen {
    fn new(hours: &Hours, newest: Hour) -> Self {
        let mut read = vec![f64::NAN; HOURS];
        hours.copy(newest.plus(1 - HOURS as i64), &mut read);
        let values = windows(hours.aggregate(), &read);
        let usual = windows(hours.aggregate(), &usual(&read));
        Self { values, usual }
    }

    /// Whether an hour has a value and a usual value.
    fn is_known(&self, row: usize) -> bool {
        let place = row + DAY - 1;
        self.values[0][place].is_finite() && self.usual[0][place].is_finite()
    }

    fn features(&self, row: usize) -> SeriesFeatures {
        let place = row + DAY - 1;
        let of = |by_length: &ByLength<Vec<f64>>| by_length.each_ref().map(|values| values[place]);
        SeriesFeatures::new(of(&self.values), of(&self.usual), self.cosine(place))
    }

    /// The cosine of the 24 hours until a place with the usual ones, both less their means. `None` if one of them is constant.
    fn cosine(&self, place: usize) -> Option<f64> {
        let hours = place + 1 - DAY..=place;
        let pairs = || {
            let pairs = self.values[0][hours.clone()].iter().zip(&self.usual[0][hours.clone()]);
            pairs.filter(|(value, usual)| value.is_finite() && usual.is_finite())
        };
        let (count, sums) = pairs().fold((0, [0.0; 2]), |(count, sums), (value, usual)| {
            (count + 1, [sums[0] + value, sums[1] + usual])
        });
        if count < LEAST_HOURS {
            return None;
        }
        let means = sums.map(|sum| sum / count as f64);
        let [product, of_values, of_usual] = pairs().fold([0.0; 3], |sums, (value, usual)| {
            let (a, b) = (value - means[0], usual - means[1]);
            [sums[0] + a * b, sums[1] + a * a, sums[2] + b * b]
        });
        let cosine = product / (of_values.sqrt() * of_usual.sqrt());
        cosine.is_finite().then_some(cosine)
    }
}

/// The usual value of each place: the median of the same hour of the other weeks, but for the newest. NaN where too little is
/// known.
fn usual(values: &[f64]) -> Vec<f64> {
    let newest = values.len().saturating_sub(1);
    let of_place = |place: usize| {
        let (mut others, mut count) = ([0.0; HOURS.div_ceil(WEEK)], 0);
        for other in (place % WEEK..newest).step_by(WEEK).filter(|other| *other != place) {
            if values[other].is_finite() {
                others[count] = values[other];
                count += 1;
            }
        }
        let least = if place == newest { LEAST_WEEKS_OF_NEWEST } else { LEAST_WEEKS };
        if count < least {
            return f64::NAN;
        }
        let others = &mut others[..count];
        // Faster than a general sort of so few values.
        for end in 1..others.len() {
            for place in (0..end).rev() {
                if others[place] > others[place + 1] {
                    others.swap(place, place + 1);
                }
            }
        }
        median(others).unwrap_or(f64::NAN)
    };
    (0..values.len()).map(of_place).collect()
}

/// 0 for Monday to 6 for Sunday, in UTC.
fn weekday(hour: Hour) -> u8 {
    TimeZone::utc().local(hour).weekday()
}

/// The seed of the trees of an entity. The same on any machine: the hash FNV-1a of the id (G. Fowler, L. C. Noll, P. Vo), with the hour after it.
pub fn seed(id: &str, day: Hour) -> u64 {
    fnv(id.bytes().chain(day.since(Hour::default()).to_le_bytes()))
}

fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Aggregate, Detail};

    fn newest() -> Hour {
        Hour::holding("2026-11-24T13:00:00Z".parse().unwrap())
    }

    /// Hours until the newest one, with more by day than by night. `change` gets the hours before the newest.
    fn hours(weeks: usize, level: f64, number: usize, change: impl Fn(usize) -> f64) -> Hours {
        let count = weeks * WEEK;
        let value = |place: usize| {
            let usual = if (8..18).contains(&(place % 24)) { 400.0 } else { 40.0 };
            let noise = 1.0 + 0.1 * ((((place + 3) * (number + 31) * 7919) % 101) as f64 / 50.0 - 1.0);
            Some(level * usual * noise * change(count - 1 - place))
        };
        let values: Vec<_> = (0..count).map(value).collect();
        Hours::new(Aggregate::Sum, true, newest().plus(1 - count as i64), &values)
    }

    fn found(series: &[Hours]) -> Option<(bool, f64)> {
        let series: Vec<&Hours> = series.iter().collect();
        let second = isolation(&series, newest(), "acme", newest().latest_at(5))?;
        let Detail::IsolationForest { isolation } = second.opinion.detail else { panic!("{second:?}") };
        Some((second.flags, isolation))
    }

    fn burst(ago: usize) -> f64 {
        if ago == 0 { 12.0 } else { 1.0 }
    }

    #[test]
    fn a_burst_of_all_metrics_is_isolated_and_a_usual_hour_is_not() {
        let entity = |change: fn(usize) -> f64| [0, 1, 2].map(|number| hours(6, 1.0, number, change));
        let (flags, isolation) = found(&entity(burst)).unwrap();
        assert!(flags, "{isolation}");
        let (flags, isolation) = found(&entity(|_| 1.0)).unwrap();
        assert!(!flags && isolation < 0.55, "{isolation}");
    }

    #[test]
    fn a_metric_that_leaves_the_others_stands_out() {
        // Both go up and down together, from day to day. Now one of them goes up alone.
        let together = |ago: usize| if (ago / 24).is_multiple_of(3) { 3.0 } else { 1.0 };
        let alone = |ago: usize| if ago == 0 { 1.0 } else { together(ago) };
        let both = found(&[hours(6, 1.0, 0, together), hours(6, 1.0, 1, together)]).unwrap().1;
        let one = found(&[hours(6, 1.0, 0, together), hours(6, 1.0, 1, alone)]).unwrap().1;
        assert!(one > both, "{one} and {both}");
    }

    #[test]
    fn the_level_of_a_series_does_not_matter() {
        let of = |level: f64| found(&[hours(6, level, 0, burst), hours(6, 1.0, 1, |_| 1.0)]);
        assert!(of(1.0).is_some());
        assert_eq!(of(1.0), of(1024.0));
    }

    #[test]
    fn too_little_past_gives_no_opinion() {
        assert_eq!(found(&[hours(3, 1.0, 0, burst)]), None);
        assert!(found(&[hours(4, 1.0, 0, burst)]).is_some());
        // One metric is known for longer.
        assert!(found(&[hours(2, 1.0, 0, burst), hours(5, 1.0, 1, burst)]).is_some());
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn the_seed_is_that_of_the_entity_and_the_day() {
        let day = newest().latest_at(5);
        assert_eq!(seed("acme", day), seed("acme", day));
        assert_ne!(seed("acme", day), seed("acme", day.plus(24)));
        assert_ne!(seed("acme", day), seed("acne", day));
        // A published value.
        assert_eq!(fnv(b"foobar".iter().copied()), 0x8594_4171_f739_67e8);
    }

    proptest! {
        #[test]
        fn any_hours_give_a_finite_opinion_or_none(
            values in prop::collection::vec(prop::option::weighted(0.9, any::<f64>()), 0..900),
            aggregate in prop_oneof![Just(Aggregate::Count), Just(Aggregate::Max), Just(Aggregate::Mean)],
        ) {
            let first = newest().plus(1 - values.len() as i64);
            let hours = Hours::new(aggregate, false, first, &values);
            let second = isolation(&[&hours], newest(), "acme", newest());
            prop_assert!(second.is_none_or(|second| second.opinion.is_finite()));
        }
    }
}
