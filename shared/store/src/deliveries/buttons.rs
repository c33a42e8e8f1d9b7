//! The names of incidents on buttons.
//!
//! Telegram takes 64 bytes on a button. The id of an incident holds the customer's id and can be longer. So a button holds
//! the first 128 bits of the id's hash, and the id waits here until somebody presses the button. The message itself would
//! not do as the place of the id: Telegram sends no text of old messages with a press, and a group of alerts has no link.
//!
//! A name belongs to one channel. So nobody acts from a chat on an incident that the chat was never told of.

use jiff::Timestamp;

use super::{DeliveryError, DeliveryStore, RETENTION, expiry, number, text};
use crate::keys;

/// Hexadecimal digits of a short name.
const DIGITS: usize = 32;

/// The short name of an incident. The same id always has the same name.
pub fn short_name(incident_id: &str) -> String {
    keys::sha256(incident_id)[..DIGITS].to_owned()
}

impl DeliveryStore {
    /// Remembers an incident under its short name, because a message with buttons is about to be sent.
    pub async fn keep_short_name(
        &self,
        channel: &str,
        incident_id: &str,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let mut item = keys::button(channel, &short_name(incident_id)).attributes();
        item.extend([
            ("type".to_owned(), text("button")),
            ("incident_id".to_owned(), text(incident_id)),
            ("ttl".to_owned(), number(expiry(now, RETENTION))),
        ]);
        self.put(item, "keep the incident of a button of", channel).await
    }

    /// The id of an incident that the channel was told of.
    pub async fn incident_named(
        &self,
        channel: &str,
        short_name: &str,
    ) -> Result<Option<String>, DeliveryError> {
        let item = self.get(keys::button(channel, short_name), "the incident of a button").await?;
        Ok(item.and_then(|item| item.get("incident_id")?.as_s().ok().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages outlive deployments. Another name would lose their buttons.
    #[test]
    fn names_are_short_and_stay_as_they_are() {
        assert_eq!(short_name("1.m.spike.YQ"), "ae7402711e9f0680203f9add3e4f9e2d");
        assert_eq!(short_name(&"x".repeat(3_000)).len(), DIGITS);
        assert_ne!(short_name("1.m.spike.YQ"), short_name("1.m.drop.YQ"));
    }
}
