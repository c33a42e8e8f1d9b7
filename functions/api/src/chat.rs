//! What the buttons of all chats have in common: who pressed which button, and an answer that must not take long.

use std::time::Duration;

use messaging::buttons::Button;
use messaging::outbound::{Answer, Outbound, OutboundRequest};
use platform::telemetry::error_chain;

/// A button that somebody pressed. The chat vouches for the person.
#[derive(Debug)]
pub(crate) struct Press {
    pub(crate) button: Button,
    pub(crate) incident_id: String,
    pub(crate) person: Person,
}

/// A person in a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// The name in the chat.
    pub(crate) name: String,
    /// The person for histories: the name, and the id that stays the same.
    pub(crate) actor: String,
}

/// Names in histories are short, whatever a person is called in the chat.
const MAX_NAME_CHARACTERS: usize = 80;

impl Person {
    /// * `chat`: the chat's name for people, such as "Slack".
    pub(crate) fn of(chat: &str, id: &str, name: Option<&str>) -> Self {
        let id = shown(id);
        let name = name.map(shown).filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone());
        Self { actor: format!("{name} ({chat} {id})"), name }
    }
}

/// A name without characters that a line cannot show. Channels clean and escape it once more.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARACTERS).collect()
}

/// Sends an answer to a chat. The action is done already, so the caller only logs what went wrong.
pub(crate) async fn send(
    outbound: &Outbound,
    request: OutboundRequest,
    limit: Duration,
) -> Result<Answer, String> {
    match tokio::time::timeout(limit, outbound.post(request)).await {
        Ok(Ok(answer)) if answer.status == 200 => Ok(answer),
        Ok(Ok(answer)) => Err(format!("HTTP {}", answer.status)),
        Ok(Err(error)) => Err(error_chain(&error)),
        Err(_) => Err(format!("no answer within {} ms", limit.as_millis())),
    }
}
