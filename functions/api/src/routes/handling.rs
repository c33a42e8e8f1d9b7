//! What people do with an incident, directly or by one of its anomalies.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use detection::Action;
use detection::incident::Subject;
use jiff::Timestamp;
use serde::Deserialize;
use store::{Handled, HistoryEntry, MAX_HISTORY, Writer as Writing};
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Writer};
use crate::answer::Serving;
use crate::error::Problem;
use crate::paging;
use crate::params::{Body, InPath, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::incidents::visible;
use crate::views::IncidentView;

const MAX_NOTE_CHARACTERS: usize = 1_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// Kept in the history.
    #[serde(default)]
    #[schema(max_length = 1000, example = "the customer is running a load test")]
    note: Option<String>,
}

impl Note {
    /// The action as histories keep it.
    pub(crate) fn entry(
        self,
        action: Action,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<HistoryEntry, Problem> {
        if self.note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE_CHARACTERS) {
            let detail = format!("note must have at most {MAX_NOTE_CHARACTERS} characters");
            return Err(Problem::invalid("note", detail));
        }
        Ok(HistoryEntry {
            action,
            actor: caller.actor.clone(),
            at: now.as_millisecond(),
            note: self.note.filter(|note| !note.is_empty()),
            by_customer: caller.is_customer(),
        })
    }
}

/// Acknowledge an incident
///
/// Somebody looks into it: it sends no more reminders, and those who were paged are told. The note, the time and who sent
/// the token go to its history. Doing it twice is as good as once; a new note is kept. What is closed must be reopened
/// first.
#[utoipa::path(
    post,
    path = "/v1/incidents/{incident_id}/acknowledge",
    tag = "incidents",
    operation_id = "acknowledge_incident",
    params(("incident_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.spike.Y3VzdF8wMDAx")),
    request_body(content = Option<Note>),
    responses(
        (status = 200, description = "The incident as it is now.", body = IncidentView),
        Invalid,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:write"])),
)]
pub(crate) async fn acknowledge(
    State(app): State<Arc<App>>,
    Writer(caller): Writer,
    serving: Serving,
    InPath(id): InPath,
    query: Query,
    Body(note): Body<Note>,
) -> Result<Json<IncidentView>, Problem> {
    act(&app, &caller, &serving, &id, Action::Acknowledge, query, note).await
}

/// Resolve an incident
///
/// Nothing is left to do, and those who were paged are told. It stays resolved while the deviation goes on, for the next
/// runs find the same one for the rest of the day; only one that doubles, or that ends and comes back, opens an incident
/// again. Doing it twice is as good as once; a new note is kept. Its anomalies keep their own states.
#[utoipa::path(
    post,
    path = "/v1/incidents/{incident_id}/resolve",
    tag = "incidents",
    operation_id = "resolve_incident",
    params(("incident_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.spike.Y3VzdF8wMDAx")),
    request_body(content = Option<Note>),
    responses(
        (status = 200, description = "The incident as it is now.", body = IncidentView),
        Invalid,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:write"])),
)]
pub(crate) async fn resolve(
    State(app): State<Arc<App>>,
    Writer(caller): Writer,
    serving: Serving,
    InPath(id): InPath,
    query: Query,
    Body(note): Body<Note>,
) -> Result<Json<IncidentView>, Problem> {
    act(&app, &caller, &serving, &id, Action::Resolve, query, note).await
}

/// Reopen an incident
///
/// Takes back an acknowledgement, or that it was closed, by whomever. Nobody is paged for it. Doing it twice is as good as
/// once; a new note is kept. Once there is a later incident of the same customer, metric and direction, an earlier one
/// cannot be reopened.
#[utoipa::path(
    post,
    path = "/v1/incidents/{incident_id}/reopen",
    tag = "incidents",
    operation_id = "reopen_incident",
    params(("incident_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.spike.Y3VzdF8wMDAx")),
    request_body(content = Option<Note>),
    responses(
        (status = 200, description = "The incident as it is now.", body = IncidentView),
        Invalid,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:write"])),
)]
pub(crate) async fn reopen(
    State(app): State<Arc<App>>,
    Writer(caller): Writer,
    serving: Serving,
    InPath(id): InPath,
    query: Query,
    Body(note): Body<Note>,
) -> Result<Json<IncidentView>, Problem> {
    act(&app, &caller, &serving, &id, Action::Reopen, query, note).await
}

async fn act(
    app: &App,
    caller: &Caller,
    serving: &Serving,
    incident_id: &str,
    action: Action,
    query: Query,
    note: Note,
) -> Result<Json<IncidentView>, Problem> {
    let now = query.only(&[])?.now();
    let entry = note.entry(action, caller, now)?;
    let (opened_at, subject) = visible(caller, incident_id)?;
    match handle(app, serving, &subject, opened_at, &entry, now).await? {
        Handled::Done { incident, .. } => Ok(Json(IncidentView::of(*incident, caller))),
        Handled::Refused(incident) => Err(Problem::conflict(format!(
            "the incident is {}: reopen it before you {} it",
            incident.incident.state.as_str(),
            action.as_str()
        ))),
        Handled::Superseded(later) => Err(Problem::conflict(format!(
            "the incident {later} of the same customer, metric and direction came after it: act on that one"
        ))),
        Handled::HistoryFull => Err(Problem::conflict(format!(
            "the incident was changed {MAX_HISTORY} times, and no more changes are kept"
        ))),
        Handled::Missing => Err(Problem::not_found()),
    }
}

/// Acts on an incident, and tells those who were paged.
pub(crate) async fn handle(
    app: &App,
    serving: &Serving,
    subject: &Subject,
    opened_at: Timestamp,
    entry: &HistoryEntry,
    now: Timestamp,
) -> Result<Handled, Problem> {
    let writer = Writing { run_id: &serving.id, now };
    let handled = app.store.handle(subject, opened_at, entry, writer).await?;
    if let Handled::Done { notice: Some(notice), .. } = &handled {
        paging::send_now(app, notice, serving).await;
    }
    Ok(handled)
}
