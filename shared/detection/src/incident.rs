//! Incidents: what one deviation is over time, so that a spike that stays in 24 windows is one event and not 24.
//!
//! A pure state machine: the latest incident of a series and direction, one observation of a window, and the rules go
//! in; what the incident becomes and whether people are to be paged comes out. All times are those of windows, never of
//! a clock, so that a late run decides as a punctual one would have.
//!
//! ```text
//!            anomaly            inside, resolve_after runs          anomaly within reopen_within
//!   (none) ──────────► open ───────────────────────────► resolved ──────────────────────────────► open
//!                       │  ▲ anomalies join                  ▲
//!                       │  └──────────────                   │ a person
//!                       ├────────────────────────────────────┘
//!                       │ anomalous for accept_after
//!                       └──────────────────────────► accepted: the new normal, which raises nothing any more
//! ```
//!
//! A run that did not happen changes nothing, since only observations do. A run for a window older than the last one
//! that an incident saw adds to its count and changes nothing else.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    Comparison, CustomerId, Direction, Excluded, Finding, MetricName, Settings, Severity, Verdict, Window,
};

mod id;
mod people;
#[cfg(test)]
mod tests;

pub use id::IncidentId;
pub use people::Handled;

/// What an incident is about. There is at most one open incident for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    pub customer_id: CustomerId,
    pub metric: MetricName,
    pub direction: Direction,
}

/// One deviation of a series in one direction, from its first anomaly on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    #[serde(flatten)]
    pub subject: Subject,
    pub state: IncidentState,
    /// The highest severity of its anomalies.
    pub severity: Severity,
    /// End of the window of the first anomaly.
    #[serde(with = "millisecond::required")]
    pub opened_at: Timestamp,
    /// Since when the level stands that may become the new normal: the opening, a reopening, or a doubling.
    #[serde(with = "millisecond::required")]
    pub level_since: Timestamp,
    /// End of the newest anomalous window.
    #[serde(with = "millisecond::required")]
    pub last_seen: Timestamp,
    /// End of the newest window that changed anything about it.
    #[serde(with = "millisecond::required")]
    pub last_window: Timestamp,
    /// When it was resolved or accepted.
    #[serde(default, with = "millisecond::optional", skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Since when the series of a closed incident is back inside. One that a person resolved, or that was accepted, may
    /// well go on, and its anomalies then raise nothing.
    #[serde(default, with = "millisecond::optional", skip_serializing_if = "Option::is_none")]
    pub over_at: Option<Timestamp>,
    /// Anomalies that belong to it.
    pub anomalies: u64,
    /// Windows in a row in which the series was back inside.
    pub quiet_runs: u32,
    /// The z-score that is farthest from zero.
    pub peak_z_score: f64,
    /// What the newest window looked like.
    pub latest: Figures,
    /// The deviation that people know: that of the opening, or of the last page since.
    pub level: f64,
    /// Severity of the newest anomaly.
    pub latest_severity: Severity,
    /// The severity with which people were told that it is open, by a page or by a digest; none where nobody was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Severity>,
    /// A page of its own said that it is open, and none yet that it is over.
    pub alerting: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_page: Option<Page>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    Open,
    /// Somebody looks into it: no reminders.
    Acknowledged,
    Resolved,
    /// The deviation has become the new normal.
    Accepted,
}

/// The figures of a window beside its baseline, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    pub current_value: f64,
    pub baseline_mean: f64,
    pub baseline_stddev: f64,
    pub z_score: f64,
}

/// The last page about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub event: Event,
    /// End of the window that led to it.
    #[serde(with = "millisecond::required")]
    pub window_end: Timestamp,
    /// Whether it was a page of its own; otherwise a digest of many told of it.
    pub single: bool,
}

/// Why people are paged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    Opened,
    /// It has become critical, or its deviation has doubled since the last page.
    Escalated,
    Reopened,
    /// It is still open, and nobody has acknowledged it.
    Reminder,
    /// The level stays, and is the new normal from here on.
    Accepted,
    Resolved,
    Acknowledged,
}

