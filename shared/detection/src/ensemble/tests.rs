use proptest::prelude::*;

use super::*;
use crate::calendar::{Calendar, TimeZone};
use crate::hour::Hour;
use crate::hours::{Aggregate, Hours};
use crate::model::{Model, Profile};
use crate::noise::{Noise, weeks};
use crate::{Detectors, Missing, Opinion, Sensitivity, Series, Thresholds, check};

fn day() -> Hour {
    // A Tuesday.
    Hour::holding("2026-11-24T00:00:00Z".parse().unwrap())
}

fn calendar() -> Calendar {
    Calendar::new(&TimeZone::utc(), day())
}

fn settings(min_change: f64) -> Settings {
    Settings::new(Thresholds { min_change, ..Thresholds::default() }).unwrap()
}

/// Usage of working hours, with a trickle at night and on weekends. Place 0 is the first hour of the span.
fn business(place: usize) -> f64 {
    let (weekday, hour) = ((place / 24 + 57 - Calendar::SPAN_DAYS) % 7, place % 24);
    let noise = (place * 37 % 23) as f64;
    if weekday < 5 && (8..18).contains(&hour) { 400.0 + 4.0 * noise } else { noise / 8.0 }.round()
}

fn hours(aggregate: Aggregate, values: impl Fn(usize) -> f64) -> Hours {
    let values: Vec<_> = (0..Calendar::SPAN + 24).map(|place| Some(values(place))).collect();
    Hours::new(aggregate, true, calendar().begin(), &values)
}

/// The assessment of an hour of the day after the span.
fn judged(hours: &Hours, hour: usize, settings: &Settings) -> Assessment {
    let model = Model::fit(hours, &calendar(), &Profile::FLAT);
    let newest = day().plus(hour as i64);
    judge(&model.fill_muted(hours.recent(newest)), model.row(newest).unwrap(), settings)
}

fn finding(assessment: &Assessment) -> Finding {
    match assessment.verdict {
        Verdict::Anomalous(finding) => finding,
        _ => panic!("not anomalous: {assessment:?}"),
    }
}

fn is_normal(assessment: &Assessment) -> bool {
    matches!(assessment.verdict, Verdict::Normal(_))
}

const TODAY: usize = Calendar::SPAN;

#[test]
fn a_burst_of_an_hour_is_found_by_the_window_of_an_hour() {
    let values = |at: usize| if at == TODAY + 5 { 900.0 } else { (100 + 7 * at % 13) as f64 };
    let hours = hours(Aggregate::Count, values);
    let found = judged(&hours, 5, &settings(100.0));
    let Finding { comparison, severity, direction } = finding(&found);
    assert_eq!((found.hours, severity, direction), (1, Severity::Critical, Direction::Spike));
    assert_eq!((comparison.current, comparison.baseline.sample_count()), (900.0, 30));
    assert!(comparison.z_score > 50.0 && found.confidence > 0.9 && found.score > 1.0, "{found:?}");
    assert_eq!((found.trust, found.days), (Trust::Known, 31));
    assert!((found.expected - 106.0).abs() < 8.0, "{}", found.expected);
    assert!(comparison.opinion.expected.holds(110.0) && !comparison.opinion.expected.holds(400.0));
    assert!(is_normal(&judged(&hours, 4, &settings(100.0))));
}

#[test]
fn a_customer_of_working_hours_that_falls_silent_is_found_within_three_hours() {
    let silent = hours(Aggregate::Count, |at| if at >= TODAY { 0.0 } else { business(at) });
    for hour in 0..8 {
        assert!(is_normal(&judged(&silent, hour, &settings(100.0))), "nothing is due at {hour}");
    }
    let found = judged(&silent, 10, &settings(100.0));
    let Finding { severity, direction, .. } = finding(&found);
    assert_eq!((severity, direction), (Severity::Critical, Direction::Drop));
    // The usual day of the same customer is no anomaly at any hour.
    let usual = hours(Aggregate::Count, business);
    for hour in 0..24 {
        assert!(is_normal(&judged(&usual, hour, &settings(100.0))), "{hour}");
    }
}

