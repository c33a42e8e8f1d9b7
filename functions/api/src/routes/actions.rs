//! Actions of people on anomalies and incidents: acknowledge, resolve, reopen. Each route is one line of
//! `routes::anomaly_actions` or `routes::incident_actions`. This module holds the shared part.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use detection::Action;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Acted, HistoryEntry, MAX_HISTORY};
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Responder};
use crate::answer::Serving;
use crate::error::{Code, Problem};
use crate::params::{Body, InPath, Query};

const MAX_NOTE_CHARACTERS: usize = 1_000;

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// Kept in the history.
    #[serde(default)]
    #[schema(max_length = 1000, example = "the customer is running a load test")]
    note: Option<String>,
}

impl Note {
    /// A note as a history keeps it.
    ///
    /// * `field`: its name in the request.
    pub(crate) fn kept(note: Option<String>, field: &str) -> Result<Option<String>, Problem> {
        if note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE_CHARACTERS) {
            let detail = format!("{field} must have at most {MAX_NOTE_CHARACTERS} characters");
            return Err(Problem::invalid(field, detail));
        }
        Ok(note.filter(|note| !note.is_empty()))
    }

    /// The action as an entry of a history.
    pub(crate) fn entry(
        self,
        action: Action,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<HistoryEntry, Problem> {
        Ok(HistoryEntry {
            action: action.into(),
            actor: caller.actor.clone(),
            at: now.as_millisecond(),
            note: Self::kept(self.note, "note")?,
            by_customer: caller.is_customer(),
        })
    }
}

/// An object that people act on.
pub(crate) trait Actionable: Sized {
    /// The name of the object in sentences.
    const NAME: &'static str;
    type View: Serialize;

    /// Carries out an action. The caller has the right to it.
    async fn act(request: &ActionRequest, entry: &HistoryEntry) -> Result<Acted<Self>, Problem>;
    fn state(&self) -> &'static str;
    fn view(self, caller: &Caller) -> Self::View;
}

/// A request to act on the object in the path.
pub(crate) struct ActionRequest {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) serving: Serving,
    pub(crate) id: String,
    pub(crate) now: Timestamp,
    note: Note,
}

impl ActionRequest {
    /// A request by a button in a chat, or by another route.
    pub(crate) fn new(
        app: &Arc<App>,
        caller: Caller,
        serving: &Serving,
        id: String,
        note: Option<String>,
    ) -> Result<Self, Problem> {
        let (app, serving) = (Arc::clone(app), serving.clone());
        Ok(Self { now: app.now()?, app, caller, serving, id, note: Note { note } })
    }

    /// Carries out the action, and answers the object as it is now.
    pub(crate) async fn answer<T: Actionable>(mut self, action: Action) -> Result<Json<T::View>, Problem> {
        let item: T = self.carry_out(action).await?;
        Ok(Json(item.view(&self.caller)))
    }

    /// Carries out the action, and returns the object as it is now.
    pub(crate) async fn carry_out<T: Actionable>(&mut self, action: Action) -> Result<T, Problem> {
        let entry = std::mem::take(&mut self.note).entry(action, &self.caller, self.now)?;
        done(T::act(self, &entry).await?, action.as_str()).map(|item| *item)
    }
}

/// The object after an action, or why the action was refused.
pub(crate) fn done<T: Actionable>(acted: Acted<T>, action: &str) -> Result<Box<T>, Problem> {
    let name = T::NAME;
    match acted {
        Acted::Done { item, .. } => Ok(item),
        Acted::Refused(item) => {
            let state = item.state();
            let detail = format!("the {name} is {state}: reopen it before you {action} it");
            Err(Problem::of(Code::InvalidState, detail))
        }
        Acted::Superseded(later) => {
            let of = "of the same customer, metric and direction";
            let detail = format!("the incident {later} {of} came after it: act on that one");
            Err(Problem::of(Code::Superseded, detail))
        }
        Acted::HistoryFull => {
            let detail = format!("the {name} was changed {MAX_HISTORY} times, and no more changes are kept");
            Err(Problem::of(Code::HistoryFull, detail))
        }
        Acted::Missing => Err(Problem::not_found()),
    }
}

impl FromRequest<Arc<App>> for ActionRequest {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Responder(caller) = Responder::from_request_parts(&mut parts, app).await?;
        let serving = Serving::from_request_parts(&mut parts, app).await?;
        let InPath(id) = InPath::from_request_parts(&mut parts, app).await?;
        let query = Query::from_request_parts(&mut parts, app).await?;
        let Body(note) = Body::from_request(Request::from_parts(parts, body), app).await?;
        let now = query.only(&[])?.now();
        Ok(Self { app: Arc::clone(app), caller, serving, id, now, note })
    }
}

/// A route for an action, with its part of the document. The answer is the object after the action.
macro_rules! action_route {
    (
        $(#[$doc:meta])*
        $name:ident = $action:ident of $item:ident, answers $view:ident $path:literal $tag:literal $operation:literal
        ($parameter:literal, $example:literal)
    ) => {
        $(#[$doc])*
        #[utoipa::path(
            post,
            path = $path,
            tag = $tag,
            operation_id = $operation,
            params(($parameter = String, Path, description = "as listed", example = $example)),
            request_body(content = Option<Note>),
            responses(
                (status = 200, description = "As it is now.", body = $view),
                Invalid,
                Forbidden,
                NotFound,
                Conflict,
                TooLarge,
                Unavailable,
            ),
            security(("jwt" = ["anomalies:write"])),
        )]
        pub(crate) async fn $name(request: ActionRequest) -> Result<Json<$view>, Problem> {
            request.answer::<$item>(Action::$action).await
        }
    };
}

pub(crate) use action_route;
