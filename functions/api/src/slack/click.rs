//! A click on a button, as Slack sends it: a form whose field `payload` is JSON.

use messaging::buttons::Button;
use serde::Deserialize;
use serde_json::Value;

use crate::chat::{Person, Press};
use crate::error::{Problem, quoted};

/// A click.
#[derive(Debug)]
pub(crate) struct Click {
    pub(crate) press: Press,
    /// Where the answer goes.
    pub(crate) response_url: Option<String>,
    /// The block of the button in the message.
    pub(crate) block_id: String,
    /// The message with the button. Null if Slack does not send it.
    pub(crate) message: Value,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: Option<User>,
    #[serde(default)]
    actions: Vec<Action>,
    response_url: Option<String>,
    #[serde(default)]
    message: Value,
}

#[derive(Deserialize)]
struct User {
    id: String,
    username: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    block_id: String,
    #[serde(default)]
    value: String,
}

impl Click {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        let payload = form_urlencoded::parse(body).find(|(name, _)| name == "payload");
        let (_, payload) = payload.ok_or_else(|| Problem::bad_request("the form has no payload"))?;
        let payload: Payload = serde_json::from_str(&payload)
            .map_err(|error| Problem::bad_request(format!("the payload cannot be read: {error}")))?;
        let mut actions = payload.actions.into_iter();
        let (Some(user), Some(action), "block_actions") =
            (payload.user, actions.next(), payload.kind.as_str())
        else {
            let kind = quoted(&payload.kind);
            return Err(Problem::bad_request(format!("only clicks on buttons are known, not {kind}")));
        };
        let button = Button::of_id(&action.action_id).ok_or_else(|| {
            let known = Button::ALL.map(Button::id).join(", ");
            let detail = format!("there is no action {}; known: {known}", quoted(&action.action_id));
            Problem::invalid("action_id", detail)
        })?;
        let name = user.username.or(user.name);
        let person = Person::of("Slack", &user.id, name.as_deref());
        Ok(Self {
            press: Press { button, incident_id: action.value, person },
            response_url: payload.response_url,
            block_id: action.block_id,
            message: payload.message,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(payload: &Value) -> Result<Click, Problem> {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        Click::read(body.as_bytes())
    }

    fn payload() -> Value {
        json!({
            "type": "block_actions",
            "user": { "id": "U012AB3CD", "username": "ada", "name": "ada", "team_id": "T1" },
            "actions": [{ "type": "button", "action_id": "mute_24h", "block_id": "b1", "value": "1.m.spike.YQ" }],
            "response_url": "https://hooks.slack.com/actions/T1/2/3",
            "message": { "ts": "1.2", "blocks": [] },
        })
    }

    #[test]
    fn a_click() {
        let Click { press, block_id, .. } = read(&payload()).unwrap();
        assert_eq!((press.button, press.incident_id.as_str()), (Button::Mute, "1.m.spike.YQ"));
        assert_eq!((press.person.actor.as_str(), block_id.as_str()), ("ada (Slack U012AB3CD)", "b1"));
    }

    #[test]
    fn hostile_names_are_names() {
        let mut hostile = payload();
        for (name, expected) in [
            ("a\r\nb\u{0}", "ab"),
            ("<!channel> *x* & \"y\"", "<!channel> *x* & \"y\""),
            (&"x".repeat(5_000), &"x".repeat(80)),
            ("", "U012AB3CD"),
        ] {
            hostile["user"]["username"] = name.into();
            assert_eq!(read(&hostile).unwrap().press.person.name, expected);
        }
    }

    #[test]
    fn what_is_no_click_is_refused() {
        let with = |field: &str, value: Value| {
            let mut payload = payload();
            payload[field] = value;
            payload
        };
        for (payload, expected) in [
            (with("type", json!("view_submission")), "not `view_submission`"),
            (with("actions", json!([])), "only clicks"),
            (with("actions", json!([{ "action_id": "delete_all" }])), "there is no action `delete_all`"),
            (with("user", json!(null)), "only clicks"),
            (with("user", json!({})), "missing field `id`"),
        ] {
            let problem = read(&payload).unwrap_err();
            assert!(problem.detail().contains(expected), "{}", problem.detail());
            assert_eq!(problem.status(), 400);
        }
        for body in ["", "payload=", "payload={", "x=1", "payload=%ff%fe"] {
            assert_eq!(Click::read(body.as_bytes()).unwrap_err().status(), 400, "{body}");
        }
    }
}
