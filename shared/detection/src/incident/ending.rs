//! When an incident is over, and which anomalies after its end are news.
//!
//! A window of 24 hours stays odd for a day after its cause. So the shortest window that saw an incident decides when
//! the incident is over: [`CALM_HOURS`] calm hours in a row. An hour in which the deviation would not show is not calm,
//! because a silent customer is silent at night, too. Later windows that still hold hours of the incident say nothing
//! new.

use jiff::Timestamp;

use super::model::Incident;
use super::observation::{INSIDE, Observation, Seen, figures};
use crate::ensemble::{Assessment, Standing, View};
use crate::{Direction, Settings, Severity, Verdict};

/// The course of the latest incident of a series and direction, as far as a later window must know it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    pub opened_at: Timestamp,
    /// End of its newest anomalous window.
    pub last_seen: Timestamp,
    /// When the series was back inside. `None` while the incident is active.
    pub over_at: Option<Timestamp>,
    /// The length in hours of the shortest window that saw it.
    pub seen_by: u8,
    /// The change of that window, as a share of its expected value.
    pub change: Option<f64>,
    /// Its highest severity.
    pub severity: Severity,
}

/// So many calm hours in a row end an incident.
pub const CALM_HOURS: u32 = 3;

/// After so many hours without an anomaly, an hour in which the deviation would not show is calm. A week holds every
/// hour that a customer is used to.
const MOST_HIDDEN: i64 = 8 * 24;

/// Whether an hour that shows changes from `shows_from` on says nothing of a deviation. Both are shares of the expected
/// value.
///
/// * `hours_since`: hours since the deviation was last seen.
pub fn is_hidden(change: f64, shows_from: f64, hours_since: i64) -> bool {
    change < shows_from && hours_since <= MOST_HIDDEN
}

/// Whether a window of so many hours began when an incident had been seen for the last time. Other windows still hold
/// hours of the incident.
pub fn began_after(hours: usize, hours_since: usize) -> bool {
    hours <= hours_since
}

impl Observation {
    /// The view of incidents of a direction on a verdict by models.
    ///
    /// * `settings`: those that the assessment was made by.
    /// * `latest`: the latest incident of the series and direction.
    pub fn of_assessment(
        assessment: &Assessment,
        settings: &Settings,
        window_end: Timestamp,
        direction: Direction,
        latest: Option<&Course>,
    ) -> Self {
        let seen = seen(assessment, settings, window_end, direction, latest);
        let is_critical = matches!(
            assessment.verdict,
            Verdict::Anomalous(finding) if finding.severity == Severity::Critical && finding.direction == direction
        );
        let least = if is_critical { 1.0 } else { 0.0 };
        let speaks = |view: &&View| view.flags(direction) && view.in_thresholds().abs() >= least;
        let seen_by = assessment.views.iter().filter(speaks).map(View::hours).min();
        let change = seen_by.and_then(|hours| window(assessment, hours)).and_then(change);
        let seen_by = seen_by.map_or(Incident::DAY, |hours| hours as u8);
        Self { window_end, seen, figures: figures(&assessment.verdict), seen_by, change, cost: None }
    }
}

fn seen(
    assessment: &Assessment,
    settings: &Settings,
    window_end: Timestamp,
    direction: Direction,
    latest: Option<&Course>,
) -> Seen {
    // An incident says nothing of a window that closed before its newest anomaly: what it knows since is of later windows.
    let Some(latest) = latest.filter(|latest| latest.last_seen < window_end) else {
        return of_none(assessment, direction);
    };
    let hours_since = window_end.duration_since(latest.last_seen).as_hours();
    match latest.over_at {
        Some(over_at) if over_at < window_end => {
            let is_news = is_news(assessment, direction, usize::try_from(hours_since).unwrap_or(0));
            match of_none(assessment, direction) {
                Seen::Anomalous(_) if !is_news => Seen::Between,
                seen => seen,
            }
        }
        _ => of_open(assessment, settings, direction, latest, hours_since),
    }
}

