use proptest::prelude::*;

use super::look::Said;
use super::*;
use crate::Thresholds;
use crate::detectors::autoencoder::training::{self, Plan};
use crate::noise::Noise;

fn parameters(weights: Weights, threshold: f64) -> Parameters {
    Parameters::new(weights, threshold, &Thresholds::default()).unwrap()
}

fn standard() -> Parameters {
    parameters(Weights::default(), Parameters::THRESHOLD)
}

fn floors(min_change: f64) -> Floors {
    Floors::try_from(&Thresholds { min_change, ..Thresholds::default() }).unwrap()
}

fn samples(values: &[f64]) -> Samples<'_> {
    Samples { values, season: &[], floors: floors(0.0), never_negative: true, peaks: None, network: None }
}

/// A metric around a level, whose newest sample is changed.
fn metric(level: f64, seed: u64, newest: f64) -> Vec<f64> {
    let mut values = Noise::Normal(0.1).around([level; SAMPLES], seed);
    if let Some(last) = values.last_mut() {
        *last = newest;
    }
    values
}

fn judged(metrics: &[Vec<f64>], parameters: &Parameters) -> Option<Judgement> {
    let series: Vec<Samples<'_>> = metrics.iter().map(|values| samples(values)).collect();
    judge(&series, 1, parameters)
}

fn network() -> Autoencoder {
    let normal = Noise::Normal(0.1).around([50.0; 700], 9);
    let trained = training::train(&training_inputs(&normal), &Plan::new(4, 1).unwrap(), |_| {}).unwrap();
    Autoencoder::try_from(&trained.file).unwrap()
}

fn voice(judgement: &Judgement, voter: Voter) -> &Voice {
    judgement.voices.iter().find(|voice| voice.voter == voter).unwrap()
}

#[test]
fn a_metric_that_explodes_is_told_and_usual_ones_are_not() {
    let usual = [metric(50.0, 1, 51.0), metric(200.0, 2, 205.0), metric(10.0, 3, 9.7)];
    let judgement = judged(&usual, &standard()).unwrap();
    assert_eq!((judgement.level, judgement.score), (None, 0.0), "{judgement:?}");
    let mut odd = usual;
    odd[1] = metric(200.0, 2, 900.0);
    let judgement = judged(&odd, &standard()).unwrap();
    assert_eq!((judgement.metric, judgement.level), (1, Some(Level::Critical)), "{judgement:?}");
    assert_eq!((judgement.value, judgement.direction), (900.0, Direction::Spike));
    assert!((190.0..210.0).contains(&judgement.baseline.mean()) && !judgement.expected.holds(900.0));
    for voter in [Voter::IsolationForest, Voter::RollingZ, Voter::SeasonalEsd] {
        assert_eq!(voice(&judgement, voter).flagged, [1], "{voter:?}");
    }
    odd[1] = metric(200.0, 2, 20.0);
    assert_eq!(judged(&odd, &standard()).unwrap().direction, Direction::Drop);
}

#[test]
fn the_score_is_the_sum_of_weight_times_confidence_of_those_that_flag() {
    let mut metrics = [metric(50.0, 1, 51.0), metric(200.0, 2, 900.0)];
    let judgement = judged(&metrics, &standard()).unwrap();
    let sum: f64 = judgement.voices.iter().map(|voice| voice.weight * voice.confidence).sum();
    assert!((judgement.score - sum).abs() < 1e-12);
    // With weights of z alone, the score is the confidence of z.
    let z_alone = Weights::new(0.0, 0.0, 1.0, 0.0).unwrap();
    metrics[1] = metric(200.0, 2, 275.0);
    let judgement = judged(&metrics, &parameters(z_alone, 0.6)).unwrap();
    let z = judgement.baseline.deviation(275.0) / judgement.baseline.stddev();
    assert!((judgement.score - confidence(z)).abs() < 1e-12 && judgement.score > 0.7, "{judgement:?}");
    assert_eq!(judgement.level, Some(Level::of(judgement.score)));
    assert_eq!(judged(&metrics, &parameters(z_alone, 0.9999)).unwrap().level, None);
    // A mild value has a mean and no vote.
    metrics[1] = metric(200.0, 2, 240.0);
    let judgement = judged(&metrics, &parameters(z_alone, 0.6)).unwrap();
    assert!(judgement.score == 0.0 && judgement.mean > 0.3, "{judgement:?}");
}

#[test]
fn the_forest_knows_how_far_a_value_is() {
    let confidence = |newest| {
        let judgement = judged(&[metric(50.0, 1, newest)], &standard()).unwrap();
        voice(&judgement, Voter::IsolationForest).continuous
    };
    assert!(confidence(75.0) < confidence(500.0), "{} {}", confidence(75.0), confidence(500.0));
}

