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

/// 0 for Monday. The model's day is a Tuesday.
fn weekday(place: usize) -> usize {
    (place / 24 + 57 - Calendar::SPAN_DAYS) % 7
}

/// Usage with a day, some noise, and a quieter weekend.
fn usage(place: usize) -> f64 {
    let weekend = if weekday(place) >= 5 { 0.4 } else { 1.0 };
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
                (window.gate.unwrap_or(0.0), row.gate),
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
            assert_eq!(window.gate.is_some(), length < 24);
            let total = 100.0 * length as f64;
            assert!((row.transform.inverse(window.expected) - total).abs() < 1e-9);
            assert!(window.spread < 1e-9, "{}", window.spread);
            assert!(window.gate.is_none_or(|gate| gate.abs() < 1e-9), "{:?}", window.gate);
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
    for place in [Calendar::SPAN - 29 * 24 + 5, Calendar::SPAN - 16 * 24 + 12, Calendar::SPAN - 1] {
        let odd = fit(&hours(|at| if at == place { 1e99 } else { usage(at) }));
        for (calm, odd) in calm.rows.iter().zip(&odd.rows) {
            for (calm, odd) in calm.windows.iter().flatten().zip(odd.windows.iter().flatten()) {
                let distance = (odd.expected - calm.expected).abs() / calm.expected;
                assert!(distance < 0.05, "{place}: {distance}");
                assert!(odd.spread < 0.15 * calm.expected, "{place}: {} of {}", odd.spread, calm.expected);
                let [calm_gate, odd_gate] = [calm, odd].map(|window| window.gate.unwrap_or(0.0));
                let apart = (odd_gate - calm_gate).abs() / calm.expected;
                assert!(apart < 0.2, "{place}: {calm_gate} {odd_gate} of {}", calm.expected);
            }
        }
    }
}

/// The value that a spike of a length must exceed at an hour of the day.
fn limit(model: &Model, hour: usize, length: usize) -> Option<f64> {
    let row = &model.rows[hour];
    let window = row.windows[LENGTHS.iter().position(|known| *known == length)?]?;
    Some(row.transform.inverse(window.expected + window.gate?))
}

fn steady(place: usize) -> f64 {
    (100 + place * 37 % 23) as f64
}

#[test]
fn a_series_that_bursts_must_burst_more() {
    let bursts = |days: &[usize]| {
        let days = days.to_vec();
        let is_burst = move |place: usize| days.contains(&(place / 24)) && place % 24 == place / 24 % 7 + 3;
        fit(&hours(|place| if is_burst(place) { 1_000.0 } else { steady(place) }))
    };
    let (regular, bursty) = (bursts(&[9, 20]), bursts(&[9, 12, 17, 20, 25]));
    for length in [1, 3] {
        let (regular, bursty) = (limit(&regular, 20, length).unwrap(), limit(&bursty, 20, length).unwrap());
        let usual = 111.0 * length as f64;
        assert!(regular < 1.5 * usual, "two days are no habit: {regular}");
        assert!((1_200.0 + usual..3_500.0).contains(&bursty), "about twice the burst: {bursty}");
    }
    assert!(limit(&bursty, 20, 6).unwrap() > 5_900.0, "a burst that lasts is no news at first");
    assert_eq!(limit(&regular, 20, 24), None);
}

#[test]
fn a_weekly_job_is_no_burst() {
    let is_job = |place: usize| weekday(place) == 1 && (12..15).contains(&(place % 24));
    let job = |place: usize| if is_job(place) { 2_000.0 + steady(place) } else { steady(place) };
    // The model's day is a Tuesday like those of the job, or the day after.
    for later in [0, 24] {
        let calendar = Calendar::new(&TimeZone::utc(), day().plus(later));
        let values: Vec<_> = (0..Calendar::SPAN).map(|place| Some(job(place + later as usize))).collect();
        let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
        let model = Model::fit(&hours, &calendar, &Profile::FLAT);
        let limit = limit(&model, 20, 1).unwrap();
        assert!(limit < 300.0, "{later}: {limit}");
    }
}

#[test]
fn a_job_of_the_month_is_no_news_a_month_later() {
    // The 24th of October. The model's day is the 24th of November.
    let first = Calendar::SPAN - 24 * 31;
    let is_job = |place: usize| (first + 9..first + 12).contains(&place);
    let model = fit(&hours(|place| if is_job(place) { 2_000.0 } else { steady(place) }));
    for (hour, length) in [(9, 1), (11, 1), (10, 3), (11, 6), (9, 24), (23, 24)] {
        let limit = limit(&model, hour, length).unwrap();
        let job = 2_000.0 * (hour - 8).min(length).min(3) as f64;
        assert!(limit > 1.2 * job, "{hour} {length}: {limit}");
    }
    for (hour, length) in [(7, 1), (20, 1), (20, 3)] {
        let limit = limit(&model, hour, length).unwrap();
        assert!(limit < 150.0 * length as f64, "{hour} {length}: {limit}");
    }
    // The 24th of October was a Saturday, and busy Saturdays are no jobs of the month.
    let busy = fit(&hours(|place| if weekday(place) == 5 { 2_000.0 + steady(place) } else { steady(place) }));
    assert!(limit(&busy, 10, 1).unwrap() < 400.0, "{:?}", limit(&busy, 10, 1));
}

