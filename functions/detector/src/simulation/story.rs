//! What happens in the world of a seed: which runs there are, how they overlap, and where they are cut off.
//!
//! All runs of an hour are alive at once. Each stops at each of its calls, and fate picks which one goes on: so every
//! order of their calls can come about, and the same seed always makes the same one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use catalog::Shard;
use detection::incident::IncidentId;
use detection::{Action, Window};
use jiff::Timestamp;
use platform::emf::RunFigures;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use store::{AlertItem, Changed};

use super::bugs::Bug;
use super::desk::{Answer, Books, Call, Desk, Stage, name};
use super::invariants::{Actor, Rule, Watch};
use super::people::handle;
use super::telling::{outcome, summary};
use super::world::{HISTORY, World, hour, one_of};
use crate::outbox::Outbox;
use crate::{App, Tick};

/// One seed's world on its way through time.
pub(super) struct Story<'a> {
    app: &'a App,
    world: &'a World,
    pub(super) desk: RefCell<Desk>,
    pub(super) watch: Watch<'a>,
    rng: ChaCha8Rng,
    pub(super) fate: Fate,
    /// How many calls were made in the last scene.
    pub(super) calls: usize,
    /// How often an incident was read again, and how many changes of one were stored without an anomaly.
    pub(super) read_again: usize,
    pub(super) quiet_changes: usize,
    bug: Option<Bug>,
    /// What happened, for whoever wants to read it.
    pub(super) told: Option<Vec<String>>,
}

/// How bad things are.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    /// Share of the calls at which a run is killed.
    kills: f64,
    /// Share of the calls that fail, or whose answer is lost.
    errors: f64,
    /// SNS refuses everything.
    outage: bool,
    /// Longest time by which the indexes lag behind the table, in milliseconds.
    lag: i64,
    /// Nothing is left to chance: calls are carried out one after the other, and the run is killed at this one.
    script: Option<(usize, Kill)>,
}

/// What becomes of the calls of a run that is killed at one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    /// Neither this one nor any other that is under way is carried out.
    Before,
    /// This one is carried out.
    After,
    /// All that are under way are carried out.
    AfterAll,
}

/// Somebody who acts at an hour.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Run {
        event: usize,
    },
    /// A run of an hour in which none was; only a planted bug has it.
    Phantom {
        event: usize,
    },
    Person {
        incident: IncidentId,
        action: Action,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed,
    Killed,
}

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

impl Fate {
    /// All goes well, one call after the other.
    pub(super) fn kind() -> Self {
        Self { kills: 0.0, errors: 0.0, outage: false, lag: 0, script: None }
    }

    /// All goes well, one call after the other, up to the call at which the run is killed.
    pub(super) fn script(call: usize, kill: Kill) -> Self {
        Self { script: Some((call, kill)), ..Self::kind() }
    }

    fn of(rng: &mut ChaCha8Rng) -> Self {
        Self {
            kills: one_of(rng, &[0.0, 0.005, 0.02, 0.05]),
            errors: one_of(rng, &[0.0, 0.01, 0.05, 0.1]),
            outage: false,
            lag: one_of(rng, &[0, 0, 50, 1_000]),
            script: None,
        }
    }
}

impl<'a> Story<'a> {
    pub(super) fn new(app: &'a App, world: &'a World, rng: ChaCha8Rng, bug: Option<Bug>) -> Self {
        let mut desk = Desk::default();
        desk.table.bug = bug;
        let watch = Watch::new(world);
        Self {
            app,
            world,
            desk: RefCell::new(desk),
            watch,
            rng,
            fate: Fate::kind(),
            calls: 0,
            read_again: 0,
            quiet_changes: 0,
            bug,
            told: None,
        }
    }

    /// From the first hour to the last, and on until all is quiet.
    pub(super) fn play(&mut self) {
        let fate = Fate::of(&mut self.rng);
        // How often an hour is missed, comes late, twice, together with another; is in an outage; and people act.
        let often = one_of(&mut self.rng, &[0.02, 0.06, 0.15, 0.2]);
        let mut late = VecDeque::new();
        for event in HISTORY..HISTORY + self.world.hours {
            self.wait_until(event);
            self.fate = Fate { outage: self.rng.random_bool(often), ..fate.clone() };
            if self.rng.random_bool(often) {
                let person = self.person();
                self.perform(person.into_iter().collect());
            }
            let mut parts = Vec::new();
            match self.rng.random_range(0.0..1.0) / often {
                0.0..1.0 => {
                    self.tells(|| format!("{event}: no run"));
                    if self.bug == Some(Bug::ResolvedByGap) {
                        self.perform(vec![Part::Phantom { event }]);
                    }
                    continue;
                }
                1.0..2.0 => late.push_back(event),
                2.0..3.0 => parts.extend([Part::Run { event }, Part::Run { event }]),
                3.0..4.0 => parts.extend([Part::Run { event: event - 1 }, Part::Run { event }]),
                _ => parts.push(Part::Run { event }),
            }
            let mut after = None;
            if self.rng.random_bool(0.3)
                && let Some(event) = late.pop_front()
            {
                match self.rng.random_bool(0.5) {
                    true => parts.push(Part::Run { event }),
                    false => after = Some(Part::Run { event }),
                }
            }
            // People look at incidents when something happens, and then it may well be the same thing.
            if self.rng.random_bool(if parts.len() > 1 { 0.4 } else { often / 2.0 }) {
                parts.extend(self.person());
            }
            self.perform_with_retries(parts);
            self.perform_with_retries(after.into_iter().collect());
            if self.rng.random_bool(often / 2.0) {
                self.repeat(event);
            }
        }
        self.watch.at_rest(&self.desk.borrow().table);
        self.quiet_tail();
    }

