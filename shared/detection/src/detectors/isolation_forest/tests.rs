use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::features::SeriesFeatures;
use crate::noise::{Noise, weeks};

#[derive(Deserialize)]
struct Vectors {
    rows: Vec<Vec<f32>>,
    tried: Vec<Vec<f32>>,
    /// How many of the tried rows are odd: the last ones.
    odd: usize,
    /// Mean and standard deviation over 20 forests.
    scores: Vec<f64>,
    spreads: Vec<f64>,
    auc: f64,
    path_lengths: Vec<(usize, f64)>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn slices(rows: &[Vec<f32>]) -> Vec<&[f32]> {
    rows.iter().map(Vec::as_slice).collect()
}

fn scores(vectors: &Vectors, seed: u64) -> Vec<f64> {
    let rows = slices(&vectors.rows);
    let score = |value: &Vec<f32>| isolation(&rows, value, seed, &Parameters::default()).unwrap();
    vectors.tried.iter().map(score).collect()
}

/// The probability that an odd row scores higher than a usual one.
fn auc(scores: &[f64], odd: usize) -> f64 {
    let (usual, odd) = scores.split_at(scores.len() - odd);
    let wins: f64 = odd
        .iter()
        .flat_map(|odd| {
            usual
                .iter()
                .map(move |usual| if odd > usual { 1.0 } else { 0.5 * f64::from(u8::from(odd == usual)) })
        })
        .sum();
    wins / (usual.len() * odd.len()) as f64
}

fn ranks(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| values.iter().filter(|other| *other < value).count() as f64).collect()
}

fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (a, b) = (mean(one), mean(other));
    let of = |x: &[f64], x_mean: f64, y: &[f64], y_mean: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum()
    };
    of(one, a, other, b) / (of(one, a, one, a) * of(other, b, other, b)).sqrt()
}

#[test]
fn the_mean_depth_is_that_of_scikit_learn() {
    for (count, length) in vectors().path_lengths {
        assert!((mean_depth(count) - length).abs() < 1e-12, "{count}: {} {length}", mean_depth(count));
    }
}

#[test]
fn scores_agree_with_scikit_learn() {
    const FORESTS: u64 = 10;
    let vectors = vectors();
    let forests: Vec<Vec<f64>> = (0..FORESTS).map(|seed| scores(&vectors, seed)).collect();
    for (place, (expected, spread)) in vectors.scores.iter().zip(&vectors.spreads).enumerate() {
        let own: Vec<f64> = forests.iter().map(|scores| scores[place]).collect();
        let mean = own.iter().sum::<f64>() / FORESTS as f64;
        // The means of 10 and of 20 forests: four standard errors of their difference.
        assert!(
            (mean - expected).abs() < 4.0 * spread * (1.0 / 10.0 + 1.0 / 20.0_f64).sqrt(),
            "{place}: {mean} {expected} {spread}"
        );
    }
    for scores in &forests {
        let agreement = correlation(&ranks(scores), &ranks(&vectors.scores));
        assert!(agreement > 0.95, "{agreement}");
        assert!(
            (auc(scores, vectors.odd) - vectors.auc).abs() < 0.02,
            "{} {}",
            auc(scores, vectors.odd),
            vectors.auc
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_score_and_another_seed_another() {
    let vectors = vectors();
    assert_eq!(scores(&vectors, 5), scores(&vectors, 5));
    assert_ne!(scores(&vectors, 5), scores(&vectors, 6));
}

#[test]
fn samples_have_no_repetition_and_hold_each_row_as_often() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut order: Vec<u32> = (0..20).collect();
    let mut counts = [0; 20];
    for _ in 0..4_000 {
        let mut rows = sample(&mut order, 5, &mut random).to_vec();
        rows.iter().for_each(|row| counts[*row as usize] += 1);
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), 5);
    }
    // Each has 1,000 by expectation, with a deviation of 27.
    assert!(counts.iter().all(|count| (880..1_120).contains(count)), "{counts:?}");
}

#[test]
fn rows_without_a_difference_isolate_nothing() {
    let rows = vec![[1.0, 2.0]; 300];
    let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
    // No feature can be split, so the depth is that of the whole sample.
    let found = isolation(&rows, &[9.0, 9.0], 1, &Parameters::default()).unwrap();
    assert!((found - 0.5).abs() < 1e-12, "{found}");
    assert_eq!(isolation(&rows, &[9.0], 1, &Parameters::default()), None, "another width");
    assert_eq!(isolation(&rows[..1], &[9.0, 9.0], 1, &Parameters::default()), None);
    assert_eq!(isolation(&[], &[], 1, &Parameters::default()), None);
}

