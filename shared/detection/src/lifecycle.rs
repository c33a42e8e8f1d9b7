//! Actions of people on an anomaly. It is open until somebody acknowledges or resolves it, and can be reopened.

use serde::{Deserialize, Serialize};

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

    /// A resolved anomaly must be reopened before somebody can acknowledge it. Every other step is allowed.
    pub fn after(self, action: Action) -> Transition {
        match (self, action.target()) {
            (now, target) if now == target => Transition::Already,
            (Self::Resolved, Self::Acknowledged) => Transition::Refused,
            (_, target) => Transition::To(target),
        }
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
}
