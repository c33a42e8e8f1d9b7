//! Where an alert stands: the attribute that the outbox goes by.

use serde::{Deserialize, Serialize};

/// Value of the attribute that puts an item into the sparse index of waiting alerts.
pub(crate) const PENDING: &str = "pending";

/// Whether somebody was alerted of it: `none` is nobody, for a further anomaly of an incident that people know, a
/// warning, a mute, or one of many that a digest tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    None,
    Pending,
    Sent,
    // SNS refuses it for good, and nobody was notified.
    Parked,
}

impl AlertState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Parked => "parked",
        }
    }

    /// What puts an item of this state into the index of waiting alerts.
    pub(crate) fn in_outbox(self) -> Option<String> {
        (self == Self::Pending).then(|| PENDING.to_owned())
    }
}