#[test]
fn a_change_below_a_floor_is_none() {
    let values = |at: usize| if at == TODAY + 5 { 160.0 } else { 100.0 };
    let of = |min_change: f64, min_relative_change: f64| {
        let thresholds = Thresholds { min_change, min_relative_change, ..Thresholds::default() };
        judged(&hours(Aggregate::Sum, values), 5, &Settings::new(thresholds).unwrap())
    };
    assert_eq!(finding(&of(100.0, 0.1)).severity, Severity::Critical);
    // The floor of a day is one of 20 for an hour.
    assert_eq!(finding(&of(60.0 * 24.0_f64.sqrt() - 1.0, 0.1)).comparison.current, 160.0);
    assert!(is_normal(&of(60.0 * 24.0_f64.sqrt() + 1.0, 0.1)));
    assert!(is_normal(&of(100.0, 0.7)));
    let small = of(1e6, 0.1);
    assert!(small.views.iter().all(|view| view.standing == Standing::TooSmall), "{small:?}");
    assert_eq!(small.nearest, None);
}

#[test]
fn the_condition_passed_by_the_least_is_told() {
    let values = |at: usize| if at == TODAY + 5 { 160.0 } else { 100.0 };
    let of = |min_change: f64, min_relative_change: f64| {
        let thresholds = Thresholds { min_change, min_relative_change, ..Thresholds::default() };
        let found = judged(&hours(Aggregate::Sum, values), 5, &Settings::new(thresholds).unwrap());
        let Nearest { condition, figure, limit } = found.nearest.unwrap();
        (condition, figure.round(), (limit * 10.0).round() / 10.0)
    };
    assert_eq!(of(24.0_f64.sqrt() * 59.0, 0.0), (Condition::MinChange, 60.0, 59.0));
    assert_eq!(of(0.0, 0.59), (Condition::MinRelativeChange, 1.0, 0.6));
    assert_eq!(of(0.0, 0.1), (Condition::OtherHours, 160.0, 100.0));
}

#[test]
fn a_customer_that_bursts_at_odd_hours_is_no_news() {
    // A burst every fourth day, each at another hour.
    let burst = |at: usize| if at / 24 % 4 == 3 && at % 24 == at / 24 * 5 % 24 { 3_000.0 } else { 50.0 };
    let again = hours(Aggregate::Count, |at| if at == TODAY + 2 { 3_000.0 } else { burst(at) });
    let found = judged(&again, 2, &settings(100.0));
    assert!(is_normal(&found), "{found:?}");
    assert!(found.views.iter().any(|view| view.standing == Standing::UsualAtOtherHours));
    let larger = hours(Aggregate::Count, |at| if at == TODAY + 2 { 9_000.0 } else { burst(at) });
    assert_eq!(finding(&judged(&larger, 2, &settings(100.0))).severity, Severity::Critical);
}

#[test]
fn a_machine_that_uses_an_eighth_more_is_within_its_spread() {
    let machine = |factor: f64| {
        let hours = hours(Aggregate::Sum, |at| if at >= TODAY { 1_000.0 * factor } else { 1_000.0 });
        judged(&hours, 23, &settings(0.0))
    };
    assert!(is_normal(&machine(1.12)));
    assert_eq!(finding(&machine(1.6)).direction, Direction::Spike);
    assert_eq!(finding(&machine(0.5)).direction, Direction::Drop);
}

#[test]
fn an_absurd_value_of_a_month_ago_hides_no_spike() {
    let burst = |at: usize| if at == TODAY + 10 { 3_000.0 } else { business(at) };
    let calm = judged(&hours(Aggregate::Sum, burst), 10, &settings(100.0));
    for place in [TODAY - 29 * 24 + 10, TODAY - 29 * 24 + 3, TODAY - 6 * 24 + 10] {
        for absurd in [1e99, f64::NAN, -5.0, f64::INFINITY, 1e300] {
            let hours = hours(Aggregate::Sum, |at| if at == place { absurd } else { burst(at) });
            let found = judged(&hours, 10, &settings(100.0));
            assert_eq!(finding(&found).severity, finding(&calm).severity, "{absurd} at {place}");
            assert!(found.score > 0.6 * calm.score, "{absurd}: {} of {}", found.score, calm.score);
        }
    }
}

