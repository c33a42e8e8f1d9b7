//! The daily period of a level: what is usual at a time of the day, by the hours of the days before.

use jiff::{SignedDuration, Timestamp};

use crate::hour::Hour;
use crate::sorted::median;

const DAY: usize = 24;

/// Days that must be known of an hour of the day.
pub const LEAST_DAYS: usize = 3;

/// Days that are looked at.
pub const DAYS: usize = 30;

/// What is usual at each of so many times, oldest first, or nothing if less than three days are known of an hour of the day.
///
/// The usual value of an hour of the day is the median of the means of this hour on the days before. Between the middles of two
/// hours it lies on a straight line.
///
/// * `hours`: means by hour, oldest first, NaN for gaps. The last one is the hour before `first_sample`.
/// * `step`: from one sample to the next.
pub fn daily(hours: &[f64], first_sample: Timestamp, step: SignedDuration, samples: usize) -> Vec<f64> {
    let begin = Hour::holding(first_sample);
    let Some(usual) = usual(hours) else { return Vec::new() };
    // `usual` begins with the hour of the first sample.
    let into_day = first_sample.duration_since(begin.start()).as_secs_f64() / 3_600.0;
    let of_step = step.as_secs_f64() / 3_600.0;
    let at = |place: usize| {
        let hour = (into_day + place as f64 * of_step - 0.5).rem_euclid(DAY as f64);
        let (before, share) = (hour as usize % DAY, hour.fract());
        usual[before] * (1.0 - share) + usual[(before + 1) % DAY] * share
    };
    (0..samples).map(at).collect()
}

/// By hour of the day, from the hour after the last one on.
fn usual(hours: &[f64]) -> Option<[f64; DAY]> {
    let mut usual = [0.0; DAY];
    for (place, usual) in usual.iter_mut().enumerate() {
        // The same hour a day ago is 24 less `place` from the end.
        let ages = (1..=DAYS).map(|day| DAY * day - place);
        let of_days = ages.filter_map(|age| hours.get(hours.len().checked_sub(age)?).copied());
        let mut known: Vec<f64> = of_days.filter(|value| value.is_finite()).collect();
        if known.len() < LEAST_DAYS {
            return None;
        }
        known.sort_unstable_by(f64::total_cmp);
        *usual = median(&known)?;
    }
    Some(usual)
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
        assert!(daily(&gaps, MIDNIGHT, MINUTE, 10).is_empty());
    }
}
