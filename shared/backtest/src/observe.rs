//! What an incident of one direction sees in an assessment.
//!
//! Windows of several lengths look at the same cause, and the longer ones have the larger deviations. So the deviations of
//! an incident are not compared, unless all its windows are of a day. Then only a higher severity escalates it.

use detection::ensemble::{Assessment, Standing, View};
use detection::incident::ending::{is_news, of_open};
use detection::incident::{Figures, Incident, Observation, Seen};
use detection::{Direction, Hour, Verdict};

/// An incident, and the windows that saw it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) incident: Incident,
    /// The length in hours of the shortest window that saw it.
    pub(crate) seen_by: usize,
    /// The number of earlier ones that it repeats.
    pub(crate) repeats: Option<usize>,
}

/// Hours of the longest window.
const DAY: usize = 24;

/// The length in hours of the shortest window that flags a direction, or of a day.
pub(crate) fn seen_by(assessment: &Assessment, direction: Direction) -> usize {
    let flags =
        |view: &&View| view.standing == Standing::Flags && Direction::of(view.opinion.score) == direction;
    assessment.views.iter().filter(flags).map(View::hours).min().unwrap_or(DAY)
}

/// The observation of the windows that end with the hour `newest`.
///
/// * `latest`: the latest incident of the series and direction.
pub(crate) fn observe(
    assessment: &Assessment,
    newest: Hour,
    direction: Direction,
    latest: Option<&Known>,
) -> Observation {
    let window_end = newest.plus(1).start();
    let of_verdict = match assessment.verdict {
        Verdict::Anomalous(finding) if finding.direction == direction => Seen::Anomalous(finding.severity),
        Verdict::Undetermined(_) => Seen::Undetermined,
        Verdict::Anomalous(_) | Verdict::Normal(_) => Seen::Between,
    };
    let seen = match latest {
        None => of_verdict,
        Some(known) => match known.incident.over_at {
            None => of_open(assessment, direction, known.seen_by),
            Some(_) => {
                let hours = window_end.duration_since(known.incident.last_seen).as_hours();
                let is_news = is_news(assessment, direction, usize::try_from(hours).unwrap_or(0));
                if matches!(of_verdict, Seen::Anomalous(_)) && !is_news { Seen::Between } else { of_verdict }
            }
        },
    };
    let active = latest.filter(|known| known.incident.over_at.is_none());
    let is_of_days = |known: &Known| known.seen_by == DAY && seen_by(assessment, direction) == DAY;
    let figures = match (active.filter(|known| !is_of_days(known)), &assessment.verdict) {
        (Some(known), _) => Figures { current_value: known.incident.level, ..Figures::NONE },
        (None, Verdict::Normal(comparison)) => Figures::of(comparison),
        (None, Verdict::Anomalous(finding)) => {
            // The classical mean is absent at first. The expected value never is.
            Figures { baseline_mean: assessment.expected, ..Figures::of(&finding.comparison) }
        }
        (None, Verdict::Undetermined(_)) => Figures::NONE,
    };
    Observation { window_end, seen, figures }
}
