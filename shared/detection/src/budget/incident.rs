//! The incident of a mark: when it opens, and when it ends.

use jiff::Timestamp;

use super::Mark;
use crate::figures::number;
use crate::incident::{Event, Incident, IncidentState, Observation, Seen, Step, Subject};
use crate::{Figures, Severity};

/// What a mark of a budget comes to, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The amount that is told: a share of the quota, or all of it.
    pub amount: f64,
    /// In the month so far.
    pub used: f64,
    pub is_reached: bool,
}

/// The effect of a window on the incident of a mark.
///
/// * `latest`: the latest incident of the subject.
/// * `level`: `None` if the month is over, or the budget is gone.
///
/// A run that is repeated finds its own incident and decides that nothing changes.
pub fn decide(
    latest: Option<&Incident>,
    subject: &Subject,
    mark: Mark,
    level: Option<&Level>,
    window_end: Timestamp,
) -> Step {
    let Some(incident) = latest else {
        return match level {
            Some(level) if level.is_reached => {
                become_page(open(subject, mark, level, window_end), Event::Opened)
            }
            _ => Step::Stay,
        };
    };
    if window_end <= incident.last_window {
        // It had its effect before.
        return Step::Repeated(incident.last_page.filter(|page| page.window_end == window_end));
    }
    let is_raised = |level: &Level| level.amount > incident.told_amount() * (1.0 + 1e-9);
    match level {
        Some(level) if !incident.is_open() && level.is_reached && is_raised(level) => {
            become_page(reopened(incident, mark, level, window_end), Event::Reopened)
        }
        // The pace may slow down and speed up again. The month has one warning of it.
        Some(level) if level.is_reached || (mark == Mark::Pace && !is_raised(level)) => Step::Stay,
        _ if incident.is_open() => {
            let page = incident.alerting.then_some(Event::Resolved);
            Step::Become { incident: Box::new(ended(incident, window_end)), page }
        }
        _ => Step::Stay,
    }
}

impl Level {
    pub(super) fn figures(&self) -> Figures {
        Figures { current_value: number(self.used), baseline_mean: number(self.amount), ..Figures::NONE }
    }

    /// What a page notes of it.
    pub fn observation(&self, severity: Severity, window_end: Timestamp) -> Observation {
        Observation {
            window_end,
            seen: Seen::Anomalous(severity),
            figures: self.figures(),
            seen_by: 1,
            change: None,
            cost: None,
        }
    }
}

impl Incident {
    /// The amount of a budget that people were told of.
    pub fn told_amount(&self) -> f64 {
        self.latest.baseline_mean
    }
}

fn become_page(incident: Incident, page: Event) -> Step {
    Step::Become { incident: Box::new(incident), page: Some(page) }
}

fn open(subject: &Subject, mark: Mark, level: &Level, window_end: Timestamp) -> Incident {
    Incident::open(subject.clone(), &level.observation(mark.severity(), window_end), mark.severity())
}

fn reopened(incident: &Incident, mark: Mark, level: &Level, window_end: Timestamp) -> Incident {
    Incident {
        opened_at: incident.opened_at,
        anomalies: incident.anomalies + 1,
        last_page: incident.last_page,
        ..open(&incident.subject, mark, level, window_end)
    }
}

/// It keeps the figures that people were told of. So a quota that is raised again can be told from the same one.
fn ended(incident: &Incident, window_end: Timestamp) -> Incident {
    Incident {
        state: IncidentState::Resolved,
        closed_at: Some(window_end),
        over_at: Some(window_end),
        last_window: window_end,
        ..incident.clone()
    }
}
