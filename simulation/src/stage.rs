//! All actors of an hour, alive at once. Each stops at each of its calls, and fate picks the one that goes on. So every
//! order of calls can occur, and one seed always makes the same order.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use catalog::Shard;
use detection::Window;
use detector::Request;
use detector::outbox::Outbox;
use jiff::Timestamp;
use platform::emf::RunFigures;
use rand::RngExt;
use store::{AlertItem, Changed};

use crate::books::Books;
use crate::bugs::Bug;
use crate::desk::{Answer, Call, Desk, Stage, name};
use crate::fate::Kill;
use crate::invariants::Actor;
use crate::people::handle;
use crate::story::{Outcome, Part, Story};
use crate::table::Wanted;
use crate::telling::{outcome, summary};
use crate::world::hour;

struct Live<'f> {
    run: usize,
    place: usize,
    future: Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'f>>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'a> Story<'a> {
    pub(crate) fn perform_at(&mut self, desk: &RefCell<Desk>, parts: &[Part]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Failed; parts.len()];
        let mut live: Vec<Live<'_>> =
            parts.iter().enumerate().map(|(place, part)| self.enter(desk, place, part)).collect();
        self.calls = 0;
        for at in (0..live.len()).rev() {
            self.poll(&mut live, at, &mut outcomes);
        }
        for step in 0.. {
            assert!(step < 100_000, "the runs do not end");
            let calls = desk.borrow().calls.len();
            if calls == 0 {
                assert!(live.is_empty(), "a run waits for nothing");
                break;
            }
            let place = if self.fate.script.is_some() { 0 } else { self.rng.random_range(0..calls) };
            let run = desk.borrow().calls[place].run;
            let at = live.iter().position(|live| live.run == run);
            let is_asked = matches!(desk.borrow().calls[place].stage, Stage::Asked(_));
            let mut killed = false;
            if is_asked {
                self.calls += 1;
                killed = self.carry_out(desk, place);
            }
            if killed {
                let Some(at) = at else { continue };
                let dead = live.remove(at);
                outcomes[dead.place] = Outcome::Killed;
                drop(dead);
                self.watch.killed(run);
                self.tells(|| format!("  {} is killed", name(run)));
                continue;
            }
            let in_order = self.fate.script.is_some();
            let is_done = |place: usize| {
                let desk = desk.borrow();
                desk.calls
                    .get(place)
                    .is_some_and(|call| matches!(call.stage, Stage::Done(_)) && call.run == run)
            };
            if is_done(place) && (!is_asked || in_order || self.rng.random_bool(0.6)) {
                desk.borrow_mut().deliver(place);
                if let Some(at) = at {
                    self.poll(&mut live, at, &mut outcomes);
                }
            }
        }
        outcomes
    }

    /// Takes a call up. Returns whether the call kills its run.
    fn carry_out(&mut self, desk: &RefCell<Desk>, place: usize) -> bool {
        let (run, abandoned, call) = {
            let desk = desk.borrow();
            let Stage::Asked(call) = &desk.calls[place].stage else { return false };
            (desk.calls[place].run, desk.calls[place].abandoned, call.clone())
        };
        let published = match &call {
            Call::Publish(alert) => Some(alert.id().to_owned()),
            _ => None,
        };
        let marked = match &call {
            Call::MarkSent(alert) => Some(alert.id().to_owned()),
            _ => None,
        };
        if abandoned {
            // The run is gone. The call was on the wire, or it was not.
            desk.borrow_mut().calls.remove(place);
            if self.fate.script.map_or_else(|| self.rng.random_bool(0.5), |(_, kill)| kill == Kill::AfterAll)
            {
                self.apply(desk, &call, run, "though its run is gone");
                published.iter().for_each(|alert| self.watch.excuses(run, alert));
            }
            return false;
        }
        let roll = self.rng.random_range(0.0..1.0);
        let scripted = self.fate.script.filter(|(at, _)| *at == self.calls);
        if scripted.is_some() || roll < self.fate.kills {
            if scripted.map_or_else(|| self.rng.random_bool(0.5), |(_, kill)| kill != Kill::Before) {
                self.apply(desk, &call, run, "and is never heard of again");
            } else {
                self.tells(|| format!("  {} does not get to {}", name(run), summary(&call)));
            }
            desk.borrow_mut().calls.remove(place);
            return true;
        }
        let refused = Err(anyhow!("refused by fate"));
        let fails = roll < self.fate.kills + self.fate.errors && !matches!(call, Call::Pause(_));
        let answer = match if fails { self.rng.random_range(0..4) } else { 9 } {
            _ if published.is_some() && self.fate.outage => refused,
            0 => {
                self.tells(|| format!("  {} is refused {}", name(run), summary(&call)));
                marked.iter().for_each(|alert| self.watch.excuses(run, alert));
                refused
            }
            1 => {
                self.apply(desk, &call, run, "and the answer is lost");
                published.iter().chain(&marked).for_each(|alert| self.watch.excuses(run, alert));
                refused
            }
            2 => {
                let first = self.apply(desk, &call, run, "the answer is lost, and it is asked again");
                published.iter().for_each(|alert| self.watch.excuses(run, alert));
                // A transaction has a token that reveals a repetition.
                let is_transaction =
                    matches!(&call, Call::Change(wanted) if wanted.alert.is_some() || is_moved(wanted));
                match is_transaction {
                    true => Ok(first),
                    false => Ok(self.apply(desk, &call, run, "again")),
                }
            }
            3 if matches!(&call, Call::Change(_)) => {
                self.apply(desk, &call, run, "and hears that it is in progress");
                Ok(Answer::Changed(Changed::Overtaken))
            }
            _ => Ok(self.apply(desk, &call, run, "")),
        };
        desk.borrow_mut().calls[place].stage = Stage::Done(answer);
        false
    }

    fn apply(&mut self, desk: &RefCell<Desk>, call: &Call, run: usize, note: &str) -> Answer {
        let desk = &mut *desk.borrow_mut();
        let (ticks, lag) = match self.fate.script {
            Some(_) => (20, 0),
            None => (self.rng.random_range(5..60), self.rng.random_range(0..=self.fate.lag)),
        };
        desk.clock += ticks;
        let answer = desk.apply(call.clone(), run, lag);
        match call {
            Call::Usage { end } => self.watch.reads(run, *end),
            Call::LatestIncident { .. } => self.read_again += 1,
            Call::Change(wanted) if !matches!(wanted.alert, Some(AlertItem::Anomaly(_))) => {
                self.quiet_changes += 1;
            }
            _ => {}
        }
        if self.told.is_some() {
            let line = format!("  {}: {} -> {} {note}", name(run), summary(call), outcome(&answer));
            self.tells(|| line);
        }
        let effects = std::mem::take(&mut desk.table.effects);
        self.watch.sees(run, effects, &desk.table);
        answer
    }

    fn poll(&mut self, live: &mut Vec<Live<'_>>, at: usize, outcomes: &mut [Outcome]) {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let Live { run, place, .. } = live[at];
        loop {
            match live[at].future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => {
                    outcomes[place] = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
                    self.tells(|| match &result {
                        Ok(()) => format!("  {} is done", name(run)),
                        Err(error) => format!("  {} fails: {error:#}", name(run)),
                    });
                    drop(live.remove(at));
                    return;
                }
                // A stream of many futures lets others go first and wakes itself.
                Poll::Pending if woken.0.swap(false, Ordering::Relaxed) => {}
                Poll::Pending => return,
            }
        }
    }

    fn enter<'f>(&mut self, desk: &'f RefCell<Desk>, place: usize, part: &Part) -> Live<'f>
    where
        'a: 'f,
    {
        let (app, world, bug) = (self.app, self.world, self.bug);
        let books = |run, blind| Books::new(app, world, desk, run, bug, blind);
        // Later than any test takes. The simulation models death and no deadlines.
        let deadline = Instant::now() + Duration::from_secs(3_600);
        match part {
            Part::Run { event } | Part::Phantom { event } => {
                let blind = matches!(part, Part::Phantom { .. });
                let of_event = hour(*event);
                let actor = match blind {
                    true => Actor::Phantom,
                    false => Actor::Run { window: Window::closing_at(of_event).unwrap() },
                };
                let run = self.watch.enters(actor);
                let now = Timestamp::from_millisecond(desk.borrow().clock).unwrap();
                let time = if bug == Some(Bug::WindowFromClock) { now } else { of_event };
                let request = Request {
                    source: None,
                    time,
                    dry_run: false,
                    customers: Vec::new(),
                    shard: Shard::WHOLE,
                    detection_id: None,
                };
                let is_hurried = self.hurry.random_bool(self.fate.hurry);
                let time_for = is_hurried.then(|| self.hurry.random_range(0..world.customers.len()));
                let mut books = books(run, blind);
                books.time_for = time_for;
                let future = Box::pin(async move {
                    let (mut figures, mut outbox) = (RunFigures::default(), Outbox::default());
                    let name = name(run);
                    detector::steps(app, &books, &request, &name, deadline, &mut figures, &mut outbox)
                        .await
                        .map(drop)
                });
                Live { run, place, future }
            }
            Part::Person { incident, action } => {
                let run = self.watch.enters(Actor::Person);
                let books = books(run, false);
                let (incident, action) = (incident.clone(), *action);
                let future = Box::pin(async move { handle(&books, &incident, action).await });
                Live { run, place, future }
            }
        }
    }
}

fn is_moved(wanted: &Wanted) -> bool {
    wanted
        .from
        .as_ref()
        .is_none_or(|from| !from.is(&wanted.to.incident) || from.is_open != wanted.to.incident.is_open())
}
