//! Backtests: what a policy would have paged.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use backtest::{Deployment, Question, QuestionError};
use detection::{Feedback, Policy, Sensitivity};
use environment::Env;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{BacktestRun, RunStatus};
use utoipa::ToSchema;
use uuid::Uuid;

use super::config::{PolicyDocument, SensitivityDocument};
use super::detections::{self, StatusView};
use crate::App;
use crate::access::{Caller, Operator};
use crate::error::Problem;
use crate::limits::within_limits;
use crate::params::{Body, InPath, Query};
use crate::refusals::{Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::views::Time;

const USUAL_DAYS: u16 = 30;

/// The share of a caller's work that a dry run of feedback takes. It keeps the detector from its runs meanwhile.
const COST_OF_FEEDBACK: Duration = Duration::from_secs(2);

/// Everything is optional: `{}` judges the last 30 days of all customers by the present settings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BacktestRequest {
    /// Days to judge, the last ones that have usage: 1 to 90. Default: 30. Days times customers must be at most 20,000. A
    /// comparison counts them twice, and a budget six times more.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 90, example = 7)]
    days: Option<u64>,
    /// Only these customers, at most 100. Absent: all.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 100, example = json!(["cust_0001"]))]
    customer_ids: Option<Vec<String>>,
    /// In place of the policy for all customers. Policies of single customers stay. The answer says which pages are new,
    /// gone or at another time beside the present settings. Absent: the present policy.
    #[serde(default)]
    #[schema(value_type = Option<PolicyDocument>, required = false)]
    policy: Option<Policy>,
    /// In place of the policy of the one customer in `customer_ids`. The answer compares as with `policy`.
    #[serde(default)]
    #[schema(value_type = Option<PolicyDocument>, required = false)]
    customer_policy: Option<Policy>,
    /// Another policy for all customers, with which the pages are compared in place of the present settings.
    #[serde(default)]
    #[schema(value_type = Option<PolicyDocument>, required = false)]
    against: Option<Policy>,
    /// `low`, `medium`, `high`, or a factor of all thresholds from 0.2 to 5. A smaller factor pages more.
    #[serde(default)]
    #[schema(value_type = Option<SensitivityDocument>, required = false, example = "high")]
    sensitivity: Option<Sensitivity>,
    /// Time zone of the customers, in place of those of the policies. Absent: the zones of the policies.
    #[serde(default)]
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// Pages of a customer in a day, week, month or year. The answer proposes settings by which the pages stay within it.
    #[serde(default)]
    #[schema(example = "1 page a customer-year")]
    budget: Option<String>,
}

/// A backtest.
#[derive(Serialize, ToSchema)]
pub(crate) struct Backtest {
    pub backtest_id: String,
    pub status: StatusView,
    pub days: u16,
    /// Null: all customers.
    #[schema(required = true)]
    pub customer_ids: Option<Vec<String>>,
    /// The requester, by the name in the token.
    pub requested_by: String,
    pub requested_at: Time,
    #[schema(required = true)]
    pub started_at: Option<Time>,
    #[schema(required = true)]
    pub finished_at: Option<Time>,
    /// The run's name in the detector's log.
    #[schema(required = true)]
    pub run_id: Option<String>,
    /// How far it has come. Null before the first customers are judged.
    #[schema(required = true)]
    pub progress: Option<Progress>,
    /// Why it failed, and what to ask instead.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// Totals, pages by metric and customer, the newest odd hours, the difference and the proposed settings, once it has
    /// completed. A list has at most 200 entries, and `total` counts all. Its times are RFC 3339.
    #[schema(required = true, value_type = Option<Object>)]
    pub result: Option<Value>,
}

/// Customers that are judged, and all.
#[derive(Serialize, ToSchema)]
#[schema(as = BacktestProgress)]
pub(crate) struct Progress {
    pub judged: u64,
    pub customers: u64,
}

/// Find out what a policy would have paged
///
/// Judges days of the past hour by hour. It stores no anomaly and pages nobody. The detector takes one run at a time, so a
/// backtest takes at most two minutes. Ask the address in `location` for the result.
#[utoipa::path(
    post,
    path = "/v1/backtests",
    tag = "runs",
    operation_id = "start_backtest",
    request_body(content = Option<BacktestRequest>),
    responses(
        (status = 202, description = "The backtest, handed to the detector.", body = Backtest, headers(("location" = String, description = "where to ask for its result"))),
        Invalid,
        Forbidden,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    query: Query,
    Body(request): Body<BacktestRequest>,
) -> Result<Response, Problem> {
    let now = query.only(&[])?.now();
    let question = question(&app, request)?;
    let run = hand_over(&app, &caller.actor, now, &question).await?;
    let place = format!("/v1/backtests/{}", run.backtest_id);
    Ok(detections::accepted(&place, Backtest::at(now, run)))
}

