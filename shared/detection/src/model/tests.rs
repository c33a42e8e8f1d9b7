use super::*;
use crate::calendar::TimeZone;

fn day() -> Hour {
    // A Tuesday.
    Hour::holding("2026-11-24T00:00:00Z".parse().unwrap())
}

fn model(values: impl Fn(i64) -> f64) -> Model {
    let calendar = Calendar::new(&TimeZone::utc(), day());
    let values: Vec<_> = (0..Calendar::SPAN as i64).map(|place| Some(values(place))).collect();
    Model::fit(&Hours::new(Aggregate::Sum, true, calendar.begin(), &values), &calendar, &Profile::FLAT)
}

#[test]
fn a_constant_series_expects_its_value_without_spread() {
    let model = model(|_| 100.0);
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