/// One series in one window, as seen from one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    pub window_end: Timestamp,
    pub seen: Seen,
    pub figures: Figures,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    Anomalous(Severity),
    /// Back inside: well below the threshold, or by too little to matter.
    Inside,
    /// No anomaly, and not back inside either.
    Between,
}

/// How patient incidents are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Windows in a row back inside after which an incident is resolved; at least 1.
    pub resolve_after: u32,
    /// How long after its end a deviation that comes back is still the same incident.
    pub reopen_within: SignedDuration,
    /// How long a level must stay to become the new normal; zero is never.
    pub accept_after: SignedDuration,
    /// Time between reminders; zero is never.
    pub repeat_interval: SignedDuration,
    /// Least severity that pages.
    pub min_severity: Severity,
}

/// What an observation makes of an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing.
    Stay,
    /// It was made of it before; with the page that it led to then.
    Repeated(Option<Page>),
    /// The incident as it is from now on, and the page that it calls for. Whoever sends the page, or lets a digest tell,
    /// notes that by [`Incident::note_page`] before it is stored.
    Become { incident: Box<Incident>, page: Option<Event> },
}

impl Rules {
    /// An incident counts as back inside below this share of the threshold, so that it does not flicker around it.
    pub const INSIDE: f64 = 0.7;

    /// Growth of the deviation since the last page that is worth another one.
    pub const ESCALATION: f64 = 2.0;
}

/// What `observation` makes of the latest incident of a subject.
///
/// `muted`: a planned event covers the window, so nobody is to be paged about it. That something is over is told even
/// so, since somebody may be waiting for it.
pub fn advance(
    latest: Option<&Incident>,
    subject: &Subject,
    observation: &Observation,
    muted: bool,
    rules: &Rules,
) -> Step {
    let Some(incident) = latest else {
        return match observation.seen {
            Seen::Anomalous(severity) => {
                Incident::open(subject.clone(), observation, severity).page_for(severity, muted, rules)
            }
            Seen::Inside | Seen::Between => Step::Stay,
        };
    };
    match observation.seen {
        Seen::Anomalous(_) if observation.window_end < incident.last_window => {
            let counted = Incident { anomalies: incident.anomalies + 1, ..incident.clone() };
            Step::Become { incident: Box::new(counted), page: None }
        }
        Seen::Anomalous(_) if observation.window_end == incident.last_seen => {
            Step::Repeated(incident.last_page.filter(|page| page.window_end == observation.window_end))
        }
        Seen::Anomalous(severity) => incident.deviates(observation, severity, muted, rules),
        Seen::Inside | Seen::Between if observation.window_end <= incident.last_window => Step::Stay,
        Seen::Inside => incident.calms(observation, rules),
        Seen::Between if incident.quiet_runs == 0 => Step::Stay,
        Seen::Between => Step::Become { incident: Box::new(incident.at(observation, 0)), page: None },
    }
}

/// The earlier windows that a baseline leaves out because one of a series' incidents was in them.
///
/// An anomaly must not hide the next one. What was accepted is the new normal and counts.
pub fn excluded<'a>(
    incidents: impl IntoIterator<Item = &'a Incident>,
    window: &Window,
    baseline_windows: usize,
) -> Excluded {
    let mut excluded = Excluded::default();
    for incident in incidents {
        if incident.state == IncidentState::Accepted
            || incident.last_seen < window.earlier(baseline_windows).end()
        {
            continue;
        }
        let was_in = |age: &usize| {
            let end = window.earlier(*age).end();
            incident.opened_at <= end && end <= incident.last_seen
        };
        (1..=baseline_windows).filter(was_in).for_each(|age| excluded.mark(age));
    }
    excluded
}

impl Incident {
    pub fn id(&self) -> IncidentId {
        IncidentId::of(self.opened_at, &self.subject)
    }

