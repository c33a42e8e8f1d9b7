//! A press of a button, as Telegram sends it: an update with a `callback_query`
//! (<https://core.telegram.org/bots/api#callbackquery>).

use messaging::buttons::Button;
use serde::Deserialize;
use serde_json::Value;

use crate::chat::Person;
use crate::error::Problem;

/// A press of a button.
#[derive(Debug)]
pub(crate) struct Pressed {
    /// The same for each copy of the update.
    pub(crate) update_id: i64,
    /// Names the press in the answer.
    pub(crate) query_id: String,
    pub(crate) person: Person,
    pub(crate) chat_id: i64,
    /// The name of a public chat.
    pub(crate) chat_name: Option<String>,
    pub(crate) message_id: i64,
    /// What the button holds.
    pub(crate) data: String,
    /// The message with the button. `None` if Telegram does not show it any more.
    pub(crate) message: Option<Value>,
}

#[derive(Deserialize)]
struct Update {
    update_id: i64,
    callback_query: Option<Query>,
}

#[derive(Deserialize)]
struct Query {
    id: String,
    from: User,
    message: Option<Value>,
    data: Option<String>,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    username: Option<String>,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
}

impl Pressed {
    /// `None` for an update of another kind. Telegram sends all kinds unless `setWebhook` names some.
    pub(crate) fn read(body: &[u8]) -> Result<Option<Self>, Problem> {
        let Update { update_id, callback_query } = serde_json::from_slice(body)
            .map_err(|error| Problem::bad_request(format!("the body is no update of Telegram: {error}")))?;
        let Some(Query { id, from, message: Some(message), data: Some(data) }) = callback_query else {
            return Ok(None);
        };
        let (Some(chat_id), Some(message_id)) =
            (message["chat"]["id"].as_i64(), message["message_id"].as_i64())
        else {
            return Ok(None);
        };
        let full_name = format!("{} {}", from.first_name, from.last_name);
        let name = from.username.as_deref().unwrap_or(full_name.trim());
        Ok(Some(Self {
            update_id,
            query_id: id,
            person: Person::of("Telegram", &from.id.to_string(), Some(name)),
            chat_id,
            chat_name: message["chat"]["username"].as_str().map(str::to_owned),
            message_id,
            data,
            // The date of a message that the bot cannot see any more is 0.
            message: (message["date"].as_i64() > Some(0)).then_some(message),
        }))
    }

    /// The button, and the short name of its incident.
    pub(crate) fn button(&self) -> Option<(Button, &str)> {
        Button::of_data(&self.data)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn update() -> Value {
        json!({
            "update_id": 10_000,
            "callback_query": {
                "id": "4382bfdwdsb323b2d9",
                "from": { "id": 1_111_111, "is_bot": false, "first_name": "Ada", "last_name": "L", "username": "ada" },
                "message": {
                    "message_id": 1_365, "date": 1_795_267_800, "text": "Critical",
                    "chat": { "id": -1_001_234_567_890_i64, "type": "supergroup", "title": "Ops" },
                },
                "chat_instance": "-1", "data": "acknowledge:0f",
            },
        })
    }

    fn read(update: &Value) -> Option<Pressed> {
        Pressed::read(update.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_press() {
        let pressed = read(&update()).unwrap();
        assert_eq!((pressed.update_id, pressed.message_id), (10_000, 1_365));
        assert_eq!(pressed.chat_id, -1_001_234_567_890);
        assert_eq!(pressed.person.actor, "ada (Telegram 1111111)");
        assert_eq!(pressed.button(), Some((Button::Acknowledge, "0f")));
        assert!(pressed.message.is_some());
    }

    #[test]
    fn people_have_names() {
        let mut update = update();
        for (from, expected) in [
            (json!({ "id": 7, "first_name": "Ada" }), "Ada (Telegram 7)"),
            (json!({ "id": 7, "first_name": "Ada", "last_name": "L" }), "Ada L (Telegram 7)"),
            (json!({ "id": 7 }), "7 (Telegram 7)"),
            (json!({ "id": 7, "username": "a\r\nb\u{0}" }), "ab (Telegram 7)"),
        ] {
            update["callback_query"]["from"] = from;
            assert_eq!(read(&update).unwrap().person.actor, expected);
        }
    }

    #[test]
    fn an_old_message_is_not_shown() {
        let mut update = update();
        update["callback_query"]["message"] =
            json!({ "message_id": 1_365, "date": 0, "chat": { "id": -5, "type": "group" } });
        let pressed = read(&update).unwrap();
        assert_eq!((pressed.chat_id, pressed.message), (-5, None));
    }

    #[test]
    fn what_is_no_press_is_passed_over_and_what_is_no_update_is_refused() {
        for update in [
            json!({ "update_id": 1, "message": { "text": "hello" } }),
            json!({ "update_id": 1, "callback_query": { "id": "1", "from": { "id": 1 }, "data": "x" } }),
            json!({ "update_id": 1, "callback_query": { "id": "1", "from": { "id": 1 }, "message": {} } }),
            json!({ "update_id": 1, "callback_query": { "id": "1", "from": { "id": 1 }, "message": {}, "data": "x" } }),
        ] {
            assert!(read(&update).is_none(), "{update}");
        }
        for body in ["", "{", "[]", "{}", "{\"update_id\": \"1\"}", "payload=%7B%7D"] {
            assert_eq!(Pressed::read(body.as_bytes()).unwrap_err().status(), 400, "{body}");
        }
    }
}
