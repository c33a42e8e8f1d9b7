mod first_use;

use proptest::prelude::*;

use super::*;
use crate::{BaselineDays, Missing, Opinion, Severity, Thresholds, Window};

/// With the plain z-score.
fn settings(threshold: f64, min_change: f64, min_relative_change: f64) -> Settings {
    let critical_threshold = threshold.max(5.0);
    let plain = Thresholds { min_relative_spread: 0.0, ..Thresholds::default() };
    Settings::new(Thresholds { threshold, critical_threshold, min_change, min_relative_change, ..plain })
        .unwrap()
}

fn default_settings() -> Settings {
    settings(3.0, 100.0, 0.1)
}

fn verdict_with(settings: &Settings, current: f64, baseline: &[f64]) -> Verdict {
    let windows: Vec<_> = std::iter::once(current).chain(baseline.iter().copied()).map(Some).collect();
    check(&Series::new(&windows, usize::MAX, Missing::Zero, true), settings)
}

fn verdict(current: f64, baseline: &[f64]) -> Verdict {
    verdict_with(&default_settings(), current, baseline)
}

fn is_anomalous(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Anomalous(_))
}

/// Mean 1,000 and sample standard deviation 100, by construction: +-100 n times each, and the n - 1 correction.
fn thousand_by_hundred() -> Vec<f64> {
    let spread = 100.0 * (29.0_f64 / 30.0).sqrt();
    (0..30).map(|i| if i % 2 == 0 { 1_000.0 + spread } else { 1_000.0 - spread }).collect()
}

#[test]
fn thresholds_sort_into_normal_warning_and_critical() {
    use Direction::{Drop, Spike};
    use Severity::{Critical, Warning};
    for (current, expected) in [
        (1_000.0, None),
        (1_290.0, None),
        (1_310.0, Some((Warning, Spike))),
        (1_490.0, Some((Warning, Spike))),
        (1_510.0, Some((Critical, Spike))),
        (710.0, None),
        (690.0, Some((Warning, Drop))),
        (490.0, Some((Critical, Drop))),
        (0.0, Some((Critical, Drop))),
    ] {
        let found = match verdict(current, &thousand_by_hundred()) {
            Verdict::Anomalous(finding) => Some((finding.severity, finding.direction)),
            Verdict::Normal(_) => None,
            other => panic!("{current}: {other:?}"),
        };
        assert_eq!(found, expected, "current {current}");
    }
}

#[test]
fn the_comparison_holds_the_figures() {
    let Verdict::Anomalous(finding) = verdict(1_600.0, &thousand_by_hundred()) else { panic!() };
    let comparison = finding.comparison;
    assert!((comparison.baseline.mean() - 1_000.0).abs() < 1e-9);
    assert!((comparison.baseline.stddev() - 100.0).abs() < 1e-9);
    assert!((comparison.z_score - 6.0).abs() < 1e-9);
    assert!((comparison.opinion.expected.low - 700.0).abs() < 1e-9);
    assert!((comparison.opinion.expected.high - 1_300.0).abs() < 1e-9);
    assert!(!comparison.constant_baseline());
}

#[test]
fn both_floors_must_be_passed() {
    let baseline: Vec<f64> = (0..30).map(|i| 1_000.0 + f64::from(i % 2)).collect();
    // z is over 100 in all three.
    assert!(!is_anomalous(&verdict(1_090.0, &baseline)), "under min_change");
    assert!(
        !is_anomalous(&verdict_with(&settings(3.0, 1.0, 0.1), 1_099.0, &baseline)),
        "under a tenth of the mean"
    );
    assert!(is_anomalous(&verdict(1_110.0, &baseline)));
}

