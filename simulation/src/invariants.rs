//! The checks at each change and each page, and at the end.

use std::collections::{BTreeMap, BTreeSet};

use detection::Window;
use detection::incident::{Event, IncidentId};
use jiff::Timestamp;
use store::AlertItem;

use crate::rule::Rule;
use crate::table::{Effect, Table};
use crate::world::World;

#[derive(Clone, Debug)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

/// The caller of a call.
#[derive(Clone, Debug)]
pub(crate) enum Actor {
    /// The run of an event for this window.
    Run {
        window: Window,
    },
    /// A run that nobody asked for.
    Phantom,
    Person,
}

pub(crate) struct Watch<'a> {
    pub(crate) world: &'a World,
    pub(crate) violations: Vec<Violation>,
    pub(crate) actors: Vec<Actor>,
    /// How often each alert was published.
    pub(crate) published: BTreeMap<String, u32>,
    /// How often each alert may have been published more than once, because its answer was lost.
    pub(crate) excused: BTreeMap<String, u32>,
    /// Published and not yet marked, by the run that did it.
    pub(crate) unmarked: BTreeSet<(usize, String)>,
    /// The pages of each incident, each at its first time, with its place and scene among all stored alerts.
    pub(crate) pages: BTreeMap<IncidentId, Vec<(usize, usize, Event)>>,
    /// The place and the scene at which each alert was stored.
    pub(crate) stored: BTreeMap<String, (usize, usize)>,
    /// The number of the scene. All actors of a scene act at the same time.
    pub(crate) scene: usize,
    /// Incidents that people must be notified of.
    pub(crate) owed: BTreeSet<IncidentId>,
    /// Incidents that somebody reopened. That person knows of them.
    pub(crate) reopened: BTreeSet<IncidentId>,
    /// The scene and the actor of the last change of each incident.
    pub(crate) touched: BTreeMap<IncidentId, (usize, usize)>,
    /// Windows in which the series of an open incident was back inside, since its last anomaly.
    pub(crate) quiet: BTreeMap<IncidentId, BTreeSet<Timestamp>>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self {
            world,
            violations: Vec::new(),
            actors: Vec::new(),
            published: BTreeMap::new(),
            excused: BTreeMap::new(),
            unmarked: BTreeSet::new(),
            pages: BTreeMap::new(),
            stored: BTreeMap::new(),
            scene: 0,
            owed: BTreeSet::new(),
            reopened: BTreeSet::new(),
            touched: BTreeMap::new(),
            quiet: BTreeMap::new(),
        }
    }

    /// The number of the actor that acts from now on.
    pub(crate) fn enters(&mut self, actor: Actor) -> usize {
        self.actors.push(actor);
        self.actors.len() - 1
    }

    pub(crate) fn sees(&mut self, run: usize, effects: Vec<Effect>, table: &Table) {
        for effect in effects {
            match effect {
                Effect::Changed { before, latest, to, alert } => {
                    self.changed(run, before.as_deref(), latest.as_deref(), &to, alert.as_ref(), table);
                }
                Effect::Published(alert) => self.published(run, &alert, table),
                Effect::Marked(id) => drop(self.unmarked.remove(&(run, id))),
            }
        }
    }

    /// The answer to a publish or its mark was lost, or never came.
    pub(crate) fn excuses(&mut self, run: usize, alert: &str) {
        *self.excused.entry(alert.to_owned()).or_default() += 1;
        self.unmarked.remove(&(run, alert.to_owned()));
    }

    /// A killed run may have published alerts that it did not mark.
    pub(crate) fn killed(&mut self, run: usize) {
        let left: Vec<_> = self.unmarked.iter().filter(|(of, _)| *of == run).cloned().collect();
        left.iter().for_each(|(run, alert)| self.excuses(*run, alert));
    }

    /// A run asks for the usage of this window.
    pub(crate) fn reads(&mut self, run: usize, end: Timestamp) {
        if let Actor::Run { window } = &self.actors[run]
            && window.end() != end
        {
            let what = format!("the event of {} led to a check of {end}", window.end());
            self.violated(Rule::WindowOfEvent, what);
        }
    }

    pub(crate) fn violated(&mut self, rule: Rule, what: impl Into<String>) {
        self.violations.push(Violation { rule, what: what.into() });
    }

    fn published(&mut self, run: usize, alert: &AlertItem, table: &Table) {
        let id = alert.id();
        match table.stored(alert) {
            Some(stored) if stored.id() == id => {}
            _ => self.violated(Rule::StoredFirst, format!("{id} is published and not stored")),
        }
        self.unmarked.insert((run, id.to_owned()));
        let times = self.published.entry(id.to_owned()).or_default();
        *times += 1;
        let allowed = 1 + self.excused.get(id).copied().unwrap_or(0);
        if *times > allowed {
            let what = format!("{id} is published {times} times, and {allowed} are excused");
            self.violated(Rule::OnePage, what);
        } else if *times == 1
            && let Some((incident, event)) = alert.incident_id().zip(event_of(alert))
        {
            self.in_order(id, incident, event);
        }
    }

    /// Pages go out in the order in which they were stored. Pages of two actors at the same time may cross.
    fn in_order(&mut self, id: &str, incident: IncidentId, event: Event) {
        let Some((place, scene)) = self.stored.get(id).copied() else { return };
        let pages = self.pages.entry(incident.clone()).or_default();
        let overtaken = pages.iter().any(|(other, of_scene, _)| *other > place && *of_scene != scene);
        pages.push((place, scene, event));
        if overtaken {
            let what = format!("the pages of {incident} are in a wrong order: {pages:?}");
            self.violated(Rule::Ends, what);
        }
    }
}

pub(crate) fn event_of(alert: &AlertItem) -> Option<Event> {
    match alert {
        AlertItem::Anomaly(item) => item.alert.as_ref().map(|alert| alert.event),
        AlertItem::Notice(notice) => Some(notice.event),
        AlertItem::Digest(_) => None,
    }
}
