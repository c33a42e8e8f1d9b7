//! Feedback on anomalies and incidents. `docs/feedback.md` tells operators what the next check makes of it.
//!
//! Feedback on an anomaly is about its incident. The incident is first, because its state decides whether the feedback is
//! allowed. Then come the anomaly's own history and the record that the runs read. A repetition changes nothing. So a caller
//! who repeats a request that was cut off completes the rest.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::response::{IntoResponse, Response};
use detection::feedback::{Effects, LONGEST_EXPECTED, begin_of};
use detection::incident::{IncidentId, Subject};
use detection::{Feedback, FeedbackKind};
use jiff::Timestamp;
use serde::Deserialize;
use store::{AnomalyItem, HistoryEntry, IncidentItem, Judgement};
use utoipa::ToSchema;
use uuid::Uuid;

use super::actions::{Note, done};
use super::backtests::{self, Backtest};
use super::incident_actions::act_on_incident;
use super::{anomalies, detections, incidents};
use crate::App;
use crate::access::{Caller, Responder};
use crate::answer::Serving;
use crate::error::Problem;
use crate::params::{Body, InPath, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::times::TimeInBody;
use crate::views::FeedbackView;

/// What somebody says of an anomaly or incident.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FeedbackRequest {
    kind: FeedbackKind,
    /// The end of what is expected: at most 366 days ahead. Needed for `expected`, and refused for all others.
    #[serde(default)]
    #[schema(example = "2026-12-31T00:00:00Z")]
    until: Option<TimeInBody>,
    /// Kept in the history.
    #[serde(default)]
    #[schema(max_length = 1000, example = "the weekly export")]
    note: Option<String>,
    /// Changes nothing, and starts a backtest that tells what the feedback would have changed in the last 30 days,
    /// or in fewer where the usage begins later.
    #[serde(default)]
    dry_run: bool,
}

/// A request to give feedback on the object in the path.
pub(crate) struct Given {
    app: Arc<App>,
    caller: Caller,
    serving: Serving,
    id: String,
    now: Timestamp,
    kind: FeedbackKind,
    until: Option<Timestamp>,
    note: Option<String>,
    dry_run: bool,
}

/// What a feedback is about.
enum About {
    Incident(Box<IncidentItem>),
    Anomaly(Box<AnomalyItem>),
}

/// Give feedback on an anomaly
///
/// Says whether the anomaly and its incident were real. The next check obeys. `confirmed`: its hours never count in what is
/// usual, and those who were paged are told. `expected`: the same hours of each week are muted until then, and the incident is
/// acknowledged. `false_alarm`: two of a series within 90 days raise its threshold just above them, by half at most, and the
/// incident is resolved. `new_normal`: the incident is accepted, so its level raises nothing. The last feedback counts, and the
/// histories keep all. With `dry_run` nothing changes: the answer is a backtest that tells what would have changed.
#[utoipa::path(
    post,
    path = "/v1/anomalies/{anomaly_id}/feedback",
    tag = "anomalies",
    operation_id = "give_feedback_on_anomaly",
    params(("anomaly_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.Y3VzdF8wMDAx")),
    request_body(content = FeedbackRequest),
    responses(
        (status = 200, description = "The feedback, stored.", body = FeedbackView),
        (status = 202, description = "The backtest of a dry run, handed to the detector.", body = Backtest, headers(("location" = String, description = "where to ask for its result"))),
        Invalid,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:write"])),
)]
pub(crate) async fn on_anomaly(given: Given) -> Result<Response, Problem> {
    let place = anomalies::visible(&given.caller, &given.id)?;
    let (app, now) = (&given.app, given.now);
    let item = app.store.anomaly(&place, now).await?.ok_or_else(Problem::not_found)?;
    let incident = item.incident_id.as_ref().and_then(|id| IncidentId::parse(id.as_str()));
    if given.dry_run {
        let found = match incident {
            Some((_, opened_at, subject)) => app.store.incident(&subject, opened_at, now).await?,
            None => None,
        };
        let about = found.map_or(About::Anomaly(Box::new(item)), |found| About::Incident(Box::new(found)));
        return given.try_out(about).await;
    }
    let entry = given.entry();
    let mut about = None;
    if let Some((_, opened_at, subject)) = incident {
        // It may have expired before its anomaly.
        about = given.act(&subject, opened_at, &entry).await?;
    }
    let acted = done(app.store.act(&place, &entry, now).await?, given.kind.as_str())?;
    let anomaly_id = acted.anomaly_id.to_string();
    let about = about.map_or(About::Anomaly(acted), About::Incident);
    given.keep(about, Some(anomaly_id)).await
}

