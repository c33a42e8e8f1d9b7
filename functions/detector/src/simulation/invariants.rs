//! What must hold, whatever happens: checked at each change and each page, and as a whole at the end.

use std::collections::{BTreeMap, BTreeSet};

use detection::Window;
use detection::incident::{Event, Incident, IncidentId, IncidentState, Subject};
use jiff::Timestamp;
use store::{AlertItem, AlertState, AnomalyItem, IncidentItem};

use super::table::{Effect, Table};
use super::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// Who is critical, and not muted, is paged or named by a digest.
    Paged,
    /// A state that says that people were told has the page that told them.
    StateHasPage,
    /// One page for one transition, except where an answer was lost.
    OnePage,
    /// One open incident for each subject, versions that only grow, and counts that are exact.
    Counts,
    /// Everything ends once all is quiet, and each page that raised is followed by one that closes.
    Ends,
    /// Runs that did not happen change nothing, and late ones no more than counts.
    GapsAndLateRuns,
    /// Only what is stored is published.
    StoredFirst,
    /// A run checks the window of its event.
    WindowOfEvent,
    /// The same run once more changes nothing.
    Repeats,
    /// Nobody is paged about a planned event.
    Muted,
    /// An incident says what its newest anomaly was, and what people did with it is not lost.
    Texts,
}

#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) rule: Rule,
    pub(super) what: String,
}

/// Who makes a call.
#[derive(Clone, Debug)]
pub(super) enum Actor {
    /// The run of an event for this window.
    Run {
        window: Window,
    },
    /// A run that nobody asked for.
    Phantom,
    Person,
}

pub(super) struct Watch<'a> {
    world: &'a World,
    pub(super) violations: Vec<Violation>,
    actors: Vec<Actor>,
    /// How often each alert was published.
    published: BTreeMap<String, u32>,
    /// How often it may have been published beyond once, since nobody could know that it was.
    excused: BTreeMap<String, u32>,
    /// Published and not yet marked, by the run that did it.
    unmarked: BTreeSet<(usize, String)>,
    /// The pages of each incident, each at its first time, by their place and scene among
    /// all that were stored.
    pages: BTreeMap<IncidentId, Vec<(usize, usize, Event)>>,
    /// When each alert was stored: its place, and the scene.
    stored: BTreeMap<String, (usize, usize)>,
    /// The number of times that somebody acted; all who act in a scene do so at the same time.
    pub(super) scene: usize,
    /// Incidents that people must be told of.
    owed: BTreeSet<IncidentId>,
    /// Those that somebody reopened, who knows of them.
    reopened: BTreeSet<IncidentId>,
    /// Windows in which the series of an open incident was back inside, since its last anomaly.
    quiet: BTreeMap<IncidentId, BTreeSet<Timestamp>>,
}

/// Whether an incident tells of its newest anomaly and still has all that people did with it.
fn keeps_texts(before: Option<&IncidentItem>, to: &IncidentItem, alert: Option<&AlertItem>) -> bool {
    let description = match alert {
        Some(AlertItem::Anomaly(item)) if item.window_end == to.incident.last_seen.as_millisecond() => {
            Some(&item.description)
        }
        _ => before.map(|before| &before.description),
    };
    description.is_none_or(|description| to.description == *description)
        && before.is_none_or(|before| to.history.starts_with(&before.history))
}

