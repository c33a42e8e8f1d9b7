//! The state machine of an incident: the effect of one observation of a window.

use jiff::Timestamp;

use super::around::Around;
use super::id::Subject;
use super::model::{Event, Incident, IncidentState, Page};
use super::observation::{Observation, Seen};
use super::rules::{Rules, is_due};
use crate::{Costs, Severity};

/// The effect of an observation on an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// No effect.
    Stay,
    /// The observation had its effect before, with this page.
    Repeated(Option<Page>),
    /// The new incident and its page. The caller sends the page or counts it in a digest, and notes that with
    /// [`Incident::note_page`] before it stores the incident.
    Become { incident: Box<Incident>, page: Option<Event> },
}

/// The effect of `observation` on the latest incident of a subject.
pub fn advance(
    latest: Option<&Incident>,
    subject: &Subject,
    observation: &Observation,
    around: &Around,
    rules: &Rules,
) -> Step {
    let Some(incident) = latest else {
        return match observation.seen {
            Seen::Anomalous(severity) => {
                Incident::open(subject.clone(), observation, severity).page_for(severity, around, rules)
            }
            Seen::Inside | Seen::Between | Seen::Hidden | Seen::Undetermined => Step::Stay,
        };
    };
    match observation.seen {
        Seen::Anomalous(severity) if observation.window_end < incident.last_window => {
            incident.joins_late(observation, severity, around, rules)
        }
        Seen::Anomalous(_) if observation.window_end == incident.last_seen => {
            Step::Repeated(incident.last_page.filter(|page| page.window_end == observation.window_end))
        }
        Seen::Anomalous(severity) => incident.deviates(observation, severity, around, rules),
        _ if observation.window_end <= incident.last_window => Step::Stay,
        Seen::Inside => incident.calms(observation, incident.recovery + 1, around, rules),
        Seen::Undetermined => incident.goes_unjudged(observation),
        Seen::Between if incident.recovery == 0 && incident.unjudged_since.is_none() => Step::Stay,
        Seen::Between => Step::Become { incident: Box::new(incident.at(observation, 0)), page: None },
        Seen::Hidden if incident.unjudged_since.is_none() && !incident.is_ripe(around, rules) => Step::Stay,
        Seen::Hidden => incident.calms(observation, incident.recovery, around, rules),
    }
}

impl Incident {
    /// Whether the incident ended so long ago that an anomaly of the window that ends then begins another incident.
    pub fn is_past(&self, window_end: Timestamp, rules: &Rules) -> bool {
        !self.is_open()
            && self.last_window.max(self.last_seen) < window_end
            && self.over_at.is_some_and(|over_at| window_end.duration_since(over_at) > rules.reopen_within)
    }

    /// Whether only windows of a day saw it. The deviations of windows of several lengths are not compared, because the
    /// same cause has a larger one in a longer window.
    fn is_of_days(&self) -> bool {
        self.seen_by == Self::DAY
    }

    /// Whether the level has doubled since it began.
    fn has_outgrown(&self) -> bool {
        self.is_of_days()
            && self.latest.deviation() >= Rules::ESCALATION * self.level_at_start.unwrap_or(self.level)
    }

    pub(crate) fn open(subject: Subject, observation: &Observation, severity: Severity) -> Self {
        let Observation { window_end, figures, seen_by, change, cost, .. } = *observation;
        Self {
            subject,
            state: IncidentState::Open,
            severity,
            opened_at: window_end,
            level_since: window_end,
            level_at_start: Some(figures.deviation()),
            last_seen: window_end,
            last_window: window_end,
            closed_at: None,
            over_at: None,
            unjudged_since: None,
            anomalies: 1,
            recovery: 0,
            peak_z_score: figures.z_score,
            latest: figures,
            level: figures.deviation(),
            latest_severity: severity,
            notified: None,
            alerting: false,
            last_page: None,
            seen_by,
            change,
            recurring: None,
            story: None,
            costs: cost.as_ref().map(Costs::of),
        }
    }

    /// The page for an incident without a page so far.
    fn page_for(self, severity: Severity, around: &Around, rules: &Rules) -> Step {
        let (opened_at, opened) = (self.opened_at, Self { recurring: around.recurring, ..self });
        opened.begins(Event::Opened, severity, opened_at, around, rules)
    }

    /// The beginning of an incident that nobody was notified of, and its page if the window calls for people.
    fn begins(
        mut self,
        event: Event,
        severity: Severity,
        window_end: Timestamp,
        around: &Around,
        rules: &Rules,
    ) -> Step {
        let is_loud = self.is_loud(severity, window_end, around, rules);
        let page = if is_loud { self.raise(event, severity, around, rules) } else { None };
        Step::Become { incident: Box::new(self), page }
    }

