//! The buttons of pages in chats. The notifier writes them, and the API does what they say.

use store::deliveries::short_name;

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

    /// The button and the short name of an incident as one text, for chats that keep few bytes for each button.
    pub fn data(self, incident_id: &str) -> String {
        format!("{}:{}", self.id(), short_name(incident_id))
    }

    /// The button, and the short name of its incident.
    pub fn of_data(data: &str) -> Option<(Self, &str)> {
        let (id, name) = data.split_once(':')?;
        Self::of_id(id).map(|button| (button, name))
    }

    /// Whether nothing is left to do after it.
    pub fn is_closing(self) -> bool {
        matches!(self, Self::Resolve | Self::NotAnAnomaly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_any_incident_fit_into_the_64_bytes_of_telegram() {
        for button in Button::ALL {
            let data = button.data(&"x".repeat(2_700));
            assert!(data.len() <= 64, "{data}");
            assert_eq!(Button::of_data(&data).unwrap(), (button, &data[data.len() - 32..]));
        }
        for unknown in ["", "acknowledge", "delete_all:0f", ":0f"] {
            assert_eq!(Button::of_data(unknown), None, "{unknown}");
        }
    }
}
