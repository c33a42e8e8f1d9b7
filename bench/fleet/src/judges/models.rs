//! The detector's own check by models of the week, without anything around it: fit, check and ensemble.

use detection::calendar::{Calendar, TimeZone};
use detection::ensemble::{self, Assessment, Standing, View};
use detection::hour::Hour;
use detection::hours::LENGTHS;
use detection::incident::OUT_DAYS;
use detection::model::{Model, Peers};
use detection::{Detail, Direction, Settings, Thresholds};

use crate::pager::{Score, Scorer, Usage};
use crate::usage::hours;

/// A score of 1 pages.
pub struct Models;

/// Hours of a model.
const DAY: usize = 24;

impl Scorer for Models {
    fn name(&self) -> &str {
        "models alone"
    }

    fn watches_all(&self) -> bool {
        true
    }

    fn knows_recurrence(&self) -> bool {
        true
    }

    fn scores(&self, series: &Usage<'_>) -> Vec<Score> {
        let mut scores = Vec::with_capacity(series.values.len() + 1 - series.first_end);
        let settings = settings(series);
        assess(series, |assessment| {
            let found = assessment.zip(settings);
            scores.push(found.map_or_else(Score::default, |(found, settings)| score(&found, &settings)));
        });
        scores
    }
}

/// Lets `see` look at the assessment of each window, in order. There is none where no model can be fitted.
///
/// Hours that paged stay out of the models of the next week, as those of an incident do.
pub fn assess(series: &Usage<'_>, mut see: impl FnMut(Option<Assessment>)) {
    let declared = series.subject.customer().and_then(|place| series.month.customers[place].time_zone);
    let zone = declared.and_then(|name| TimeZone::named(name).ok());
    let settings = settings(series);
    let first = Hour::holding(series.month.start);
    let hours = hours(first, series.values, series.metric);
    // Series that began early need no peers.
    let begins_late = hours.first_known().is_some_and(|known| known.since(first) > 0);
    let peers = if begins_late { series.month.peers() } else { Peers::default() };
    // The days of customers begin at different hours.
    let begins = series.subject.customer().unwrap_or(0) % DAY;
    let fit = |day: usize, paged: &[bool]| {
        let begin = first.plus((DAY * day + begins) as i64 - DAY as i64);
        let has_paged = |hour: Hour| usize::try_from(hour.since(first)).is_ok_and(|at| paged[at]);
        let hours =
            hours.clone().without(|hour| begin.since(hour) <= OUT_DAYS * DAY as i64 && has_paged(hour));
        let calendar = zone.as_ref().map(|zone| Calendar::new(zone, begin));
        Model::fit(
            &hours,
            &calendar.unwrap_or_else(|| Calendar::undeclared(begin)),
            peers.of(begin, series.metric),
        )
    };
    let mut known: Option<(usize, Model)> = None;
    let mut paged = vec![false; series.values.len()];
    for end in series.first_end..=series.values.len() {
        let day = (end - 1 + DAY - begins) / DAY;
        let (_, model) = known.take().filter(|(of, _)| *of == day).unwrap_or_else(|| (day, fit(day, &paged)));
        let newest = first.plus(end as i64 - 1);
        let judged = model.row(newest).zip(settings.as_ref());
        let assessment = judged.map(|(row, settings)| ensemble::judge(&hours.recent(newest), row, settings));
        let pages = |view: &&View| view.standing == Standing::Flags && view.in_thresholds().abs() >= 1.0;
        let views = assessment.iter().flat_map(|of| of.views.iter().filter(pages));
        // A window of a day does not say which of its hours are odd.
        if let Some(length) = views.map(View::hours).min().filter(|length| *length < DAY) {
            paged[end - length..end].fill(true);
        }
        see(assessment);
        known = Some((day, model));
    }
}

fn settings(series: &Usage<'_>) -> Option<Settings> {
    let min_change = series.month.metrics[series.metric].min_change;
    Settings::new(Thresholds { min_change, ..Thresholds::default() }).ok()
}

/// By length of the window, the largest score in thresholds. Windows that fail a floor or the gate have none.
fn score(assessment: &Assessment, settings: &Settings) -> Score {
    let mut score = Score::default();
    for view in &assessment.views {
        let ratio = view.opinion.score / view.threshold;
        let Some(place) = LENGTHS.iter().position(|length| *length == view.hours()) else { continue };
        if matches!(view.opinion.detail, Detail::Seasonal { .. }) {
            let change = (view.value - view.expected) / view.expected;
            score.change[place] = if change.is_nan() { 0.0 } else { change };
            score.shows[place] =
                [Direction::Drop, Direction::Spike].map(|direction| view.shows_from(direction, settings));
        }
        if view.standing != Standing::TooSmall && ratio.abs() > score.lasting[place].abs() {
            score.lasting[place] = ratio;
        }
        if !matches!(view.standing, Standing::Flags | Standing::Usual) {
            continue;
        }
        if ratio.abs() > score.by_length.iter().fold(0.0, |most: f64, ratio| most.max(ratio.abs())) {
            score.distance = (view.value - view.expected).abs();
        }
        if ratio.abs() > score.by_length[place].abs() {
            score.by_length[place] = ratio;
        }
    }
    score
}
