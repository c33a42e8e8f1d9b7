use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::hours::Aggregate;
use crate::noise::{Noise, weeks};

fn opinion(hours: &[f64]) -> Option<SecondOpinion> {
    judge_values(hours, &Parameters::default())
}

/// A customer with days and weeks, and its day and night changed in the last 24 hours.
fn night_shift(noise: Noise, level: f64, swing: f64, seed: u64) -> Vec<f64> {
    let mut hours = noise.around(weeks(level, swing, 29), seed);
    let today = hours.len() - 24;
    hours[today..].rotate_left(12);
    hours
}

#[test]
fn scipy_comes_to_the_same_figures() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        hours: Vec<f64>,
        cosine: f64,
        usual: f64,
        score: f64,
        low: f64,
    }
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    for Vector { name, hours, cosine, usual, score, low } in &vectors {
        let found = opinion(hours).unwrap();
        let Detail::Shape { cosine: found_cosine, usual: found_usual } = found.opinion.detail else {
            panic!("{name}")
        };
        assert!((found_cosine - cosine).abs() < 1e-12, "{name}: {found_cosine} {cosine}");
        assert!((found_usual - usual).abs() < 1e-12, "{name}: {found_usual} {usual}");
        assert!(
            (found.opinion.expected.low - low).abs() < 0.01,
            "{name}: {} {low}",
            found.opinion.expected.low
        );
        // The normal score of Student's distribution is an approximation, best where scores are usual.
        let tolerance = 0.01 * score.abs();
        assert!((found.opinion.score - score).abs() < tolerance, "{name}: {} {score}", found.opinion.score);
    }
    assert_eq!(vectors.len(), 8);
}

#[test]
fn a_night_shift_of_equal_volume_is_flagged() {
    for noise in Noise::ALL {
        let flagged = (0..50).filter(|seed| opinion(&night_shift(noise, 50.0, 0.7, *seed)).unwrap().flags);
        assert_eq!(flagged.count(), 50, "{noise:?}");
    }
}

/// A score of -3 has a probability of 0.135 % in normal noise. At most twice as many flags are allowed.
#[test]
fn noise_is_flagged_at_most_twice_as_often_as_stated() {
    const SERIES: u64 = 300;
    let mut all = (0, 0);
    for noise in Noise::ALL {
        for (level, swing) in [(5.0, 0.0), (50.0, 0.0), (5.0, 0.3), (50.0, 0.3), (50.0, 0.7), (500.0, 0.7)] {
            for seed in 0..SERIES {
                // Today is another weekday each time.
                let skipped = 24 * (seed as usize % 7);
                let hours = noise.around(weeks(level, swing, 36).skip(skipped).take(24 * 29), seed);
                all.0 += 1;
                all.1 += u32::from(opinion(&hours).is_some_and(|opinion| opinion.flags));
            }
        }
    }
    let share = f64::from(all.1) / f64::from(all.0);
    println!("{} of {} flagged", all.1, all.0);
    assert!(share <= 2.0 * 0.001_35, "{share}");
}

#[test]
fn a_series_without_a_shape_has_no_opinion() {
    assert_eq!(opinion(&[]), None);
    assert_eq!(opinion(&[7.0; 24 * 29]), None, "constant");
    assert_eq!(opinion(&[0.0; 24 * 29]), None, "idle");
    let short: Vec<f64> = weeks(50.0, 0.7, 21).collect();
    assert_eq!(opinion(&short), None, "two earlier weeks are not three");
}

#[test]
fn a_regular_series_that_keeps_its_shape_is_usual() {
    let hours: Vec<f64> = weeks(50.0, 0.7, 29).collect();
    let found = opinion(&hours).unwrap();
    assert!(!found.flags && found.opinion.score.abs() < 1e-9, "{found:?}");
    let Detail::Shape { cosine, .. } = found.opinion.detail else { panic!("{found:?}") };
    assert!((cosine - 1.0).abs() < 1e-12);
}

#[test]
fn today_is_no_part_of_the_usual_shape() {
    let mut hours: Vec<f64> = weeks(50.0, 0.7, 29).collect();
    let today = hours.len() - 24;
    hours[today..].rotate_left(12);
    let found = opinion(&hours).unwrap();
    let Detail::Shape { cosine, usual } = found.opinion.detail else { panic!("{found:?}") };
    // Half of a turn of a wave is its opposite.
    assert!(found.flags && (cosine + 1.0).abs() < 1e-12 && usual > 0.999, "{found:?}");
}