#[test]
fn the_weight_of_a_detector_without_a_say_is_shared() {
    let metrics = [metric(50.0, 1, 51.0), metric(200.0, 2, 900.0)];
    let weights: Vec<(Voter, f64)> = judged(&metrics, &standard())
        .unwrap()
        .voices
        .iter()
        .map(|voice| (voice.voter, voice.weight))
        .collect();
    let expected =
        [(Voter::IsolationForest, 0.3 / 0.7), (Voter::RollingZ, 0.2 / 0.7), (Voter::SeasonalEsd, 0.2 / 0.7)];
    for ((voter, weight), (expected, share)) in weights.iter().zip(expected) {
        assert!(*voter == expected && (weight - share).abs() < 1e-12, "{weights:?}");
    }
    let network = network();
    let series = metrics.each_ref().map(|values| Samples { network: Some(&network), ..samples(values) });
    let judgement = judge(&series, 1, &standard()).unwrap();
    assert_eq!(judgement.voices.len(), 4);
    assert!((voice(&judgement, Voter::Autoencoder).weight - 0.3).abs() < 1e-12);
    assert_eq!(voice(&judgement, Voter::Autoencoder).flagged, [1]);
    let [usual, odd] = [0, 1].map(|place| judgement.reconstruction_error(place).unwrap());
    assert!(usual > 0.0 && odd > 10.0 * usual, "{usual}, {odd}");
    assert_eq!(judged(&metrics, &standard()).unwrap().reconstruction_error(0), None, "without a network");
}

#[test]
fn half_of_the_weight_must_have_a_say() {
    let whole = metric(50.0, 1, 200.0);
    // Rows of a forest need a past of 168 samples, and the others of 100.
    let judgement = judged(&[whole[SAMPLES - 150..].to_vec()], &standard());
    assert_eq!(judgement, None, "two detectors with a weight of 0.4");
    let more = Weights::new(0.2, 0.2, 0.3, 0.3).unwrap();
    assert!(judged(&[whole[SAMPLES - 150..].to_vec()], &parameters(more, 0.6)).is_some());
    assert_eq!(judged(&[whole[SAMPLES - 40..].to_vec()], &parameters(more, 0.6)), None);
    assert_eq!(judged(&[], &standard()), None);
}

#[test]
fn a_change_below_the_floors_counts_as_usual() {
    let values = metric(50.0, 1, 150.0);
    let of =
        |min_change| judge(&[Samples { floors: floors(min_change), ..samples(&values) }], 1, &standard());
    assert!(of(90.0).unwrap().level.is_some());
    let below = of(110.0).unwrap();
    assert_eq!((below.level, below.score, below.mean), (None, 0.0, 0.0));
}

#[test]
fn what_three_days_reached_is_no_news() {
    let values = metric(50.0, 1, 150.0);
    let of = |most| {
        let peaks = Peaks::of(&[(40.0, most); 3]);
        judge(&[Samples { peaks, ..samples(&values) }], 1, &standard()).unwrap()
    };
    assert!(of(100.0).level.is_some());
    assert_eq!((of(140.0).level, of(140.0).score), (None, 0.0));
}

#[test]
fn a_season_tells_the_usual_peak_from_an_odd_one() {
    // The newest samples climb to a peak, as at this time of each day.
    let wave = |place: usize| 50.0 + 40.0 * (place as f64 / SAMPLES as f64).powi(40);
    let season: Vec<f64> = (0..SAMPLES).map(wave).collect();
    let values = Noise::Normal(0.02).around(season.iter().copied(), 4);
    let esd = |season: &[f64]| {
        let judgement = judge(&[Samples { season, ..samples(&values) }], 1, &standard()).unwrap();
        voice(&judgement, Voter::SeasonalEsd).flagged.len()
    };
    assert_eq!((esd(&season), esd(&[])), (0, 1));
    // A season of another length is none.
    assert_eq!(esd(&season[1..]), 1);
}

#[test]
fn most_flags_decide_which_metric_is_told() {
    // The first metric was restless until lately, so that z alone flags it. The second one is odd for all.
    let mut lately_calm = Noise::Normal(0.4).around([50.0; SAMPLES - ROLLING - 1], 5);
    lately_calm.extend(Noise::Normal(0.05).around([50.0; ROLLING], 6));
    lately_calm.push(75.0);
    let judgement =
        judged(&[lately_calm, metric(200.0, 2, 500.0), metric(10.0, 3, 10.0)], &standard()).unwrap();
    assert_eq!(judgement.metric, 1);
    assert_eq!(voice(&judgement, Voter::RollingZ).flagged, [0, 1]);
    for voter in [Voter::SeasonalEsd, Voter::IsolationForest] {
        assert_eq!(voice(&judgement, voter).flagged, [1], "{voter:?}");
    }
}

