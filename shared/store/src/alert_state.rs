//! The state of an alert: the attribute that the outbox goes by.

use serde::{Deserialize, Serialize};

/// Value of the attribute that puts an item into the sparse index of waiting alerts.
pub(crate) const PENDING: &str = "pending";

/// Its value for parked alerts, which a person may take up again.
pub(crate) const PARKED: &str = "parked";

/// Whether people were alerted. `none` means that nobody was: the anomaly continues an incident that people know, is a
/// warning, is muted, or is counted in a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    None,
    Pending,
    Sent,
    // SNS refuses the alert for good. Nobody was notified.
    Parked,
}

impl AlertState {
    /// The states of an item with an alert.
    pub(crate) const WITH_ALERT: [Self; 3] = [Self::Pending, Self::Sent, Self::Parked];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Parked => "parked",
        }
    }

    /// The index attribute of an item in this state.
    pub(crate) fn in_outbox(self) -> Option<String> {
        (self == Self::Pending).then(|| PENDING.to_owned())
    }
}
