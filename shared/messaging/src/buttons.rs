//! The buttons of pages in chats. The notifier writes them, and the API does what they say.

/// What a person can do about an incident by one click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    Acknowledge,
    Resolve,
    /// Mutes the metric of the customer for a day.
    Mute,
    NotAnAnomaly,
}

impl Button {
    pub const ALL: [Self; 4] = [Self::Acknowledge, Self::Resolve, Self::Mute, Self::NotAnAnomaly];

    /// The name in requests. Old messages keep their buttons, so a name never changes its meaning.
    pub fn id(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Mute => "mute_24h",
            Self::NotAnAnomaly => "not_an_anomaly",
        }
    }

    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|button| button.id() == id)
    }

    /// The words on the button.
    pub fn label(self) -> &'static str {
        match self {
            Self::Acknowledge => "Acknowledge",
            Self::Resolve => "Resolve",
            Self::Mute => "Mute 24 h",
            Self::NotAnAnomaly => "Not an anomaly",
        }
    }

    /// Whether nothing is left to do after it.
    pub fn is_closing(self) -> bool {
        matches!(self, Self::Resolve | Self::NotAnAnomaly)
    }
}
