//! A closer look at a series that looks odd, by detectors that read a month of its hours.
//!
//! These detectors decide nothing about a page. They say how sure a verdict is, and which type of anomaly it is. A day
//! with another shape at a usual volume is an anomaly of its own, a warning.

use serde::{Deserialize, Serialize};

use super::chart::Chart;
use super::view::{Standing, View};
use super::{Assessment, DAY};
use crate::detectors::{seasonal_esd, shape};
use crate::hour::Hour;
use crate::hours::{Hours, LENGTHS, Recent};
use crate::model::HourModel;
use crate::opinion::{Detail, SecondOpinion};
use crate::text::sparkline::sparkline;
use crate::{Comparison, Direction, Finding, Settings, Severity, Verdict};

/// What a closer look adds to an assessment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// The last 24 hours as a chart in one line of text, the newest hour last.
    pub sparkline: String,
    /// The same with what is usual at these hours, as figures.
    #[serde(default)]
    pub chart: Chart,
    /// What the detectors say that read a month of hours.
    pub opinions: Vec<SecondOpinion>,
    /// Whether the day has another shape than usual, at a usual volume.
    pub is_shape_change: bool,
}

/// Series are looked at from this share of each limit on. A run that screens by numbers of single precision looks at more,
/// so that it leaves none of them out.
const LOOKED_AT: f64 = 0.95;

/// The volume of a day is usual below this share of the threshold.
const USUAL_VOLUME: f64 = 0.5;

/// A day of less than so many times the least change has no shape worth a warning.
const LEAST_VOLUME: f64 = 2.0;

/// The share by which another detector brings the confidence nearer to its own, if it agrees.
const AGREES: f64 = 0.5;

/// The share of the confidence that remains if another detector disagrees.
const DISAGREES: f64 = 0.9;

impl Assessment {
    /// The assessment after a closer look, if the series looks odd. `recent`, `row` and `settings` are those that it was made
    /// by.
    #[must_use]
    pub(crate) fn reviewed(
        self,
        hours: &Hours,
        recent: &Recent,
        row: &HourModel,
        settings: &Settings,
    ) -> Self {
        if self.views.is_empty() || !self.is_near(LOOKED_AT, row, settings) {
            return self;
        }
        let newest = recent.newest;
        let opinions = opinions(hours, newest, row);
        let has_another_shape =
            opinions.iter().any(|of| matches!(of.opinion.detail, Detail::Shape { .. }) && of.flags);
        let day = self.views.iter().find(|view| is_of_day(view));
        let usual_day = day.filter(|view| view.in_thresholds().abs() < USUAL_VOLUME);
        let is_shape_change = has_another_shape && usual_day.is_some();
        let (sparkline, chart) = (sparkline(&recent.known_values()), Chart::of(hours, recent));
        let review = Review { sparkline, chart, opinions, is_shape_change };
        let shape_alone = usual_day
            .filter(|view| is_shape_change && view.value >= LEAST_VOLUME * settings.floors().least())
            .copied();
        let (verdict, hours_of, expected) = match (self.verdict, shape_alone) {
            (Verdict::Normal(_), Some(day)) => {
                let (baseline, z_score) = day.beside_classical(recent, row, settings);
                let of_window = row.windows[DAY].as_ref();
                let comparison = Comparison {
                    current: day.value,
                    baseline,
                    z_score,
                    excluded_windows: of_window.map_or(0, |window| window.excluded),
                    opinion: day.opinion,
                };
                let direction = Direction::of(self.score);
                let finding = Finding { comparison, severity: Severity::Warning, direction };
                (Verdict::Anomalous(finding), LENGTHS[DAY], day.expected)
            }
            (verdict, _) => (verdict, self.hours, self.expected),
        };
        let confidence = review.confidence(self.confidence, &verdict);
        Self { verdict, hours: hours_of, expected, confidence, review: Some(review), ..self }
    }
}

impl Assessment {
    /// The same with the opinion of a detector that looks at all series of an entity. Without a closer look there is nothing to
    /// add it to.
    #[must_use]
    pub fn with_opinion(mut self, of_entity: SecondOpinion) -> Self {
        if let (Some(review), Verdict::Anomalous(finding)) = (&mut self.review, &self.verdict) {
            self.confidence = beside(self.confidence, &of_entity, finding);
            review.opinions.push(of_entity);
        }
        self
    }
}

impl Review {
    /// The confidence in a verdict, from 0 to 1. Each detector that agrees brings it nearer to 1 by a share of its own
    /// confidence, and one that disagrees takes a tenth.
    fn confidence(&self, own: f64, verdict: &Verdict) -> f64 {
        let Verdict::Anomalous(finding) = verdict else { return own };
        self.opinions.iter().fold(own, |confidence, of| beside(confidence, of, finding))
    }
}

/// The confidence in a finding beside one more opinion.
fn beside(confidence: f64, of: &SecondOpinion, finding: &Finding) -> f64 {
    // A day of the usual shape may still be too much, and one odd metric of many need not be far from other hours.
    let has_direction = !matches!(of.opinion.detail, Detail::Shape { .. } | Detail::IsolationForest { .. });
    let agrees = of.flags && (!has_direction || Direction::of(of.opinion.score) == finding.direction);
    match (agrees, has_direction) {
        (true, _) => 1.0 - (1.0 - confidence) * (1.0 - AGREES * super::confidence(of.opinion.score)),
        (false, false) => confidence,
        (false, true) => DISAGREES * confidence,
    }
}

