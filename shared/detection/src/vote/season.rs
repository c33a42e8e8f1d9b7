//! The daily period of a level: what is usual at a time of the day, by the hours of the days before.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::hour::Hour;
use crate::sorted::median;

const DAY: usize = 24;

/// The mean of an hour is that of its middle, this share of an hour after its beginning.
const BEFORE_MIDDLE: f64 = 0.5;

/// Days that must be known of an hour of the day.
pub const LEAST_DAYS: usize = 3;

/// Days that are looked at.
pub const DAYS: usize = 30;

/// What is usual at each of so many times, oldest first, or nothing if less than three days are known of an hour of the day that
/// is looked at.
///
/// The usual value of an hour of the day is the median of the means of this hour on the days before. Between the middles of two
/// hours it lies on a straight line.
///
/// * `hours`: means by hour, oldest first, NaN for gaps. The last one is the hour before `first_sample`. Those of other hours of the
///   day than [`hours_of_day`] are not looked at.
/// * `step`: from one sample to the next.
pub fn daily(hours: &[f64], first_sample: Timestamp, step: SignedDuration, samples: usize) -> Vec<f64> {
    // It begins with the hour of the first sample.
    let usual: [Option<f64>; DAY] = std::array::from_fn(|place| of_hour(hours, place));
    let into_day = first_sample.duration_since(Hour::holding(first_sample).start()).as_secs_f64() / 3_600.0;
    let of_step = step.as_secs_f64() / 3_600.0;
    let at = |place: usize| {
        let hour = (into_day + place as f64 * of_step - BEFORE_MIDDLE).rem_euclid(DAY as f64);
        let (before, share) = (hour as usize % DAY, hour.fract());
        Some(usual[before]? * (1.0 - share) + usual[(before + 1) % DAY]? * share)
    };
    (0..samples).map(at).collect::<Option<_>>().unwrap_or_default()
}

/// The hours of the day, in UTC, that [`daily`] looks at on the days before.
pub fn hours_of_day(first_sample: Timestamp, step: SignedDuration, samples: usize) -> BTreeSet<u8> {
    let into_day = (first_sample.as_second().rem_euclid(86_400)) as f64 / 3_600.0 - BEFORE_MIDDLE;
    let last = into_day + step.as_secs_f64() / 3_600.0 * samples.saturating_sub(1) as f64;
    // The hour after the last sample is looked at, too.
    let count = (last.floor() - into_day.floor()) as usize + 2;
    let first = into_day.rem_euclid(DAY as f64) as usize;
    (0..count.min(DAY)).map(|place| ((first + place) % DAY) as u8).collect()
}

/// The median of an hour on the days before, with so many hours after the last one. `None` with less than three days.
fn of_hour(hours: &[f64], place: usize) -> Option<f64> {
    // The same hour a day ago is 24 less `place` from the end.
    let ages = (1..=DAYS).map(|day| DAY * day - place);
    let of_days = ages.filter_map(|age| hours.get(hours.len().checked_sub(age)?).copied());
    let mut known: Vec<f64> = of_days.filter(|value| value.is_finite()).collect();
    if known.len() < LEAST_DAYS {
        return None;
    }
    known.sort_unstable_by(f64::total_cmp);
    median(&known)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days whose hours are their number, but for one odd day.
    fn hours(days: usize) -> Vec<f64> {
        (0..days * DAY).map(|hour| if hour / DAY == 1 { 900.0 } else { (hour % DAY) as f64 }).collect()
    }

    const MIDNIGHT: Timestamp = Timestamp::constant(1_795_478_400, 0);
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);

    #[test]
    fn the_median_of_the_days_between_the_middles_of_hours() {
        let usual = daily(&hours(4), MIDNIGHT, MINUTE, 300);
        assert_eq!(usual.len(), 300);
        let at = |minute: usize| usual[minute];
        assert!((at(30) - 0.0).abs() < 1e-9 && (at(90) - 1.0).abs() < 1e-9, "{} {}", at(30), at(90));
        assert!((at(60) - 0.5).abs() < 1e-9 && (at(210) - 3.0).abs() < 1e-9, "{} {}", at(60), at(210));
        // Before the middle of the first hour lies the last one of the day.
        assert!((at(0) - 11.5).abs() < 1e-9, "{}", at(0));
    }

    #[test]
    fn the_hours_end_where_the_samples_begin() {
        // The newest hour is that from 5 to 6.
        let until_six = &hours(5)[..4 * DAY + 6];
        let six = MIDNIGHT + SignedDuration::from_mins(6 * 60 + 15);
        let usual = daily(until_six, six, SignedDuration::from_mins(15), 3);
        assert!((usual[1] - 6.0).abs() < 1e-9 && (usual[2] - 6.25).abs() < 1e-9, "{usual:?}");
    }

    #[test]
    fn fewer_than_three_days_have_no_season() {
        assert!(daily(&hours(2), MIDNIGHT, MINUTE, 10).is_empty());
        let mut gaps = hours(3);
        assert_eq!(daily(&gaps, MIDNIGHT, MINUTE, 10).len(), 10);
        gaps[5] = f64::NAN;
        assert_eq!(daily(&gaps, MIDNIGHT, MINUTE, 10).len(), 10, "no sample is near that hour");
        assert!(daily(&gaps, MIDNIGHT, MINUTE, 271).is_empty());
    }

    #[test]
    fn only_the_hours_around_samples_are_looked_at() {
        let of = |minutes: i64, samples: usize| {
            let first = MIDNIGHT + SignedDuration::from_mins(minutes);
            hours_of_day(first, MINUTE, samples).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(of(0, 1), [0, 23], "before the middle of the first hour");
        assert_eq!(of(30, 1), [0, 1]);
        assert_eq!(of(30, 60), [0, 1]);
        assert_eq!(of(30, 61), [0, 1, 2]);
        assert_eq!(of(20 * 60 + 29, 288), [0, 1, 19, 20, 21, 22, 23]);
        assert_eq!(hours_of_day(MIDNIGHT, SignedDuration::from_mins(5), 288).len(), DAY);
        // With nothing but these hours the season is the same.
        for (minutes, samples) in [(0, 1), (29, 2), (77, 288), (1_400, 200)] {
            let first = MIDNIGHT + SignedDuration::from_mins(minutes);
            let all = &hours(7)[..5 * DAY + minutes as usize / 60];
            let needed = hours_of_day(first, MINUTE, samples);
            let few: Vec<f64> = all
                .iter()
                .enumerate()
                .map(|(hour, value)| if needed.contains(&((hour % DAY) as u8)) { *value } else { f64::NAN })
                .collect();
            let season = daily(&few, first, MINUTE, samples);
            assert_eq!(season.len(), samples);
            assert_eq!(season, daily(all, first, MINUTE, samples));
        }
    }
}
