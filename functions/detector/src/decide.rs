//! What becomes of the candidates of one customer: the steps of the incidents. Pure.
//!
//! Incidents of a customer depend on each other, because they are one story. A decision looks at the customer's
//! incidents as they were before the window, and at what each sees of the window. So the order of the writes does not
//! matter.

use std::collections::HashMap;

use detection::incident::{Figures, Incident, Observation, Step, Subject, Told, Watched};
use detection::related::First;
use detection::{CustomerId, Direction};
use jiff::Timestamp;
use store::Former;

use crate::app::App;
use crate::candidate::Candidate;
use crate::known::{Known, Latest};
use crate::pass::{Order, Pass};
use crate::plan::Call;

/// A metric's place in the catalog, and a direction.
pub(crate) type Series = (usize, Direction);

/// How many earlier incidents each opening of a run repeats, if it repeats any.
pub(crate) type Recurring = HashMap<(CustomerId, Series), u32>;

/// The candidates of one customer, and all that their decisions need.
pub(crate) struct Group<'a> {
    pass: Pass<'a>,
    known: &'a Known,
    recurring: &'a Recurring,
    candidates: Vec<Candidate>,
    /// Incidents that the run read again, and openings that turned out to be recurring since.
    read: HashMap<Series, Option<Latest>>,
    found: HashMap<Series, u32>,
}

/// The step of an incident, and the open incident whose page tells of it from now on.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) step: Step,
    pub(crate) told_by: Option<Former>,
}

/// One metric of the customer, and all that the run knows of it.
struct Member {
    subject: Subject,
    latest: Option<Latest>,
    observation: Option<Observation>,
    muted: bool,
    recurring: Option<u32>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(
        pass: Pass<'a>,
        known: &'a Known,
        recurring: &'a Recurring,
        candidates: Vec<Candidate>,
    ) -> Self {
        Self { pass, known, recurring, candidates, read: HashMap::new(), found: HashMap::new() }
    }

    pub(crate) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The candidates, and whether each calls for a page.
    pub(crate) fn planned(&self) -> Vec<(Candidate, Call)> {
        let call = |candidate: &Candidate| Call::of(&self.decide(candidate).step);
        self.candidates.iter().map(|candidate| (candidate.clone(), call(candidate))).collect()
    }

    /// Notes an incident that was read again.
    pub(crate) fn note_read(&mut self, series: Series, latest: Option<Latest>) {
        self.read.insert(series, latest);
    }

    /// Notes how many earlier incidents an opening repeats.
    pub(crate) fn note_recurring(&mut self, series: Series, earlier: Option<u32>) {
        self.found.extend(earlier.map(|earlier| (series, earlier)));
    }

    /// The latest incident of a series, as the run knows it.
    pub(crate) fn latest(&self, candidate: &Candidate) -> Option<Latest> {
        self.latest_of(&subject(self.pass.app, candidate), candidate.metric)
    }

    /// The metrics and directions whose incidents a decision about a candidate looks at.
    pub(crate) fn beside(&self, candidate: &Candidate) -> Vec<Candidate> {
        let others = self.others(candidate).into_iter();
        let of = |beside: Member| {
            let metrics = self.pass.app.catalog.metrics();
            let metric = metrics.iter().position(|spec| spec.name == beside.subject.metric)?;
            Some(Candidate { metric, ..candidate.clone() })
        };
        others.filter_map(of).collect()
    }

    pub(crate) fn decide(&self, candidate: &Candidate) -> Decision {
        if candidate.first_use().is_some() {
            return Decision { step: Step::Stay, told_by: None };
        }
        let (member, others) = (self.member(candidate), self.others(candidate));
        let rules = &self.pass.app.incidents.rules;
        let (step, told) = member.watched().decide(others.iter().map(Member::watched), rules);
        let before = member.latest.as_ref().and_then(|latest| latest.incident.as_ref());
        let told_by = match (&step, told) {
            (Step::Become { incident, .. }, Some(Told { by, .. }))
                if incident.story.as_ref() == Some(&by) =>
            {
                let is_new = before.is_none_or(|before| {
                    before.opened_at != incident.opened_at || before.story.as_ref() != Some(&by)
                });
                let formers = others.into_iter().filter_map(|other| other.latest.map(|latest| latest.former));
                formers.filter(|_| is_new).find(|former| former.id() == by)
            }
            _ => None,
        };
        Decision { step, told_by }
    }

    /// Whether a candidate that is decided by itself opens an incident that may repeat earlier ones. A stop of all
    /// customers' data is news each time.
    pub(crate) fn may_recur(&self, candidate: &Candidate) -> bool {
        let is_of_models = candidate.explanation.is_some() && candidate.first_use().is_none();
        if !is_of_models || candidate.is_of_all_customers() {
            return false;
        }
        self.member(candidate).watched().opens(&self.pass.app.incidents.rules)
    }

