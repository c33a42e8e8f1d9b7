use serde::Deserialize;

use super::*;
use crate::calendar::TimeZone;

fn day() -> Hour {
    // A Tuesday.
    Hour::holding("2026-11-24T00:00:00Z".parse().unwrap())
}

fn calendar() -> Calendar {
    Calendar::new(&TimeZone::utc(), day())
}

fn hours(values: impl Fn(usize) -> f64) -> Hours {
    let values: Vec<_> = (0..Calendar::SPAN).map(|place| Some(values(place))).collect();
    Hours::new(Aggregate::Count, true, calendar().begin(), &values)
}

fn fit(hours: &Hours) -> Model {
    Model::fit(hours, &calendar(), &Profile::FLAT)
}

/// Usage with a day, some noise, and a quieter weekend.
fn usage(place: usize) -> f64 {
    let weekend = if (1 + 4 + place / 24) % 7 >= 5 { 0.4 } else { 1.0 };
    let hour = 1.2 + (place as f64 / 24.0 * std::f64::consts::TAU).sin();
    (200.0 * weekend * hour + (place * 37 % 23) as f64).round()
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
}

#[derive(Deserialize)]
struct Vector {
    hours: Vec<f64>,
    newest: Vec<f64>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    hour: usize,
    length: usize,
    expected: f64,
    spread: f64,
    samples: f64,
    freedom: f64,
    gate: f64,
    mean: f64,
    stddev: f64,
    score: f64,
}

#[test]
fn as_an_independent_implementation_has_it() {
    // Recorded by tools/vectors/seasonal.py.
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let settings = crate::Settings::new(crate::Thresholds::default()).unwrap();
    for Vector { hours, newest, rows } in vectors {
        let values: Vec<_> = hours.into_iter().chain(newest).map(Some).collect();
        let hours = Hours::new(Aggregate::Count, true, calendar().begin(), &values);
        let model = fit(&hours);
        for row in rows {
            let place = LENGTHS.iter().position(|length| *length == row.length).unwrap();
            let window = model.rows[row.hour].windows[place].unwrap();
            let classical = window.classical.unwrap();
            let figures = [
                (window.expected, row.expected),
                (window.spread, row.spread),
                (window.samples, row.samples),
                (window.freedom, row.freedom),
                (window.gate.unwrap(), row.gate),
                (classical.mean(), row.mean),
                (classical.stddev(), row.stddev),
            ];
            for (figure, (ours, theirs)) in figures.into_iter().enumerate() {
                assert!(
                    close(ours, theirs),
                    "figure {figure} of {row:?}: {ours}",
                    row = (row.hour, row.length)
                );
            }
            let recent = hours.recent(day().plus(row.hour as i64));
            let judged = crate::ensemble::judge(&recent, &model.rows[row.hour], &settings);
            let view = judged.views.iter().find(|view| view.hours() == row.length).unwrap();
            // The distribution of t is approximated.
            let tolerance = 0.004 * row.score.abs() + 1e-9;
            assert!((view.opinion.score - row.score).abs() <= tolerance, "{view:?} {}", row.score);
        }
    }
}

#[test]
fn a_constant_series_expects_its_value_without_spread() {
    let model = fit(&hours(|_| 100.0));
    for row in &model.rows {
        assert_eq!((row.days, row.windows.iter().flatten().count()), (31, 4));
        for (window, length) in row.windows.iter().flatten().zip(LENGTHS) {
            let total = 100.0 * length as f64;
            assert!((row.transform.inverse(window.expected) - total).abs() < 1e-9);
            assert!(window.spread < 1e-9, "{}", window.spread);
            assert!(window.gate.unwrap().abs() < 1e-9, "{:?}", window.gate);
            let classical = window.classical.unwrap();
            assert_eq!((classical.mean(), classical.sample_count()), (total, 30));
        }
    }
}

#[test]
fn only_the_hours_before_its_day_make_a_model() {
    let own = fit(&hours(usage));
    let begin = calendar().begin();
    let longer: Vec<_> = (0..Calendar::SPAN + 400)
        .map(|place| {
            Some(if (200..200 + Calendar::SPAN).contains(&place) { usage(place - 200) } else { 7e6 })
        })
        .collect();
    assert_eq!(fit(&Hours::new(Aggregate::Count, true, begin.plus(-200), &longer)), own);
}

#[test]
fn a_model_that_was_written_and_read_is_the_same() {
    let model = fit(&hours(usage));
    let read: Model = serde_json::from_str(&serde_json::to_string(&model).unwrap()).unwrap();
    assert_eq!(read, model);
}

#[test]
fn weekends_and_weekdays_have_expectations_of_their_own() {
    let expected = |day: Hour| {
        let calendar = Calendar::new(&TimeZone::utc(), day);
        let begin = calendar.begin().since(self::calendar().begin()) as usize;
        let values: Vec<_> = (0..Calendar::SPAN).map(|place| Some(usage(begin + place))).collect();
        let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
        let row = Model::fit(&hours, &calendar, &Profile::FLAT).rows[12];
        row.windows.map(|window| row.transform.inverse(window.unwrap().expected))
    };
    let actual = |day: Hour| {
        let newest = day.since(calendar().begin()) as usize + 12;
        LENGTHS.map(|length| (newest + 1 - length..=newest).map(usage).sum::<f64>())
    };
    for days in [0, 3, 4, 5, 6] {
        let day = day().plus(24 * days);
        for (expected, actual) in expected(day).into_iter().zip(actual(day)) {
            assert!((expected / actual - 1.0).abs() < 0.12, "{days} days later: {expected}, {actual}");
        }
    }
}