    /// Whether it still stands: it is open, or acknowledged.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Whether it is over for so long that an anomaly of the window that ends then begins another incident, whatever else
    /// is known of this one.
    pub fn is_past(&self, window_end: Timestamp, rules: &Rules) -> bool {
        !self.is_open()
            && self.last_window.max(self.last_seen) < window_end
            && self.over_at.is_some_and(|over_at| window_end.duration_since(over_at) > rules.reopen_within)
    }

    /// Notes that people are paged, by a page of its own (`single`) or by a digest.
    pub fn note_page(&mut self, event: Event, single: bool) {
        if event.is_closing() {
            self.alerting = false;
            self.told = None;
        } else {
            self.told = Some(self.latest_severity);
            self.alerting |= single;
            self.level = self.latest.deviation();
        }
        self.last_page = Some(Page { event, window_end: self.last_window, single });
    }

    fn open(subject: Subject, observation: &Observation, severity: Severity) -> Self {
        let Observation { window_end, figures, .. } = *observation;
        Self {
            subject,
            state: IncidentState::Open,
            severity,
            opened_at: window_end,
            level_since: window_end,
            last_seen: window_end,
            last_window: window_end,
            closed_at: None,
            over_at: None,
            anomalies: 1,
            quiet_runs: 0,
            peak_z_score: figures.z_score,
            latest: figures,
            level: figures.deviation(),
            latest_severity: severity,
            told: None,
            alerting: false,
            last_page: None,
        }
    }

    /// The page for an incident that nobody was told of so far.
    fn page_for(self, severity: Severity, muted: bool, rules: &Rules) -> Step {
        let page = (severity >= rules.min_severity && !muted).then_some(Event::Opened);
        Step::Become { incident: Box::new(self), page }
    }

    /// Another anomaly of the same direction, in a newer window.
    fn deviates(&self, observation: &Observation, severity: Severity, muted: bool, rules: &Rules) -> Step {
        let doubled = observation.figures.deviation() >= Rules::ESCALATION * self.level;
        // What was closed while it was mild was not closed for what it has become.
        let worse = doubled || severity > self.severity;
        let within = |since: Timestamp| observation.window_end.duration_since(since) <= rules.reopen_within;
        match (self.state, self.over_at) {
            (IncidentState::Open | IncidentState::Acknowledged, _) => {
                self.joins(observation, severity, doubled, muted, rules)
            }
            (IncidentState::Accepted, over_at) if !worse && over_at.is_none_or(within) => {
                self.goes_on(observation, severity, rules)
            }
            (IncidentState::Resolved, None) if !worse => self.goes_on(observation, severity, rules),
            (IncidentState::Resolved, Some(over_at)) if within(over_at) => {
                self.reopens(observation, severity, muted, rules)
            }
            _ => Self::open(self.subject.clone(), observation, severity).page_for(severity, muted, rules),
        }
    }

