//! Where an alert stands: the attribute that the outbox goes by.

use serde::{Deserialize, Serialize};

/// Value of the attribute that puts an item into the sparse index of waiting alerts.
pub(crate) const PENDING: &str = "pending";

/// Where an anomaly's alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It has no alert of its own: it belongs to an incident that people know, or is a warning, or muted, or one of
    /// many that a digest tells of.
    None,
    Pending,
    Sent,
}

impl AlertState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Sent => "sent",
        }
    }

    /// What puts an item of this state into the index of waiting alerts.
    pub(crate) fn in_outbox(self) -> Option<String> {
        (self == Self::Pending).then(|| PENDING.to_owned())
    }
}
