//! The desk between runs and the table. Each call is a request that lies there until fate takes it up. A call waits
//! before it is carried out, and again before its answer arrives.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use detection::incident::{IncidentId, Subject};
use jiff::Timestamp;
use store::{AlertItem, Changed, Claim, IncidentItem, Pending, Recorded};

use crate::table::{By, Table, Wanted};

/// The shared state of all runs: the table, the time of day, and the calls that are under way.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) table: Table,
    /// Unix milliseconds.
    pub(crate) clock: i64,
    pub(crate) calls: Vec<Pended>,
    next: u64,
}

/// A call that is under way.
pub(crate) struct Pended {
    id: u64,
    pub(crate) run: usize,
    pub(crate) stage: Stage,
    /// Nobody waits for the answer any more, because the run has ended.
    pub(crate) abandoned: bool,
    waker: Option<Waker>,
}

pub(crate) enum Stage {
    Asked(Call),
    /// Carried out or refused. The answer is on its way.
    Done(anyhow::Result<Answer>),
    Arrived(anyhow::Result<Answer>),
}

#[derive(Clone, Debug)]
pub(crate) enum Call {
    Pause(Duration),
    Policies,
    Usage { end: Timestamp },
    IncidentsSince { from: Timestamp, now: Timestamp },
    LatestIncident { subject: Subject, now: Timestamp },
    ClosedIncidents { subject: Subject, since: Timestamp, until: Timestamp },
    Change(Box<Wanted>),
    CloseAnomalies(IncidentId),
    JudgedUntil,
    NoteJudged(Timestamp),
    Record(AlertItem),
    Pending(usize),
    Claim(AlertItem),
    Publish(AlertItem),
    MarkSent(AlertItem),
    Release(AlertItem),
}

#[derive(Debug)]
pub(crate) enum Answer {
    Nothing,
    Incidents(Vec<IncidentItem>),
    Incident(Option<Box<IncidentItem>>),
    Changed(Changed),
    Recorded(Recorded),
    Pending(Pending),
    Claim(Claim),
    JudgedUntil(Option<Timestamp>),
}

/// The answer to a call. It comes when fate lets it arrive.
struct Asking<'a> {
    desk: &'a RefCell<Desk>,
    id: u64,
}

impl Desk {
    /// Carries out a call.
    pub(crate) fn apply(&mut self, call: Call, run: usize, lag: i64) -> Answer {
        let by = By { run: name(run), now: self.clock, lag };
        let table = &mut self.table;
        match call {
            Call::Pause(duration) => {
                self.clock += i64::try_from(duration.as_millis()).unwrap();
                Answer::Nothing
            }
            Call::Policies | Call::Usage { .. } => Answer::Nothing,
            Call::IncidentsSince { from, now } => Answer::Incidents(table.incidents_since(from, now, &by)),
            Call::LatestIncident { subject, now } => {
                Answer::Incident(table.latest_incident(&subject, now).map(Box::new))
            }
            Call::ClosedIncidents { subject, since, until } => {
                Answer::Incidents(table.closed_incidents(&subject, since, until))
            }
            Call::JudgedUntil => Answer::JudgedUntil(table.judged_until),
            Call::NoteJudged(end) => {
                table.judged_until = table.judged_until.max(Some(end));
                Answer::Nothing
            }
            Call::CloseAnomalies(incident) => {
                table.close_anomalies(&incident);
                Answer::Nothing
            }
            Call::Change(wanted) => Answer::Changed(table.change(*wanted, &by)),
            Call::Record(alert) => Answer::Recorded(table.record(alert, &by)),
            Call::Pending(limit) => Answer::Pending(table.pending(limit, &by)),
            Call::Claim(alert) => Answer::Claim(table.claim(&alert, &by)),
            Call::Publish(alert) => {
                table.publish(&alert);
                Answer::Nothing
            }
            Call::MarkSent(alert) => {
                table.mark_sent(&alert, &by);
                Answer::Nothing
            }
            Call::Release(alert) => {
                table.release(&alert, &by);
                Answer::Nothing
            }
        }
    }

    /// Lets an answer arrive.
    pub(crate) fn deliver(&mut self, place: usize) {
        let call = &mut self.calls[place];
        let stage = std::mem::replace(&mut call.stage, Stage::Asked(Call::Policies));
        let Stage::Done(answer) = stage else { unreachable!("there is no answer yet") };
        call.stage = Stage::Arrived(answer);
        if let Some(waker) = call.waker.take() {
            waker.wake();
        }
    }
}

/// The id of a run.
pub(crate) fn name(run: usize) -> String {
    format!("run {run}")
}

/// Puts a call of a run on the desk, and waits for its answer.
pub(crate) async fn ask(desk: &RefCell<Desk>, run: usize, call: Call) -> anyhow::Result<Answer> {
    let id = {
        let desk = &mut *desk.borrow_mut();
        desk.next += 1;
        let stage = Stage::Asked(call);
        desk.calls.push(Pended { id: desk.next, run, stage, abandoned: false, waker: None });
        desk.next
    };
    Asking { desk, id }.await
}

impl Future for Asking<'_> {
    type Output = anyhow::Result<Answer>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let calls = &mut self.desk.borrow_mut().calls;
        let place = calls.iter().position(|call| call.id == self.id).expect("an answer is taken once");
        if !matches!(calls[place].stage, Stage::Arrived(_)) {
            calls[place].waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        match calls.remove(place).stage {
            Stage::Arrived(answer) => Poll::Ready(answer),
            Stage::Asked(_) | Stage::Done(_) => unreachable!(),
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let calls = &mut self.desk.borrow_mut().calls;
        if let Some(place) = calls.iter().position(|call| call.id == self.id) {
            match calls[place].stage {
                // The call may be on the wire. Fate decides whether it is still carried out.
                Stage::Asked(_) => {
                    calls[place].abandoned = true;
                    calls[place].waker = None;
                }
                Stage::Done(_) | Stage::Arrived(_) => drop(calls.remove(place)),
            }
        }
    }
}