#[test]
fn a_leak_after_a_mute_pages_at_once() {
    let planned = |at: usize| (TODAY + 1..TODAY + 3).contains(&at);
    let values = |at: usize| match at {
        at if planned(at) => 40_000.0,
        at if at == TODAY + 10 => 3_000.0,
        at => business(at),
    };
    let begin = calendar().begin();
    let muted = hours(Aggregate::Count, values).muted(|hour| planned(hour.since(begin) as usize));
    for hour in 1..10 {
        let quiet = judged(&muted, hour, &settings(100.0));
        assert!(!matches!(quiet.verdict, Verdict::Anomalous(_)), "{hour}: {quiet:?}");
    }
    assert_eq!(finding(&judged(&muted, 10, &settings(100.0))).severity, Severity::Critical);
    let open = hours(Aggregate::Count, values);
    assert_eq!(finding(&judged(&open, 1, &settings(100.0))).severity, Severity::Critical, "without the mute");
}

#[test]
fn a_leak_on_the_third_day_is_found() {
    let since = TODAY - 48;
    let values = |factor: f64| {
        move |at: usize| {
            (at >= since).then_some(if at >= TODAY + 4 { factor } else { 1.0 } * 20.0 + (at % 5) as f64)
        }
    };
    let of = |factor: f64| {
        let values: Vec<_> = (0..TODAY + 24).map(values(factor)).collect();
        judged(&Hours::new(Aggregate::Count, true, calendar().begin(), &values), 6, &settings(50.0))
    };
    let found = of(40.0);
    assert_eq!((finding(&found).severity, found.trust, found.days), (Severity::Critical, Trust::New, 2));
    assert!(found.views.iter().all(|view| view.threshold == 10.0));
    assert!(is_normal(&of(2.0)));
}

#[test]
fn what_cannot_be_judged_has_a_reason() {
    let reason = |hours: &Hours, hour: usize| match judged(hours, hour, &settings(0.0)).verdict {
        Verdict::Undetermined(reason) => reason,
        other => panic!("{other:?}"),
    };
    let of = |value: Option<f64>| {
        let values: Vec<_> = (0..TODAY + 24).map(|at| if at < TODAY - 5 { None } else { value }).collect();
        Hours::new(Aggregate::Max, true, calendar().begin(), &values)
    };
    assert_eq!(reason(&of(None), 3), Reason::NoData);
    assert_eq!(reason(&of(Some(3.0)), 3), Reason::InsufficientData);
    assert_eq!(reason(&of(Some(-3.0)), 3), Reason::Negative);
    assert_eq!(reason(&of(Some(f64::NAN)), 3), Reason::NotFinite);
}

#[test]
fn the_sensitivity_scales_thresholds() {
    let values = |at: usize| if at == TODAY + 10 { 640.0 } else { business(at) };
    let at = |sensitivity: Sensitivity| {
        judged(&hours(Aggregate::Count, values), 10, &settings(0.0).with_sensitivity(sensitivity))
    };
    let (high, medium, low) = (at(Sensitivity::HIGH), at(Sensitivity::MEDIUM), at(Sensitivity::LOW));
    assert!((high.score * 0.8 - medium.score).abs() < 1e-9 && (low.score * 1.4 - medium.score).abs() < 1e-9);
    assert_eq!(finding(&high).severity, Severity::Critical);
    assert!(is_normal(&low), "{low:?}");
}

#[test]
fn the_classical_detector_alone_gives_its_own_verdict() {
    let classical = Detectors::new([Detector::ZScore]).unwrap();
    for (min_relative_spread, factor) in
        [(0.04, 1.0), (0.04, 1.13), (0.04, 1.3), (0.0, 1.0), (0.0, 1.2), (0.0, 3.0), (0.04, 0.0)]
    {
        let thresholds = Thresholds { min_change: 100.0, min_relative_spread, ..Thresholds::default() };
        let settings = Settings::new(thresholds).unwrap();
        let value = |at: usize| if at >= TODAY { factor * 100.0 } else { 100.0 };
        let found = judged(&hours(Aggregate::Sum, value), 23, &settings.with_detectors(classical));
        let windows: Vec<_> = [2_400.0 * factor].into_iter().chain([2_400.0; 30]).map(Some).collect();
        let expected = check(&Series::new(&windows, 30, Missing::Zero, true), &settings);
        assert_eq!(found.verdict, expected, "{min_relative_spread} {factor}");
        assert_eq!(found.views.len(), 1);
    }
}