#[test]
fn a_constant_baseline_is_judged_by_the_floors_alone() {
    for (constant, current, expected) in [
        (0.0, 0.0, None),
        (0.0, 99.0, None),
        (0.0, 100.0, Some(Severity::Warning)),
        (0.0, 1_000.0, Some(Severity::Critical)),
        (5_000.0, 5_000.0, None),
        (5_000.0, 5_400.0, None),
        (5_000.0, 5_600.0, Some(Severity::Warning)),
        (5_000.0, 10_000.0, Some(Severity::Critical)),
        (5_000.0, 0.0, Some(Severity::Critical)),
        (500.0, 0.0, Some(Severity::Warning)),
    ] {
        let found = match verdict(current, &[constant; 30]) {
            Verdict::Anomalous(finding) => {
                let sign = if current > constant { 1.0 } else { -1.0 };
                assert_eq!(finding.comparison.z_score, sign * Opinion::CAP);
                Some(finding.severity)
            }
            Verdict::Normal(comparison) => {
                assert_eq!(comparison.z_score, 0.0);
                None
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{constant} then {current}");
    }
}

#[test]
fn windows_that_are_nearly_alike_spread_by_a_share_of_their_mean() {
    use Severity::{Critical, Warning};
    let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
    let constant = |value: f64| vec![value; 30];
    let nearly = |value: f64| (0..30).map(|i| value + f64::from(i % 2)).collect::<Vec<_>>();
    for (current, baseline, z_score, severity) in [
        (2_688.0, constant(2_400.0), 3.0, Some(Warning)),
        (2_687.0, constant(2_400.0), 287.0 / 96.0, None),
        (2_880.0, constant(2_400.0), 5.0, Some(Critical)),
        (2_112.0, constant(2_400.0), -3.0, Some(Warning)),
        (0.0, constant(2_400.0), -25.0, Some(Critical)),
        (2_400.0, constant(2_400.0), 0.0, None),
        (2_688.0, nearly(2_399.5), 3.0, Some(Warning)),
        (1_310.0, thousand_by_hundred(), 3.1, Some(Warning)),
        // A share of a zero mean is zero, so the floors alone decide.
        (99.0, constant(0.0), 0.0, None),
        (1_000.0, constant(0.0), 100.0, Some(Critical)),
    ] {
        let (comparison, found) = match verdict_with(&settings, current, &baseline) {
            Verdict::Anomalous(finding) => (finding.comparison, Some(finding.severity)),
            Verdict::Normal(comparison) => (comparison, None),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, severity, "{current}");
        assert!((comparison.z_score - z_score).abs() < 1e-9, "{current}: {}", comparison.z_score);
        assert_eq!(comparison.constant_baseline(), baseline[0] == 0.0, "{current}");
        let stddev = Baseline::of_slice(&baseline).unwrap().stddev();
        assert_eq!(comparison.baseline.stddev(), stddev, "the deviation stays that of the windows");
    }
    let Verdict::Normal(comparison) = verdict_with(&settings, 2_400.0, &constant(2_400.0)) else { panic!() };
    let expected = comparison.opinion.expected;
    assert!((expected.low - 2_112.0).abs() < 1e-9 && (expected.high - 2_688.0).abs() < 1e-9, "{expected:?}");
}

#[test]
fn what_cannot_be_judged_says_why() {
    use Reason::{InsufficientData, Negative, NoData, NotFinite, OutOfRange};
    let windows = |current, baseline: &[f64]| -> Vec<Option<f64>> {
        std::iter::once(current).chain(baseline.iter().copied().map(Some)).collect()
    };
    for (current, baseline, missing, never_negative, expected) in [
        (None, vec![1.0; 30], Missing::Gap, true, NoData),
        (None, vec![], Missing::Gap, true, NoData),
        (Some(1.0), vec![1.0; 6], Missing::Gap, true, InsufficientData),
        (Some(1.0), vec![], Missing::Zero, true, InsufficientData),
        (Some(f64::NAN), vec![1.0; 30], Missing::Zero, true, NotFinite),
        (Some(1.0), vec![f64::INFINITY; 30], Missing::Zero, true, InsufficientData),
        (Some(f64::NAN), vec![f64::NAN; 30], Missing::Gap, true, NotFinite),
        (Some(-1.0), vec![1.0; 30], Missing::Zero, true, Negative),
        (Some(1e308), vec![1.0; 30], Missing::Zero, true, OutOfRange),
    ] {
        let windows = windows(current, &baseline);
        let series = Series::new(&windows, usize::MAX, missing, never_negative);
        assert_eq!(check(&series, &default_settings()), Verdict::Undetermined(expected), "{windows:?}");
    }
}

#[test]
fn one_broken_window_hides_nothing_but_itself() {
    use Reason::{InsufficientData, Negative, NotFinite, OutOfRange};
    for (broken, reason) in
        [(-48_000_000.0, Negative), (1e308, OutOfRange), (f64::NAN, NotFinite), (f64::INFINITY, NotFinite)]
    {
        let mut baseline = thousand_by_hundred();
        baseline[9] = broken;
        let Verdict::Anomalous(finding) = verdict(9_000.0, &baseline) else { panic!("{broken}") };
        assert_eq!(finding.severity, Severity::Critical, "{broken}");
        assert_eq!(finding.comparison.baseline.sample_count(), 29, "{broken}");
        assert_eq!(verdict(broken, &thousand_by_hundred()), Verdict::Undetermined(reason));
        let few = [broken, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(verdict(1.0, &few), Verdict::Undetermined(InsufficientData), "{broken}");
    }
}

#[test]
fn values_that_may_be_negative_are_judged() {
    let windows: Vec<_> =
        (0..31).map(|i| Some(if i == 0 { -900.0 } else { -5.0 + f64::from(i % 3) })).collect();
    let verdict = check(&Series::new(&windows, usize::MAX, Missing::Zero, false), &default_settings());
    let Verdict::Anomalous(finding) = verdict else { panic!("{verdict:?}") };
    assert_eq!(finding.direction, Direction::Drop);
    assert!(finding.comparison.opinion.expected.low < 0.0);
}

/// Plain sums in 128-bit integers: exact for whole numbers, and nothing in common with the recurrence under test.
fn exact_mean_and_stddev(values: &[i64]) -> (f64, f64) {
    let n = values.len() as i128;
    let sum: i128 = values.iter().map(|v| i128::from(*v)).sum();
    let squares: i128 = values.iter().map(|v| i128::from(*v).pow(2)).sum();
    let scaled_variance = n * squares - sum * sum;
    (sum as f64 / n as f64, (scaled_variance as f64 / (n * (n - 1)) as f64).sqrt())
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * left.abs().max(right.abs())
}

/// Realistic usage: from tiny to 1e15, spread out or close together.
fn usage() -> impl Strategy<Value = Vec<i64>> {
    (0..=1_000_000_000_000_000_i64, 1..=1_000_000_i64)
        .prop_flat_map(|(base, spread)| prop::collection::vec(base..=base + spread, 7..=30))
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::MIN_POSITIVE / 4.0),
        Just(1e308),
        Just(-1e308),
        Just(0.0),
        -1e6..1e6_f64,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn statistics_agree_with_exact_arithmetic(baseline in usage(), current in 0..=1_000_000_000_000_000_i64) {
        let (mean, stddev) = exact_mean_and_stddev(&baseline);
        let values: Vec<f64> = baseline.iter().map(|v| *v as f64).collect();
        let baseline = Baseline::of(values.iter().copied()).unwrap();
        prop_assert!(near(baseline.mean(), mean), "mean {} {mean}", baseline.mean());
        prop_assert!(near(baseline.stddev(), stddev), "stddev {} {stddev}", baseline.stddev());
        if let Verdict::Normal(comparison) | Verdict::Anomalous(Finding { comparison, .. }) = verdict(current as f64, &values)
            && !comparison.constant_baseline()
        {
            let z = ((current as f64 - mean) / stddev).clamp(-100.0, 100.0);
            prop_assert!((comparison.z_score - z).abs() <= 1e-9 * z.abs().max(mean / stddev * 1e-6), "{} {z}", comparison.z_score);
        }
    }

    #[test]
    fn order_of_the_baseline_does_not_matter(baseline in usage(), current in 0.0..1e15_f64, seed in any::<usize>()) {
        let values: Vec<f64> = baseline.iter().map(|v| *v as f64).collect();
        let mut turned = values.clone();
        turned.rotate_left(seed % values.len());
        turned.reverse();
        let (left, right) = (Baseline::of(values.iter().copied()).unwrap(), Baseline::of(turned.iter().copied()).unwrap());
        prop_assert!(near(left.mean(), right.mean()));
        prop_assert!(near(left.stddev(), right.stddev()));
        prop_assert_eq!(
            std::mem::discriminant(&verdict(current, &values)),
            std::mem::discriminant(&verdict(current, &turned))
        );
    }

    #[test]
    fn scaling_usage_and_floor_together_changes_nothing(baseline in usage(), current in 0..=1_000_000_000_000_000_i64, power in -20..20_i32) {
        // A power of two scales a double without rounding, so the verdict must be the same to the last bit.
        let factor = 2.0_f64.powi(power);
        let values: Vec<f64> = baseline.iter().map(|v| *v as f64).collect();
        let scaled: Vec<f64> = values.iter().map(|v| v * factor).collect();
        let plain = verdict_with(&settings(3.0, 100.0, 0.1), current as f64, &values);
        let other = verdict_with(&settings(3.0, 100.0 * factor, 0.1), current as f64 * factor, &scaled);
        match (plain, other) {
            (Verdict::Anomalous(a), Verdict::Anomalous(b)) => {
                prop_assert_eq!(a.comparison.z_score, b.comparison.z_score);
                prop_assert_eq!((a.severity, a.direction), (b.severity, b.direction));
            }
            (Verdict::Normal(a), Verdict::Normal(b)) => prop_assert_eq!(a.z_score, b.z_score),
            (a, b) => prop_assert!(false, "{a:?} {b:?}"),
        }
    }

    #[test]
    fn shifting_usage_keeps_the_score(baseline in prop::collection::vec(0..=1_000_000_i64, 7..=30), current in 0..=1_000_000_i64, shift in 0..=1_000_000_000_i64) {
        let score = |shift: i64| {
            let values: Vec<f64> = baseline.iter().map(|v| (v + shift) as f64).collect();
            let baseline = Baseline::of(values.iter().copied()).unwrap();
            baseline.deviation((current + shift) as f64) / baseline.stddev()
        };
        prop_assume!(baseline.iter().any(|v| *v != baseline[0]));
        prop_assert!(near(score(0), score(shift)) || (score(0) - score(shift)).abs() < 1e-9);
    }

    #[test]
    fn a_constant_series_is_never_an_anomaly(value in 0.0..1e15_f64, count in 0..40_usize, floors in any::<bool>()) {
        let settings = if floors { default_settings() } else { settings(3.0, 0.0, 0.0) };
        prop_assert!(!is_anomalous(&verdict_with(&settings, value, &vec![value; count])));
    }

    #[test]
    fn a_higher_threshold_never_finds_more(baseline in usage(), current in 0.0..1e15_f64, low in 0.1..50.0_f64, more in 0.0..50.0_f64) {
        let values: Vec<f64> = baseline.iter().map(|v| *v as f64).collect();
        if is_anomalous(&verdict_with(&settings(low + more, 100.0, 0.1), current, &values)) {
            prop_assert!(is_anomalous(&verdict_with(&settings(low, 100.0, 0.1), current, &values)));
        }
    }

    #[test]
    fn no_input_panics_or_leaves_a_number_that_is_not_finite(
        windows in prop::collection::vec(prop::option::of(any_number()), 0..40),
        counted in 0..50_usize,
        gap in any::<bool>(),
        never_negative in any::<bool>(),
        min_samples in 2..10_usize,
    ) {
        let missing = if gap { Missing::Gap } else { Missing::Zero };
        let settings = Settings::new(Thresholds { min_samples, min_relative_change: 0.0, ..Thresholds::default() }).unwrap();
        let verdict = check(&Series::new(&windows, counted, missing, never_negative), &settings);
        if let Verdict::Normal(comparison) | Verdict::Anomalous(Finding { comparison, .. }) = verdict {
            for number in [
                comparison.current,
                comparison.baseline.mean(),
                comparison.baseline.stddev(),
                comparison.z_score,
                comparison.opinion.expected.low,
                comparison.opinion.expected.high,
            ] {
                prop_assert!(number.is_finite(), "{comparison:?}");
            }
            prop_assert!(comparison.z_score.abs() <= Opinion::CAP);
        }
        let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
        let text = crate::describe::verdict("metric", "bytes", &window, &verdict);
        prop_assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains("unknown"), "{text}");
    }
}