    /// Another anomaly of the same direction, in a newer window.
    fn deviates(
        &self,
        observation: &Observation,
        severity: Severity,
        around: &Around,
        rules: &Rules,
    ) -> Step {
        let doubled = self.is_of_days()
            && observation.seen_by == Self::DAY
            && observation.figures.deviation() >= Rules::ESCALATION * self.level;
        // A closed incident was mild when it was closed. It was not closed for a worse deviation.
        let worse = doubled || severity > self.severity;
        let within = |since: Timestamp| observation.window_end.duration_since(since) <= rules.reopen_within;
        match (self.state, self.over_at) {
            (IncidentState::Open | IncidentState::Acknowledged, _) => {
                self.joins(observation, severity, doubled, around, rules)
            }
            (IncidentState::Accepted, over_at) if !worse && over_at.is_none_or(within) => {
                self.goes_on(observation, severity, rules)
            }
            (IncidentState::Resolved, None) if !worse => self.goes_on(observation, severity, rules),
            (IncidentState::Resolved | IncidentState::Stale, Some(over_at)) if within(over_at) => {
                self.reopens(observation, severity, around, rules)
            }
            _ => Self::open(self.subject.clone(), observation, severity).page_for(severity, around, rules),
        }
    }

    fn joins(
        &self,
        observation: &Observation,
        severity: Severity,
        doubled: bool,
        around: &Around,
        rules: &Rules,
    ) -> Step {
        let now = observation.window_end;
        let mut joined = self.with(observation, severity);
        let loud = joined.is_loud(severity, now, around, rules);
        let becomes_normal = is_due(joined.level_since, now, rules.accept_after);
        // One that another incident's page told of becomes the new normal in silence.
        if self.notified.is_none()
            && loud
            && !(self.story.is_some() && becomes_normal)
            && let Some(page) = joined.raise(self.first_page(), severity, around, rules)
        {
            return Step::Become { incident: Box::new(joined), page: Some(page) };
        }
        if joined.has_outgrown() {
            joined.starts_level();
        }
        if loud && self.notified.is_some_and(|told| doubled || severity > told) {
            if doubled {
                joined.starts_level();
            }
            return Step::Become { incident: Box::new(joined), page: Some(Event::Escalated) };
        }
        if is_due(joined.level_since, now, rules.accept_after) {
            joined.state = IncidentState::Accepted;
            joined.closed_at = Some(now);
            joined.level = joined.latest.deviation();
            return Step::Become {
                page: self.alerting.then_some(Event::Accepted),
                incident: Box::new(joined),
            };
        }
        let reminds = self.alerting
            && loud
            && self.state == IncidentState::Open
            && self.last_page.is_some_and(|page| is_due(page.window_end, now, rules.repeat_interval));
        Step::Become { incident: Box::new(joined), page: reminds.then_some(Event::Reminder) }
    }

    /// An anomaly in a window that is older than the newest that changed the incident.
    ///
    /// Only facts change that do not depend on the order: the count, the severity, the peak, and whether people must be
    /// notified. A closed incident opens again for a severity that it did not have. Its next windows end it.
    fn joins_late(
        &self,
        observation: &Observation,
        severity: Severity,
        around: &Around,
        rules: &Rules,
    ) -> Step {
        let told_of = |page: &Page| page.window_end == observation.window_end && !page.event.is_closing();
        if let Some(page) = self.last_page.filter(told_of) {
            return Step::Repeated(Some(page));
        }
        let (seen_by, change) = self.seen_with(observation, severity, true);
        let mut joined = Self {
            severity: self.severity.max(severity),
            anomalies: self.anomalies + 1,
            peak_z_score: self.peak_with(observation),
            seen_by,
            change,
            ..self.clone()
        };
        let is_known = match self.is_open() {
            true => self.notified.is_some_and(|told| told >= severity),
            false => self.severity >= severity,
        };
        if is_known || !self.is_loud(severity, observation.window_end, around, rules) {
            return Step::Become { incident: Box::new(joined), page: None };
        }
        if !self.is_open() {
            joined = Self {
                state: IncidentState::Open,
                closed_at: None,
                over_at: None,
                unjudged_since: None,
                recovery: 0,
                notified: None,
                ..joined
            };
        }
        let page = match joined.notified {
            Some(_) => Some(Event::Escalated),
            None => joined.raise(self.first_page(), severity, around, rules),
        };
        Step::Become { incident: Box::new(joined), page }
    }

