//! Actions and feedback of people on an anomaly. It is open until somebody acknowledges or resolves it, and can be reopened.

use serde::{Deserialize, Serialize};

use crate::FeedbackKind;

/// The state of an anomaly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Open,
    /// Somebody looks into it.
    Acknowledged,
    /// Nothing is left to do.
    Resolved,
}

/// What a person did: an action, or a feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Deed {
    Action(Action),
    Feedback(FeedbackKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Acknowledge,
    Resolve,
    Reopen,
}

/// The effect of an action on an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    To(State),
    /// The anomaly is in this state already.
    Already,
    /// The state does not allow the action.
    Refused,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    pub fn is_open(&self) -> bool {
        *self == Self::Open
    }

    /// The effect of an action or a feedback. Feedback changes the state of an anomaly only while it is not resolved.
    pub fn after_deed(self, deed: Deed) -> Transition {
        let acts = |action: Action| match self.after(action) {
            Transition::Refused => Transition::Already,
            transition => transition,
        };
        match deed {
            Deed::Action(action) => self.after(action),
            Deed::Feedback(FeedbackKind::Confirmed) => Transition::Already,
            Deed::Feedback(FeedbackKind::Expected) => acts(Action::Acknowledge),
            Deed::Feedback(FeedbackKind::FalseAlarm | FeedbackKind::NewNormal) => acts(Action::Resolve),
        }
    }

    /// A resolved anomaly must be reopened before somebody can acknowledge it. Every other step is allowed.
    pub fn after(self, action: Action) -> Transition {
        match (self, action.target()) {
            (now, target) if now == target => Transition::Already,
            (Self::Resolved, Self::Acknowledged) => Transition::Refused,
            (_, target) => Transition::To(target),
        }
    }
}

impl Deed {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Action(action) => action.as_str(),
            Self::Feedback(kind) => kind.as_str(),
        }
    }
}

impl From<Action> for Deed {
    fn from(action: Action) -> Self {
        Self::Action(action)
    }
}

impl From<FeedbackKind> for Deed {
    fn from(kind: FeedbackKind) -> Self {
        Self::Feedback(kind)
    }
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Reopen => "reopen",
        }
    }

    /// The state after the action.
    pub fn target(self) -> State {
        match self {
            Self::Acknowledge => State::Acknowledged,
            Self::Resolve => State::Resolved,
            Self::Reopen => State::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_from_every_state() {
        use {Action::*, State::*, Transition::*};
        for (state, action, expected) in [
            (Open, Acknowledge, To(Acknowledged)),
            (Open, Resolve, To(Resolved)),
            (Open, Reopen, Already),
            (Acknowledged, Acknowledge, Already),
            (Acknowledged, Resolve, To(Resolved)),
            (Acknowledged, Reopen, To(Open)),
            (Resolved, Acknowledge, Refused),
            (Resolved, Resolve, Already),
            (Resolved, Reopen, To(Open)),
        ] {
            assert_eq!(state.after(action), expected, "{state:?} {action:?}");
        }
    }

    #[test]
    fn feedback_acts_on_what_is_not_resolved() {
        use {FeedbackKind::*, State::*, Transition::*};
        for (state, kind, expected) in [
            (Open, Confirmed, Already),
            (Open, Expected, To(Acknowledged)),
            (Acknowledged, Expected, Already),
            (Resolved, Expected, Already),
            (Open, FalseAlarm, To(Resolved)),
            (Acknowledged, NewNormal, To(Resolved)),
            (Resolved, FalseAlarm, Already),
        ] {
            assert_eq!(state.after_deed(kind.into()), expected, "{state:?} {kind:?}");
        }
    }

    #[test]
    fn a_deed_is_one_word() {
        for (deed, word) in [
            (Deed::from(Action::Resolve), "\"resolve\""),
            (FeedbackKind::FalseAlarm.into(), "\"false_alarm\""),
            (FeedbackKind::NewNormal.into(), "\"new_normal\""),
        ] {
            assert_eq!(serde_json::to_string(&deed).unwrap(), word);
            assert_eq!(serde_json::from_str::<Deed>(word).unwrap(), deed);
            assert_eq!(deed.as_str(), word.trim_matches('"'));
        }
    }
}
