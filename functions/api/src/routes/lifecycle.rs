//! What people do with an anomaly.

use std::sync::Arc;

use adapters::store::{Acted, HistoryEntry, MAX_HISTORY};
use axum::Json;
use axum::extract::State;
use detection::Action;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Writer};
use crate::error::Problem;
use crate::params::{Body, InPath, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::anomalies::visible;
use crate::views::AnomalyView;

const MAX_NOTE_CHARACTERS: usize = 1_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// Kept in the anomaly's history.
    #[serde(default)]
    #[schema(max_length = 1000, example = "the customer is running a load test")]
    note: Option<String>,
}

/// Acknowledge an anomaly
///
/// Somebody looks into it. The note, the time and who sent the token go to its history. Doing it twice is as good as once; a new note is kept.
/// What is resolved must be reopened first.
#[utoipa::path(
    post,
    path = "/v1/anomalies/{anomaly_id}/acknowledge",
    tag = "anomalies",
    operation_id = "acknowledge_anomaly",
    params(("anomaly_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.Y3VzdF8wMDAx")),
    request_body(content = Option<Note>),
    responses(
        (status = 200, description = "The anomaly as it is now.", body = AnomalyView),
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
    InPath(id): InPath,
    query: Query,
    Body(note): Body<Note>,
) -> Result<Json<AnomalyView>, Problem> {
    act(&app, &caller, &id, Action::Acknowledge, query, note).await
}

/// Resolve an anomaly
///
/// Nothing is left to do, whether it was acknowledged before or not. Doing it twice is as good as once; a new note is kept.
#[utoipa::path(
    post,
    path = "/v1/anomalies/{anomaly_id}/resolve",
    tag = "anomalies",
    operation_id = "resolve_anomaly",
    params(("anomaly_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.Y3VzdF8wMDAx")),
    request_body(content = Option<Note>),
    responses(
        (status = 200, description = "The anomaly as it is now.", body = AnomalyView),
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
    InPath(id): InPath,
    query: Query,
    Body(note): Body<Note>,
) -> Result<Json<AnomalyView>, Problem> {
    act(&app, &caller, &id, Action::Resolve, query, note).await
}

/// Reopen an anomaly
///
/// Takes back an acknowledgement or a resolution. Doing it twice is as good as once; a new note is kept.
#[utoipa::path(
    post,
    path = "/v1/anomalies/{anomaly_id}/reopen",
    tag = "anomalies",
    operation_id = "reopen_anomaly",
    params(("anomaly_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.Y3VzdF8wMDAx")),
    request_body(content = Option<Note>),
    responses(
        (status = 200, description = "The anomaly as it is now.", body = AnomalyView),
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
    InPath(id): InPath,
    query: Query,
    Body(note): Body<Note>,
) -> Result<Json<AnomalyView>, Problem> {
    act(&app, &caller, &id, Action::Reopen, query, note).await
}

async fn act(
    app: &App,
    caller: &Caller,
    anomaly_id: &str,
    action: Action,
    query: Query,
    note: Note,
) -> Result<Json<AnomalyView>, Problem> {
    let now = query.only(&[])?.now();
    if note.note.as_ref().is_some_and(|note| note.chars().count() > MAX_NOTE_CHARACTERS) {
        return Err(Problem::invalid(
            "note",
            format!("note must have at most {MAX_NOTE_CHARACTERS} characters"),
        ));
    }
    let (customer, detected_at, metric) = visible(caller, anomaly_id)?;
    let entry = HistoryEntry {
        action,
        actor: caller.actor.clone(),
        at: now.as_millisecond(),
        note: note.note.filter(|note| !note.is_empty()),
        by_customer: caller.is_customer(),
    };
    match app.store.act(&customer, detected_at, &metric, &entry, now).await? {
        Acted::Done(anomaly) => Ok(Json(AnomalyView::of(*anomaly, caller))),
        Acted::Refused(anomaly) => Err(Problem::conflict(format!(
            "the anomaly is {}: reopen it before you {} it",
            anomaly.state.as_str(),
            action.as_str()
        ))),
        Acted::HistoryFull => Err(Problem::conflict(format!(
            "the anomaly was changed {MAX_HISTORY} times, and no more changes are kept"
        ))),
        Acted::Missing => Err(Problem::not_found()),
    }
}
