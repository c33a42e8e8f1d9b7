//! An incident that may still go on, end or come back. All of it is kept in few bytes, without its texts.

use detection::incident::{Course, Event, Figures, Incident, IncidentId, IncidentState, Page, Subject};
use detection::text::rules::is_of_unseen_shape;
use detection::{AnomalyKind, Costs, Severity};
use jiff::Timestamp;
use store::{Former, IncidentItem};

use super::Stored;
use super::latest::{Latest, timestamp};

/// An incident without its subject, because the caller knows the subject. Times are Unix milliseconds, as in the store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kept {
    opened_at: i64,
    level_since: i64,
    unjudged_since: i64,
    last_seen: i64,
    last_window: i64,
    closed_at: i64,
    over_at: i64,
    page_at: i64,
    anomalies: u64,
    version: u64,
    peak_z_score: f64,
    latest: Figures,
    level: f64,
    /// NaN means none.
    level_at_start: f64,
    recovery: u32,
    state: IncidentState,
    severity: Severity,
    latest_severity: Severity,
    /// The type of its newest anomaly, if that is known.
    kind: Option<AnomalyKind>,
    notified: Option<Severity>,
    alerting: bool,
    /// The last page: its event, and whether it was a single page.
    page: Option<(Event, bool)>,
    /// Whether people have acted on the incident.
    is_handled: bool,
    /// Whether its newest anomaly is of the rule `unseen_shape`.
    is_of_shape: bool,
    seen_by: u8,
    /// NaN means none.
    change: f64,
    /// 0 means none.
    recurring: u32,
    /// The place of the story among those that the run knows, plus one. 0 means none.
    story: u32,
    /// The place of its cost among those that the run knows, plus one. 0 means none.
    costs: u32,
}

/// What some incidents have and most do not, kept apart.
#[derive(Default)]
pub(super) struct Rare {
    /// The incidents whose page tells of one that may go on.
    stories: Vec<IncidentId>,
    /// The costs of metrics with a price.
    costs: Vec<Costs>,
}

/// Stands for a missing time. No timestamp is as early.
const NEVER: i64 = i64::MIN;

impl Kept {
    /// * `rare`: takes what few incidents have.
    pub(super) fn of(item: &IncidentItem, rare: &mut Rare) -> Self {
        // Every field is named here, so that none can be forgotten.
        let Incident {
            subject: _,
            state,
            severity,
            opened_at,
            level_since,
            level_at_start,
            unjudged_since,
            last_seen,
            last_window,
            closed_at,
            over_at,
            anomalies,
            recovery,
            peak_z_score,
            latest,
            level,
            latest_severity,
            notified,
            alerting,
            last_page,
            seen_by,
            change,
            recurring,
            story,
            costs,
        } = &item.incident;
        Self {
            opened_at: opened_at.as_millisecond(),
            level_since: level_since.as_millisecond(),
            level_at_start: level_at_start.unwrap_or(f64::NAN),
            unjudged_since: unjudged_since.map_or(NEVER, Timestamp::as_millisecond),
            last_seen: last_seen.as_millisecond(),
            last_window: last_window.as_millisecond(),
            closed_at: closed_at.map_or(NEVER, Timestamp::as_millisecond),
            over_at: over_at.map_or(NEVER, Timestamp::as_millisecond),
            page_at: last_page.map_or(NEVER, |page| page.window_end.as_millisecond()),
            anomalies: *anomalies,
            version: item.version,
            peak_z_score: *peak_z_score,
            latest: *latest,
            level: *level,
            recovery: *recovery,
            state: *state,
            severity: *severity,
            latest_severity: *latest_severity,
            notified: *notified,
            alerting: *alerting,
            page: last_page.map(|page| (page.event, page.single)),
            kind: item.kind,
            is_handled: !item.history.is_empty(),
            is_of_shape: is_of_unseen_shape(&item.description),
            seen_by: *seen_by,
            change: change.unwrap_or(f64::NAN),
            recurring: recurring.unwrap_or(0),
            story: kept_apart(&mut rare.stories, story.as_ref()),
            costs: kept_apart(&mut rare.costs, costs.as_ref()),
        }
    }

