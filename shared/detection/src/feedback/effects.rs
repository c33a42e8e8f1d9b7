//! The feedback of one series, as a check takes it.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::raise::Raised;
use super::{Feedback, FeedbackKind, end_of_hour};
use crate::hour::Hour;
use crate::incident::{Incident, IncidentState, hours_of};
use crate::policy::{Mute, Recurrence};

/// What all feedback of one series comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// `None` for the configured threshold.
    pub raised: Option<Raised>,
    /// Hours that no usual value is made of.
    pub left_out: Vec<Range<Hour>>,
    /// What is expected.
    pub planned: Vec<Mute>,
    confirmed: Vec<Feedback>,
    accepted: Vec<Feedback>,
}

/// A reason has so much of a note. It is stored with each anomaly that it mutes.
const NOTE_CHARACTERS: usize = 200;

/// The longest event that may repeat each week.
const A_WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Effects {
    /// The effects in a window that ends `at`.
    ///
    /// * `of_series`: the feedback of one series.
    pub fn of(of_series: &[Feedback], at: Timestamp) -> Self {
        let of_kind = |kind| of_series.iter().filter(move |of| of.kind == kind);
        Self {
            raised: Raised::of(of_series.iter(), at),
            left_out: of_kind(FeedbackKind::Confirmed).map(Feedback::hours).collect(),
            planned: of_kind(FeedbackKind::Expected).filter_map(planned).collect(),
            confirmed: of_kind(FeedbackKind::Confirmed).cloned().collect(),
            accepted: of_kind(FeedbackKind::NewNormal).cloned().collect(),
        }
    }

    /// Whether usual values differ from those without feedback.
    pub fn has_hours(&self) -> bool {
        !self.left_out.is_empty() || !self.planned.is_empty()
    }

    /// The hours of an incident of this series that somebody confirmed. It may have gone on since. `None` for any other
    /// incident.
    ///
    /// A level that became normal later counts from then on.
    pub fn confirmed_hours(&self, incident: &Incident) -> Option<Range<Hour>> {
        let is_it = |of: &Feedback| {
            (of.subject.direction, of.opened_at) == (incident.subject.direction, incident.opened_at)
        };
        let hours = self.confirmed.iter().any(is_it).then(|| hours_of(incident))?;
        let end = match (incident.state, incident.closed_at) {
            (IncidentState::Accepted, Some(closed_at)) => hours.end.min(Hour::holding(closed_at)),
            _ => hours.end,
        };
        Some(hours.start..end)
    }

    /// Whether somebody took the level of an incident of this series for normal.
    pub fn accepts(&self, incident: &Incident) -> bool {
        let is_of = |of: &Feedback| {
            of.subject.direction == incident.subject.direction
                && (of.from..=of.to).contains(&incident.opened_at)
        };
        self.accepted.iter().any(is_of)
    }
}

/// The hours of an expected incident, in each week until the end of what is expected.
fn planned(feedback: &Feedback) -> Option<Mute> {
    let (until, hours) = (feedback.until?, feedback.hours());
    let from = hours.start.start();
    let end = end_of_hour(feedback.to).start().min(from.saturating_add(A_WEEK).ok()?);
    let rule = format!("FREQ=WEEKLY;UNTIL={}", until.strftime("%Y%m%dT%H%M%SZ"));
    let note = feedback.note.as_ref();
    let said = note.map(|note| format!(": {}", note.chars().take(NOTE_CHARACTERS).collect::<String>()));
    Some(Mute {
        metric: Some(feedback.subject.metric.clone()),
        from: Some(from),
        until: Some(end),
        rrule: Some(Recurrence::try_from(rule).ok()?),
        time_zone: None,
        reason: format!("expected by {} until {until}{}", feedback.given_by, said.unwrap_or_default()),
    })
}