/// Notes a backtest, and hands it to the detector.
async fn hand_over(
    app: &App,
    actor: &str,
    now: Timestamp,
    question: &Question,
) -> Result<BacktestRun, Problem> {
    let run = BacktestRun {
        backtest_id: Uuid::new_v4().to_string(),
        status: RunStatus::Queued,
        days: question.days,
        customer_ids: question.customer_ids.clone(),
        requested_by: actor.to_owned(),
        requested_at: now.as_millisecond(),
        run_id: None,
        started_at: None,
        finished_at: None,
        judged: None,
        customers: None,
        reason: None,
        answer: None,
        about: question.feedback.as_ref().map(|feedback| feedback.about.clone()),
    };
    let id = &run.backtest_id;
    let asked = json!({ "backtest_id": id, "time": now, "question": question });
    // The note is stored first. The detector may be faster than a later note.
    app.store.add_backtest(&run).await?;
    if let Err(error) = app.detector.start(&json!({ "time": now, "detail": { "backtest": asked } })).await {
        let reason = "the detector could not be started".to_owned();
        if let Err(error) = app.store.backtest_finished(id, Err(reason), now).await {
            tracing::warn!(error = %error, "a backtest that was not started stays queued");
        }
        return Err(error.into());
    }
    Ok(run)
}

/// Hands the dry run of a feedback to the detector: a backtest of its customer, with and without the feedback.
pub(super) async fn of_feedback(
    app: &App,
    caller: &Caller,
    now: Timestamp,
    feedback: Feedback,
) -> Result<BacktestRun, Problem> {
    let question = Question {
        days: USUAL_DAYS,
        customer_ids: vec![feedback.subject.customer_id.clone()],
        policy: None,
        customer_policy: None,
        against: None,
        feedback: Some(feedback),
        sensitivity: None,
        time_zone: None,
        budget: None,
    };
    within_limits(app, caller, now, COST_OF_FEEDBACK, hand_over(app, &caller.actor, now, &question)).await
}

/// Show a backtest
#[utoipa::path(
    get,
    path = "/v1/backtests/{backtest_id}",
    tag = "runs",
    operation_id = "show_backtest",
    params(("backtest_id" = String, Path, description = "the id of the answer that started the backtest; kept for 30 days", example = "3d9fbf5c-2a4f-4b0e-9d0c-6f6f0a6f3c55")),
    responses(
        (status = 200, description = "The backtest.", body = Backtest),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn result(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    InPath(id): InPath,
    query: Query,
) -> Result<Json<Backtest>, Problem> {
    let now = query.only(&[])?.now();
    // Another text than a UUID names no backtest.
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found())?;
    let run = app.store.backtest(&id.to_string(), now).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(Backtest::at(now, run)))
}

/// The question of a request, as far as it can be answered.
fn question(app: &App, request: BacktestRequest) -> Result<Question, Problem> {
    let days = request.days.unwrap_or(USUAL_DAYS.into());
    let allowed = 1..=u64::from(Question::MAX_DAYS);
    let days = u16::try_from(days).ok().filter(|_| allowed.contains(&days)).ok_or_else(|| {
        let detail = format!("days must be from 1 to {}, not {days}", Question::MAX_DAYS);
        Problem::invalid("days", detail)
    })?;
    let BacktestRequest {
        policy,
        customer_policy,
        against,
        sensitivity,
        time_zone,
        budget,
        customer_ids,
        ..
    } = request;
    for (name, policy) in [("policy", &policy), ("against", &against)] {
        if policy.as_ref().is_some_and(|policy| policy.window_delay_hours.is_some()) {
            let detail = format!("{name}.window_delay_hours: only the policy of one customer has it");
            return Err(Problem::invalid(name, detail));
        }
    }
    let customer_ids = detections::customers(customer_ids)?;
    let question = Question {
        days,
        customer_ids,
        policy,
        customer_policy,
        against,
        feedback: None,
        sensitivity,
        time_zone,
        budget,
    };
    // Only the detector knows how many customers there are.
    if let Some(refusal) = question.too_much(question.customer_ids.len() as u64) {
        return Err(Problem::invalid("days", refusal));
    }
    // The stored policies do not matter here. A run leaves out what contradicts the catalog.
    let nothing =
        Deployment::from_env(&Env::of(&[])).map_err(|error| Problem::internal(error.to_string()))?;
    let deployment = Deployment { detection: app.detection.clone(), ..nothing };
    let name = |error: &QuestionError| match error {
        QuestionError::Policy(_) => "policy",
        QuestionError::CustomerPolicy(_) => "customer_policy",
        QuestionError::Customers(_) => "customer_ids",
        QuestionError::Against(_) => "against",
        QuestionError::TimeZone(_) => "time_zone",
        QuestionError::Budget(_) => "budget",
    };
    question
        .sides(&app.catalog, &deployment)
        .map_err(|error| Problem::invalid(name(&error), error.to_string()))?;
    Ok(question)
}

impl Backtest {
    pub(super) fn at(now: Timestamp, run: BacktestRun) -> Self {
        let since = run.started_at.unwrap_or(run.requested_at);
        let customers: Vec<String> = run.customer_ids.into_iter().map(String::from).collect();
        let progress = run.judged.zip(run.customers);
        Self {
            backtest_id: run.backtest_id,
            status: StatusView::at(now, run.status, since),
            days: run.days,
            customer_ids: Some(customers).filter(|customers| !customers.is_empty()),
            requested_by: run.requested_by,
            requested_at: run.requested_at.into(),
            started_at: run.started_at.map(Time::from),
            finished_at: run.finished_at.map(Time::from),
            run_id: run.run_id,
            progress: progress.map(|(judged, customers)| Progress { judged, customers }),
            reason: run.reason,
            result: run.answer.and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}