#[test]
fn two_flags_count_more_than_one_of_more_weight() {
    let [one, other] = [0.9, 0.5].map(|confidence| Said::new(confidence, true));
    let silent = Some(Said::new(0.0, false));
    // One metric by a detector of much weight, and the other one by two of little weight.
    let looks = [
        (Voter::RollingZ, Look(vec![Some(one), silent])),
        (Voter::SeasonalEsd, Look(vec![silent, Some(other)])),
        (Voter::IsolationForest, Look(vec![silent, Some(other)])),
    ];
    let weights = [0.8, 0.1, 0.1];
    let voices: Vec<Voice> =
        looks.iter().zip(weights).map(|((voter, look), weight)| look.voice(*voter, weight)).collect();
    let sight = Sight {
        value: 1.0,
        baseline: Baseline::NONE,
        z: 0.0,
        expected: Expected { low: 0.0, high: 1.0 },
        flags: false,
        matters: true,
    };
    assert_eq!(told(&looks, &voices, &[Some(sight); 2]), Some(1));
    // With as many flags, the larger sum is told. A metric without a sample is not.
    assert_eq!(told(&looks[..2], &voices[..2], &[Some(sight); 2]), Some(0));
    assert_eq!(told(&looks[..2], &voices[..2], &[None, Some(sight)]), Some(1));
    assert_eq!(told(&looks, &voices, &[None; 2]), None);
}

#[test]
fn a_metric_without_a_newest_sample_is_left_out() {
    let mut gone = metric(50.0, 1, f64::NAN);
    let odd = metric(200.0, 2, 900.0);
    let both = judged(&[gone.clone(), odd.clone()], &standard()).unwrap();
    assert_eq!((both.metric, both.level), (1, Some(Level::Critical)));
    gone[0] = f64::INFINITY;
    assert_eq!(judged(&[gone], &standard()), None);
}

#[test]
fn only_the_newest_samples_count() {
    let mut values = metric(50.0, 1, 150.0);
    let short = judged(&[values.clone()], &standard());
    values.splice(0..0, [1e9; 50]);
    assert_eq!(judged(&[values], &standard()), short);
}

#[test]
fn only_the_told_metric_is_an_anomaly_and_an_info_is_none() {
    let metrics = [metric(50.0, 1, 51.0), metric(200.0, 2, 900.0), metric(10.0, 3, f64::NAN)];
    let judgement = judged(&metrics, &standard()).unwrap();
    let Verdict::Anomalous(finding) = judgement.verdict(1) else { panic!("{judgement:?}") };
    assert_eq!((finding.severity, finding.direction), (Severity::Critical, Direction::Spike));
    let Detail::Vote { score, flags, detectors, .. } = finding.comparison.opinion.detail else { panic!() };
    assert_eq!((score, flags, detectors), (judgement.score, 3, 3));
    assert!(matches!(judgement.verdict(0), Verdict::Normal(comparison) if comparison.current == 51.0));
    assert_eq!(judgement.verdict(2), Verdict::Undetermined(Reason::NoData));
    assert_eq!(judgement.verdict(3), Verdict::Undetermined(Reason::NoData));
    for (level, expected) in [(Level::Info, None), (Level::Warning, Some(Severity::Warning))] {
        let judgement = Judgement { level: Some(level), ..judgement.clone() };
        assert_eq!(judgement.verdict(1).finding().map(|finding| finding.severity), expected);
    }
}

#[test]
fn levels_are_as_stated() {
    let levels = [0.6, 0.69, 0.7, 0.89, 0.9, 1.0].map(Level::of);
    use Level::{Critical, Info, Warning};
    assert_eq!(levels, [Info, Info, Warning, Warning, Critical, Critical]);
}

#[test]
fn noise_is_rarely_told() {
    let told = (0..300).filter(|seed| {
        let metrics: Vec<Vec<f64>> =
            (0..3).map(|number| Noise::Normal(0.1).around([50.0; SAMPLES], seed * 3 + number)).collect();
        judged(&metrics, &standard()).unwrap().level.is_some()
    });
    let told = told.count();
    assert!(told <= 3, "{told} of 300");
}

proptest! {
    #[test]
    fn any_samples_give_finite_numbers_or_none(
        metrics in prop::collection::vec(prop::collection::vec(any::<f64>(), 0..320), 0..4),
        scale in 0.0..1e3,
        season in any::<bool>(),
    ) {
        // Wild values, and the same pressed together.
        let tame: Vec<Vec<f64>> =
            metrics.iter().map(|values| values.iter().map(|value| scale * value.tanh()).collect()).collect();
        for metrics in [&metrics, &tame] {
            let series: Vec<Samples<'_>> = metrics
                .iter()
                .map(|values| Samples { season: if season { values } else { &[] }, ..samples(values) })
                .collect();
            if let Some(judgement) = judge(&series, 1, &standard()) {
                let numbers = [judgement.score, judgement.mean, judgement.value];
                prop_assert!(numbers.iter().all(|number| number.is_finite()), "{:?}", judgement);
                prop_assert!((0.0..=1.0).contains(&judgement.score) && (0.0..=1.0).contains(&judgement.mean));
                prop_assert!(judgement.score <= judgement.mean + 1e-12);
                prop_assert!(judgement.expected.low.is_finite() && judgement.expected.high.is_finite());
            }
        }
    }
}