/// Give feedback on an incident
///
/// Says whether the incident was real. The next check obeys, as described for the feedback on an anomaly.
#[utoipa::path(
    post,
    path = "/v1/incidents/{incident_id}/feedback",
    tag = "incidents",
    operation_id = "give_feedback_on_incident",
    params(("incident_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.spike.Y3VzdF8wMDAx")),
    request_body(content = FeedbackRequest),
    responses(
        (status = 200, description = "The feedback, stored.", body = FeedbackView),
        (status = 202, description = "The backtest of a dry run, handed to the detector.", body = Backtest, headers(("location" = String, description = "where to ask for its result"))),
        Invalid,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:write"])),
)]
pub(crate) async fn on_incident(given: Given) -> Result<Response, Problem> {
    let (opened_at, subject) = incidents::visible(&given.caller, &given.id)?;
    if given.dry_run {
        let found = given.app.store.incident(&subject, opened_at, given.now).await?;
        return given.try_out(About::Incident(Box::new(found.ok_or_else(Problem::not_found)?))).await;
    }
    let acted = given.act(&subject, opened_at, &given.entry()).await?;
    given.keep(About::Incident(acted.ok_or_else(Problem::not_found)?), None).await
}

/// Show a dry run of feedback
#[utoipa::path(
    get,
    path = "/v1/feedback/{backtest_id}",
    tag = "incidents",
    operation_id = "show_feedback_dry_run",
    params(("backtest_id" = String, Path, description = "the id of the answer that started the dry run; kept for 30 days", example = "3d9fbf5c-2a4f-4b0e-9d0c-6f6f0a6f3c55")),
    responses(
        (status = 200, description = "The backtest of the dry run.", body = Backtest),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:write"])),
)]
pub(crate) async fn dry_run(
    State(app): State<Arc<App>>,
    Responder(caller): Responder,
    InPath(id): InPath,
    query: Query,
) -> Result<Json<Backtest>, Problem> {
    let now = query.only(&[])?.now();
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found())?;
    let run = app.store.backtest(&id.to_string(), now).await?.filter(|run| run.about.is_some());
    let run = run.ok_or_else(Problem::not_found)?;
    let [customer] = &run.customer_ids[..] else { return Err(Problem::not_found()) };
    caller.may_see(customer)?;
    Ok(Json(Backtest::at(now, run)))
}

impl Given {
    /// A false alarm, by a button in a chat.
    pub(crate) fn false_alarm(
        app: &Arc<App>,
        caller: Caller,
        serving: &Serving,
        id: String,
    ) -> Result<Self, Problem> {
        let (app, serving, now) = (Arc::clone(app), serving.clone(), app.now()?);
        let kind = FeedbackKind::FalseAlarm;
        Ok(Self { app, caller, serving, id, now, kind, until: None, note: None, dry_run: false })
    }

    fn entry(&self) -> HistoryEntry {
        HistoryEntry {
            action: self.kind.into(),
            actor: self.caller.actor.clone(),
            at: self.now.as_millisecond(),
            note: self.note.clone(),
            by_customer: self.caller.is_customer(),
        }
    }