/// The features of an entity's hours, oldest first, from windows over their expectations.
fn features(series: &[Vec<f64>], expected: &[f64]) -> Vec<Features> {
    let sum = |values: &[f64], end: usize, length: usize| values[end + 1 - length..=end].iter().sum::<f64>();
    let of = |values: &Vec<f64>, end: usize| {
        let windows = |values: &[f64]| [1, 3, 6, 24].map(|length| sum(values, end, length));
        SeriesFeatures::new(windows(values), windows(expected), Some(0.97))
    };
    (23..expected.len())
        .map(|end| {
            let series: Vec<_> = series.iter().map(|values| of(values, end)).collect();
            Features::new((end % 24) as u8, (end / 24 % 7) as u8, &series)
        })
        .collect()
}

fn entity(noise: Noise, metrics: u64, level: f64, seed: u64) -> (Vec<Vec<f64>>, Vec<f64>) {
    let expected: Vec<f64> = weeks(level, 0.5, 28).collect();
    let of = |metric| noise.around(expected.iter().copied(), seed * metrics + metric);
    ((0..metrics).map(of).collect(), expected)
}

#[test]
fn noise_is_flagged_at_most_twice_as_often_as_stated() {
    let (mut all, mut flagged, mut sum, mut squares) = (0, 0, 0.0, 0.0);
    for noise in Noise::ALL {
        for metrics in [1, 4] {
            for seed in 0..100 {
                let (series, expected) = entity(noise, metrics, 50.0, seed);
                let mut rows = features(&series, &expected);
                let newest = rows.pop().unwrap();
                let found = judge(&rows, &newest, seed, &Parameters::default()).unwrap();
                all += 1;
                flagged += u32::from(found.flags);
                sum += found.opinion.score;
                squares += found.opinion.score * found.opinion.score;
            }
        }
    }
    let mean = sum / f64::from(all);
    println!(
        "{flagged} of {all}, mean {mean}, deviation {}",
        (squares / f64::from(all) - mean * mean).sqrt()
    );
    assert!(f64::from(flagged) <= 2.0 * 0.001_35 * f64::from(all), "{flagged} of {all}");
}

#[test]
fn a_burst_in_all_metrics_is_flagged() {
    for noise in Noise::ALL {
        for seed in 0..10 {
            let (mut series, expected) = entity(noise, 4, 50.0, seed);
            series.iter_mut().for_each(|values| values[669..].iter_mut().for_each(|value| *value *= 5.0));
            let mut rows = features(&series, &expected);
            let newest = rows.pop().unwrap();
            let found = judge(&rows, &newest, seed, &Parameters::default()).unwrap();
            assert!(found.flags && found.opinion.score > 3.0, "{noise:?}: {found:?}");
        }
    }
}

#[test]
fn a_week_of_hours_is_needed() {
    let (series, expected) = entity(Noise::Poisson, 1, 50.0, 1);
    let rows = features(&series, &expected);
    let opinion = |count: usize| judge(&rows[..count], &rows[600], 1, &Parameters::default());
    assert!(opinion(168).is_some());
    assert_eq!(opinion(167), None);
    let other = Features::new(1, 1, &[]);
    assert_eq!(judge(&rows, &other, 1, &Parameters::default()), None, "another width");
}

#[test]
fn limits_are_checked() {
    for (trees, sample, threshold) in [
        (0, 256, 0.6),
        (1_001, 256, 0.6),
        (100, 1, 0.6),
        (100, 4_097, 0.6),
        (100, 256, 0.4),
        (100, 256, f64::NAN),
    ] {
        assert!(Parameters::new(trees, sample, threshold).is_err(), "{trees} {sample} {threshold}");
    }
    assert_eq!(Parameters::new(100, 256, 0.65), Ok(Parameters::default()));
}

fn any_rows() -> impl Strategy<Value = Vec<Vec<f32>>> {
    (1..5_usize, 2..80_usize).prop_flat_map(|(width, count)| {
        prop::collection::vec(prop::collection::vec(prop_oneof![-2.0..2.0_f32, any::<f32>()], width), count)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_input_gives_a_share(rows in any_rows(), seed in any::<u64>()) {
        let few = Parameters::new(10, 16, 0.6).unwrap();
        let found = isolation(&slices(&rows[1..]), &rows[0], seed, &few);
        if let Some(found) = found {
            prop_assert!(found > 0.0 && found <= 1.0, "{}", found);
        }
        prop_assert_eq!(found.is_some(), rows.len() > 2);
    }

    /// The splits are random between the extremes, whatever these are. Doubling is exact in binary numbers.
    #[test]
    fn scale_changes_nothing(rows in any_rows(), seed in any::<u64>()) {
        let rows: Vec<Vec<f32>> =
            rows.into_iter().map(|row| row.iter().map(|v| if v.abs() < 1e30 && v.abs() > 1e-30 { *v } else { 0.5 }).collect()).collect();
        let other: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|value| value * 4.0).collect()).collect();
        let few = Parameters::new(10, 16, 0.6).unwrap();
        let score = |rows: &[Vec<f32>]| isolation(&slices(&rows[1..]), &rows[0], seed, &few);
        prop_assert_eq!(score(&rows), score(&other));
    }
}
