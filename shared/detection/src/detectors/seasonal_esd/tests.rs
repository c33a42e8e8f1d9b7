use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::noise::{Noise, weeks};

fn of_count(hours: &[f64]) -> Option<SecondOpinion> {
    judge_values(hours, Aggregate::Count, true, Transform::Root, &Parameters::default())
}

fn outliers(found: &SecondOpinion) -> u8 {
    let Detail::SeasonalEsd { outliers } = found.opinion.detail else { panic!("{found:?}") };
    outliers
}

#[test]
fn statsmodels_and_a_public_test_come_to_the_same_figures() {
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        hours: Vec<f64>,
        /// The last day less its season.
        #[serde(rename = "less_season")]
        last_day: Vec<f64>,
        outliers: u8,
        all_outliers: usize,
        score: f64,
        critical: f64,
    }
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert_eq!(vectors.len(), 12);
    let strict = Parameters::new(10, 0.05, 0.0).unwrap();
    for Vector { name, hours, last_day, outliers: expected, all_outliers, score, critical } in vectors {
        let roots: Vec<f64> = hours.iter().map(|value| value.sqrt()).collect();
        let rest = less_season(&roots).unwrap();
        for (found, expected) in rest[rest.len() - 24..].iter().zip(&last_day) {
            assert!((found - expected).abs() < 1e-9, "{name}: {found} {expected}");
        }
        let mut sorted = rest;
        sorted.sort_by(f64::total_cmp);
        assert_eq!(Rosner::of(&sorted, 10, 0.05, 0.0).unwrap().outliers, all_outliers, "{name}");
        let found = judge_values(&hours, Aggregate::Sum, true, Transform::Root, &strict).unwrap();
        assert!(
            (found.opinion.score - score).abs() < 1e-8 * score.abs(),
            "{name}: {} {score}",
            found.opinion.score
        );
        assert_eq!((outliers(&found), found.flags), (expected, score.abs() > critical), "{name}");
    }
}

/// The significance is the share of series of noise with any outlier. At most twice as many are allowed.
///
/// Roots make the noise of counts normal unless they are small, and noise of one size is normal as it is.
#[test]
fn noise_has_outliers_at_most_twice_as_often_as_stated() {
    const SERIES: u64 = 60;
    let busy = [(50.0, 0.0), (200.0, 0.5), (500.0, 0.7), (2_000.0, 0.8)];
    for (noise, transform, levels) in [
        (Noise::Poisson, Transform::Root, &busy[..]),
        (Noise::NegativeBinomial(100.0), Transform::Root, &busy[..1]),
        (Noise::Normal(0.1), Transform::Plain, &busy[..1]),
    ] {
        let (mut all, mut with_outliers) = (0, 0);
        for (level, swing) in levels {
            for seed in 0..SERIES * (4 / levels.len() as u64) {
                let hours = noise.around(weeks(*level, *swing, 28), seed);
                let roots: Vec<f64> = hours.iter().map(|value| transform.apply(*value)).collect();
                let mut rest = less_season(&roots).unwrap();
                rest.sort_by(f64::total_cmp);
                all += 1;
                with_outliers += u32::from(Rosner::of(&rest, 10, 0.05, 0.0).unwrap().outliers > 0);
            }
        }
        println!("{noise:?}: {with_outliers} of {all}");
        assert!(
            f64::from(with_outliers) <= 2.0 * 0.05 * f64::from(all),
            "{noise:?}: {with_outliers} of {all}"
        );
    }
}

/// The newest of 672 hours has a 672th of the significance.
#[test]
fn noise_is_flagged_hardly_ever() {
    let mut flagged = 0;
    for noise in Noise::ALL {
        for level in [0.1, 2.0, 20.0, 200.0] {
            for seed in 0..50 {
                let hours = noise.around(weeks(level, 0.5, 28), seed);
                flagged += u32::from(of_count(&hours).unwrap().flags);
            }
        }
    }
    println!("{flagged} of 600");
    assert!(flagged <= 1, "{flagged} of 600");
}

#[test]
fn a_burst_and_a_silence_are_flagged() {
    for seed in 0..20 {
        let usual = Noise::Poisson.around(weeks(200.0, 0.5, 28), seed);
        let mut burst = usual.clone();
        burst[671] *= 10.0;
        let found = of_count(&burst).unwrap();
        assert!(found.flags && found.opinion.score > 5.0 && outliers(&found) >= 1, "{found:?}");
        assert!(burst[671] > found.opinion.expected.high);
        let mut silence = usual;
        silence[660..].fill(0.0);
        let found = of_count(&silence).unwrap();
        assert!(found.flags && found.opinion.score < -5.0 && found.opinion.expected.low > 0.0, "{found:?}");
    }
}