    /// Acts on an incident. `None` if it does not exist any more.
    async fn act(
        &self,
        subject: &Subject,
        opened_at: Timestamp,
        entry: &HistoryEntry,
    ) -> Result<Option<Box<IncidentItem>>, Problem> {
        let acted = act_on_incident(&self.app, &self.serving, self.now, (subject, opened_at), entry).await?;
        match done(acted, self.kind.as_str()) {
            Ok(item) => Ok(Some(item)),
            Err(problem) if problem.code() == Problem::not_found().code() => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Stores the record that the runs read.
    async fn keep(self, about: About, anomaly_id: Option<String>) -> Result<Response, Problem> {
        let feedback = self.record(&about).await?;
        let store = &self.app.store;
        store.put_feedback(&feedback).await?;
        let of_customer = store.feedback_of(&feedback.subject.customer_id).await?;
        let is_of_series = |other: &Feedback| {
            (&other.subject.entity, &other.subject.metric)
                == (&feedback.subject.entity, &feedback.subject.metric)
        };
        let of_series: Vec<_> = of_customer.into_iter().filter(is_of_series).collect();
        let effects = Effects::of(&of_series, self.now);
        tracing::info!(
            feedback.about = feedback.about,
            feedback.kind = feedback.kind.as_str(),
            actor = feedback.given_by,
            "feedback stored"
        );
        let incident_id = match &about {
            About::Incident(item) => Some(item.id().to_string()),
            About::Anomaly(_) => None,
        };
        Ok(Json(FeedbackView::of(&feedback, &effects, incident_id, anomaly_id)).into_response())
    }

    /// Starts the backtest of a dry run.
    async fn try_out(self, about: About) -> Result<Response, Problem> {
        let feedback = self.record(&about).await?;
        let metric = &feedback.subject.metric;
        let is_modelled = self.app.catalog.modelled().iter().any(|spec| spec.name == *metric);
        if feedback.subject.entity.is_some() || !is_modelled {
            let detail = "dry_run is for metrics of customers that models judge: leave it out, and take the feedback back by \
                          another one if it does too much";
            return Err(Problem::invalid("dry_run", detail));
        }
        let run = backtests::of_feedback(&self.app, &self.caller, self.now, feedback).await?;
        let place = format!("/v1/feedback/{}", run.backtest_id);
        Ok(detections::accepted(&place, Backtest::at(self.now, run)))
    }

    async fn record(&self, about: &About) -> Result<Feedback, Problem> {
        let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(self.now);
        let (id, subject, [from, opened_at, to], judgement, history) = match about {
            About::Incident(item) => {
                let incident = &item.incident;
                let times = [begin_of(incident), incident.opened_at, incident.last_seen];
                let judgement = self.app.store.judgement(incident).await?;
                (item.id().to_string(), incident.subject.clone(), times, judgement, &item.history)
            }
            About::Anomaly(item) => {
                let subject = Subject {
                    customer_id: item.customer_id.clone(),
                    entity: item.entity_path.clone(),
                    metric: item.metric.clone(),
                    direction: item.direction,
                };
                let times = [item.window_start, item.window_end, item.window_end].map(at);
                let detectors = item.detector.iter().cloned().collect();
                let judgement = Judgement { excess: item.excess, detectors };
                (item.anomaly_id.to_string(), subject, times, judgement, &item.history)
            }
        };
        // A repeated feedback was given when it was given first.
        let first =
            HistoryEntry::last_feedback(history).filter(|(_, last)| *last == self.kind && !self.dry_run);
        let given_at = first.and_then(|(entry, _)| Timestamp::from_millisecond(entry.at).ok());
        Ok(Feedback {
            about: id,
            subject,
            kind: self.kind,
            from,
            opened_at,
            to,
            excess: judgement.excess,
            detectors: judgement.detectors.into_iter().collect(),
            until: self.until,
            given_at: given_at.unwrap_or(self.now),
            given_by: self.caller.actor.clone(),
            note: self.note.clone(),
        })
    }
}

impl FromRequest<Arc<App>> for Given {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Responder(caller) = Responder::from_request_parts(&mut parts, app).await?;
        let serving = Serving::from_request_parts(&mut parts, app).await?;
        let InPath(id) = InPath::from_request_parts(&mut parts, app).await?;
        let query = Query::from_request_parts(&mut parts, app).await?;
        let Body(body) = Body::<FeedbackRequest>::from_request(Request::from_parts(parts, body), app).await?;
        let now = query.only(&[])?.now();
        let FeedbackRequest { kind, until, note, dry_run } = body;
        let until = until_of(kind, until.as_ref(), now)?;
        let note = Note::kept(note, "note")?;
        Ok(Self { app: Arc::clone(app), caller, serving, id, now, kind, until, note, dry_run })
    }
}

/// The end of what is expected, which only that kind has.
fn until_of(
    kind: FeedbackKind,
    until: Option<&TimeInBody>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Problem> {
    let until = until.map(|until| until.read("until", now)).transpose()?;
    match (kind, until) {
        (FeedbackKind::Expected, None) => Err(Problem::invalid(
            "until",
            "until is missing: say until when it is expected, such as 2026-12-31T00:00:00Z",
        )),
        (FeedbackKind::Expected, Some(until)) => {
            let last = now.saturating_add(LONGEST_EXPECTED).unwrap_or(Timestamp::MAX);
            if until <= now || until > last {
                let detail = format!("until must be after now and at most 366 days ahead, not {until}");
                return Err(Problem::invalid("until", detail));
            }
            Ok(Some(until))
        }
        (_, Some(_)) => Err(Problem::invalid(
            "until",
            format!("until goes with expected only, not with {}", kind.as_str()),
        )),
        (_, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_expected_has_an_end() {
        let now: Timestamp = "2026-11-21T13:00:00Z".parse().unwrap();
        let of = |kind, until: Option<&str>| {
            let until = until.map(|text| TimeInBody::Text(text.to_owned()));
            until_of(kind, until.as_ref(), now).map_err(|problem| problem.detail().to_owned())
        };
        let tomorrow = "2026-11-22T13:00:00Z";
        assert_eq!(of(FeedbackKind::Expected, Some(tomorrow)), Ok(tomorrow.parse().ok()));
        assert!(of(FeedbackKind::Expected, None).unwrap_err().starts_with("until is missing"));
        for wrong in ["2026-11-21T13:00:00Z", "2026-11-20T13:00:00Z", "2027-11-23T13:00:00Z"] {
            assert!(of(FeedbackKind::Expected, Some(wrong)).unwrap_err().contains("at most 366 days"));
        }
        for kind in [FeedbackKind::Confirmed, FeedbackKind::FalseAlarm, FeedbackKind::NewNormal] {
            assert_eq!(of(kind, None), Ok(None));
            assert!(of(kind, Some(tomorrow)).unwrap_err().contains(kind.as_str()));
        }
    }
}
