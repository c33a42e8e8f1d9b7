//! The events in the world of a seed: its runs, their overlaps, and the people who act beside them.

use std::cell::RefCell;
use std::collections::VecDeque;

use detection::Action;
use detection::incident::IncidentId;
use detector::App;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::bugs::Bug;
use crate::desk::Desk;
use crate::fate::Fate;
use crate::invariants::Watch;
use crate::rule::Rule;
use crate::world::{HISTORY, World, hour, one_of};

/// One seed's world on its way through time.
pub(crate) struct Story<'a> {
    pub(crate) app: &'a App,
    pub(crate) world: &'a World,
    pub(crate) desk: RefCell<Desk>,
    pub(crate) watch: Watch<'a>,
    pub(crate) rng: ChaCha8Rng,
    /// Draws which runs have no time for all customers, so that the story of all others stays as it is.
    pub(crate) hurry: ChaCha8Rng,
    pub(crate) fate: Fate,
    /// How many calls were made in the last scene.
    pub(crate) calls: usize,
    /// How often an incident was read again, and how many changes were stored without an anomaly.
    pub(crate) read_again: usize,
    pub(crate) quiet_changes: usize,
    pub(crate) bug: Option<Bug>,
    /// The story, for a reader.
    pub(crate) told: Option<Vec<String>>,
}

/// An actor of an hour.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Run {
        event: usize,
    },
    /// A run of an hour without a run. Only a planted bug has it.
    Phantom {
        event: usize,
    },
    Person {
        incident: IncidentId,
        action: Action,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Failed,
    Killed,
}

impl<'a> Story<'a> {
    pub(crate) fn new(app: &'a App, world: &'a World, rng: ChaCha8Rng, bug: Option<Bug>) -> Self {
        let mut desk = Desk::default();
        desk.table.bug = bug;
        let watch = Watch::new(world);
        let hurry = ChaCha8Rng::seed_from_u64(rng.clone().next_u64());
        Self {
            app,
            world,
            desk: RefCell::new(desk),
            watch,
            rng,
            hurry,
            fate: Fate::kind(),
            calls: 0,
            read_again: 0,
            quiet_changes: 0,
            bug,
            told: None,
        }
    }

    /// Plays from the first hour to the last, and on until all is quiet.
    pub(crate) fn play(&mut self) {
        let hurry = one_of(&mut self.hurry, &[0.0, 0.0, 0.0, 0.1, 0.4]);
        let fate = Fate { hurry, ..Fate::of(&mut self.rng) };
        // How often each of these happens: an hour is missed, late, doubled, together with another or in an outage, and
        // people act.
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
            // People look at incidents when something happens. Two may look at the same one.
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

    /// Runs without faults until nothing is open any more.
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

    /// Repeats the run of an hour after all has succeeded. It must change nothing.
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

    /// Lambda repeats a failed run up to two times, minutes later, or the event is lost.
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

    /// Lets all actors act at once until none is left and nothing is under way.
    pub(crate) fn perform(&mut self, parts: Vec<Part>) -> Vec<Outcome> {
        if parts.is_empty() {
            return Vec::new();
        }
        self.tells(|| format!("at the same time: {parts:?}"));
        let desk = std::mem::take(&mut self.desk);
        self.watch.scene += 1;
        let outcomes = self.perform_at(&desk, &parts);
        self.desk = desk;
        // The indexes have followed after this time.
        self.advance(2_000);
        outcomes
    }

    pub(crate) fn wait_until(&mut self, event: usize) {
        let at = hour(event).as_millisecond() + self.rng.random_range(1_000..60_000);
        let desk = self.desk.get_mut();
        desk.clock = desk.clock.max(at);
    }

    pub(crate) fn advance(&mut self, milliseconds: i64) {
        self.desk.get_mut().clock += milliseconds;
    }

    pub(crate) fn tells(&mut self, line: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(line());
        }
    }
}
