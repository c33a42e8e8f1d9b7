use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::hours::Aggregate;
use crate::noise::{Noise, weeks};

#[derive(Deserialize)]
struct Vectors {
    weights: WeightsFile,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    day: Vec<f32>,
    /// The reconstruction.
    again: Vec<f32>,
    error: f64,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn network() -> Autoencoder {
    Autoencoder::try_from(&vectors().weights).unwrap()
}

#[test]
fn onnx_runtime_comes_to_the_same_days() {
    let (network, cases) = (network(), vectors().cases);
    assert_eq!(cases.len(), 5);
    for case in cases {
        let day: [f32; DAY] = case.day.try_into().unwrap();
        for (found, expected) in network.reconstruction(&day).iter().zip(&case.again) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        let error = network.error(&day);
        assert!((error - case.error).abs() < 1e-5 * case.error, "{error} {}", case.error);
    }
}

#[test]
fn the_score_is_the_distance_of_the_logarithm_from_normal_days() {
    let network = network();
    // The file says a mean of -2 and a spread of 0.5.
    assert!((network.score((-2.0_f64).exp())).abs() < 1e-12);
    assert!((network.score((-0.5_f64).exp()) - 3.0).abs() < 1e-12);
    assert!((network.error_at(3.0) - (-0.5_f64).exp()).abs() < 1e-12);
    assert!(network.score(0.0) < -50.0, "no error at all has a finite score");
    let day = [1.0; DAY];
    let second = opinion(&network, &day, &Parameters::default());
    let Detail::Autoencoder { error } = second.opinion.detail else { panic!("{second:?}") };
    assert_eq!(error, network.error(&day));
    assert_eq!(second.flags, !second.opinion.expected.holds(error));
}

#[test]
fn a_day_is_read_in_roots_of_its_usual_hour() {
    let before = [4.0; 168];
    let mut day = [4.0; DAY];
    (day[1], day[2], day[3], day[4]) = (16.0, 0.0, -1.0, 1e99);
    let read = input(&before, &day).unwrap();
    assert_eq!(read[..6], [1.0, 2.0, 0.0, -0.5, 10.0, 1.0]);
    assert_eq!(input(&before[1..], &day), None, "a week less an hour");
    assert_eq!(input(&[0.0; 200], &day), None, "idle");
    day[5] = f64::NAN;
    assert_eq!(input(&before, &day), None);
}

#[test]
fn the_day_ends_with_the_hour_that_is_asked_for() {
    let first = Hour::holding("2026-10-26T00:00:00Z".parse().unwrap());
    let values = Noise::Poisson.around(weeks(50.0, 0.5, 29), 1);
    let hours: Vec<_> = values.iter().copied().map(Some).collect();
    let hours = Hours::new(Aggregate::Count, true, first, &hours);
    let (network, parameters) = (network(), Parameters::default());
    let at = |newest: i64| judge(&hours, first.plus(newest), &network, &parameters);
    let day: &[f64; DAY] = values.last_chunk().unwrap();
    let read = input(&values[..28 * DAY], day).unwrap();
    assert_eq!(at(29 * 24 - 1), Some(opinion(&network, &read, &parameters)));
    assert!(at(7 * 24 + 23).is_some(), "a week before the day");
    assert_eq!(at(7 * 24 + 22), None);
    assert_eq!(at(29 * 24), None, "not known");
}

#[test]
fn files_that_make_no_network_are_refused() {
    type Change = fn(&mut WeightsFile);
    let cases: [(Change, WeightsError); 9] = [
        (|file| file.version = 2, WeightsError::Version(2)),
        (|file| file.encoder.input.truncate(63), WeightsError::Size("encoder.input")),
        (|file| file.encoder.recurrent[5].truncate(15), WeightsError::Size("encoder.recurrent")),
        (|file| file.decoder.bias.push(0.0), WeightsError::Size("decoder.bias")),
        (|file| file.output.clear(), WeightsError::Size("output")),
        (|file| file.decoder.input[63][15] = f32::NAN, WeightsError::Number("decoder.input")),
        (|file| file.output_bias = f32::INFINITY, WeightsError::Number("output_bias")),
        (|file| file.error_mean = f64::NAN, WeightsError::Number("error_mean")),
        (|file| file.error_spread = 0.0, WeightsError::Number("error_spread")),
    ];
    for (change, expected) in cases {
        let mut file = vectors().weights;
        change(&mut file);
        assert_eq!(Autoencoder::try_from(&file), Err(expected));
    }
    let message = WeightsError::Version(2).to_string();
    assert_eq!(message, "the weights have version 2, and this program reads version 1");
}

#[test]
fn a_file_that_is_written_and_read_is_the_same_network() {
    let file = vectors().weights;
    let text = serde_json::to_string(&file).unwrap();
    assert_eq!(serde_json::from_str::<WeightsFile>(&text).unwrap(), file);
    let unknown = text.replacen("\"version\"", "\"surprise\":1,\"version\"", 1);
    assert!(serde_json::from_str::<WeightsFile>(&unknown).is_err());
}

#[test]
fn limits_are_checked() {
    for spreads in [0.0, -1.0, 101.0, f64::NAN] {
        assert!(Parameters::new(spreads).is_err(), "{spreads}");
    }
    assert_eq!(Parameters::new(3.0), Ok(Parameters::default()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_day_gives_finite_numbers(before in prop::collection::vec(any::<f64>(), 0..700), day in any::<[f64; DAY]>()) {
        if let Some(day) = input(&before, &day) {
            let second = opinion(&network(), &day, &Parameters::default());
            prop_assert!(second.opinion.is_finite() && second.opinion.score.abs() <= Opinion::CAP, "{second:?}");
        }
    }

    /// A network of any weights is total too: gates saturate, and a sum that overflows gives no opinion.
    #[test]
    fn any_weights_give_a_finite_opinion_or_none(weight in -1e6..1e6_f32, output in -1e6..1e6_f32) {
        let mut file = vectors().weights;
        file.encoder.recurrent.iter_mut().flatten().for_each(|number| *number = weight);
        file.output.fill(output);
        let network = Autoencoder::try_from(&file).unwrap();
        let error = network.error(&[10.0; DAY]);
        prop_assert!(error.is_finite(), "{}", error);
    }

    #[test]
    fn scale_and_sign_change_nothing(seed in 0..1_000_u64, scale in 0.001..1e6) {
        let values = Noise::Poisson.around(weeks(50.0, 0.5, 29), seed);
        let other: Vec<f64> = values.iter().map(|value| value * scale).collect();
        let read = |values: &[f64]| {
            let (before, day) = values.split_last_chunk().unwrap();
            network().error(&input(before, day).unwrap())
        };
        let (one, other) = (read(&values), read(&other));
        prop_assert!((one - other).abs() < 1e-4 * one, "{} {}", one, other);
    }
}