/// What the detectors say that read a month of hours, as far as the series is known for so long.
fn opinions(hours: &Hours, newest: Hour, row: &HourModel) -> Vec<SecondOpinion> {
    let shape = shape::judge(hours, newest, &shape::Parameters::default());
    let esd = seasonal_esd::judge(hours, newest, row.transform, &seasonal_esd::Parameters::default());
    shape.into_iter().chain(esd).collect()
}

fn is_of_day(view: &View) -> bool {
    let is_seasonal = matches!(view.opinion.detail, Detail::Seasonal { .. });
    is_seasonal && view.hours() == LENGTHS[DAY] && view.standing != Standing::Flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Profile;
    use crate::{Aggregate, Calendar, Thresholds, TimeZone, assess};

    /// The assessment of the last hour of an office's day. `today` gives the calls of its hours.
    fn office(today: impl Fn(usize) -> f64) -> Assessment {
        let day = Hour::holding("2026-11-24T00:00:00Z".parse().unwrap());
        let calendar = Calendar::new(&TimeZone::utc(), day);
        let usual = |hour: usize, at: usize| {
            let busy = if (8..18).contains(&hour) { 400.0 } else { 20.0 };
            busy * (1.0 + 0.02 * ((at * 37 % 11) as f64 - 5.0) / 5.0)
        };
        let value = |at: usize| {
            let hour = at % 24;
            Some(if at >= Calendar::SPAN { today(hour) } else { usual(hour, at) }.round())
        };
        let values: Vec<_> = (0..Calendar::SPAN + 24).map(value).collect();
        let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
        let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
        let newest = calendar.begin().plus((Calendar::SPAN + 23) as i64);
        assess(&hours, newest, calendar.begin(), &calendar, &Profile::FLAT, &settings)
    }

    fn busy(hour: usize) -> f64 {
        if (8..18).contains(&hour) { 400.0 } else { 20.0 }
    }

    #[test]
    fn a_day_as_usual_gets_no_closer_look() {
        let found = office(busy);
        assert!(matches!(found.verdict, Verdict::Normal(_)) && found.review.is_none(), "{found:?}");
    }

    #[test]
    fn a_night_shift_of_equal_volume_is_a_change_of_shape() {
        let found = office(|hour| busy((hour + 12) % 24));
        let review = found.review.clone().unwrap();
        assert!(review.is_shape_change, "{found:?}");
        assert_eq!(review.sparkline.chars().count(), 24);
        let Verdict::Anomalous(finding) = found.verdict else { panic!("{found:?}") };
        // The last hours of the day flag by themselves.
        assert_eq!((finding.severity, finding.direction), (Severity::Critical, Direction::Spike));
    }

    #[test]
    fn more_of_the_same_shape_is_none() {
        let found = office(|hour| 3.0 * busy(hour));
        let review = found.review.clone().unwrap();
        assert!(!review.is_shape_change, "{review:?}");
        assert!(found.confidence > 0.99, "{}", found.confidence);
    }

    #[test]
    fn a_detector_that_disagrees_takes_a_tenth() {
        let opinion = |score: f64, flags: bool| SecondOpinion {
            opinion: crate::Opinion {
                score,
                expected: crate::Expected { low: 0.0, high: 1.0 },
                detail: Detail::SeasonalEsd { outliers: 0 },
            },
            flags,
        };
        let found = office(|hour| 3.0 * busy(hour)).verdict;
        let with =
            |opinions: Vec<SecondOpinion>| Review { opinions, ..Review::default() }.confidence(0.8, &found);
        assert_eq!(with(vec![]), 0.8);
        assert!((with(vec![opinion(1.0, false)]) - 0.72).abs() < 1e-12);
        // A flag in the other direction does not agree.
        assert!((with(vec![opinion(-9.0, true)]) - 0.72).abs() < 1e-12);
        let agreeing = with(vec![opinion(5.0, true)]);
        assert!((0.8..1.0).contains(&agreeing) && agreeing > 0.85, "{agreeing}");
    }

    #[test]
    fn the_forest_raises_the_confidence_in_an_anomaly_and_never_takes_of_it() {
        let forest = |flags: bool| SecondOpinion {
            opinion: crate::Opinion {
                score: if flags { 4.0 } else { -1.0 },
                expected: crate::Expected { low: 0.0, high: 0.65 },
                detail: Detail::IsolationForest { isolation: 0.5 },
            },
            flags,
        };
        let odd = || office(|hour| (if hour == 23 { 8.0 } else { 1.0 }) * busy(hour));
        let alone = odd();
        assert!(alone.is_anomalous(), "{alone:?}");
        let (agreeing, other) = (odd().with_opinion(forest(true)), odd().with_opinion(forest(false)));
        assert!(agreeing.confidence > alone.confidence && agreeing.confidence <= 1.0);
        assert_eq!(other.confidence, alone.confidence);
        let names: Vec<_> = agreeing.explanation().detectors().into_iter().map(|says| says.name).collect();
        assert_eq!(names.last().map(String::as_str), Some("isolation_forest"));
        // Nothing is said of a usual day.
        assert_eq!(office(busy).with_opinion(forest(true)), office(busy));
    }
}
