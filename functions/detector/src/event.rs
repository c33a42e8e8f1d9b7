//! Judges one event when it is finished: a message of a queue, an event of a bus, or a request of the API.
//!
//! The rules judge its values beside the thirty days before its hour. What they find goes the way of all findings: one write
//! for the anomaly and its incident, and the item is the outbox. The hourly run of the source judges all of its events once
//! more, and ends the incidents. So an event that nobody sent is told within the hour.

use std::time::{Duration, Instant};

use anyhow::Context;
use catalog::Entities;
use detection::{
    About, AnomalyId, CustomerId, EntityPath, Example, Hour, Severity, Verdict, Window, describe,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::Writer;
use uuid::Uuid;
use warehouse::usage::{EntitiesRequest, EventFigures, FinishedEvent};

use crate::anomaly::anomaly;
use crate::app::App;
use crate::found::Found;
use crate::known::Known;
use crate::ledger::Ledger;
use crate::outbox::Outbox;
use crate::pass::{Order, Pass, millis};
use crate::record;
use crate::request::Request;
use crate::rules::{self, Beside, Judged, NEWEST};

/// The `detail-type` of an event that asks for a check.
const DETAIL_TYPE: &str = "Execution Completed";

/// Time that is kept back to answer.
const ANSWER_TIME: Duration = Duration::from_secs(2);

const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How far the clock of the sender of an event may be ahead.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// A request to judge one event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EventRequest {
    /// The name of a source with entities.
    pub source: String,
    /// The id of the event in its table.
    pub id: String,
    /// The customer that the event is of. Needed where ids are unique for a customer only.
    #[serde(default)]
    pub customer_id: Option<CustomerId>,
}

/// What was found out about an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckedEvent {
    pub source: String,
    pub id: String,
    pub customer_id: CustomerId,
    pub entity: String,
    pub entity_path: EntityPath,
    /// When the event was finished.
    pub finished_at: Timestamp,
    /// Whether the source counts it as failed.
    pub failed: bool,
    pub metrics: Vec<CheckedMetric>,
    /// Anomalies that this check stored.
    pub recorded: u64,
    pub already_recorded: u64,
    pub alerts_published: u64,
    pub duration_ms: u64,
}

/// What the rules of one metric say of the event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckedMetric {
    pub metric: String,
    pub unit: String,
    /// `normal`, `anomalous`, or the reason why nobody can tell.
    pub verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The value in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anomaly_id: Option<AnomalyId>,
}

/// Why an event was not judged. Another try may help for the first two.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unjudged {
    #[error("`{source_name}` has no event with the id `{id}`: perhaps its row is not written yet")]
    Unknown { source_name: String, id: String },
    #[error("the event `{id}` of `{source_name}` is not finished: send it when it is")]
    Unfinished { source_name: String, id: String },
    #[error(
        "the event `{id}` of `{source_name}` was finished in the future, at {at}: check the clock of its sender"
    )]
    OfTheFuture { source_name: String, id: String, at: Timestamp },
    #[error("the event `{id}` of `{source_name}` names no whole entity, so no events before it are known")]
    WithoutEntity { source_name: String, id: String },
    #[error("the source `{source_name}` has no `id` in the catalog, so no single event can be found")]
    WithoutIds { source_name: String },
}

impl Unjudged {
    /// The reason as one word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown",
            Self::Unfinished { .. } => "unfinished",
            Self::OfTheFuture { .. } => "future",
            Self::WithoutEntity { .. } => "without_entity",
            Self::WithoutIds { .. } => "without_ids",
        }
    }
}

impl EventRequest {
    /// The request in an event of EventBridge. `None` for any other event.
    ///
    /// # Errors
    ///
    /// When the event says that an execution is completed, and not which.
    pub fn from_event(event: &Value) -> anyhow::Result<Option<Self>> {
        if event["detail-type"] != DETAIL_TYPE {
            return Ok(None);
        }
        let request = Self::deserialize(&event["detail"]).with_context(|| {
            format!(
                "the event `{DETAIL_TYPE}` cannot be understood: its detail must be {{\"source\": \"executions\", \"id\": \
                 \"…\"}}, and is {}",
                event["detail"]
            )
        })?;
        Ok(Some(request))
    }
}

/// Judges an event, records what is found and publishes its alerts.
///
/// # Errors
///
/// An [`Unjudged`] if the event cannot be judged, and another error if an engine fails. The same event can be checked again
/// at any time.
pub async fn check_event(
    app: &App,
    request: &EventRequest,
    deadline: Instant,
) -> anyhow::Result<CheckedEvent> {
    let deadline = deadline.checked_sub(ANSWER_TIME).unwrap_or(deadline);
    match tokio::time::timeout_at(deadline.into(), check(app, request, deadline)).await {
        Ok(checked) => checked,
        Err(_) => Err(anyhow::anyhow!(
            "time ran out while the event `{}` of `{}` was judged: send it again",
            request.id,
            request.source
        )),
    }
}

