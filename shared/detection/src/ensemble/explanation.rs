//! Why a verdict is as it is, in a form that can be stored and shown.

use serde::{Deserialize, Serialize};

use super::chart::Chart;
use super::review::Review;
use super::view::{self, Nearest, Standing, View};
use super::{Assessment, Trust};
use crate::Direction;
use crate::figures::number;
use crate::opinion::{Detail, SecondOpinion};

/// An assessment without its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The score of the view that spoke, in thresholds: from 1 on it pages. Negative below the expectation.
    pub score: f64,
    /// How sure the score makes, from 0 to 1.
    pub confidence: f64,
    /// The length in hours of the window that spoke. 0 if none could be judged.
    pub hours: usize,
    /// The expected value of that window, in the metric's unit.
    pub expected: f64,
    /// The opinions of all windows and detectors.
    pub views: Vec<View>,
    /// The condition that the anomaly passed by the least. `None` without an anomaly.
    pub nearest: Option<Nearest>,
    /// Whole days that the series was known for.
    pub days: u16,
    pub trust: Trust,
    /// `None` without a closer look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
}

/// Why a verdict is as it is, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// How far the window is from usual, in thresholds: from 1 on it is critical. Negative below usual.
    pub score: f64,
    /// What each detector says.
    pub detectors: Vec<DetectorSays>,
    /// The condition that the anomaly passed by the least: a higher limit would have silenced it first. Absent without an
    /// anomaly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
    /// Whole days that the series was known for.
    pub known_days: u16,
    pub trust: Trust,
    /// The last 24 hours as a chart in one line of text, the newest hour last.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sparkline: String,
    /// The same with what is usual at these hours, as figures for a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
}

/// What one detector says about one window, for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DetectorSays {
    /// `seasonal`, `autoregressive`, `z_score`, `shape`, `seasonal_esd` or `isolation_forest`.
    pub name: String,
    /// The length of its window in hours.
    pub hours: usize,
    /// In thresholds: from 1 on it is critical. Of `shape`, `seasonal_esd` and `isolation_forest` in spreads. Negative below
    /// the expected value, or less alike than usual.
    pub score: f64,
    pub reason: Standing,
}

impl Assessment {
    pub fn explanation(&self) -> Explanation {
        // Every field is named here, so that none can be forgotten.
        let Self { verdict: _, score, confidence, hours, expected, views, nearest, days, trust, review } =
            self;
        Explanation {
            score: *score,
            confidence: *confidence,
            hours: *hours,
            expected: *expected,
            views: views.to_vec(),
            nearest: *nearest,
            days: *days,
            trust: *trust,
            review: review.clone(),
        }
    }
}

impl Why {
    pub fn of(explanation: &Explanation) -> Self {
        let Explanation { score, nearest, days, trust, review, .. } = explanation;
        let rounded = |nearest: &Nearest| Nearest {
            figure: number(nearest.figure),
            limit: number(nearest.limit),
            ..*nearest
        };
        Self {
            score: number(*score),
            detectors: explanation.detectors(),
            nearest: nearest.as_ref().map(rounded),
            known_days: *days,
            trust: *trust,
            sparkline: review.as_ref().map(|review| review.sparkline.clone()).unwrap_or_default(),
            chart: review.as_ref().map(|review| review.chart.clone()),
        }
    }
}

impl Explanation {
    /// What each detector says.
    pub fn detectors(&self) -> Vec<DetectorSays> {
        let says = |view: &View| DetectorSays {
            name: view.opinion.detail.name().to_owned(),
            hours: view.hours(),
            score: number(view.in_thresholds()),
            reason: view.standing,
        };
        let second = |of: &SecondOpinion| DetectorSays {
            name: of.opinion.detail.name().to_owned(),
            hours: of.opinion.detail.hours(),
            score: number(of.opinion.score),
            reason: if of.flags { Standing::Flags } else { Standing::Usual },
        };
        let reviewed = self.review.iter().flat_map(|review| &review.opinions);
        self.views.iter().map(says).chain(reviewed.map(second)).collect()
    }

    /// The view that spoke for all. `None` if no window could be judged.
    pub(crate) fn speaker(&self) -> Option<&View> {
        view::speaker(&self.views)
    }

    /// Whether only the classical detector judged.
    pub fn is_classical(&self) -> bool {
        self.views.iter().all(|view| matches!(view.opinion.detail, Detail::ZScore { .. }))
    }

    /// Whether the day has another shape than usual, at a usual volume.
    pub fn is_shape_change(&self) -> bool {
        self.review.as_ref().is_some_and(|review| review.is_shape_change)
    }

    /// The length in hours of the shortest window that flags a direction. `None` if none does.
    pub fn seen_by(&self, direction: Direction) -> Option<usize> {
        self.views.iter().filter(|view| view.flags(direction)).map(View::hours).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Profile;
    use crate::{Aggregate, Calendar, Hour, Hours, Model, Settings, Thresholds, TimeZone, ensemble};

    /// Ten times the usual calls in the newest hour.
    fn burst() -> Assessment {
        let day = Hour::holding("2026-11-24T00:00:00Z".parse().unwrap());
        let calendar = Calendar::new(&TimeZone::utc(), day);
        let factor = |at: usize| if at == Calendar::SPAN { 10.0 } else { 1.0 };
        let value = |at: usize| Some(factor(at) * (100 + at * 37 % 23) as f64);
        let values: Vec<_> = (0..=Calendar::SPAN).map(value).collect();
        let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
        let model = Model::fit(&hours, &calendar, &Profile::FLAT);
        let settings = Settings::new(Thresholds::default()).unwrap();
        ensemble::judge(&hours.recent(day), model.row(day).unwrap(), &settings)
    }

    #[test]
    fn it_tells_what_each_detector_says() {
        let explanation = burst().explanation();
        let says = explanation.detectors();
        let names: Vec<_> = says.iter().map(|says| (says.name.as_str(), says.hours)).collect();
        let seasonal = [1, 3, 6, 24].map(|hours| ("seasonal", hours));
        assert_eq!(names, [&seasonal[..], &[("autoregressive", 1)]].concat());
        // The largest score speaks, whatever its detector.
        let largest = says.iter().map(|says| says.score).fold(0.0, f64::max);
        assert_eq!(largest, explanation.score);
        assert!(says[0].score > 1.0 && says[0].reason == Standing::Flags);
        assert_eq!(explanation.seen_by(Direction::Spike), Some(1));
        assert_eq!(explanation.seen_by(Direction::Drop), None);
    }

    #[test]
    fn a_score_that_no_table_takes_is_zero() {
        let mut explanation = burst().explanation();
        explanation.views[0].opinion.score = 3e-200;
        assert_eq!(explanation.detectors()[0].score, 0.0);
    }

    #[test]
    fn it_is_read_back_as_it_was_written() {
        let explanation = burst().explanation();
        assert!(explanation.nearest.is_some());
        let json = serde_json::to_string(&explanation).unwrap();
        assert_eq!(serde_json::from_str::<Explanation>(&json).unwrap(), explanation);
    }
}
