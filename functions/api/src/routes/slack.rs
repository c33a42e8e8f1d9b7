//! Clicks on the buttons of a page in Slack. Slack has no token: its signature opens the route. Who can see the message
//! in Slack may act on its incident.
//!
//! Slack waits three seconds. So an action is cut off shortly before. The steps that were stored until then stay: the next
//! run sends their notice, and a second click completes the rest. A request that comes twice acts once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use store::Allowance;

use crate::App;
use crate::answer::Serving;
use crate::error::Problem;
use crate::routes::buttons;
use crate::slack::{self, Click};

/// Longest time of the action. The rest of the three seconds is for the answer.
const ACTION_TIME: Duration = Duration::from_millis(1_800);

pub(crate) async fn act(
    State(app): State<Arc<App>>,
    serving: Serving,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let slack = app.slack.as_ref().ok_or_else(Problem::no_such_route)?;
    let now = app.now()?;
    let signed = slack.verify(&headers, &body, now).await?;
    let click = Click::read(&body)?;
    // One request by the signature, in the minute that is signed: the second finds the allowance used up.
    let once = Allowance { requests: 1, work: Duration::ZERO };
    let caller = format!("slack {}", signed.id());
    if !app.store.take_work(&caller, Duration::ZERO, once, signed.at).await? {
        return Ok(StatusCode::OK);
    }
    let reply = match buttons::carry_out(&app, &serving, &click.press, signed.at, ACTION_TIME).await {
        Ok(line) => slack::done(&click, &line),
        Err(sentence) => slack::only_for_the_person(&sentence),
    };
    slack.reply(&click, &reply).await;
    Ok(StatusCode::OK)
}
