//! What the buttons of pages in chats do, whatever the chat. A button does the same as the API's route.

use std::sync::Arc;
use std::time::Duration;

use detection::incident::Subject;
use detection::{Action, Mute};
use jiff::{SignedDuration, Timestamp};
use messaging::buttons::Button;
use store::IncidentItem;

use crate::App;
use crate::access::Caller;
use crate::answer::Serving;
use crate::chat::Press;
use crate::error::{Code, Problem};
use crate::routes::actions::ActionRequest;
use crate::routes::config::mutes::mute;
use crate::routes::feedback::{self, Given};
use crate::routes::incidents::visible;

/// How long the button mutes.
const MUTED: SignedDuration = SignedDuration::from_hours(24);

/// Begins the reasons of the button's mutes.
const REASON: &str = "muted for 24 hours by ";

/// Does what a button says within `limit`, and returns a line about the action. The steps that were stored within the limit
/// stay: the next run sends their notice, and a second press completes the rest.
///
/// # Errors
///
/// A sentence for the person, who is the only one to see it.
pub(crate) async fn carry_out(
    app: &Arc<App>,
    serving: &Serving,
    press: &Press,
    pressed_at: Timestamp,
    limit: Duration,
) -> Result<String, String> {
    let late = || Problem::of(Code::OutOfTime, "it takes too long at this moment; press the button again");
    let done = tokio::time::timeout(limit, act(app, serving, press, pressed_at)).await;
    done.unwrap_or_else(|_| Err(late())).map_err(|problem| {
        let error = problem.cause().unwrap_or(problem.detail());
        tracing::warn!(button = press.button.id(), error, "a press of a button has no effect");
        format!("This did not work: {}", problem.detail())
    })
}

async fn act(
    app: &Arc<App>,
    serving: &Serving,
    press: &Press,
    pressed_at: Timestamp,
) -> Result<String, Problem> {
    let caller = Caller::in_chat(&press.person.actor);
    let name = &press.person.name;
    match press.button {
        Button::Acknowledge => {
            decide(app, serving, press, caller, Action::Acknowledge).await?;
            Ok(format!("Acknowledged by {name}"))
        }
        Button::Resolve => {
            decide(app, serving, press, caller, Action::Resolve).await?;
            Ok(format!("Resolved by {name}"))
        }
        Button::NotAnAnomaly => {
            let given = Given::false_alarm(app, caller, serving, press.incident_id.clone())?;
            feedback::on_incident(given).await?;
            Ok(format!("Resolved by {name}: not an anomaly"))
        }
        Button::Mute => {
            let (_, subject) = visible(&caller, &press.incident_id)?;
            let until = mute_for_a_day(app, &caller, &subject, pressed_at).await?;
            Ok(format!("Muted by {name}: {} of this customer, until {until}", subject.metric))
        }
    }
}

/// The same as the action routes of incidents.
async fn decide(
    app: &Arc<App>,
    serving: &Serving,
    press: &Press,
    caller: Caller,
    action: Action,
) -> Result<IncidentItem, Problem> {
    let mut request = ActionRequest::new(app, caller, serving, press.incident_id.clone(), None)?;
    request.carry_out(action).await
}

/// Mutes the metric of the incident's customer, and returns until when. While a mute of this button holds, a second press
/// adds none.
async fn mute_for_a_day(
    app: &App,
    caller: &Caller,
    subject: &Subject,
    pressed_at: Timestamp,
) -> Result<Timestamp, Problem> {
    let until = pressed_at.checked_add(MUTED).map_err(|error| Problem::internal(error.to_string()))?;
    let new = Mute {
        metric: Some(subject.metric.clone()),
        from: Some(pressed_at),
        until: Some(until),
        rrule: None,
        time_zone: None,
        reason: format!("{REASON}{}", caller.actor),
    };
    let holds = |known: &Mute| {
        known.metric == new.metric
            && known.rrule.is_none()
            && known.reason.starts_with(REASON)
            && known.until.is_some_and(|until| until > pressed_at)
    };
    let known = mute(app, caller, &subject.customer_id, &new, holds).await?;
    Ok(known.until.unwrap_or(until))
}