#[test]
fn more_outliers_than_are_looked_for_are_flagged_too() {
    let mut hours = Noise::Poisson.around(weeks(200.0, 0.5, 28), 1);
    hours[648..].iter_mut().for_each(|value| *value *= 4.0);
    hours[671] /= 1.3;
    assert!(of_count(&hours).unwrap().flags);
}

#[test]
fn little_and_regular_usage_is_judged() {
    let constant = vec![7.0; 672];
    let found = of_count(&constant).unwrap();
    assert!(!found.flags && found.opinion.score.abs() < 1e-9 && outliers(&found) == 0, "{found:?}");
    let mut idle = vec![0.0; 672];
    assert!(!of_count(&idle).unwrap().flags);
    idle[671] = 1.0;
    assert!(!of_count(&idle).unwrap().flags, "one event is within the noise of counts");
    idle[671] = 1_000.0;
    assert!(of_count(&idle).unwrap().flags);
    let mut regular: Vec<f64> = weeks(200.0, 0.5, 28).collect();
    regular[671] *= 1.04;
    let sum =
        |hours: &[f64]| judge_values(hours, Aggregate::Sum, true, Transform::Root, &Parameters::default());
    assert!(!sum(&regular).unwrap().flags, "4 % are within the least spread");
    regular[671] *= 1.5;
    assert!(sum(&regular).unwrap().flags);
}

#[test]
fn three_weeks_are_needed_and_few_gaps() {
    let first = Hour::holding("2026-10-26T00:00:00Z".parse().unwrap());
    let opinion = |values: &[f64], newest: usize| {
        let values: Vec<_> = values.iter().map(|value| value.is_finite().then_some(*value)).collect();
        let hours = Hours::new(Aggregate::Mean, true, first, &values);
        judge(&hours, first.plus(newest as i64), Transform::Root, &Parameters::default())
    };
    let mut hours = Noise::Poisson.around(weeks(200.0, 0.5, 28), 1);
    assert!(opinion(&hours, 671).is_some());
    assert!(opinion(&hours, 503).is_some());
    assert_eq!(opinion(&hours, 502), None, "three weeks less an hour");
    assert_eq!(opinion(&hours, 672), None, "not known");
    hours[100..167].fill(f64::NAN);
    assert!(opinion(&hours, 671).is_some_and(|found| !found.flags));
    hours[167] = f64::NAN;
    assert_eq!(opinion(&hours, 671), None, "a tenth is missing");
    hours[90..170].fill(5.0);
    hours[671] = f64::NAN;
    assert_eq!(opinion(&hours, 671), None);
}

#[test]
fn limits_are_checked() {
    for (most, significance, spread) in [
        (0, 0.05, 0.04),
        (51, 0.05, 0.04),
        (10, 0.0, 0.04),
        (10, 0.6, 0.04),
        (10, f64::NAN, 0.04),
        (10, 0.05, -0.1),
    ] {
        assert!(Parameters::new(most, significance, spread).is_err(), "{most} {significance} {spread}");
    }
    assert_eq!(Parameters::new(10, 0.05, 0.04), Ok(Parameters::default()));
}

/// Values as a series holds them: broken ones are gaps.
fn any_hours() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        40 => 0.0..1e4,
        1 => -1e100..1e100,
        1 => prop::sample::select(vec![0.0, -0.0, 1e100, -1e100, 1e-310, f64::NAN]),
    ];
    (500..680_usize).prop_flat_map(move |count| prop::collection::vec(value.clone(), count))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_input_gives_finite_numbers(hours in any_hours(), never_negative in any::<bool>()) {
        for transform in [Transform::Root, Transform::Plain, Transform::Asinh { scale: 3.0 }] {
            let found = judge_values(&hours, Aggregate::Sum, never_negative, transform, &Parameters::default());
            if let Some(SecondOpinion { opinion, .. }) = found {
                prop_assert!(opinion.is_finite() && opinion.score.abs() <= Opinion::CAP);
                prop_assert!(opinion.expected.low <= opinion.expected.high, "{opinion:?}");
            }
        }
    }

    #[test]
    fn scale_and_shift_change_no_score(seed in 0..1_000_u64, scale in 0.01..1e4, shift in -1e4..1e4) {
        let hours = Noise::Normal(0.1).around(weeks(50.0, 0.5, 28), seed);
        let other: Vec<f64> = hours.iter().map(|value| scale * (value + shift)).collect();
        let strict = Parameters::new(10, 0.05, 0.0).unwrap();
        let opinion = |hours: &[f64]| judge_values(hours, Aggregate::Mean, false, Transform::Plain, &strict).unwrap();
        let (one, other) = (opinion(&hours), opinion(&other));
        prop_assert!((one.opinion.score - other.opinion.score).abs() < 1e-6, "{one:?} {other:?}");
        prop_assert_eq!(outliers(&one), outliers(&other));
    }
}
