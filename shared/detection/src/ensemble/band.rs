//! The usual values of single hours, for charts.

use crate::detectors::{Detector, seasonal};
use crate::hour::Hour;
use crate::hours::Hours;
use crate::model::Model;
use crate::{Expected, Settings};

/// The place of the window of one hour among the lengths.
const ONE_HOUR: usize = 0;

/// The usual values of an hour of the model's day, as the seasonal detector judges the window of one hour. An hour without a
/// value has them too.
///
/// `None` where too little is known, in the first days of a series, and without the seasonal detector.
pub fn usual_range(model: &Model, hours: &Hours, hour: Hour, settings: &Settings) -> Option<Expected> {
    let row = model.row(hour).filter(|row| !row.is_new())?;
    if !settings.detectors().holds(Detector::Seasonal) {
        return None;
    }
    let recent = model.fill_muted(hours.recent(hour).with_present_event());
    let usual = row.transform.inverse(row.windows[ONE_HOUR].as_ref()?.expected);
    let value = recent.windows()[ONE_HOUR];
    let value = if value.is_nan() { usual } else { value };
    let parameters = settings.seasonal();
    let threshold = settings.factor() * parameters.threshold(ONE_HOUR, false);
    let judged = seasonal::judge(&recent, value, ONE_HOUR, row, threshold, parameters);
    judged.map(|(opinion, _)| opinion.expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Profile;
    use crate::{Aggregate, Calendar, Detail, Thresholds, TimeZone, ensemble};

    fn day() -> Hour {
        Hour::holding("2026-11-24T00:00:00Z".parse().unwrap())
    }

    /// About a hundred calls an hour from `known` hours before the day until a day after, and ten times as many at its start.
    fn calls(known: usize) -> (Hours, Model) {
        let calendar = Calendar::new(&TimeZone::utc(), day());
        let factor = |at: usize| if at == Calendar::SPAN { 10.0 } else { 1.0 };
        let value =
            |at: usize| (at + known >= Calendar::SPAN).then(|| factor(at) * (100 + at * 37 % 23) as f64);
        let values: Vec<_> = (0..Calendar::SPAN + Calendar::HOURS).map(value).collect();
        let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
        let model = Model::fit(&hours, &calendar, &Profile::FLAT);
        (hours, model)
    }

    #[test]
    fn it_is_the_range_that_the_check_of_the_hour_says() {
        let (hours, model) = calls(Calendar::SPAN);
        let settings = Settings::new(Thresholds::default()).unwrap();
        for hour in [day(), day().plus(7)] {
            let range = usual_range(&model, &hours, hour, &settings).unwrap();
            let assessment = ensemble::judge(&hours.recent(hour), model.row(hour).unwrap(), &settings);
            let of_an_hour =
                assessment.views.iter().find(|view| view.opinion.detail == Detail::Seasonal { hours: 1 });
            assert_eq!(Some(range), of_an_hour.map(|view| view.opinion.expected));
            assert!(range.low > 20.0 && range.high < 300.0, "{range:?}");
        }
        assert!(!usual_range(&model, &hours, day(), &settings).unwrap().holds(1_000.0));
    }

    #[test]
    fn it_is_not_known_in_the_first_days_of_another_day_and_without_its_detector() {
        let settings = Settings::new(Thresholds::default()).unwrap();
        let (hours, model) = calls(Calendar::SPAN);
        assert_eq!(usual_range(&model, &hours, day().plus(24), &settings), None);
        let classical = settings.with_detectors("z_score".parse().unwrap());
        assert_eq!(usual_range(&model, &hours, day(), &classical), None);
        let (hours, model) = calls(100);
        assert_eq!(usual_range(&model, &hours, day(), &settings), None);
    }
}