async fn check(app: &App, request: &EventRequest, deadline: Instant) -> anyhow::Result<CheckedEvent> {
    let (started, run_id) = (Instant::now(), Uuid::new_v4().to_string());
    let app = &app.of_source(&request.source)?;
    let event = find(app, request, &run_id).await?;
    let window = window_of(&event, &request.id)?;
    let key = CustomerId::new(String::from_utf8_lossy(&event.key)).context("its entity cannot be named")?;
    let (customer_id, entity) = app.catalog.who(&key);
    let entity = entity.context("its entity cannot be named")?;

    let policies = app.policies(window.end()).await?;
    let writer = Writer { run_id: &run_id, now: app.now()? };
    let run = Request::of_source(&request.source, event.at);
    let pass = Pass {
        app,
        request: &run,
        window,
        policies: &policies,
        customers: std::slice::from_ref(&key),
        delay_hours: 0,
        number: 0,
        writer,
        deadline,
        order: Order::InOrder,
        stop: None,
    };
    let past = past(pass, &event).await?;
    let known = known(pass, &key).await?;
    let example = Example { id: request.id.clone(), ids: event.ids.clone() };
    let about = About::of_events(&request.source, 1, event.failed.into()).with_examples([example]);
    let about = About { ids: event.ids.clone(), ..about };
    let (mut found, mut metrics) = (Found::default(), Vec::new());
    for (place, spec) in app.catalog.ruled().iter().enumerate() {
        let value = event.values.get(place).copied().flatten();
        let Past { before, beside } = &past[place];
        let raised = policies.raised(&key, &spec.name).map_or(1.0, |raised| raised.factor);
        let of = (spec, policies.rules(&key, spec));
        let verdict = rules::verdict(of, Judged::Event(value), before, beside, raised);
        let metric = app.catalog.modelled().len() + place;
        let candidates = rules::of_verdict(&known, &key, metric, &verdict, &about);
        // An event that is as usual ends no incident: the hourly run does, which sees all events.
        for candidate in candidates.into_iter().filter(|candidate| candidate.finding().is_some()) {
            found.candidates.push(&candidate)?;
        }
        metrics.push(CheckedMetric {
            metric: spec.name.to_string(),
            unit: spec.unit.clone(),
            verdict: match &verdict {
                Verdict::Normal(_) => "normal",
                Verdict::Anomalous(_) => "anomalous",
                Verdict::Undetermined(reason) => reason.as_str(),
            },
            severity: verdict.finding().map(|finding| finding.severity),
            value,
            description: verdict
                .finding()
                .map(|finding| describe::sentence(spec.name.as_str(), &spec.unit, finding)),
            anomaly_id: None,
        });
    }
    for candidate in found.candidates.read()? {
        let candidate = candidate?;
        let Some(finding) = candidate.finding() else { continue };
        let anomaly = anomaly(app, window, &candidate, &finding, &policies);
        let of = &app.catalog.metrics()[candidate.metric].name;
        let metric = metrics.iter_mut().find(|metric| metric.metric == of.as_str());
        if let Some(metric) = metric {
            metric.anomaly_id = Some(anomaly.id());
        }
    }
    let mut outbox = Outbox::default();
    let counts = record::all(app, pass, &known, &mut found, &mut outbox).await?;
    if let Some(error) = outbox.failure() {
        return Err(error);
    }
    Ok(CheckedEvent {
        source: request.source.clone(),
        id: request.id.clone(),
        customer_id,
        entity: entity.to_string(),
        entity_path: entity,
        finished_at: event.at,
        failed: event.failed,
        metrics,
        recorded: counts.recorded,
        already_recorded: counts.already_recorded,
        alerts_published: outbox.published(),
        duration_ms: millis(started.elapsed()),
    })
}

/// The hour until the event. Its end names the anomaly, so two events of an entity need two of them, and none may be the full
/// hour that names those of a run. Many tables know only seconds, so the event's id chooses the millisecond.
fn window_of(event: &FinishedEvent, id: &str) -> anyhow::Result<Window> {
    let is_full_second = event.at.subsec_millisecond() == 0;
    let millisecond = id.bytes().fold(0_u64, |hash, byte| (hash * 31 + u64::from(byte)) % 999) + 1;
    let millisecond = if is_full_second { i64::try_from(millisecond)? } else { 0 };
    let end = event.at.checked_add(SignedDuration::from_millis(millisecond))?;
    Window::between(end.checked_sub(AN_HOUR)?, end).context("the event's time is out of range")
}