#[test]
fn confidence_and_trust_as_stated() {
    for (score, expected) in [(0.0, 0.0), (3.0, 0.7), (-3.0, 0.7), (5.0, 0.9), (100.0, 1.0)] {
        assert!((confidence(score) - expected).abs() < 5e-4, "{score}: {}", confidence(score));
    }
    assert_eq!([0, 6, 7, 27, 28, 31].map(Trust::of), {
        use Trust::{Known, New, Young};
        [New, New, Young, Young, Known, Known]
    });
}

#[test]
fn a_silence_shows_by_day_and_not_at_night() {
    let hours = hours(Aggregate::Count, business);
    let (settings, of_hour) = (settings(100.0), |hour| judged(&hours, hour, &settings(100.0)));
    let shows = |hour: usize, length: usize, direction| {
        let found = of_hour(hour);
        let view = found.views.iter().find(|view| view.hours() == length).unwrap();
        view.shows_from(direction, &settings)
    };
    let by_day = shows(12, 1, Direction::Drop);
    assert!((0.1..0.7).contains(&by_day), "{by_day}");
    assert_eq!(shows(3, 1, Direction::Drop), f64::INFINITY, "nothing is missing");
    assert!(shows(12, 24, Direction::Drop) < 1.0);
    // A floor of 100 a day is one of 20 an hour, and at night an hour has one call.
    let (busy, quiet) = (shows(12, 1, Direction::Spike), shows(3, 1, Direction::Spike));
    assert!(busy < 0.7 && quiet > 5.0 && quiet.is_finite(), "{busy} {quiet}");
}

/// How often the windows of pure noise have scores beyond 2 and beyond 3, all lengths together.
fn rates(noise: Noise, aggregate: Aggregate) -> [f64; 2] {
    const SERIES: u64 = 300;
    let plain = Settings::new(Thresholds { min_relative_spread: 0.0, ..Thresholds::default() }).unwrap();
    let (mut beyond, mut all) = ([0_u32; 2], 0_u32);
    for seed in 0..SERIES {
        let values = noise.around(weeks(100.0, 0.0, Calendar::SPAN_DAYS + 1), seed);
        let hours = hours(aggregate, |place| values[place]);
        let model = Model::fit(&hours, &calendar(), &Profile::FLAT);
        for (hour, row) in model.rows.iter().enumerate() {
            for view in judge(&hours.recent(day().plus(hour as i64)), row, &plain).views {
                all += 1;
                beyond[0] += u32::from(view.opinion.score.abs() >= 2.0);
                beyond[1] += u32::from(view.opinion.score.abs() >= 3.0);
            }
        }
    }
    assert_eq!(u64::from(all), SERIES * 24 * 5);
    beyond.map(|count| f64::from(count) / f64::from(all))
}

#[test]
fn noise_is_flagged_as_often_as_a_normal_score_says() {
    // How often a normal score is beyond 2 and beyond 3.
    let nominal = [0.0455, 0.0027];
    let (binomial, normal) = (Noise::NegativeBinomial(10.0), Noise::Normal(0.1));
    for (noise, aggregate) in [
        (Noise::Poisson, Aggregate::Count),
        (binomial, Aggregate::Count),
        (binomial, Aggregate::Sum),
        (normal, Aggregate::Sum),
        (normal, Aggregate::Mean),
    ] {
        let rates = rates(noise, aggregate);
        let fits = |(rate, nominal): (&f64, f64)| (0.1..2.0).contains(&(rate / nominal));
        assert!(rates.iter().zip(nominal).all(fits), "{noise:?} {aggregate:?}: {rates:?}");
    }
}

fn any_value() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        4 => (0.0..2_000.0).prop_map(Some),
        2 => Just(None),
        2 => Just(Some(0.0)),
        1 => any::<f64>().prop_map(Some),
        1 => (-1e100..1e100).prop_map(Some),
    ]
}

