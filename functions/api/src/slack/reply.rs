//! Answers to clicks: the message as it is now, or a note that only the person sees. Names are in `plain_text`, where
//! Slack reads no markup.

use serde_json::{Value, json};

use super::Click;

/// A message of Slack has at most this many blocks.
const MAX_BLOCKS: usize = 50;

/// Elements of a context block.
const MAX_ELEMENTS: usize = 10;

/// The message with `line` at the place of the button. Buttons that make no sense any more are gone.
pub(crate) fn done(click: &Click, line: &str) -> Value {
    let mut blocks = click.message["blocks"].as_array().cloned().unwrap_or_default();
    let is_place = |block: &Value| block["type"] == "actions" && block["block_id"] == click.block_id.as_str();
    let Some(place) = blocks.iter().position(is_place) else { return only_for_the_person(line) };
    let note = json!({ "type": "plain_text", "text": line, "emoji": false });
    let left = match click.press.button.is_closing() {
        true => Vec::new(),
        false => other_buttons(&blocks[place], click.press.button.id()),
    };
    if left.is_empty() {
        blocks.remove(place);
    } else {
        blocks[place]["elements"] = left.into();
    }
    // What was done before stands in the block above the buttons.
    let has_room = blocks.len() < MAX_BLOCKS;
    let before = place.checked_sub(1).and_then(|above| blocks.get_mut(above));
    let notes = before.filter(|block| is_note(block)).and_then(|block| block["elements"].as_array_mut());
    if let Some(notes) = notes.filter(|notes| notes.len() < MAX_ELEMENTS) {
        notes.push(note);
    } else if has_room {
        let block_id = format!("{NOTES}{place}");
        blocks.insert(place, json!({ "type": "context", "block_id": block_id, "elements": [note] }));
    }
    let text = click.message["text"].as_str().filter(|text| !text.is_empty()).unwrap_or("MeterFlow");
    json!({ "replace_original": true, "text": text, "blocks": blocks })
}

/// Begins the ids of blocks that say what was done.
const NOTES: &str = "done-";

fn is_note(block: &Value) -> bool {
    block["block_id"].as_str().is_some_and(|id| id.starts_with(NOTES))
}

fn other_buttons(block: &Value, pressed: &str) -> Vec<Value> {
    let buttons = block["elements"].as_array().cloned().unwrap_or_default();
    buttons.into_iter().filter(|button| button["action_id"] != pressed).collect()
}

/// A note that nobody else sees. Slack reads markup in it, so signs that mean something there are escaped.
pub(crate) fn only_for_the_person(text: &str) -> Value {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "response_type": "ephemeral", "replace_original": false, "mrkdwn": false, "text": text })
}

#[cfg(test)]
mod tests {
    use messaging::buttons::Button;

    use super::*;
    use crate::chat::{Person, Press};

    fn click(button: Button, message: Value) -> Click {
        Click {
            press: Press {
                button,
                incident_id: "1.m.spike.YQ".to_owned(),
                person: Person::of("Slack", "U1", Some("ada")),
            },
            response_url: None,
            block_id: "b1".to_owned(),
            message,
        }
    }

    fn message() -> Value {
        let button = |button: Button| json!({ "type": "button", "action_id": button.id() });
        let actions =
            |id: &str| json!({ "type": "actions", "block_id": id, "elements": Button::ALL.map(button) });
        json!({ "text": "Critical", "blocks": [{ "type": "header" }, actions("b0"), actions("b1"), { "type": "context" }] })
    }

    fn types(message: &Value) -> Vec<&str> {
        message["blocks"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect()
    }

    #[test]
    fn an_acknowledgement_leaves_the_other_buttons() {
        let updated = done(&click(Button::Acknowledge, message()), "Acknowledged by <!channel>");
        assert_eq!(types(&updated), ["header", "actions", "context", "actions", "context"]);
        assert_eq!(updated["blocks"][2]["elements"][0]["type"], "plain_text");
        assert_eq!(updated["blocks"][2]["elements"][0]["text"], "Acknowledged by <!channel>");
        let ids: Vec<_> = updated["blocks"][3]["elements"]
            .as_array()
            .unwrap()
            .iter()
            .map(|b| b["action_id"].clone())
            .collect();
        assert_eq!(ids, ["resolve", "mute_24h", "not_an_anomaly"]);
        assert_eq!(
            updated["blocks"][1]["elements"].as_array().unwrap().len(),
            4,
            "those of another incident"
        );
        // The next click adds its line to the same block.
        let after = done(&click(Button::Mute, updated), "Muted");
        assert_eq!(types(&after), ["header", "actions", "context", "actions", "context"]);
        assert_eq!(after["blocks"][2]["elements"][1]["text"], "Muted");
        let end = done(&click(Button::Resolve, after), "Resolved");
        assert_eq!(types(&end), ["header", "actions", "context", "context"]);
        assert_eq!(end["blocks"][2]["elements"].as_array().unwrap().len(), 3);
        assert_eq!((&end["replace_original"], &end["text"]), (&json!(true), &json!("Critical")));
    }

    #[test]
    fn a_message_that_cannot_be_updated_is_left_alone() {
        for message in
            [Value::Null, json!({}), json!({ "blocks": [] }), json!({ "blocks": [{ "type": "actions" }] })]
        {
            let reply = done(&click(Button::Resolve, message), "Resolved by <b>");
            assert_eq!(
                (&reply["replace_original"], &reply["text"]),
                (&json!(false), &json!("Resolved by &lt;b&gt;"))
            );
        }
    }

    #[test]
    fn a_full_message_grows_no_further() {
        let mut full = message();
        let blocks = full["blocks"].as_array_mut().unwrap();
        blocks.resize(MAX_BLOCKS, json!({ "type": "context" }));
        let updated = done(&click(Button::Acknowledge, full), "Acknowledged");
        assert_eq!(updated["blocks"].as_array().unwrap().len(), MAX_BLOCKS);
    }
}