    fn joins(
        &self,
        observation: &Observation,
        severity: Severity,
        doubled: bool,
        muted: bool,
        rules: &Rules,
    ) -> Step {
        let now = observation.window_end;
        let mut joined = self.with(observation, severity);
        let loud = severity >= rules.min_severity && !muted;
        if self.told.is_none() && loud {
            let event = match (severity > self.severity, self.last_page) {
                (true, _) => Event::Escalated,
                (false, None) => Event::Opened,
                (false, Some(_)) => Event::Reopened,
            };
            return Step::Become { incident: Box::new(joined), page: Some(event) };
        }
        if loud && (doubled || self.told.is_some_and(|told| severity > told)) {
            joined.level_since = if doubled { now } else { self.level_since };
            return Step::Become { incident: Box::new(joined), page: Some(Event::Escalated) };
        }
        if is_due(self.level_since, now, rules.accept_after) {
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

    /// An anomaly of a closed incident that was never over: people know it, or it is the new normal.
    fn goes_on(&self, observation: &Observation, severity: Severity, rules: &Rules) -> Step {
        let mut known = Self { over_at: None, ..self.with(observation, severity) };
        if is_due(self.level_since, observation.window_end, rules.accept_after) {
            known.state = IncidentState::Accepted;
        }
        Step::Become { incident: Box::new(known), page: None }
    }

    fn reopens(&self, observation: &Observation, severity: Severity, muted: bool, rules: &Rules) -> Step {
        let reopened = Self {
            state: IncidentState::Open,
            level_since: observation.window_end,
            closed_at: None,
            over_at: None,
            level: observation.figures.deviation(),
            told: None,
            ..self.with(observation, severity)
        };
        let page = (severity >= rules.min_severity && !muted).then_some(Event::Reopened);
        Step::Become { incident: Box::new(reopened), page }
    }

    /// The series is back inside in a newer window.
    fn calms(&self, observation: &Observation, rules: &Rules) -> Step {
        if self.over_at.is_some() {
            return Step::Stay;
        }
        let mut calmer = self.at(observation, self.quiet_runs + 1);
        let mut page = None;
        if calmer.quiet_runs >= rules.resolve_after {
            calmer.over_at = Some(observation.window_end);
            if self.is_open() {
                calmer.state = IncidentState::Resolved;
                calmer.closed_at = Some(observation.window_end);
                page = self.alerting.then_some(Event::Resolved);
            }
        }
        Step::Become { incident: Box::new(calmer), page }
    }

    fn with(&self, observation: &Observation, severity: Severity) -> Self {
        let (peak, score) = (self.peak_z_score, observation.figures.z_score);
        Self {
            severity: self.severity.max(severity),
            latest_severity: severity,
            last_seen: observation.window_end,
            anomalies: self.anomalies + 1,
            peak_z_score: if score.abs() > peak.abs() { score } else { peak },
            ..self.at(observation, 0)
        }
    }

    fn at(&self, observation: &Observation, quiet_runs: u32) -> Self {
        let Observation { window_end, figures, .. } = *observation;
        Self { last_window: window_end, latest: figures, quiet_runs, ..self.clone() }
    }
}

impl Observation {
    /// What a verdict says about incidents of a direction; `None` where it says nothing.
    pub fn of(
        verdict: &Verdict,
        window_end: Timestamp,
        settings: &Settings,
        direction: Direction,
    ) -> Option<Self> {
        let (comparison, seen) = match verdict {
            Verdict::Anomalous(Finding { comparison, severity, direction: found }) => {
                // An anomaly in the other direction ends this one as surely as usual values do.
                let seen = if *found == direction { Seen::Anomalous(*severity) } else { Seen::Inside };
                (comparison, seen)
            }
            Verdict::Normal(comparison) => {
                let inside = comparison.is_inside(settings, direction);
                (comparison, if inside { Seen::Inside } else { Seen::Between })
            }
            Verdict::Undetermined(_) => return None,
        };
        Some(Self { window_end, seen, figures: Figures::of(comparison) })
    }
}

impl Figures {
    pub fn of(comparison: &Comparison) -> Self {
        Self {
            current_value: comparison.current,
            baseline_mean: comparison.baseline.mean(),
            baseline_stddev: comparison.baseline.stddev(),
            z_score: comparison.z_score,
        }
    }

    /// Distance from the mean, in the metric's unit.
    pub fn deviation(&self) -> f64 {
        (self.current_value - self.baseline_mean).abs()
    }
}

impl Event {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Reopened => "reopened",
            Self::Reminder => "reminder",
            Self::Accepted => "accepted",
            Self::Resolved => "resolved",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// Whether it tells that nothing is left to do. Such pages are never held back: something waits for them.
    pub fn is_closing(self) -> bool {
        matches!(self, Self::Accepted | Self::Resolved)
    }
}

impl IncidentState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Accepted => "accepted",
        }
    }

    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged)
    }
}

/// Whether so much time has passed; never where it is zero.
fn is_due(since: Timestamp, now: Timestamp, after: SignedDuration) -> bool {
    after > SignedDuration::ZERO && now.duration_since(since) >= after
}

/// Times as Unix milliseconds.
mod millisecond {
    pub(super) use jiff::fmt::serde::timestamp::millisecond::{optional, required};
}