/// What an assessment says where no incident is known.
fn of_none(assessment: &Assessment, direction: Direction) -> Seen {
    match assessment.verdict {
        Verdict::Anomalous(finding) if finding.direction == direction => Seen::Anomalous(finding.severity),
        Verdict::Undetermined(_) => Seen::Undetermined,
        Verdict::Anomalous(_) | Verdict::Normal(_) => Seen::Between,
    }
}

/// What an incident sees in an assessment. Only windows up to the shortest one that saw the incident decide. So an
/// incident that only long windows see, such as a slow leak, goes on until they are inside too.
fn of_open(
    assessment: &Assessment,
    settings: &Settings,
    direction: Direction,
    course: &Course,
    hours_since: i64,
) -> Seen {
    let seen_by = usize::from(course.seen_by);
    let mut deciding = assessment.views.iter().filter(|view| view.hours() <= seen_by).peekable();
    if deciding.peek().is_none() || !deciding.all(|view| is_calm(view, direction)) {
        return of_none(assessment, direction);
    }
    // A warning never had a change that would page.
    let share = if course.severity == Severity::Critical { 1.0 } else { INSIDE };
    let shows_from = window(assessment, seen_by).map(|view| share * view.shows_from(direction, settings));
    // A window of a day holds the hours of use of each customer.
    let change = course.change.filter(|_| course.seen_by < Incident::DAY);
    match change.zip(shows_from) {
        Some((change, shows_from)) if is_hidden(change, shows_from, hours_since) => Seen::Hidden,
        _ => Seen::Inside,
    }
}

/// Whether an anomaly is news, where the last incident of the series and direction was seen some hours ago for the last
/// time: a window that began after that flags.
fn is_news(assessment: &Assessment, direction: Direction, hours_since: usize) -> bool {
    assessment.views.iter().any(|view| view.flags(direction) && began_after(view.hours(), hours_since))
}

/// The verdict of an assessment beside the latest incident of its direction. An anomaly is none if a long window only still
/// holds an incident that is over.
pub fn verdict_beside(
    assessment: &Assessment,
    settings: &Settings,
    window_end: Timestamp,
    latest: impl Fn(Direction) -> Option<Course>,
) -> Verdict {
    match assessment.verdict {
        Verdict::Anomalous(finding) => {
            let latest = latest(finding.direction);
            match seen(assessment, settings, window_end, finding.direction, latest.as_ref()) {
                Seen::Anomalous(_) => assessment.verdict,
                Seen::Inside | Seen::Between | Seen::Hidden | Seen::Undetermined => {
                    Verdict::Normal(finding.comparison)
                }
            }
        }
        verdict => verdict,
    }
}

impl Course {
    pub fn of(incident: &Incident) -> Self {
        let Incident { opened_at, last_seen, over_at, seen_by, change, severity, .. } = *incident;
        Self { opened_at, last_seen, over_at, seen_by, change, severity }
    }
}

/// The view of the window of so many hours. That of the seasonal detector comes first.
fn window(assessment: &Assessment, hours: usize) -> Option<&View> {
    assessment.views.iter().find(|view| view.hours() == hours)
}

/// The distance from the expected value, as a share of it.
fn change(view: &View) -> Option<f64> {
    let change = (view.value - view.expected).abs() / view.expected.abs();
    Some(change).filter(|change| change.is_finite())
}

/// Whether a view is well below its threshold, or the change is too small to matter. A value that the series has at
/// other hours is not calm: a level that lasts for days would end its own incident.
fn is_calm(view: &View, direction: Direction) -> bool {
    let score = match direction {
        Direction::Spike => view.opinion.score,
        Direction::Drop => -view.opinion.score,
    };
    score < INSIDE * view.lasts_from() || view.standing == Standing::TooSmall
}

#[cfg(test)]
mod tests;
