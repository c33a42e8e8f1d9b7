//! What people do with an anomaly, and by it with its incident.
//!
//! The anomaly first, since its state says whether the action makes any sense, and then the incident. Both are as good
//! twice as once: whoever repeats a request that was cut off in between does what is still to be done.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use detection::{Action, IncidentId};
use jiff::Timestamp;
use store::{Acted, AnomalyItem, HistoryEntry, MAX_HISTORY};

use crate::App;
use crate::access::{Caller, Writer};
use crate::answer::Serving;
use crate::error::Problem;
use crate::params::{Body, InPath, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::anomalies::visible;
use crate::routes::handling::{Note, handle};
use crate::views::AnomalyView;

/// Acknowledge an anomaly
///
/// Somebody looks into it, and with it into its incident: those who were paged are told, once for all of the incident's
/// anomalies. The note, the time and who sent the token go to the history of both. Doing it twice is as good as once; a new
/// note is kept. What is resolved must be reopened first. An incident that is over stays as it is.
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
    serving: Serving,
    InPath(id): InPath,
    query: Query,
    Body(note): Body<Note>,
) -> Result<Json<AnomalyView>, Problem> {
    act(&app, &caller, &serving, &id, Action::Acknowledge, query, note).await
}

/// Resolve an anomaly
///
/// Nothing is left to do, whether it was acknowledged before or not. Its incident is resolved with it, and those who were
/// paged are told, once for all of the incident's anomalies; the others keep their states. Doing it twice is as good as
/// once; a new note is kept.
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
    serving: Serving,
    InPath(id): InPath,
    query: Query,
    Body(note): Body<Note>,
) -> Result<Json<AnomalyView>, Problem> {
    act(&app, &caller, &serving, &id, Action::Resolve, query, note).await
}

/// Reopen an anomaly
///
/// Takes back an acknowledgement or a resolution. Its incident is reopened with it, unless a later one of the same customer,
/// metric and direction has taken its place. Doing it twice is as good as once; a new note is kept.
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
    serving: Serving,
    InPath(id): InPath,
    query: Query,
    Body(note): Body<Note>,
) -> Result<Json<AnomalyView>, Problem> {
    act(&app, &caller, &serving, &id, Action::Reopen, query, note).await
}

async fn act(
    app: &App,
    caller: &Caller,
    serving: &Serving,
    anomaly_id: &str,
    action: Action,
    query: Query,
    note: Note,
) -> Result<Json<AnomalyView>, Problem> {
    let now = query.only(&[])?.now();
    let entry = note.entry(action, caller, now)?;
    let (customer, detected_at, metric) = visible(caller, anomaly_id)?;
    match app.store.act(&customer, detected_at, &metric, &entry, now).await? {
        Acted::Done(anomaly) => {
            act_on_incident(app, serving, &anomaly, &entry, now).await?;
            Ok(Json(AnomalyView::of(*anomaly, caller)))
        }
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

/// Does the same with the anomaly's incident, where that is possible: it may be over, superseded or forgotten.
async fn act_on_incident(
    app: &App,
    serving: &Serving,
    anomaly: &AnomalyItem,
    entry: &HistoryEntry,
    now: Timestamp,
) -> Result<(), Problem> {
    let Some((_, opened_at, subject)) =
        anomaly.incident_id.as_ref().and_then(|id| IncidentId::parse(id.as_str()))
    else {
        return Ok(());
    };
    handle(app, serving, &subject, opened_at, entry, now).await.map(drop)
}
