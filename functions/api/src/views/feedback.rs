//! The shape of a feedback.

use detection::feedback::Effects;
use detection::{EntityPath, Feedback, FeedbackKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::Time;

/// A feedback that is stored.
#[derive(Serialize, ToSchema)]
#[schema(as = Feedback)]
pub(crate) struct FeedbackView {
    /// The incident that it is about. Null for an anomaly without one.
    #[schema(required = true)]
    pub incident_id: Option<String>,
    /// The anomaly that it was given on. Null for an incident.
    #[schema(required = true)]
    pub anomaly_id: Option<String>,
    pub customer_id: String,
    /// What of the customer: a workflow, or a workflow and one of its nodes. Absent for the customer as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    pub metric: String,
    pub kind: FeedbackKind,
    /// The end of what is expected. Null for all other kinds.
    #[schema(required = true)]
    pub until: Option<Time>,
    pub given_at: Time,
    /// The person, by the name in the token.
    pub given_by: String,
    #[schema(required = true)]
    pub note: Option<String>,
    /// How many times its configured threshold the series needs from now on: 1 to 1.5.
    pub threshold_factor: f64,
    /// What the next check makes of it, in one sentence.
    pub effect: String,
}

impl FeedbackView {
    /// What the next check makes of a feedback.
    ///
    /// * `effects`: those of all feedback of its series.
    pub(crate) fn of(
        feedback: &Feedback,
        effects: &Effects,
        incident_id: Option<String>,
        anomaly_id: Option<String>,
    ) -> Self {
        let subject = &feedback.subject;
        Self {
            incident_id,
            anomaly_id,
            customer_id: subject.customer_id.to_string(),
            entity: subject.entity.as_ref().map(EntityPath::to_string),
            metric: subject.metric.to_string(),
            kind: feedback.kind,
            until: feedback.until.map(Time::from),
            given_at: feedback.given_at.into(),
            given_by: feedback.given_by.clone(),
            note: feedback.note.clone(),
            threshold_factor: effects.raised.as_ref().map_or(1.0, |raised| raised.factor),
            effect: effect(feedback, effects),
        }
    }
}

fn effect(feedback: &Feedback, effects: &Effects) -> String {
    let (from, to) = (feedback.hours().start.start(), feedback.hours().end.start());
    match feedback.kind {
        FeedbackKind::Confirmed => {
            format!("the hours from {from} to {to} never count in what is usual")
        }
        FeedbackKind::Expected => {
            let until = feedback.until.unwrap_or(to);
            format!("the hours from {from} to {to} are muted in each week until {until}")
        }
        FeedbackKind::NewNormal => {
            "the level counts as normal: it raises nothing unless it doubles or gets more severe".to_owned()
        }
        FeedbackKind::FalseAlarm => match (&effects.raised, feedback.excess) {
            (Some(raised), _) => format!(
                "the threshold is raised to {:.2} times the configured one, until 90 days pass without another false alarm",
                raised.factor
            ),
            (None, Some(_)) => {
                "another false alarm of this series within 90 days raises its threshold".to_owned()
            }
            (None, None) => {
                "no threshold has to do with this anomaly, so none is raised: mute it if it comes again"
                    .to_owned()
            }
        },
    }
}
