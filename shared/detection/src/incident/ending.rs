//! When an incident is over, and which anomalies after its end are news.
//!
//! A window of 24 hours stays odd for a day after its cause. So the windows of one and three hours decide when an
//! incident is over, and later windows that still hold its hours say nothing new.

use super::observation::{INSIDE, Seen};
use crate::ensemble::{Assessment, Standing, View};
use crate::{Direction, Verdict};

/// Windows up to this length end an incident.
const SHORT: usize = 3;

/// How many runs in a row must see a series inside until its incident is over.
pub const QUIET_RUNS: u32 = 2;

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
    match assessment.verdict {
        Verdict::Anomalous(finding) if finding.direction == direction => Seen::Anomalous(finding.severity),
        Verdict::Undetermined(_) => Seen::Undetermined,
        Verdict::Anomalous(_) | Verdict::Normal(_) => Seen::Between,
    }
}

/// Whether an anomaly is news, where the last incident of the series and direction was over some hours ago: a window
/// that began after that end flags.
pub fn is_news(assessment: &Assessment, direction: Direction, hours_since_end: usize) -> bool {
    assessment.views.iter().any(|view| {
        view.standing == Standing::Flags
            && Direction::of(view.opinion.score) == direction
            && view.hours() <= hours_since_end
    })
}

/// Whether a view is well below its threshold, or the change is too small to matter.
fn is_inside(view: &View, direction: Direction) -> bool {
    let score = match direction {
        Direction::Spike => view.opinion.score,
        Direction::Drop => -view.opinion.score,
    };
    score < INSIDE * view.threshold || view.standing == Standing::TooSmall
}

#[cfg(test)]
mod tests;
