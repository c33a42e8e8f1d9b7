//! The detector's own check by models of the week, without anything around it: fit, check and ensemble.

use detection::calendar::{Calendar, TimeZone};
use detection::ensemble::{self, Standing};
use detection::hour::Hour;
use detection::hours::{Aggregate, Hours, LENGTHS};
use detection::model::{Model, Profile};
use detection::{Settings, Thresholds};

use crate::pager::{Score, Scorer, Usage, size};

/// A score of 1 pages.
pub struct Models;

/// Hours of a model.
const DAY: usize = 24;

impl Scorer for Models {
    fn name(&self) -> &str {
        "models of the week"
    }

    fn watches_all(&self) -> bool {
        true
    }

    fn knows_recurrence(&self) -> bool {
        true
    }

    fn scores(&self, series: &Usage<'_>) -> Vec<Score> {
        let declared = series.subject.customer().and_then(|place| series.month.customers[place].time_zone);
        let zone = declared.and_then(|name| TimeZone::named(name).ok()).unwrap_or_default();
        let min_change = series.month.metrics[series.metric].min_change;
        let Ok(settings) = Settings::new(Thresholds { min_change, ..Thresholds::default() }) else {
            return vec![Score::default(); series.values.len() + 1 - series.first_end];
        };
        let first = Hour::holding(series.month.start);
        let aggregate = if series.metric == 0 { Aggregate::Count } else { Aggregate::Sum };
        let values: Vec<_> =
            series.values.iter().map(|value| Some(*value).filter(|value| *value != 0.0)).collect();
        let hours = Hours::new(aggregate, true, first, &values);
        let profile = profile(series);
        // The days of customers begin at different hours.
        let begins = series.subject.customer().unwrap_or(0) % DAY;
        let mut known: Option<(usize, Model)> = None;
        let score = |end: usize| {
            let newest = end - 1;
            let day = (newest + DAY - begins) / DAY;
            let model = known.take().filter(|(of, _)| *of == day).map_or_else(
                || {
                    let begins = first.plus((DAY * day + begins) as i64 - DAY as i64);
                    Model::fit(&hours, &Calendar::new(&zone, begins), &profile)
                },
                |(_, model)| model,
            );
            let newest = first.plus(newest as i64);
            let score = model.row(newest).map(|row| {
                let assessment = ensemble::judge(&hours.recent(newest), row, &settings);
                let mut score = Score { size: 0.0, by_length: [0.0; 4] };
                let mut most = 0.0;
                for view in &assessment.views {
                    let Some(place) = LENGTHS.iter().position(|length| *length == view.hours()) else {
                        continue;
                    };
                    let ratio = view.opinion.score / view.threshold;
                    let counts = matches!(view.standing, Standing::Flags | Standing::Usual);
                    if counts && ratio.abs() > score.by_length[place].abs() {
                        score.by_length[place] = ratio;
                    }
                    if counts && ratio.abs() > most {
                        (most, score.size) = (ratio.abs(), size(view.value, view.expected));
                    }
                }
                score
            });
            known = Some((day, model));
            score.unwrap_or_default()
        };
        (series.first_end..=series.values.len()).map(score).collect()
    }
}

/// The shape of a day of all customers, before the first run.
fn profile(series: &Usage<'_>) -> Profile {
    let month = series.month;
    let mut amounts = [0.0; DAY];
    for customer in &month.customers {
        let zone = customer.time_zone.and_then(|name| TimeZone::named(name).ok()).unwrap_or_default();
        for hour in month.history.saturating_sub(4 * 7 * DAY)..month.history {
            let local = zone.local(Hour::holding(month.at(hour)));
            amounts[usize::from(local.hour)] += customer.usage[series.metric][hour];
        }
    }
    Profile::of(amounts).unwrap_or(Profile::FLAT)
}
