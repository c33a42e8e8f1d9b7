//! Answers to presses: a note to the person, and the message as it is now.

use serde_json::{Value, json};

use super::Pressed;

/// Longest note to a person.
const NOTE: usize = 200;

/// Longest text of a message, in UTF-16 units.
const TEXT: usize = 4_096;

/// The note, as the answer to Telegram's request. Telegram calls the method that an answer names
/// (<https://core.telegram.org/bots/api#making-requests-when-getting-updates>). So the note needs neither the token nor a way
/// into the internet.
pub(crate) fn answered(pressed: &Pressed, outcome: &Result<String, String>) -> Value {
    let (text, is_failure) = match outcome {
        Ok(line) => (line, false),
        Err(sentence) => (sentence, true),
    };
    json!({
        "method": "answerCallbackQuery",
        "callback_query_id": pressed.query_id,
        "text": text.chars().take(NOTE).collect::<String>(),
        // A failure stays until the person has read it.
        "show_alert": is_failure,
    })
}

/// The method and the parameters that change the message: `line` is added, and buttons that make no sense any more are gone.
pub(crate) fn edited(pressed: &Pressed, line: &str) -> (&'static str, Value) {
    let message = pressed.message.as_ref().unwrap_or(&Value::Null);
    let mut parameters = json!({
        "chat_id": pressed.chat_id,
        "message_id": pressed.message_id,
        "reply_markup": { "inline_keyboard": left(pressed, message) },
    });
    let text = message["text"].as_str().unwrap_or_default();
    let (offset, length) = (utf16(text) + 2, utf16(line));
    if text.is_empty() || offset + length > TEXT {
        return ("editMessageReplyMarkup", parameters);
    }
    let mut entities = message["entities"].as_array().cloned().unwrap_or_default();
    // In code Telegram makes no links and mentions of a person's name.
    entities.push(json!({ "type": "code", "offset": offset, "length": length }));
    parameters["text"] = format!("{text}\n\n{line}").into();
    parameters["entities"] = entities.into();
    parameters["link_preview_options"] = json!({ "is_disabled": true });
    ("editMessageText", parameters)
}

/// The rows of buttons that are left. A button that closes the incident takes all buttons of the incident with it.
fn left(pressed: &Pressed, message: &Value) -> Vec<Value> {
    let closed = pressed.button().filter(|(button, _)| button.is_closing()).map(|(_, name)| name);
    let stays = |button: &&Value| {
        let data = button["callback_data"].as_str().unwrap_or_default();
        let name = data.split_once(':').map(|(_, name)| name);
        data != pressed.data && (closed.is_none() || name != closed)
    };
    let rows = message["reply_markup"]["inline_keyboard"].as_array().map_or(&[][..], Vec::as_slice);
    let rows = rows.iter().map(|row| {
        let buttons = row.as_array().map_or(&[][..], Vec::as_slice);
        buttons.iter().filter(stays).cloned().collect::<Vec<_>>()
    });
    rows.filter(|row| !row.is_empty()).map(Value::from).collect()
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use messaging::buttons::Button;

    use super::*;
    use crate::chat::Person;

    fn pressed(data: &str, message: Option<Value>) -> Pressed {
        Pressed {
            update_id: 1,
            query_id: "q".to_owned(),
            person: Person::of("Telegram", "7", Some("ada")),
            chat_id: -5,
            chat_name: None,
            message_id: 9,
            data: data.to_owned(),
            message,
        }
    }

    /// A message about two incidents.
    fn message(text: &str) -> Value {
        let rows = |incident: &str| {
            let [a, b, c, d] =
                Button::ALL.map(|b| json!({ "text": b.label(), "callback_data": b.data(incident) }));
            [json!([a, b]), json!([c, d])]
        };
        let rows = [rows("1"), rows("2")].concat();
        json!({
            "text": text, "entities": [{ "type": "bold", "offset": 0, "length": 2 }],
            "reply_markup": { "inline_keyboard": rows },
        })
    }

    /// The texts of the buttons of each row.
    fn rows(parameters: &Value) -> Vec<Vec<&str>> {
        let rows = parameters["reply_markup"]["inline_keyboard"].as_array().unwrap().iter();
        let texts =
            rows.map(|row| row.as_array().unwrap().iter().map(|button| button["text"].as_str().unwrap()));
        texts.map(Iterator::collect).collect()
    }

    #[test]
    fn an_acknowledgement_leaves_the_other_buttons() {
        let of = |button: Button| pressed(&button.data("1"), Some(message("👩 spike")));
        let (method, parameters) = edited(&of(Button::Acknowledge), "Acknowledged by @ada");
        assert_eq!(method, "editMessageText");
        assert_eq!(
            rows(&parameters),
            [
                vec!["Resolve"],
                vec!["Mute 24 h", "Not an anomaly"],
                vec!["Acknowledge", "Resolve"],
                vec!["Mute 24 h", "Not an anomaly"]
            ]
        );
        assert_eq!(parameters["text"], "👩 spike\n\nAcknowledged by @ada");
        // Telegram counts UTF-16 units, and the woman has two.
        let expected = json!([
            { "type": "bold", "offset": 0, "length": 2 },
            { "type": "code", "offset": 10, "length": 20 },
        ]);
        assert_eq!(parameters["entities"], expected);
        let (_, parameters) = edited(&of(Button::NotAnAnomaly), "Resolved");
        assert_eq!(rows(&parameters).len(), 2, "those of the other incident");
    }

    #[test]
    fn a_message_without_room_loses_its_buttons_only() {
        for text in ["x".repeat(TEXT - 11), String::new()] {
            let (method, parameters) =
                edited(&pressed(&Button::Resolve.data("1"), Some(message(&text))), "0123456789");
            assert_eq!((method, &parameters["text"]), ("editMessageReplyMarkup", &Value::Null));
            assert_eq!(rows(&parameters).len(), 2);
        }
        let fits = edited(&pressed("x", Some(message(&"x".repeat(TEXT - 12)))), "0123456789");
        assert_eq!(fits.0, "editMessageText");
    }

    #[test]
    fn a_note_is_short() {
        let note = answered(&pressed("x", None), &Err("é".repeat(300)));
        assert_eq!((&note["method"], &note["show_alert"]), (&json!("answerCallbackQuery"), &json!(true)));
        assert_eq!(note["text"].as_str().unwrap().chars().count(), NOTE);
        let note = answered(&pressed("x", None), &Ok("Resolved by ada".to_owned()));
        assert_eq!((&note["show_alert"], &note["callback_query_id"]), (&json!(false), &json!("q")));
    }
}