    /// The first of the customer's incidents that opened since then, before the window, and goes on.
    pub(crate) fn opened_first(&self, candidate: &Candidate, since: Timestamp) -> Option<First> {
        let metrics = self.pass.app.catalog.metrics().iter().enumerate();
        let series = metrics.flat_map(|(metric, spec)| {
            Direction::BOTH.map(|direction| {
                (
                    metric,
                    Subject { metric: spec.name.clone(), direction, ..subject(self.pass.app, candidate) },
                )
            })
        });
        let incidents = series.filter_map(|(metric, subject)| self.latest_of(&subject, metric)?.incident);
        let is_before = |incident: &Incident| {
            incident.is_open() && (since..self.pass.window.end()).contains(&incident.opened_at)
        };
        let first = incidents.filter(is_before).min_by_key(|incident| incident.opened_at)?;
        Some(First { metric: first.subject.metric, opened_at: first.opened_at })
    }

    /// The metric of a candidate.
    fn member(&self, candidate: &Candidate) -> Member {
        let series = (candidate.metric, candidate.direction);
        let known = || self.recurring.get(&(candidate.customer_id.clone(), series)).copied();
        Member {
            subject: subject(self.pass.app, candidate),
            latest: self.latest(candidate),
            observation: Some(observation(self.pass, candidate)),
            muted: candidate.mute(self.pass).is_some() || self.pass.order == Order::Missed,
            recurring: self.found.get(&series).copied().or_else(known),
        }
    }

    /// The other metrics of the customer with an incident or a candidate of the same direction. Only incidents that
    /// models see have stories.
    fn others(&self, candidate: &Candidate) -> Vec<Member> {
        if candidate.explanation.is_none() {
            return Vec::new();
        }
        let metrics = self.pass.app.catalog.metrics();
        let other = |metric: usize| {
            let is_it = |of: &&Candidate| (of.metric, of.direction) == (metric, candidate.direction);
            let seen = self.candidates.iter().find(is_it).filter(|seen| seen.first_use().is_none());
            if let Some(seen) = seen {
                return Some(self.member(seen));
            }
            let name = metrics[metric].name.clone();
            let subject = Subject { metric: name, ..subject(self.pass.app, candidate) };
            let latest = self.latest_of(&subject, metric).filter(|latest| latest.incident.is_some())?;
            Some(Member { subject, latest: Some(latest), observation: None, muted: false, recurring: None })
        };
        (0..metrics.len()).filter(|metric| *metric != candidate.metric).filter_map(other).collect()
    }

    fn latest_of(&self, subject: &Subject, metric: usize) -> Option<Latest> {
        match self.read.get(&(metric, subject.direction)) {
            Some(read) => read.clone(),
            None => self.known.of(&subject.key(), metric).latest(subject),
        }
    }
}

impl Member {
    fn watched(&self) -> Watched<'_> {
        let Self { subject, latest, observation, muted, recurring } = self;
        Watched {
            subject,
            latest: latest.as_ref().and_then(|latest| latest.incident.as_ref()),
            observation: observation.as_ref(),
            muted: *muted,
            recurring: *recurring,
        }
    }
}

/// The candidates of each customer. Those of one customer come one after the other.
pub(crate) fn by_customer(
    candidates: impl Iterator<Item = anyhow::Result<Candidate>>,
) -> impl Iterator<Item = anyhow::Result<Vec<Candidate>>> {
    let mut candidates = candidates.peekable();
    std::iter::from_fn(move || {
        let mut group = match candidates.next()? {
            Ok(first) => vec![first],
            Err(error) => return Some(Err(error)),
        };
        let belongs = |next: &anyhow::Result<Candidate>, group: &[Candidate]| {
            next.as_ref().is_ok_and(|next| next.customer_id == group[0].customer_id)
        };
        while let Some(Ok(next)) = candidates.next_if(|next| belongs(next, &group)) {
            group.push(next);
        }
        Some(Ok(group))
    })
}

pub(crate) fn observation(pass: Pass<'_>, candidate: &Candidate) -> Observation {
    let figures = candidate.comparison.as_ref().map_or(Figures::NONE, Figures::of);
    let Candidate { seen, seen_by, change, cost, .. } = *candidate;
    Observation { window_end: pass.window.end(), seen, figures, seen_by, change, cost }
}

pub(crate) fn subject(app: &App, candidate: &Candidate) -> Subject {
    let (customer_id, entity) = app.catalog.who(&candidate.customer_id);
    Subject {
        customer_id,
        entity,
        metric: app.catalog.metrics()[candidate.metric].name.clone(),
        direction: candidate.direction,
    }
}

/// Whether a candidate's anomaly is the newest of an incident. A late run finds an older one.
pub(crate) fn is_newest(pass: Pass<'_>, candidate: &Candidate, incident: &Incident) -> bool {
    candidate.finding().is_some() && incident.last_seen == pass.window.end()
}
