//! When an incident is over, and which anomalies after its end are news.
//!
//! A window of 24 hours stays odd for a day after its cause. So the windows of one and three hours decide when an
//! incident is over, and later windows that still hold its hours say nothing new.

use jiff::Timestamp;

use super::model::Incident;
use super::observation::{INSIDE, Observation, Seen, figures};
use crate::ensemble::{Assessment, Standing, View};
use crate::{Direction, Verdict};

/// The course of the latest incident of a series and direction, as far as a later window must know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    pub opened_at: Timestamp,
    /// End of its newest anomalous window.
    pub last_seen: Timestamp,
    /// When the series was back inside. `None` while the incident is active.
    pub over_at: Option<Timestamp>,
    /// The shortest window in hours that saw it.
    pub seen_by: u8,
}

/// Windows up to this length end an incident.
const SHORT: usize = 3;

/// How many runs in a row must see a series inside until its incident is over.
pub const QUIET_RUNS: u32 = 2;

impl Observation {
    /// The view of incidents of a direction on a verdict by models.
    ///
    /// * `latest`: the latest incident of the series and direction.
    pub fn of_assessment(
        assessment: &Assessment,
        window_end: Timestamp,
        direction: Direction,
        latest: Option<&Course>,
    ) -> Self {
        let seen = seen(assessment, window_end, direction, latest);
        let flagging = assessment.views.iter().filter(|view| view.flags(direction));
        let seen_by = flagging.map(|view| view.hours() as u8).min().unwrap_or(Incident::DAY);
        Self { window_end, seen, figures: figures(&assessment.verdict), seen_by }
    }
}

fn seen(
    assessment: &Assessment,
    window_end: Timestamp,
    direction: Direction,
    latest: Option<&Course>,
) -> Seen {
    let Some(latest) = latest.filter(|latest| latest.opened_at <= window_end) else {
        return of_none(assessment, direction);
    };
    match latest.over_at {
        Some(over_at) if over_at < window_end => {
            let hours = window_end.duration_since(latest.last_seen).as_hours();
            let is_news = is_news(assessment, direction, usize::try_from(hours).unwrap_or(0));
            match of_none(assessment, direction) {
                Seen::Anomalous(_) if !is_news => Seen::Between,
                seen => seen,
            }
        }
        _ => of_open(assessment, direction, latest.seen_by.into()),
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

/// What an incident sees in an assessment.
///
/// * `seen_by`: the shortest window in hours that saw the incident so far. One that only long windows see, such as a
///   slow leak, goes on until they are inside too.
pub fn of_open(assessment: &Assessment, direction: Direction, seen_by: usize) -> Seen {
    let decides = |view: &&View| view.hours() <= SHORT.max(seen_by);
    let mut deciding = assessment.views.iter().filter(decides).peekable();
    if deciding.peek().is_some() && deciding.all(|view| is_inside(view, direction)) {
        return Seen::Inside;
    }
    of_none(assessment, direction)
}

/// Whether an anomaly is news, where the last incident of the series and direction was seen some hours ago for the last
/// time: a window that began after that flags.
pub fn is_news(assessment: &Assessment, direction: Direction, hours_since: usize) -> bool {
    assessment.views.iter().any(|view| view.flags(direction) && view.hours() <= hours_since)
}

/// The verdict of an assessment beside the latest incident of its direction. An anomaly is none if a long window only still
/// holds an incident that is over.
pub fn verdict_beside(
    assessment: &Assessment,
    window_end: Timestamp,
    latest: impl Fn(Direction) -> Option<Course>,
) -> Verdict {
    match assessment.verdict {
        Verdict::Anomalous(finding) => {
            let latest = latest(finding.direction);
            match seen(assessment, window_end, finding.direction, latest.as_ref()) {
                Seen::Anomalous(_) => assessment.verdict,
                Seen::Inside | Seen::Between | Seen::Undetermined => Verdict::Normal(finding.comparison),
            }
        }
        verdict => verdict,
    }
}

impl Course {
    pub fn of(incident: &Incident) -> Self {
        let Incident { opened_at, last_seen, over_at, seen_by, .. } = *incident;
        Self { opened_at, last_seen, over_at, seen_by }
    }
}

/// Whether a view is well below its threshold, or the change is too small to matter.
fn is_inside(view: &View, direction: Direction) -> bool {
    let score = match direction {
        Direction::Spike => view.opinion.score,
        Direction::Drop => -view.opinion.score,
    };
    score < INSIDE * view.lasts_from() || view.standing == Standing::TooSmall
}

#[cfg(test)]
mod tests;
