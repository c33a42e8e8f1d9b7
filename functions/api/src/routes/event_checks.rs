//! Checks of single events of a source.
//!
//! A check stores what it finds and pages people. So the caller's right to see the event is decided before the check: by the
//! customer of the event in its own table, and never by the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use catalog::{Catalog, Entities};
use detection::{CustomerId, EntityPath};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Responder};
use crate::answer::Serving;
use crate::checking::tries;
use crate::checks_function::{Outcome, Unjudged};
use crate::error::{Code, Problem};
use crate::limits::within_limits;
use crate::params::{Body, InPath, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::sources::source_in_path;
use crate::views::Time;

/// The expected cost of a check: it looks for a row, and reads thirty days of an entity.
pub(crate) const COST: Duration = Duration::from_secs(1);

/// Longest id of an event.
const LONGEST_ID: usize = 1_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventCheckRequest {
    /// The id of the event in its table.
    #[serde(default)]
    #[schema(required = true, min_length = 1, max_length = 1000, example = "e-1795266")]
    id: String,
}

/// A checked event.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CheckedEvent {
    pub source: String,
    pub id: String,
    pub customer_id: String,
    /// The names of its entity, for people.
    pub entity: String,
    /// The names of its entity, the widest first.
    pub entity_path: Vec<String>,
    /// When it was finished.
    #[serde(deserialize_with = "time")]
    pub finished_at: Time,
    /// Whether the source counts it as failed.
    pub failed: bool,
    /// One for each metric that rules judge.
    pub metrics: Vec<CheckedMetric>,
    /// Anomalies that this check stored.
    pub recorded: u64,
    /// Anomalies of the event that were stored before.
    pub already_recorded: u64,
    pub alerts_published: u64,
}

/// What the rules of one metric say of the event.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CheckedMetric {
    pub metric: String,
    pub unit: String,
    /// `normal`, `anomalous`, or the reason why nobody can tell.
    #[schema(example = "anomalous")]
    pub verdict: String,
    #[schema(required = true)]
    pub severity: Option<detection::Severity>,
    /// In `unit`. Null if the event has none.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// The anomaly in one sentence.
    #[schema(required = true)]
    pub description: Option<String>,
    #[schema(required = true)]
    pub anomaly_id: Option<String>,
}

/// Check one event
///
/// Judges a finished event of a source by the rules of its metrics, beside the thirty days before its hour. Anomalies are stored
/// and told, as in the hourly run. The same event can be checked again: nothing is stored or told twice.
///
/// 404 may mean that the row is not written yet. Send the event again then.
#[utoipa::path(
    post,
    path = "/v1/sources/{source}/checks",
    tag = "sources",
    operation_id = "check_event",
    params(("source" = String, Path, description = "a source with entities", example = "executions")),
    request_body(content = EventCheckRequest),
    responses(
        (status = 200, description = "The verdicts.", body = CheckedEvent),
        Invalid,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:write"])),
)]
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Responder(caller): Responder,
    serving: Serving,
    InPath(source): InPath,
    query: Query,
    Body(request): Body<EventCheckRequest>,
) -> Result<Json<CheckedEvent>, Problem> {
    let now = query.only(&[])?.now();
    let EventCheckRequest { id } = request;
    is_id(&id, "id")?;
    let source = source_in_path(&app, &source)?;
    if !has_ids(source) {
        let detail = format!(
            "the source {} has no `id` in the catalog, so no single event can be found",
            source.name()
        );
        return Err(Problem::of(Code::SourceWithoutIds, detail));
    }
    let work = async {
        match is_visible(&app, &caller, source, &id, &serving).await? {
            true => checked(&app, &caller, source, &id).await,
            false => Err(no_event()),
        }
    };
    within_limits(&app, &caller, now, COST, work).await.map(Json)
}

/// Refuses a text that is too long for the id of an event, or empty.
pub(crate) fn is_id(id: &str, parameter: &str) -> Result<(), Problem> {
    let length = id.chars().count();
    if (1..=LONGEST_ID).contains(&length) {
        return Ok(());
    }
    let detail = format!("{parameter} must have 1 to {LONGEST_ID} characters, not {length}");
    Err(Problem::invalid(parameter, detail))
}

/// Whether single events of a source can be found.
pub(crate) fn has_ids(source: &Catalog) -> bool {
    source.entities().is_some_and(Entities::has_checks)
}

/// Has an event judged that the caller may see.
pub(crate) async fn checked(
    app: &App,
    caller: &Caller,
    source: &Catalog,
    id: &str,
) -> Result<CheckedEvent, Problem> {
    let Some(function) = &app.checks else {
        let detail = "this deployment has no sources: no function checks events (CHECKS_FUNCTION)";
        return Err(Problem::of(Code::NoSources, detail));
    };
    let own = caller.customer(None)?;
    match function.check(source.name(), id, own.as_ref()).await.map_err(Problem::from)? {
        Outcome::Unjudged(unjudged) => Err(refusal(unjudged)),
        Outcome::Checked(checked) => {
            let checked: CheckedEvent = serde_json::from_value(checked)
                .map_err(|error| Problem::internal(format!("the answer of the check: {error}")))?;
            // Somebody may have written a newer row with this id meanwhile.
            let customer = CustomerId::new(&*checked.customer_id).map_err(|_| no_event())?;
            caller.may_see(&customer).map_err(|_| no_event())?;
            Ok(checked)
        }
    }
}

/// Whether an event exists, and the caller may see it.
pub(crate) async fn is_visible(
    app: &App,
    caller: &Caller,
    source: &Catalog,
    id: &str,
    serving: &Serving,
) -> Result<bool, Problem> {
    let mut tries = tries(app, serving);
    let own = caller.customer(None)?;
    let event = loop {
        match app.usage.event((id, own.as_ref()), source, &tries.query_id()).await {
            Ok(event) => break event,
            Err(error) => tries.again(error, false).await?,
        }
    };
    let Some(event) = event else { return Ok(false) };
    if !caller.is_customer() {
        return Ok(true);
    }
    // The key of an event without a whole entity still begins with its customer.
    let Ok(key) = String::from_utf8(event.key) else { return Ok(false) };
    let customer = CustomerId::new(key.split(EntityPath::SEPARATOR).next().unwrap_or_default());
    Ok(customer.is_ok_and(|customer| caller.may_see(&customer).is_ok()))
}

/// One answer for an event that does not exist, and for one that the caller may not see.
pub(crate) fn no_event() -> Problem {
    let detail = "there is no such event, or this token does not show it; if its row is not written yet, send it again";
    Problem::of(Code::NotFound, detail)
}

fn refusal(Unjudged { reason, message }: Unjudged) -> Problem {
    let code = match reason.as_str() {
        "unknown" => return no_event(),
        "unfinished" => Code::EventUnfinished,
        "future" => Code::EventInFuture,
        "without_entity" => Code::EventWithoutEntity,
        "without_ids" => Code::SourceWithoutIds,
        other => {
            return Problem::internal(format!("an event was not judged because of `{other}`: {message}"));
        }
    };
    Problem::of(code, message)
}

/// The check writes times as texts.
fn time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    jiff::Timestamp::deserialize(deserializer).map(Time::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_code_of_its_own() {
        for (reason, status) in [
            ("unknown", 404),
            ("unfinished", 409),
            ("future", 409),
            ("without_entity", 409),
            ("without_ids", 409),
            ("something new", 500),
        ] {
            let problem = refusal(Unjudged { reason: reason.to_owned(), message: "why".to_owned() });
            assert_eq!(problem.status(), status, "{reason}");
        }
    }
}