    /// An anomaly of a closed incident that was never over. People know it, or it is the new normal.
    fn goes_on(&self, observation: &Observation, severity: Severity, rules: &Rules) -> Step {
        let mut known = Self { over_at: None, ..self.with(observation, severity) };
        if known.has_outgrown() {
            known.starts_level();
        }
        if is_due(known.level_since, observation.window_end, rules.accept_after) {
            known.state = IncidentState::Accepted;
        }
        Step::Become { incident: Box::new(known), page: None }
    }

    fn reopens(&self, observation: &Observation, severity: Severity, around: &Around, rules: &Rules) -> Step {
        let reopened = Self {
            state: IncidentState::Open,
            level_since: observation.window_end,
            level_at_start: Some(observation.figures.deviation()),
            closed_at: None,
            over_at: None,
            level: observation.figures.deviation(),
            notified: None,
            ..self.with(observation, severity)
        };
        reopened.begins(Event::Reopened, severity, observation.window_end, around, rules)
    }

    /// Whether the series was back inside for long enough, and only its story kept the incident open.
    fn is_ripe(&self, around: &Around, rules: &Rules) -> bool {
        self.over_at.is_none() && self.recovery >= rules.resolve_after && !self.waits(around)
    }

    /// The series was back inside in so many newer windows in a row.
    fn calms(&self, observation: &Observation, recovery: u32, around: &Around, rules: &Rules) -> Step {
        if self.over_at.is_some() {
            return Step::Stay;
        }
        let mut calmer = self.at(observation, recovery);
        let mut page = None;
        if calmer.is_ripe(around, rules) {
            calmer.over_at = Some(observation.window_end);
            if self.is_open() {
                calmer.state = IncidentState::Resolved;
                calmer.closed_at = Some(observation.window_end);
                page = self.alerting.then_some(Event::Resolved);
            }
        }
        Step::Become { incident: Box::new(calmer), page }
    }

    /// A newer window has no verdict. The incident stays unchanged meanwhile. After a day nobody should wait for it any
    /// more.
    fn goes_unjudged(&self, observation: &Observation) -> Step {
        let now = observation.window_end;
        if self.over_at.is_some() {
            return Step::Stay;
        }
        let Some(since) = self.unjudged_since else {
            let unjudged = Self { unjudged_since: Some(now), last_window: now, ..self.clone() };
            return Step::Become { incident: Box::new(unjudged), page: None };
        };
        if now.duration_since(since) < Rules::STALE_AFTER {
            return Step::Stay;
        }
        let mut stale = Self { over_at: Some(now), last_window: now, ..self.clone() };
        let mut page = None;
        if self.is_open() {
            stale.state = IncidentState::Stale;
            stale.closed_at = Some(now);
            page = self.alerting.then_some(Event::Stale);
        }
        Step::Become { incident: Box::new(stale), page }
    }

    fn peak_with(&self, observation: &Observation) -> f64 {
        let (peak, score) = (self.peak_z_score, observation.figures.z_score);
        if score.abs() > peak.abs() { score } else { peak }
    }

    /// The shortest window that saw the incident at its highest severity, and its change when it last did.
    fn seen_with(&self, observation: &Observation, severity: Severity, is_late: bool) -> (u8, Option<f64>) {
        let Observation { seen_by, change, .. } = *observation;
        let is_shorter = seen_by < self.seen_by || (seen_by == self.seen_by && !is_late);
        if severity > self.severity || (severity == self.severity && is_shorter) {
            (seen_by, change)
        } else {
            (self.seen_by, self.change)
        }
    }

    /// Its cost with that of a newer window.
    fn costs_with(&self, observation: &Observation) -> Option<Costs> {
        let Some(window) = &observation.cost else { return self.costs };
        let hours_since = observation.window_end.duration_since(self.last_seen).as_secs_f64() / 3_600.0;
        Some(self.costs.map_or_else(|| Costs::of(window), |costs| costs.after(window, hours_since)))
    }

    fn with(&self, observation: &Observation, severity: Severity) -> Self {
        let (seen_by, change) = self.seen_with(observation, severity, false);
        Self {
            costs: self.costs_with(observation),
            severity: self.severity.max(severity),
            latest_severity: severity,
            last_seen: observation.window_end,
            anomalies: self.anomalies + 1,
            peak_z_score: self.peak_with(observation),
            seen_by,
            change,
            ..self.at(observation, 0)
        }
    }

    fn at(&self, observation: &Observation, recovery: u32) -> Self {
        let Observation { window_end, figures, .. } = *observation;
        Self { last_window: window_end, latest: figures, recovery, unjudged_since: None, ..self.clone() }
    }
}
