use super::*;

fn hour(number: i64) -> Hour {
    Hour::holding(jiff::Timestamp::UNIX_EPOCH).plus(500_000 + number)
}

fn hours(aggregate: Aggregate, values: &[Option<f64>]) -> Hours {
    Hours::new(aggregate, true, hour(0), values)
}

fn copied(hours: &Hours, from: i64, count: usize) -> Vec<Option<f64>> {
    let mut values = vec![0.0; count];
    hours.copy(hour(from), &mut values);
    values.into_iter().map(|value| Some(value).filter(|value| !value.is_nan())).collect()
}

#[test]
fn hours_without_events_are_zeros_of_counts_from_the_first_event_on() {
    let values = [None, Some(3.0), None, Some(4.0), None];
    let counts = hours(Aggregate::Count, &values);
    let expected = [None, None, Some(3.0), Some(0.0), Some(4.0), Some(0.0), None];
    assert_eq!(copied(&counts, -1, 7), expected);
    assert_eq!(copied(&counts.clone().known_since(hour(0)), 0, 2), [Some(0.0), Some(3.0)]);
    assert_eq!(copied(&counts.known_since(hour(3)), 0, 5), [None, None, None, Some(4.0), Some(0.0)]);
    let levels = hours(Aggregate::Max, &values);
    assert_eq!(copied(&levels, 0, 5), [None, Some(3.0), None, Some(4.0), None]);
    assert_eq!(copied(&hours(Aggregate::Sum, &[None, None]), 0, 2), [None, None]);
}

#[test]
fn broken_hours_are_gaps_and_told() {
    let values = [1.0, f64::NAN, -1.0, f64::INFINITY, 2e100, 1e100].map(Some);
    let counts = hours(Aggregate::Sum, &values);
    use Reason::{Negative, NotFinite, OutOfRange};
    let told = [(1, NotFinite), (2, Negative), (3, NotFinite), (4, OutOfRange)];
    assert_eq!(counts.broken(), told.map(|(place, reason)| (hour(place), reason)));
    assert_eq!(copied(&counts, 0, 6), [Some(1.0), None, None, None, None, Some(1e100)]);
    assert_eq!(counts.recent(hour(2)).fault, Some(Negative));
    assert_eq!(counts.recent(hour(5)).fault, Some(OutOfRange), "the newest one");
    assert_eq!((counts.recent(hour(0)).fault, counts.recent(hour(28)).fault), (None, None), "of another day");
    let signed = Hours::new(Aggregate::Sum, false, hour(0), &values);
    assert_eq!(copied(&signed, 2, 1), [Some(-1.0)]);
}

#[test]
fn windows_of_every_aggregate() {
    let values: Vec<f64> = (1..=24).map(f64::from).collect();
    for (aggregate, expected) in [
        (Aggregate::Count, [24.0, 69.0, 129.0, 300.0]),
        (Aggregate::Sum, [24.0, 69.0, 129.0, 300.0]),
        (Aggregate::Max, [24.0; 4]),
        (Aggregate::Min, [24.0, 22.0, 19.0, 1.0]),
        (Aggregate::Mean, [24.0, 23.0, 21.5, 12.5]),
        (Aggregate::Last, [24.0; 4]),
    ] {
        let windows = windows(aggregate, &values);
        assert_eq!(windows.map(|values| values[23]), expected, "{aggregate:?}");
    }
}

#[test]
fn a_gap_leaves_sums_out_and_other_windows_without_it() {
    let mut values: Vec<Option<f64>> = (1..=30).map(|value| Some(f64::from(value))).collect();
    values[27] = Some(f64::NAN);
    let ends = |aggregate, newest| hours(aggregate, &values).recent(hour(newest)).windows();
    let [one, three, six, day] = ends(Aggregate::Sum, 29);
    assert_eq!(one, 30.0);
    assert!(three.is_nan() && six.is_nan() && day.is_nan());
    assert_eq!(ends(Aggregate::Sum, 26)[..3], [27.0, 78.0, 147.0]);
    assert_eq!(ends(Aggregate::Max, 28), [29.0; 4]);
    assert_eq!(ends(Aggregate::Last, 28), [29.0; 4]);
    let [of_gap, others @ ..] = ends(Aggregate::Last, 27);
    assert!(of_gap.is_nan() && others == [27.0; 3], "the newest hour that has one");
    assert_eq!(
        ends(Aggregate::Mean, 29),
        [30.0, 29.5, (25.0 + 26.0 + 27.0 + 29.0 + 30.0) / 5.0, {
            ((7..=30).sum::<i32>() - 28) as f64 / 23.0
        }]
    );
}

#[test]
fn a_window_has_the_same_bits_wherever_it_is_computed() {
    // Values whose sum depends on the order of additions.
    let values: Vec<f64> = (0..200).map(|i| 1e9 / f64::from(3 * i + 1)).collect();
    let options: Vec<_> = values.iter().copied().map(Some).collect();
    for aggregate in [Aggregate::Sum, Aggregate::Max, Aggregate::Min, Aggregate::Mean, Aggregate::Last] {
        let whole = windows(aggregate, &values);
        let series = hours(aggregate, &options);
        for newest in 23..200 {
            let recent = series.recent(hour(newest as i64)).windows();
            let expected = whole.each_ref().map(|values| values[newest]);
            assert_eq!(recent.map(f64::to_bits), expected.map(f64::to_bits), "{aggregate:?} {newest}");
        }
    }
}

#[test]
fn hours_taken_out_keep_their_value_for_checks() {
    let series = hours(Aggregate::Sum, &[Some(1.0); 6]);
    let taken_out = series.clone().without(|at| at == hour(2) || at == hour(9));
    assert_eq!(copied(&taken_out, 0, 6), [Some(1.0); 6]);
    assert!(taken_out.has_out() && taken_out.is_out(hour(2)) && !taken_out.is_out(hour(3)));
    assert!(!series.has_out() && !series.without(|at| at == hour(9)).has_out());
}