#[test]
fn hours_of_an_incident_make_no_expectation_and_count_as_bursts() {
    let begin = calendar().begin();
    let is_odd = |place: usize| [24, 27, 29].contains(&(place / 24)) && (9..12).contains(&(place % 24));
    let odd = hours(|place| if is_odd(place) { 2_000.0 } else { steady(place) });
    let (calm, without) = (fit(&hours(steady)), fit(&odd.without(|hour| is_odd(hour.since(begin) as usize))));
    for (calm, without) in calm.rows.iter().zip(&without.rows) {
        for (calm, without) in calm.windows.iter().flatten().zip(without.windows.iter().flatten()) {
            assert!((without.expected / calm.expected - 1.0).abs() < 0.01, "{without:?} {calm:?}");
            assert!(without.spread < 1.3 * calm.spread + 0.1, "{without:?} {calm:?}");
            assert!(without.classical.unwrap().mean() < 1.01 * calm.classical.unwrap().mean());
        }
    }
    assert!(limit(&without, 20, 1).unwrap() > 2_000.0);
    assert!(limit(&calm, 20, 1).unwrap() < 150.0);
}

#[test]
fn usage_tells_whether_the_clocks_of_a_customer_have_changed() {
    let monday = Hour::holding("2026-10-26T00:00:00Z".parse().unwrap());
    let window = |zone: &str, day: Hour, hour: usize| {
        let (zone, calendar) = (TimeZone::named(zone).unwrap(), Calendar::undeclared(day));
        let value = |place: usize| {
            let local = zone.local(calendar.begin().plus(place as i64));
            let is_busy = !local.is_weekend() && (8..18).contains(&local.hour);
            let noise = (place * 37 % 23) as f64;
            Some(if is_busy { 400.0 + 4.0 * noise } else { 20.0 + noise })
        };
        let values: Vec<_> = (0..Calendar::SPAN).map(value).collect();
        let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
        Model::fit(&hours, &calendar, &Profile::FLAT).rows[hour].windows[0].unwrap()
    };
    // The first working hour so far. In London it began at 07:00 of UTC before the change, and begins at 08:00 after.
    let first = [("Europe/London", 7), ("UTC", 8)];
    for (zone, hour) in first {
        let open = window(zone, monday, hour);
        let reach = 4.0 * open.spread;
        let (quiet, busy) = (31_f64.sqrt(), 444_f64.sqrt());
        assert!(open.expected - reach < quiet && open.expected + reach > busy, "{zone}: {open:?}");
    }
    let [london, utc] = first.map(|(zone, hour)| window(zone, monday.plus(48), hour));
    assert!((london.expected.powi(2) - 31.0).abs() < 8.0 && london.spread < 2.0, "{london:?}");
    assert!((utc.expected.powi(2) - 444.0).abs() < 40.0 && utc.spread < 2.0, "{utc:?}");
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
fn a_broken_value_beside_muted_hours_changes_no_expectation() {
    let broken_at = 3 * 24 + 3;
    let is_muted = |place: usize| place % 24 == 3 && place / 24 >= 25;
    let begin = calendar().begin();
    let of = |broken: f64| {
        let hours = hours(|place| if place == broken_at { broken } else { usage(place) });
        fit(&hours.muted(|hour| is_muted(hour.since(begin) as usize)))
    };
    let (without, with) = (of(usage(broken_at)), of(1e99));
    for (hour, (without, with)) in without.rows.iter().zip(&with.rows).enumerate() {
        for (place, (without, with)) in without.windows.iter().zip(&with.windows).enumerate() {
            let (without, with) = (without.unwrap(), with.unwrap());
            let ratio = with.expected / without.expected;
            assert!((ratio - 1.0).abs() < 0.05, "{hour} {place}: {ratio}");
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
            // A profile has single precision.
            assert!((expected / (30.0 * shape[hour]) - 1.0).abs() < 1e-6, "{days} {hour}: {expected}");
            assert_eq!(row.windows[0].unwrap().gate, None);
        }
    }
    assert!(young(0).rows.iter().all(|row| row.windows == [None; 4]));
    assert!(!young(7).rows[0].is_new());
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
        let memory = memory::fit(&residuals, robust::median_of(&residuals));
        assert!((memory.carried - carried).abs() < 0.06, "{carried}: {memory:?}");
        // Uniform noise from -1 to 1: half of it lies within 0.5 of zero.
        assert!((memory.spread - 1.4826 * 0.5).abs() < 0.06, "{memory:?}");
    }
    assert_eq!(memory::fit(&[f64::NAN; 50], 0.0), Memory::default());
    assert_eq!(memory::fit(&[], 0.0), Memory::default());
}
