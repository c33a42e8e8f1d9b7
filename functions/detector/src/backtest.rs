//! A backtest that somebody waits for: what a policy would have paged, over the rollup.
//!
//! It stores and publishes nothing but its own note. It shares the function with the runs, so its work and its time are
//! limited: a run must not wait long for it.

use std::time::{Duration, Instant};

use ::backtest::{
    Answer, Configuration, Customer, Deployment, Difference, Found, Question, QuestionError, Replay, Report,
    Sides, Span, Tally, propose,
};
use anyhow::Context;
use catalog::{Said, Shard};
use detection::model::Peers;
use detection::{CustomerId, Hour, SettingsError};
use jiff::{SignedDuration, Timestamp};
use platform::telemetry::error_chain;
use serde::Deserialize;
use serde_json::Value;
use store::AnomalyStore;
use uuid::Uuid;
use warehouse::past::{Past, PastError, PastRequest};
use warehouse::usage::UsageError;

use crate::app::App;
use crate::notes::note;

/// The event that asks for a backtest.
#[derive(Clone, Debug, Deserialize)]
pub struct BacktestRequest {
    /// The id under which the requester waits for the answer.
    pub backtest_id: String,
    /// The time of the request. The hour that holds it is not over.
    pub time: Timestamp,
    pub question: Question,
}

/// The longest backtest.
const LONGEST: Duration = Duration::from_secs(120);

/// Time that is kept back to note how it ended.
const NOTE_TIME: Duration = Duration::from_secs(5);

/// Customers that are read at once.
const AT_ONCE: usize = 50;

/// Values that are kept for the passes of a budget: 64 MB.
const MOST_KEPT: usize = 8_000_000;

/// Odd hours that a configuration may find: 100 MB.
const MOST_ODD_HOURS: usize = 200_000;

/// The oldest request that is answered. A run of the schedule waits for no more requests than those.
const OLDEST: SignedDuration = SignedDuration::from_mins(10);

/// Between two notes of the progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// Why there is no answer.
enum Failure {
    /// The requester can do something about it. The same request would fail again.
    Refused(String),
    /// ClickHouse or the table could not be used.
    Broken(anyhow::Error),
}

impl BacktestRequest {
    /// The request in an event. `None` for an event that asks for a run.
    ///
    /// # Errors
    ///
    /// When the event asks for a backtest and cannot be understood.
    pub fn from_event(event: &Value) -> anyhow::Result<Option<Self>> {
        let asked = event.pointer("/detail/backtest");
        asked.map(|asked| Self::deserialize(asked).context("the backtest cannot be understood")).transpose()
    }
}

/// One backtest before `deadline`. Returns its answer, or the reason why there is none, as the requester sees it.
///
/// # Errors
///
/// When ClickHouse or the table could not be used. The same request can be made again.
pub async fn backtest(app: &App, request: &BacktestRequest, deadline: Instant) -> anyhow::Result<Value> {
    let (started, run_id) = (Instant::now(), Uuid::new_v4().to_string());
    let id = &request.backtest_id;
    app.store
        .backtest_started(id, &run_id, app.now()?)
        .await
        .context("the start of the backtest is not noted")?;
    let limit = deadline.checked_sub(NOTE_TIME).unwrap_or(started).min(started + LONGEST);
    let answer = match too_old(request.time, app.now()?) {
        Some(refusal) => Err(Failure::Refused(refusal)),
        None => judge(app, request, &run_id, limit).await,
    };
    let (noted, result) = match answer {
        Ok(text) => (Ok(text.clone()), serde_json::from_str(&text).context("the answer is no JSON")),
        Err(Failure::Refused(reason)) => (Err(reason.clone()), Ok(serde_json::json!({ "reason": reason }))),
        Err(Failure::Broken(error)) => {
            let reason =
                "the usage could not be read; the detector's log has the cause under the run's id".to_owned();
            (Err(reason), Err(error))
        }
    };
    let stored = app.store.backtest_finished(id, noted, app.now()?).await;
    let result = result.and_then(|answer| {
        stored.context("the answer is not stored")?;
        Ok(answer)
    });
    let error = result.as_ref().err().map(|error| error_chain(error.as_ref()));
    tracing::info!(
        run.id = run_id,
        backtest.id = id,
        run.duration_ms = crate::pass::millis(started.elapsed()),
        error,
        "backtest ended"
    );
    result
}

