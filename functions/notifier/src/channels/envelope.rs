//! The alert for programs: its own JSON, with what the channel adds.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::message::Message;

/// The alert with its type and its time.
pub(super) fn event(message: Message<'_>, now: Timestamp) -> Value {
    json!({
        "type": format!("anomaly.{}", message.alert.event.as_str()),
        "timestamp": message.alert.detected_at.unwrap_or(now).to_string(),
        "data": data(message),
    })
}

/// The original alert. Programs get text of customers exactly, and must escape it before they show it.
pub(super) fn data(message: Message<'_>) -> Value {
    let mut data = message.alert.json.clone();
    // The field stays for receivers that read it. No page is held back any more.
    data["held_back_pages"] = 0.into();
    if let Some(link) = message.link() {
        data["link"] = link.into();
    }
    data
}