    /// Runs in which nothing goes wrong, until nothing is open any more.
    fn quiet_tail(&mut self) {
        self.fate = Fate::kind();
        let (faults_end, quiet) = (HISTORY + self.world.hours, self.world.quiet_from());
        let begin = if self.rng.random_bool(0.2) { faults_end } else { quiet };
        for event in begin..quiet + 3 + 2 * self.world.rules.resolve_after as usize {
            self.wait_until(event);
            self.perform(vec![Part::Run { event }]);
            let open = self.desk.borrow().table.incidents.values().any(|item| item.incident.is_open());
            if event > quiet && !open {
                self.repeat(event);
                break;
            }
        }
        self.watch.at_the_end(&self.desk.borrow().table);
    }

    /// The run of an hour once more, after all has gone well: it must change nothing.
    fn repeat(&mut self, event: usize) {
        let fate = std::mem::replace(&mut self.fate, Fate::kind());
        self.advance(61_000);
        self.perform(vec![Part::Run { event }]);
        let before = self.desk.borrow().table.essence();
        self.advance(61_000);
        self.perform(vec![Part::Run { event }]);
        let after = self.desk.borrow().table.essence();
        if before != after {
            let what = format!("the run of {event} changed something when it was repeated");
            self.watch.violated(Rule::Repeats, what);
        }
        self.fate = fate;
    }

    fn person(&mut self) -> Option<Part> {
        let desk = self.desk.borrow();
        let incidents = &desk.table.incidents;
        if incidents.is_empty() {
            return None;
        }
        let incident = incidents.values().nth(self.rng.random_range(0..incidents.len()))?;
        let action = match incident.incident.is_open() {
            true => one_of(&mut self.rng, &[Action::Acknowledge, Action::Resolve, Action::Reopen]),
            false => Action::Reopen,
        };
        Some(Part::Person { incident: incident.id(), action })
    }

    /// Lambda tries a failed run up to two times more, minutes later, or the event is lost altogether.
    fn perform_with_retries(&mut self, parts: Vec<Part>) {
        let mut parts = parts;
        for pause in [61_000, 121_000] {
            let outcomes = self.perform(parts.clone());
            let failed = parts
                .into_iter()
                .zip(outcomes)
                .filter(|(part, outcome)| *outcome != Outcome::Done && matches!(part, Part::Run { .. }));
            parts = failed.map(|(part, _)| part).collect();
            if parts.is_empty() || self.rng.random_bool(0.2) {
                return;
            }
            self.advance(pause);
        }
        self.perform(parts);
    }

    /// Lets all parts act at once, until none of them is left and nothing is under way.
    pub(super) fn perform(&mut self, parts: Vec<Part>) -> Vec<Outcome> {
        if parts.is_empty() {
            return Vec::new();
        }
        self.tells(|| format!("at the same time: {parts:?}"));
        let desk = std::mem::take(&mut self.desk);
        self.watch.scene += 1;
        let outcomes = self.perform_at(&desk, &parts);
        self.desk = desk;
        // Long enough for the indexes to have followed.
        self.advance(2_000);
        outcomes
    }

    fn perform_at(&mut self, desk: &RefCell<Desk>, parts: &[Part]) -> Vec<Outcome> {
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

    /// Takes a call up. Returns whether its run is killed at it.
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
            // Of a run that is gone: it was on the wire, or it was not.
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
                // A transaction has a token by which its repetition is known.
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
        // Ahead of any time that a test takes: what is simulated is no deadline but death.
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
                let tick = Tick {
                    time,
                    dry_run: false,
                    customers: Vec::new(),
                    shard: Shard::WHOLE,
                    detection_id: None,
                };
                let books = books(run, blind);
                let future = Box::pin(async move {
                    let (mut figures, mut outbox) = (RunFigures::default(), Outbox::default());
                    let name = name(run);
                    crate::pass(app, &books, &tick, &name, deadline, &mut figures, &mut outbox)
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

    pub(super) fn wait_until(&mut self, event: usize) {
        let at = hour(event).as_millisecond() + self.rng.random_range(1_000..60_000);
        let desk = self.desk.get_mut();
        desk.clock = desk.clock.max(at);
    }

    pub(super) fn advance(&mut self, milliseconds: i64) {
        self.desk.get_mut().clock += milliseconds;
    }

    fn tells(&mut self, line: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(line());
        }
    }
}

fn is_moved(wanted: &super::table::Wanted) -> bool {
    wanted
        .from
        .as_ref()
        .is_none_or(|from| !from.is(&wanted.to.incident) || from.is_open != wanted.to.incident.is_open())
}
