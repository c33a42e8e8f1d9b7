//! First uses of a metric.

use super::*;

/// A customer of 30 windows whose metric was first used `age` windows ago, with this value since.
fn used_for(age: usize, current: f64) -> Verdict {
    let mut windows = [None; 31];
    windows[..=age].fill(Some(5_000.0));
    windows[0] = Some(current);
    let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
    let oldest = window.oldest(BaselineDays::default());
    let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
    let series = Series::new(&windows, 30, Missing::Zero, true);
    check(&series.used_since(window.first_use(&windows), &window, oldest), &settings)
}

#[test]
fn a_first_use_counts_by_series_and_only_a_large_one_is_worth_a_look() {
    for current in [1.0, 999.9] {
        assert_eq!(used_for(0, current), Verdict::Undetermined(Reason::InsufficientData), "{current}");
    }
    for current in [1_000.0, 1e9] {
        let Verdict::Anomalous(finding) = used_for(0, current) else { panic!("{current}") };
        let Comparison { baseline, z_score, opinion, .. } = finding.comparison;
        assert!(finding.comparison.is_new_usage());
        assert_eq!((finding.severity, finding.direction), (Severity::Warning, Direction::Spike));
        assert_eq!((baseline.sample_count(), baseline.mean(), z_score), (0, 0.0, 0.0));
        assert_eq!((opinion.expected.low, opinion.expected.high), (0.0, 1_000.0));
    }
    // Later windows are no first use. The window of the first use does not count.
    for age in 1..=7 {
        assert_eq!(used_for(age, 1e9), Verdict::Undetermined(Reason::InsufficientData), "{age}");
    }
    assert!(matches!(used_for(8, 5_000.0), Verdict::Normal(_)));
    let Verdict::Anomalous(spike) = used_for(8, 50_000.0) else { panic!("ten times as much") };
    assert_eq!((spike.severity, spike.comparison.baseline.sample_count()), (Severity::Critical, 7));
}

#[test]
fn a_level_with_gaps_keeps_all_its_values() {
    let mut windows = [None; 31];
    windows.iter_mut().step_by(3).for_each(|value| *value = Some(100.0));
    let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
    let oldest = window.oldest(BaselineDays::default());
    windows[30] = None;
    for (missing, count) in [(Missing::Gap, 9), (Missing::Zero, 26)] {
        let series = Series::new(&windows, 30, missing, true);
        let series = series.used_since(window.first_use(&windows), &window, oldest);
        assert_eq!(series.baseline().count(), count, "{missing:?}");
    }
}

#[test]
fn a_new_customer_has_no_first_uses() {
    let windows = [Some(1e9), None, None];
    let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
    let oldest = window.oldest(BaselineDays::default());
    let settings = Settings::new(Thresholds::default()).unwrap();
    for (counted, is_new_usage) in [(0, false), (6, false), (7, true)] {
        let series = Series::new(&windows, counted, Missing::Zero, true);
        let verdict = check(&series.used_since(window.first_use(&windows), &window, oldest), &settings);
        assert_eq!(matches!(verdict, Verdict::Anomalous(_)), is_new_usage, "{counted}");
    }
}

#[test]
fn a_series_without_any_use_counts_as_its_customer() {
    let windows = [None; 31];
    let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
    let oldest = window.oldest(BaselineDays::default());
    let series = Series::new(&windows, 30, Missing::Zero, true);
    let series = series.used_since(window.first_use(&windows), &window, oldest);
    assert_eq!(series.counted(), 30);
}