/// The refusal of a request that has waited for too long behind others.
fn too_old(asked: Timestamp, now: Timestamp) -> Option<String> {
    let waited = now.duration_since(asked);
    (waited > OLDEST).then(|| {
        format!(
            "the detector had no time for it for {} minutes: ask again, one backtest at a time",
            waited.as_mins()
        )
    })
}

/// The answer as JSON text.
async fn judge(
    app: &App,
    request: &BacktestRequest,
    run_id: &str,
    limit: Instant,
) -> Result<String, Failure> {
    let BacktestRequest { backtest_id, time, question } = request;
    let read = futures::future::try_join(app.store.policies(), app.store.feedback());
    let ((policy, customers), feedback) = read.await.map_err(|error| Failure::Broken(error.into()))?;
    let said = Said { feedback, at: *time };
    let (detection, rules) = (app.detection.clone(), app.incidents.rules);
    let deployment = Deployment { detection, rules, policy, customers, said };
    let Sides { changed, against, budget } = question.sides(&app.catalog, &deployment)?;
    let until = time.checked_sub(app.detection.window_delay).unwrap_or(*time);
    let past = Past::find(
        &app.usage,
        PastRequest {
            catalog: &app.catalog,
            days: question.days,
            // Nobody chose the days of a dry run of feedback.
            or_fewer: question.feedback.is_some(),
            until: Hour::holding(until),
            name: format!("{run_id}-backtest"),
            deadline: limit,
        },
    )
    .await?;
    let customers = asked(&past, question).await?;

    let span = past.span();
    let shown = if let [one] = &question.customer_ids[..] { Some(one.clone()) } else { None };
    let peers = &past.peers().await.map_err(PastError::Usage)?;
    let mut sides = vec![Side::new(span, &changed, peers, shown)];
    sides.extend(against.as_ref().map(|against| Side::new(span, against, peers, None)));
    let mut kept = Kept { span, peers, customers: Vec::new(), values: 0, limit };
    let (mut judged, mut noted) = (0, Instant::now());
    for some in customers.chunks(AT_ONCE) {
        for customer in past.usage(some).await.map_err(PastError::Usage)? {
            ensure_time_left(limit, judged, customers.len())?;
            sides.iter_mut().try_for_each(|side| side.see(&customer))?;
            judged += 1;
            if budget.is_some() {
                kept.keep(customer)?;
            }
        }
        if noted.elapsed() >= PROGRESS {
            let (judged, all) = (judged as u64, customers.len() as u64);
            let progress = async { Ok(app.store.backtest_judged(backtest_id, judged, all).await?) };
            note(progress, "the progress of the backtest is not noted").await;
            noted = Instant::now();
        }
    }
    let mut reports = sides.into_iter().map(|side| side.tally.report());
    let report = reports.next().context("no configuration").map_err(Failure::Broken)?;
    let difference = reports.next().map(|present| Difference::between(&present, &report));
    let budget = budget.map(|budget| propose(budget, &changed, &report, |other| kept.report(other)));
    let budget = budget.transpose()?;
    let found = Found { report: &report, difference: difference.as_ref(), budget: budget.as_ref() };
    Answer::text(found, &app.catalog, AnomalyStore::backtest_bytes(&question.customer_ids))
        .map_err(|error| Failure::Broken(error.into()))
}

fn ensure_time_left(limit: Instant, judged: usize, of: usize) -> Result<(), Failure> {
    if Instant::now() < limit {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "time ran out after {judged} of {of} customers: name fewer days, or some customers in customer_ids"
    )))
}