fn any_aggregate() -> impl Strategy<Value = Aggregate> {
    use Aggregate::{Count, Max, Mean, Min, Sum};
    prop::sample::select(vec![Count, Sum, Max, Min, Mean])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_input_panics_or_leaves_a_number_that_is_not_finite(
        values in prop::collection::vec(any_value(), TODAY + 24),
        aggregate in any_aggregate(),
        never_negative in any::<bool>(),
        known_days in 0_usize..31,
    ) {
        let hours = Hours::new(aggregate, never_negative, calendar().begin(), &values)
            .known_since(day().plus(-24 * known_days as i64));
        for hour in [0, 7, 23] {
            let found = judged(&hours, hour, &settings(0.0));
            prop_assert!([found.score, found.confidence, found.expected].iter().all(|n| n.is_finite()));
            for view in &found.views {
                prop_assert!(view.opinion.is_finite() && view.expected.is_finite() && view.value.is_finite());
                prop_assert!(view.opinion.score.abs() <= Opinion::CAP);
                prop_assert!(view.opinion.expected.low <= view.opinion.expected.high, "{:?}", view);
            }
            if let Verdict::Normal(comparison) | Verdict::Anomalous(Finding { comparison, .. }) = found.verdict {
                prop_assert!(comparison.baseline.is_finite() && comparison.z_score.is_finite());
            }
        }
    }

    #[test]
    fn another_unit_changes_no_score(
        values in prop::collection::vec((0.0..2_000.0).prop_map(Some), TODAY + 24),
        aggregate in any_aggregate().prop_filter("a count has no unit", |a| *a != Aggregate::Count),
        power in -8_i32..8,
    ) {
        let factor = 4.0_f64.powi(power);
        let scaled: Vec<_> = values.iter().map(|value| value.map(|value| factor * value)).collect();
        let of = |values: &[Option<f64>], min_change| {
            let hours = Hours::new(aggregate, true, calendar().begin(), values);
            judged(&hours, 12, &settings(min_change))
        };
        let (one, other) = (of(&values, 10.0), of(&scaled, 10.0 * factor));
        // A power of four is exact, also under the root.
        prop_assert_eq!(one.score.to_bits(), other.score.to_bits());
        prop_assert_eq!((one.expected * factor).to_bits(), other.expected.to_bits());
    }

    #[test]
    fn a_higher_value_never_has_a_lower_score(low in 0.0..3_000.0, more in 0.0..3_000.0) {
        let of = |value: f64| {
            let hours = hours(Aggregate::Count, |at| if at == TODAY + 10 { value } else { business(at) });
            judged(&hours, 10, &settings(0.0)).views.into_iter().map(|view| view.opinion.score).collect::<Vec<_>>()
        };
        let (low, high) = (of(low), of(low + more));
        prop_assert!(low.iter().zip(&high).all(|(low, high)| low <= high), "{low:?} {high:?}");
    }
}

/// The last hour of a month by a model of the days before.
fn last_hour(values: impl Fn(usize) -> f64) -> Assessment {
    let day = Hour::holding("2026-11-24T00:00:00Z".parse().unwrap());
    let calendar = Calendar::new(&TimeZone::utc(), day);
    let values: Vec<_> = (0..=Calendar::SPAN).map(|at| Some(values(at))).collect();
    let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
    let model = Model::fit(&hours, &calendar, &Profile::FLAT);
    let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
    judge(&hours.recent(day), model.row(day).unwrap(), &settings)
}

#[test]
fn a_leak_at_night_is_found_though_days_are_busier() {
    let is_last = |at: usize| at == Calendar::SPAN;
    let by_day = |at: usize| if (8..18).contains(&(at % 24)) { 1_000.0 } else { 50.0 } + (7 * at % 11) as f64;
    let found = last_hour(|at| if is_last(at) { 600.0 } else { by_day(at) });
    assert!(matches!(found.verdict, Verdict::Anomalous(_)), "{found:?}");
    // Bursts of that size are usual at whatever hour.
    let bursty = |at: usize| if at % 37 == 5 { 1_000.0 } else { 50.0 } + (7 * at % 11) as f64;
    let usual = last_hour(|at| if is_last(at) { 900.0 } else { bursty(at) });
    assert!(matches!(usual.verdict, Verdict::Normal(_)), "{usual:?}");
    assert!(usual.views.iter().any(|view| view.standing == Standing::UsualAtOtherHours), "{usual:?}");
}
