//! Presses of the buttons of a page in Telegram. Telegram has no token: the secret of its webhook opens the route. Who can see
//! the message in Telegram may act on its incident.
//!
//! Telegram repeats an update for a day until it gets a good answer. So each update acts once, by its number, and everything
//! that another try would not change is answered well. An update has no age. A press on a message so old that Telegram does
//! not show it any more does nothing, because the message could not tell what was done.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use platform::telemetry::error_chain;

use crate::App;
use crate::answer::Serving;
use crate::chat::Press;
use crate::error::Problem;
use crate::routes::buttons;
use crate::telegram::{Chat, Pressed, answered};

/// Longest time of the action. The person's Telegram waits for the answer.
const ACTION_TIME: Duration = Duration::from_secs(5);

/// How long the number of an update is kept: longer than Telegram repeats the update.
const REPEATED_FOR: SignedDuration = SignedDuration::from_hours(48);

pub(crate) async fn act(
    State(app): State<Arc<App>>,
    serving: Serving,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let chats = app.telegram.verify(&app.channels, &headers).await?;
    let nothing = || Ok(StatusCode::OK.into_response());
    let Some(pressed) = Pressed::read(&body)? else { return nothing() };
    let Some(chat) = chats.into_iter().find(|chat| chat.has(&pressed)) else {
        tracing::warn!(telegram.chat = pressed.chat_id, "a button was pressed in a chat of no channel");
        let foreign = Err("This chat is no channel of this stack.".to_owned());
        return Ok(Json(answered(&pressed, &foreign)).into_response());
    };
    let now = app.now()?;
    let name = format!("telegram {} {}", chat.name, pressed.update_id);
    if !app.store.take_once(&name, REPEATED_FOR, now).await? {
        return nothing();
    }
    let outcome = carry_out(&app, &chat, &serving, &pressed, now).await;
    if let Ok(line) = &outcome {
        app.telegram.edit(&chat, &pressed, line).await;
    }
    Ok(Json(answered(&pressed, &outcome)).into_response())
}

/// Does what the button says, and returns a line about it, or a sentence about what is wrong.
async fn carry_out(
    app: &Arc<App>,
    chat: &Chat,
    serving: &Serving,
    pressed: &Pressed,
    now: Timestamp,
) -> Result<String, String> {
    let known = pressed.button().filter(|_| pressed.message.is_some());
    let (button, short_name) =
        known.ok_or("This button is too old. Open the incident, or press a button of a newer message.")?;
    let found = app.channels.deliveries.incident_named(&chat.name, short_name).await;
    let incident_id = found.map_err(|error| {
        tracing::error!(channel = chat.name, error = error_chain(&error), "a button cannot be read");
        "This did not work: the store does not answer. Press the button again."
    })?;
    let incident_id = incident_id.ok_or("The incident of this button is not known any more.")?;
    let press = Press { button, incident_id, person: pressed.person.clone() };
    buttons::carry_out(app, serving, &press, now, ACTION_TIME).await
}
