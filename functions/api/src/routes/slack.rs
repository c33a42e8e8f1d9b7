//! Clicks on the buttons of a page in Slack. Slack has no token: its signature opens the route. Who can see the message
//! in Slack may act on its incident.
//!
//! Slack waits three seconds. So an action is cut off after most of them. What was stored until then holds: the next run
//! sends its notice, and a second click completes the rest. A request that comes twice acts once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use detection::incident::Subject;
use detection::{Action, Mute};
use jiff::{SignedDuration, Timestamp};
use messaging::buttons::Button;
use store::{Allowance, IncidentItem};

use crate::App;
use crate::access::Caller;
use crate::answer::Serving;
use crate::error::{Code, Problem};
use crate::routes::actions::ActionRequest;
use crate::routes::config::mutes::mute;
use crate::routes::feedback::{self, Given};
use crate::routes::incidents::visible;
use crate::slack::{self, Click};

/// Longest time of the action. The rest of the three seconds is for the answer.
const ACTION_TIME: Duration = Duration::from_millis(1_800);

/// How long the button mutes.
const MUTED: SignedDuration = SignedDuration::from_hours(24);

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
    let acted = tokio::time::timeout(ACTION_TIME, carry_out(&app, &serving, &click, signed.at)).await;
    let late = || Problem::of(Code::OutOfTime, "it takes too long at this moment; press the button again");
    let reply = match acted.unwrap_or_else(|_| Err(late())) {
        Ok(line) => slack::done(&click, &line),
        Err(problem) => {
            let error = problem.cause().unwrap_or(problem.detail());
            tracing::warn!(button = click.button.id(), error, "a click in Slack has no effect");
            slack::only_for_the_person(&format!("This did not work: {}", problem.detail()))
        }
    };
    slack.reply(&click, &reply).await;
    Ok(StatusCode::OK)
}

/// Does what the button says, and returns a line about it.
async fn carry_out(
    app: &Arc<App>,
    serving: &Serving,
    click: &Click,
    clicked_at: Timestamp,
) -> Result<String, Problem> {
    let caller = Caller::in_chat(&click.actor);
    let name = &click.name;
    match click.button {
        Button::Acknowledge => {
            decide(app, serving, click, caller, Action::Acknowledge).await?;
            Ok(format!("Acknowledged by {name}"))
        }
        Button::Resolve => {
            decide(app, serving, click, caller, Action::Resolve).await?;
            Ok(format!("Resolved by {name}"))
        }
        Button::NotAnAnomaly => {
            let given = Given::false_alarm(app, caller, serving, click.incident_id.clone())?;
            feedback::on_incident(given).await?;
            Ok(format!("Resolved by {name}: not an anomaly"))
        }
        Button::Mute => {
            let (_, subject) = visible(&caller, &click.incident_id)?;
            let until = mute_for_a_day(app, &caller, &subject, clicked_at).await?;
            Ok(format!("Muted by {name}: {} of this customer, until {until}", subject.metric))
        }
    }
}

/// The same as the action routes of incidents.
async fn decide(
    app: &Arc<App>,
    serving: &Serving,
    click: &Click,
    caller: Caller,
    action: Action,
) -> Result<IncidentItem, Problem> {
    let mut request = ActionRequest::by_button(app, caller, serving, click.incident_id.clone())?;
    request.carry_out(action).await
}

/// Mutes the metric of the incident's customer. The end depends on the signed time, so a second request mutes no longer.
async fn mute_for_a_day(
    app: &App,
    caller: &Caller,
    subject: &Subject,
    clicked_at: Timestamp,
) -> Result<Timestamp, Problem> {
    let until = clicked_at.checked_add(MUTED).map_err(|error| Problem::internal(error.to_string()))?;
    let new = Mute {
        metric: Some(subject.metric.clone()),
        from: Some(clicked_at),
        until: Some(until),
        rrule: None,
        time_zone: None,
        reason: format!("muted for 24 hours by {}", caller.actor),
    };
    mute(app, caller, &subject.customer_id, new).await?;
    Ok(until)
}