impl<'a> Watch<'a> {
    pub(super) fn new(world: &'a World) -> Self {
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
            quiet: BTreeMap::new(),
        }
    }

    /// The number of whoever acts from now on.
    pub(super) fn enters(&mut self, actor: Actor) -> usize {
        self.actors.push(actor);
        self.actors.len() - 1
    }

    pub(super) fn sees(&mut self, run: usize, effects: Vec<Effect>, table: &Table) {
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
    pub(super) fn excuses(&mut self, run: usize, alert: &str) {
        *self.excused.entry(alert.to_owned()).or_default() += 1;
        self.unmarked.remove(&(run, alert.to_owned()));
    }

    /// A run that is killed may have published what it did not come to mark.
    pub(super) fn killed(&mut self, run: usize) {
        let left: Vec<_> = self.unmarked.iter().filter(|(of, _)| *of == run).cloned().collect();
        left.iter().for_each(|(run, alert)| self.excuses(*run, alert));
    }

    /// A run asks for the usage of this window.
    pub(super) fn reads(&mut self, run: usize, end: Timestamp) {
        if let Actor::Run { window } = &self.actors[run]
            && window.end() != end
        {
            let what = format!("the event of {} led to a check of {end}", window.end());
            self.violated(Rule::WindowOfEvent, what);
        }
    }

    pub(super) fn violated(&mut self, rule: Rule, what: impl Into<String>) {
        self.violations.push(Violation { rule, what: what.into() });
    }

    fn changed(
        &mut self,
        run: usize,
        before: Option<&IncidentItem>,
        latest: Option<&IncidentItem>,
        to: &IncidentItem,
        alert: Option<&AlertItem>,
        table: &Table,
    ) {
        let (id, now) = (to.id(), &to.incident);
        if before.is_some_and(|before| to.version <= before.version) {
            self.violated(Rule::Counts, format!("the version of {id} does not grow"));
        }
        if !keeps_texts(before, to, alert) {
            let what = format!("{id} has other texts than it should: {:?}, {:?}", to.description, to.history);
            self.violated(Rule::Texts, what);
        }
        if let Some(alert) = alert {
            self.stored.insert(alert.id().to_owned(), (self.stored.len(), self.scene));
        }
        let window = match &self.actors[run] {
            Actor::Run { window } => *window,
            Actor::Phantom => {
                return self
                    .violated(Rule::GapsAndLateRuns, format!("a run that did not happen changed {id}"));
            }
            Actor::Person => {
                if now.told.is_some() && before.is_some_and(|before| before.incident.told.is_none()) {
                    self.reopened.insert(id);
                }
                return;
            }
        };
        let anomaly = match alert {
            Some(AlertItem::Anomaly(item)) => Some(&**item),
            _ => None,
        };
        let known = before.or(latest);
        if let Some(latest) = known.filter(|known| known.incident.last_window > window.end()) {
            let counted = Incident { anomalies: latest.incident.anomalies + 1, ..latest.incident.clone() };
            if *now != counted || to.description != latest.description {
                let what = format!("a late run for {} changed {id} from {latest:?} to {to:?}", window.end());
                self.violated(Rule::GapsAndLateRuns, what);
            }
            return;
        }
        let before = before.map(|before| &before.incident);
        self.note_quiet(before, now, anomaly.is_some(), window.end());
        let muted = self.world.mutes.mute(&now.subject.metric, &window).is_some();
        if let Some(item) = anomaly
            && item.severity >= self.world.rules.min_severity
            && !muted
            && (now.is_open() || before.is_some_and(Incident::is_open))
        {
            self.owed.insert(id.clone());
            if now.told.is_none() && now.is_open() {
                self.violated(
                    Rule::Paged,
                    format!("{id} is critical and its state says that nobody is told"),
                );
            }
        }
        if now.last_page != before.and_then(|before| before.last_page) {
            self.paged(now, alert, anomaly, muted, &window, table);
        }
    }

    /// Counts the windows back inside by itself, and looks at what ends by them.
    fn note_quiet(&mut self, before: Option<&Incident>, now: &Incident, anomalous: bool, end: Timestamp) {
        let quiet = self.quiet.entry(now.id()).or_default();
        if anomalous || now.quiet_runs == 0 {
            quiet.clear();
        } else {
            quiet.insert(end);
        }
        let ended = before.is_some_and(Incident::is_open) && now.state == IncidentState::Resolved;
        if ended && quiet.len() < self.world.rules.resolve_after as usize {
            let what = format!("{} is resolved after {} quiet runs", now.id(), quiet.len());
            self.violated(Rule::GapsAndLateRuns, what);
        }
    }

    /// A page about an incident: it is stored with the incident, or a digest that names it is.
    fn paged(
        &mut self,
        now: &Incident,
        alert: Option<&AlertItem>,
        anomaly: Option<&AnomalyItem>,
        muted: bool,
        window: &Window,
        table: &Table,
    ) {
        let Some(page) = now.last_page else {
            return self.violated(Rule::StateHasPage, format!("{} forgot its last page", now.id()));
        };
        if muted && !page.event.is_closing() {
            let what = format!("people are told that {} is {}", now.id(), page.event.as_str());
            self.violated(Rule::Muted, what);
        }
        let told = match (page.single, anomaly) {
            (true, _) => alert.is_some_and(|alert| {
                alert.state() == AlertState::Pending
                    && event_of(alert).is_some_and(|event| event == page.event)
            }),
            (false, Some(anomaly)) => table.digests().any(|digest| {
                let named =
                    || digest.largest.iter().any(|entry| entry.anomaly_id == anomaly.anomaly_id.as_str());
                digest.detected_at == window.end().as_millisecond()
                    && (digest.held_back > digest.largest.len() as u64 || named())
            }),
            (false, None) => false,
        };
        if !told {
            let what = format!("{} says {page:?}, and nothing that is stored tells of it", now.id());
            self.violated(Rule::StateHasPage, what);
        }
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

    /// Pages go out in the order in which they were stored. Those of two who act at the same time may cross.
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

    /// What must hold when nothing is under way.
    pub(super) fn at_rest(&mut self, table: &Table) {
        let mut counts: BTreeMap<&IncidentId, u64> = BTreeMap::new();
        for stored in table.alerts.values() {
            if let AlertItem::Anomaly(item) = &stored.alert {
                match &item.incident_id {
                    Some(incident) => *counts.entry(incident).or_default() += 1,
                    None => self.violated(Rule::Counts, format!("{:?} has no incident", item.anomaly_id)),
                }
            }
            if stored.alert.state() == AlertState::Sent && !self.published.contains_key(stored.alert.id()) {
                let what = format!("{} is marked as sent and was never published", stored.alert.id());
                self.violated(Rule::StateHasPage, what);
            }
        }
        let mut open: BTreeSet<String> = BTreeSet::new();
        for item in table.incidents.values() {
            let (id, found) = (item.id(), counts.remove(&item.id()).unwrap_or(0));
            if item.incident.anomalies != found {
                let what =
                    format!("{id} counts {} anomalies and {found} are stored", item.incident.anomalies);
                self.violated(Rule::Counts, what);
            }
            if item.incident.is_open() && !open.insert(name(&item.incident.subject)) {
                self.violated(Rule::Counts, format!("there are two open incidents like {id}"));
            }
        }
        for incident in counts.keys() {
            self.violated(Rule::Counts, format!("there are anomalies of {incident}, which does not exist"));
        }
    }

    /// What must hold once all has been quiet for long enough.
    pub(super) fn at_the_end(&mut self, table: &Table) {
        self.at_rest(table);
        let mut told: BTreeSet<IncidentId> = BTreeSet::new();
        for stored in table.alerts.values() {
            let alert = &stored.alert;
            let sent = self.published.contains_key(alert.id());
            if alert.state() == AlertState::Pending {
                self.violated(Rule::StateHasPage, format!("{} still waits", alert.id()));
            }
            match alert {
                AlertItem::Digest(digest) if sent => {
                    let named =
                        digest.largest.iter().filter_map(|entry| incident_of(table, &entry.anomaly_id));
                    told.extend(named);
                }
                AlertItem::Anomaly(_) | AlertItem::Notice(_) if sent => {
                    let tells = event_of(alert).is_some_and(|event| !event.is_closing());
                    told.extend(alert.incident_id().filter(|_| tells));
                }
                _ => {}
            }
        }
        for incident in &(&self.owed - &told) - &self.reopened {
            self.violated(Rule::Paged, format!("nobody was told of {incident}"));
        }
        for item in table.incidents.values().filter(|item| item.incident.is_open()) {
            self.violated(Rule::Ends, format!("{} is still open: {:?}", item.id(), item.incident));
        }
        for (incident, mut pages) in self.pages.clone() {
            pages.sort_by_key(|(place, ..)| *place);
            if !alternate(&pages) {
                let what =
                    format!("what was raised is not closed once, or in a wrong order: {incident} {pages:?}");
                self.violated(Rule::Ends, what);
            }
        }
    }
}

/// Whether each page that raises is followed by one that closes, and only such are closed.
fn alternate(pages: &[(usize, usize, Event)]) -> bool {
    let mut raised = false;
    for (.., event) in pages {
        let fits = match event {
            Event::Opened | Event::Reopened => !raised,
            Event::Escalated => true,
            Event::Reminder | Event::Accepted | Event::Resolved | Event::Acknowledged => raised,
        };
        if !fits {
            return false;
        }
        raised = !event.is_closing();
    }
    !raised
}

fn event_of(alert: &AlertItem) -> Option<Event> {
    match alert {
        AlertItem::Anomaly(item) => item.alert.as_ref().map(|alert| alert.event),
        AlertItem::Notice(notice) => Some(notice.event),
        AlertItem::Digest(_) => None,
    }
}

fn incident_of(table: &Table, anomaly: &str) -> Option<IncidentId> {
    let found = table.alerts.values().find(|stored| stored.alert.id() == anomaly)?;
    found.alert.incident_id()
}

fn name(subject: &Subject) -> String {
    format!("{} {} {}", subject.customer_id, subject.metric, subject.direction.as_str())
}