#[test]
fn one_absurd_value_moves_nothing() {
    let calm = fit(&hours(usage));
    for place in [2 * 24 + 5, 15 * 24 + 12, 30 * 24 + 23] {
        let odd = fit(&hours(|at| if at == place { 1e99 } else { usage(at) }));
        for (calm, odd) in calm.rows.iter().zip(&odd.rows) {
            for (calm, odd) in calm.windows.iter().flatten().zip(odd.windows.iter().flatten()) {
                let distance = (odd.expected - calm.expected).abs() / calm.expected;
                assert!(distance < 0.05, "{place}: {distance}");
                assert!(odd.spread < 0.15 * calm.expected, "{place}: {} of {}", odd.spread, calm.expected);
                assert_eq!(odd.gate, calm.gate.map(|gate| gate.max(odd.gate.unwrap())));
            }
        }
    }
}

#[test]
fn muted_hours_do_not_count_and_their_windows_do() {
    // Two hours of one day, and one hour of each night.
    let is_planned = |place: usize| place / 24 == 25 && (9..11).contains(&(place % 24)) || place % 24 == 3;
    let begin = calendar().begin();
    let planned = hours(|place| if is_planned(place) { 50_000.0 } else { usage(place) });
    let muted = planned.clone().muted(|hour| is_planned(hour.since(begin) as usize));
    let model = fit(&muted);
    // An hour that was muted each night is nothing on both sides of a comparison.
    let nightless = fit(&hours(|place| if place % 24 == 3 { 0.0 } else { usage(place) }));
    for (hour, (calm, muted)) in nightless.rows.iter().zip(&model.rows).enumerate() {
        for place in 0..4 {
            let (Some(calm), Some(muted)) = (calm.windows[place], muted.windows[place]) else {
                assert_eq!((hour, place), (3, 0), "only the hour itself is never known");
                continue;
            };
            let ratio = muted.expected / calm.expected;
            assert!((ratio - 1.0).abs() < 0.03, "{hour} {place}: {ratio}");
        }
    }
}

#[test]
fn the_first_days_take_the_shape_of_peers() {
    let shape: [f64; 24] = std::array::from_fn(|hour| if (8..18).contains(&hour) { 10.0 } else { 1.0 });
    let peers = Profile::of(shape).unwrap();
    let young = |days: usize| {
        let begin = calendar().begin();
        let since = Calendar::SPAN - 24 * days;
        let value = |place: usize| if place < since { None } else { Some(30.0 * shape[place % 24]) };
        let values: Vec<_> = (0..Calendar::SPAN).map(value).collect();
        Model::fit(&Hours::new(Aggregate::Sum, true, begin, &values), &calendar(), &peers)
    };
    for days in [1, 2, 6] {
        let model = young(days);
        for (hour, row) in model.rows.iter().enumerate() {
            assert_eq!((row.days, row.is_new()), (days as u16, true));
            let expected = row.transform.inverse(row.windows[0].unwrap().expected);
            assert!(close(expected, 30.0 * shape[hour]), "{days} {hour}: {expected}");
            assert_eq!(row.windows[0].unwrap().gate, None);
        }
    }
    assert!(young(0).rows.iter().all(|row| row.windows == [None; 4]));
    assert!(!young(7).rows[0].is_new());
}

#[test]
fn a_profile_has_a_mean_of_one() {
    assert_eq!(Profile::of([5.0; 24]), Some(Profile::FLAT));
    for broken in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut amounts = [broken; 24];
        assert_eq!(Profile::of(amounts), None, "{broken}");
        amounts[1..].fill(1.0);
        assert_eq!(Profile::of(amounts).is_some(), broken == 0.0, "{broken}");
    }
}

#[test]
fn memory_is_found_where_hours_carry_on() {
    let noise = |seed: u64| {
        let mixed = (seed ^ 0x9e37)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9)
            .rotate_left(31)
            .wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    for carried in [0.0, 0.5, 0.9] {
        let mut residual = 0.0;
        let residuals: Vec<f64> = (0..3_000)
            .map(|at| {
                residual = carried * residual + noise(at);
                residual
            })
            .collect();
        let memory = memory::fit(&residuals);
        assert!((memory.carried - carried).abs() < 0.06, "{carried}: {memory:?}");
        // Uniform noise from -1 to 1: half of it lies within 0.5 of zero.
        assert!((memory.spread - 1.4826 * 0.5).abs() < 0.06, "{memory:?}");
    }
    assert_eq!(memory::fit(&[f64::NAN; 50]), Memory::default());
    assert_eq!(memory::fit(&[]), Memory::default());
}