fn ensure_few(odd_hours: usize) -> Result<(), Failure> {
    if odd_hours <= MOST_ODD_HOURS {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "more than {MOST_ODD_HOURS} hours are anomalies: set larger thresholds, or name fewer days, or some customers in \
         customer_ids"
    )))
}

/// The usage of all customers, for the passes in which a budget is looked for.
struct Kept<'a> {
    span: Span,
    peers: &'a Peers,
    customers: Vec<Customer>,
    values: usize,
    limit: Instant,
}

impl Kept<'_> {
    fn keep(&mut self, customer: Customer) -> Result<(), Failure> {
        self.values += customer.series.len() * self.span.hours();
        if self.values > MOST_KEPT {
            return Err(Failure::Refused(
                "a budget needs the usage in memory, and there is too much: name fewer days, or some customers in \
                 customer_ids"
                    .to_owned(),
            ));
        }
        self.customers.push(customer);
        Ok(())
    }

    /// What another configuration pages.
    fn report(&self, configuration: &Configuration) -> Result<Report, Failure> {
        let mut side = Side::new(self.span, configuration, self.peers, None);
        for (judged, customer) in self.customers.iter().enumerate() {
            ensure_time_left(self.limit, judged, self.customers.len())?;
            side.see(customer)?;
        }
        Ok(side.tally.report())
    }
}

/// The customers of a question, if they are not too many.
async fn asked(past: &Past<'_>, question: &Question) -> Result<Vec<CustomerId>, Failure> {
    let named = &question.customer_ids;
    let number = match named.len() {
        0 => past.number_of_customers().await.map_err(PastError::Usage)?,
        number => number as u64,
    };
    if let Some(refusal) = question.too_much(number) {
        return Err(Failure::Refused(refusal));
    }
    let mut customers = match named.is_empty() {
        true => past.customers(Shard::WHOLE).await.map_err(PastError::Usage)?,
        false => named.clone(),
    };
    customers.sort();
    customers.dedup();
    // Some of them may have no usage in the newest days.
    match question.too_much(customers.len() as u64) {
        Some(refusal) => Err(Failure::Refused(refusal)),
        None => Ok(customers),
    }
}

/// One of the two configurations.
struct Side<'a> {
    replay: Replay<'a>,
    tally: Tally<'a>,
}

impl<'a> Side<'a> {
    fn new(
        span: Span,
        configuration: &'a Configuration,
        peers: &'a Peers,
        shown: Option<CustomerId>,
    ) -> Self {
        Self {
            replay: Replay::new(span, configuration, peers),
            tally: Tally::new(span, configuration).showing(shown),
        }
    }

    fn see(&mut self, customer: &Customer) -> Result<(), Failure> {
        self.tally.add(customer, self.replay.customer(customer));
        ensure_few(self.tally.odd_hours())
    }
}

impl From<QuestionError> for Failure {
    fn from(error: QuestionError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<PastError> for Failure {
    fn from(error: PastError) -> Self {
        match error {
            PastError::Usage(UsageError::OutOfTime { .. }) => Self::Refused(
                "time ran out while usage was read: name fewer days, or some customers in customer_ids"
                    .to_owned(),
            ),
            PastError::Usage(error) => Self::Broken(error.into()),
            PastError::Empty { .. } | PastError::Span(_) | PastError::Range(_) => {
                Self::Refused(error_chain(&error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_waited_behind_others_is_refused() {
        let asked: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let after = |minutes: i64| too_old(asked, asked + SignedDuration::from_mins(minutes));
        assert_eq!([after(-1), after(0), after(10)], [None, None, None]);
        let refusal = after(11).unwrap();
        assert!(refusal.contains("for 11 minutes: ask again"), "{refusal}");
    }

    #[test]
    fn too_many_anomalies_are_refused() {
        assert!(ensure_few(MOST_ODD_HOURS).is_ok());
        let Err(Failure::Refused(refusal)) = ensure_few(MOST_ODD_HOURS + 1) else { panic!("not refused") };
        assert!(refusal.starts_with("more than 200000 hours are anomalies: set larger"), "{refusal}");
    }
}