    /// Whether the incident is active.
    pub(super) fn is_active(&self) -> bool {
        self.over_at == NEVER
    }

    /// Whether the incident is active, and its newest anomaly is of the rule `unseen_shape`.
    pub(super) fn is_shape(&self) -> bool {
        self.is_active() && self.is_of_shape
    }

    /// What the window that ends then made of the incident, if it was judged. An incident that a later window has judged, and that
    /// is open since this one or longer, counts as judged: a missed hour adds no more to it than an anomaly.
    pub(super) fn stored(&self, end: Timestamp) -> Option<Stored> {
        let end = end.as_millisecond();
        let page = self.page.filter(|(event, _)| self.page_at == end && !event.is_closing());
        let is_judged = self.last_window == end || (self.opened_at <= end && end < self.last_window);
        is_judged.then(|| Stored {
            anomaly: (self.last_seen >= end).then_some(self.latest_severity),
            page: page.map(|(_, single)| single),
        })
    }

    /// Its course.
    pub(super) fn course(&self) -> Course {
        Course {
            opened_at: timestamp(self.opened_at),
            last_seen: timestamp(self.last_seen),
            over_at: (self.over_at != NEVER).then(|| timestamp(self.over_at)),
            seen_by: self.seen_by,
            change: Some(self.change).filter(|change| !change.is_nan()),
            severity: self.severity,
        }
    }

    /// The latest incident of a subject has the greatest order.
    pub(super) fn order(&self) -> (i64, u64) {
        (self.opened_at, self.version)
    }

    /// This incident as the latest of its subject.
    pub(super) fn latest(&self, subject: &Subject, rare: &Rare) -> Latest {
        let incident = self.incident(subject, rare);
        let former = Former {
            subject: incident.subject.clone(),
            opened_at: incident.opened_at,
            is_open: incident.is_open(),
            version: self.version,
        };
        let history = (!self.is_handled).then(Vec::new);
        Latest { former, incident: Some(incident), description: None, kind: self.kind, history }
    }

    fn incident(&self, subject: &Subject, rare: &Rare) -> Incident {
        let window_end = timestamp(self.page_at);
        Incident {
            subject: subject.clone(),
            state: self.state,
            severity: self.severity,
            opened_at: timestamp(self.opened_at),
            level_since: timestamp(self.level_since),
            level_at_start: Some(self.level_at_start).filter(|level| !level.is_nan()),
            unjudged_since: (self.unjudged_since != NEVER).then(|| timestamp(self.unjudged_since)),
            last_seen: timestamp(self.last_seen),
            last_window: timestamp(self.last_window),
            closed_at: (self.closed_at != NEVER).then(|| timestamp(self.closed_at)),
            over_at: (self.over_at != NEVER).then(|| timestamp(self.over_at)),
            anomalies: self.anomalies,
            recovery: self.recovery,
            peak_z_score: self.peak_z_score,
            latest: self.latest,
            level: self.level,
            latest_severity: self.latest_severity,
            notified: self.notified,
            alerting: self.alerting,
            last_page: self.page.map(|(event, single)| Page { event, window_end, single }),
            seen_by: self.seen_by,
            change: Some(self.change).filter(|change| !change.is_nan()),
            recurring: (self.recurring > 0).then_some(self.recurring),
            story: brought_back(&rare.stories, self.story),
            costs: brought_back(&rare.costs, self.costs),
        }
    }
}

/// The place of a value among those that are kept apart, plus one. 0 means none.
fn kept_apart<T: Clone>(among: &mut Vec<T>, value: Option<&T>) -> u32 {
    let Some(value) = value else { return 0 };
    among.push(value.clone());
    // Memory cannot hold so many.
    u32::try_from(among.len()).unwrap_or(0)
}

fn brought_back<T: Clone>(among: &[T], place: u32) -> Option<T> {
    let place = usize::try_from(place).ok()?.checked_sub(1)?;
    among.get(place).cloned()
}