#[test]
fn the_day_ends_with_the_hour_that_is_asked_for() {
    let first = Hour::holding("2026-10-26T00:00:00Z".parse().unwrap());
    let values: Vec<_> = night_shift(Noise::Poisson, 50.0, 0.7, 1).into_iter().map(Some).collect();
    let hours = Hours::new(Aggregate::Count, true, first, &values);
    let newest = first.plus(values.len() as i64 - 1);
    let found = judge(&hours, newest, &Parameters::default());
    assert!(found.is_some_and(|found| found.flags));
    // The day before the shift has three earlier weeks, and nothing odd.
    let found = judge(&hours, newest.plus(-24), &Parameters::default());
    assert!(found.is_some_and(|found| !found.flags));
    assert_eq!(judge(&hours, newest.plus(24 * 7), &Parameters::default()), None);
}

#[test]
fn gaps_are_left_out_up_to_a_quarter_of_the_day() {
    let mut hours = night_shift(Noise::Poisson, 50.0, 0.7, 1);
    let end = hours.len();
    hours[end - 6..].fill(f64::NAN);
    assert!(opinion(&hours).unwrap().flags);
    hours[end - 7] = f64::INFINITY;
    assert_eq!(opinion(&hours), None);
}

#[test]
fn limits_are_checked() {
    for (cosine, spreads) in
        [(1.1, 3.0), (-1.1, 3.0), (f64::NAN, 3.0), (0.9, 0.0), (0.9, 101.0), (0.9, f64::NAN)]
    {
        assert!(Parameters::new(cosine, spreads).is_err(), "{cosine} {spreads}");
    }
    assert_eq!(Parameters::new(0.9, 3.0), Ok(Parameters::default()));
}

/// Any double, the broken ones included.
fn any_hours() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        6 => 0.0..1e4,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, 1e100, -1e100, 1e-310, f64::NAN, f64::INFINITY]),
    ];
    prop::collection::vec(value, 0..900)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_input_gives_finite_numbers(hours in any_hours()) {
        if let Some(opinion) = opinion(&hours) {
            let SecondOpinion { opinion, flags } = opinion;
            prop_assert!(opinion.is_finite() && opinion.score.abs() <= Opinion::CAP);
            let Detail::Shape { cosine, usual } = opinion.detail else { panic!("{opinion:?}") };
            prop_assert!(cosine.abs() <= 1.0 && usual.abs() <= 1.0);
            prop_assert!(!flags || cosine <= opinion.expected.low + 1e-9);
        }
    }

    #[test]
    fn a_level_and_a_scale_change_nothing(seed in 0..1_000_u64, scale in 0.01..1e6, level in -1e4..1e4) {
        let hours = Noise::Poisson.around(weeks(50.0, 0.7, 29), seed);
        let other: Vec<f64> = hours.iter().map(|value| scale * (value + level)).collect();
        let (one, other) = (opinion(&hours).unwrap(), opinion(&other).unwrap());
        prop_assert!((one.opinion.score - other.opinion.score).abs() < 1e-6, "{one:?} {other:?}");
        prop_assert_eq!(one.flags, other.flags);
    }

    #[test]
    fn the_order_of_earlier_weeks_changes_nothing_of_today(seed in 0..1_000_u64) {
        let hours = Noise::Poisson.around(weeks(50.0, 0.7, 29), seed);
        let mut other = hours.clone();
        // The days before today are four whole weeks.
        other[..24 * 28].rotate_left(24 * 7);
        prop_assert_eq!(opinion(&hours), opinion(&other));
    }

    #[test]
    fn the_volume_of_today_changes_nothing(seed in 0..1_000_u64, factor in 0.1..10.0) {
        let hours = Noise::Poisson.around(weeks(50.0, 0.7, 29), seed);
        let mut other = hours.clone();
        other[24 * 28..].iter_mut().for_each(|value| *value *= factor);
        let (one, other) = (opinion(&hours).unwrap(), opinion(&other).unwrap());
        prop_assert!((one.opinion.score - other.opinion.score).abs() < 1e-6, "{one:?} {other:?}");
    }
}