/// The event with its values, if it can be judged.
async fn find(app: &App, request: &EventRequest, run_id: &str) -> anyhow::Result<FinishedEvent> {
    let (source_name, id) = (request.source.clone(), request.id.clone());
    if !app.catalog.entities().is_some_and(Entities::has_checks) {
        return Err(Unjudged::WithoutIds { source_name }.into());
    }
    let of = (id.as_str(), request.customer_id.as_ref());
    let event = app.usage.event(of, &app.catalog, &format!("{run_id}-event")).await?;
    let Some(event) = event else { return Err(Unjudged::Unknown { source_name, id }.into()) };
    if !event.is_finished {
        return Err(Unjudged::Unfinished { source_name, id }.into());
    }
    if !event.is_whole {
        return Err(Unjudged::WithoutEntity { source_name, id }.into());
    }
    if event.at > app.now()?.saturating_add(CLOCKS_DIFFER)? {
        return Err(Unjudged::OfTheFuture { source_name, id, at: event.at }.into());
    }
    Ok(event)
}

/// What a metric of the event's entity was like before.
#[derive(Clone, Default)]
struct Past {
    /// The thirty days before the event's hour.
    before: EventFigures,
    /// The newest events that failed in a row, with this one.
    beside: Beside,
}

/// By the place of the metric among those that rules judge.
async fn past(pass: Pass<'_>, event: &FinishedEvent) -> anyhow::Result<Vec<Past>> {
    let Pass { app, deadline, .. } = pass;
    let catalog = &app.catalog;
    let hour = Hour::holding(event.at);
    let days = i64::from(app.baseline().get());
    let request = EntitiesRequest {
        catalog,
        window: Window::between(hour.start(), hour.plus(1).start())?,
        windows: 1,
        from: hour.plus(-24 * days).start(),
        keys: pass.customers,
        shard: pass.request.shard,
        query_id: &format!("{}-past", pass.writer.run_id),
        deadline,
    };
    let figures = app.usage.entities(&request);
    // Until just after the event itself, and no further.
    let until = event.at.checked_add(SignedDuration::from_millis(1))?;
    let newest = Window::between(until.checked_sub(AN_HOUR)?, until)?;
    let streaks = catalog.ruled().iter().enumerate().map(|(place, spec)| async move {
        let has_one = rules::needs_outcomes(spec) && event.values.get(place).is_some_and(Option::is_some);
        if !has_one {
            return Ok(None);
        }
        let request = EntitiesRequest {
            window: newest,
            from: hour.plus(-rules::STREAK_HOURS).start(),
            query_id: &format!("{}-newest-{place}", pass.writer.run_id),
            ..request
        };
        let found = app.usage.outcomes(&request, spec, NEWEST).await?;
        anyhow::Ok(found.first().map(|found| found.streak(hour.start(), None)))
    });
    let streaks = futures::future::try_join_all(streaks);
    let (figures, streaks) = futures::future::try_join(async { Ok(figures.await?) }, streaks).await?;
    let of_streak = |streak| Past { beside: Beside { streak, ..Beside::default() }, ..Past::default() };
    let mut past: Vec<Past> = streaks.into_iter().map(of_streak).collect();
    for of_metric in figures {
        if let Some(past) = past.get_mut(of_metric.metric) {
            past.before = of_metric.before;
        }
    }
    Ok(past)
}

/// The latest incidents of the event's entity.
async fn known(pass: Pass<'_>, key: &CustomerId) -> anyhow::Result<Known> {
    let app = pass.app;
    let mut known = Known::for_window(&pass.window, &app.incidents.rules);
    let now = app.now()?.min(pass.window.end());
    let subjects = app.catalog.ruled().iter().flat_map(|spec| {
        let (customer_id, entity) = app.catalog.who(key);
        detection::Direction::BOTH.map(|direction| detection::incident::Subject {
            customer_id: customer_id.clone(),
            entity: entity.clone(),
            metric: spec.name.clone(),
            direction,
        })
    });
    let reads = subjects.map(|subject| async move { app.latest_incident(&subject, now).await });
    for item in futures::future::try_join_all(reads).await?.into_iter().flatten() {
        known.see(&item, &app.catalog);
    }
    known.arrange();
    Ok(known)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_of_the_bus_names_source_and_id() {
        let event = json!({ "detail-type": "Execution Completed", "source": "acme.workflows",
            "detail": { "source": "executions", "id": "e-1", "status": "failed" } });
        let request = EventRequest::from_event(&event).unwrap().unwrap();
        assert_eq!((request.source.as_str(), request.id.as_str()), ("executions", "e-1"));
        for other in [
            json!({}),
            json!({ "time": "2026-11-21T13:00:00Z" }),
            json!({ "detail-type": "Scheduled Event" }),
        ] {
            assert_eq!(EventRequest::from_event(&other).unwrap(), None, "{other}");
        }
    }

    #[test]
    fn an_event_that_names_no_execution_is_refused() {
        for detail in
            [json!({}), json!({ "source": "executions" }), json!({ "source": "a", "id": 7 }), json!(null)]
        {
            let event = json!({ "detail-type": "Execution Completed", "detail": detail });
            let error = format!("{:#}", EventRequest::from_event(&event).unwrap_err());
            assert!(error.contains("its detail must be"), "{error}");
        }
    }
}
