//! Rules about the incidents of one customer and direction, which are one story.

use detection::Window;
use detection::incident::{Event, Incident, IncidentState};
use store::{AnomalyItem, IncidentItem};

use crate::invariants::Watch;
use crate::rule::Rule;
use crate::table::Table;

impl Watch<'_> {
    /// Checks an anomaly that pages nobody, because the page of another incident tells of it. That incident is open when
    /// the first such anomaly is stored, and when a run begins that stores a later one.
    pub(crate) fn told_by_another(
        &mut self,
        before: Option<&Incident>,
        now: &Incident,
        window: &Window,
        table: &Table,
    ) {
        let Some(by) = &now.story else { return };
        // An incident that has seen the window sends no reminder for it any more.
        let has_seen = |by: &&IncidentItem| by.incident.last_window == window.end();
        if let Some(other) = table.incident(by).filter(has_seen)
            && self.is_outdated(&other.incident, window)
        {
            let what =
                format!("nobody is told of {}, since the page of {:?} is old", now.id(), other.incident);
            self.violated(Rule::Paged, what);
        }
        let joins = before.is_none_or(|before| before.story.as_ref() != Some(by));
        let is_open = table.incident(by).is_some_and(|by| by.incident.is_open());
        let closed_now = self.touched.get(by).is_some_and(|(scene, _)| *scene == self.scene);
        let is_normal = now.state == IncidentState::Accepted;
        if !is_open && (joins || !closed_now) && !is_normal {
            let what = format!("nobody is told of {}, since {by} is over: {now:?}", now.id());
            self.violated(Rule::Paged, what);
        }
    }

    /// Checks that no page calls people to a story that they know, and that no end is told while a story goes on.
    pub(crate) fn tells_once(
        &mut self,
        run: usize,
        now: &Incident,
        anomaly: Option<&AnomalyItem>,
        window: &Window,
        table: &Table,
    ) {
        let Some(page) = now.last_page else { return };
        let others: Vec<&IncidentItem> = self.others(run, now, table).collect();
        let severity = anomaly.map(|anomaly| anomaly.severity);
        let after = self.world.rules.accept_after;
        // An incident that this window accepts does not tell of what begins, and does not go on.
        let may_be_accepted =
            |other: &Incident| !after.is_zero() && window.end().duration_since(other.level_since) >= after;
        let knows = |other: &&&IncidentItem| {
            let Incident { opened_at, alerting, notified, last_page, .. } = &other.incident;
            let begins = last_page.is_some_and(|page| page.window_end >= window.end());
            *alerting
                && *opened_at < window.end()
                && !begins
                && *notified >= severity
                && !may_be_accepted(&other.incident)
                && !self.is_outdated(&other.incident, window)
        };
        let goes_on = |other: &&&IncidentItem| {
            let Incident { last_window, recovery, unjudged_since, alerting, story, .. } = &other.incident;
            let to_come = u32::from(*last_window < window.end());
            (*alerting || story.is_some())
                && recovery + to_come < self.world.rules.resolve_after
                && unjudged_since.is_none()
                && !may_be_accepted(&other.incident)
        };
        let wrong = match page.event {
            Event::Opened | Event::Reopened => others.iter().find(knows),
            Event::Resolved => others.iter().find(goes_on),
            _ => None,
        };
        if let Some(other) = wrong {
            let what = format!("{} is {} beside {:?}", now.id(), page.event.as_str(), other.incident);
            self.violated(Rule::Stories, what);
        }
    }

    /// Whether a reminder of an open incident is due, and was not sent.
    fn is_outdated(&self, incident: &Incident, window: &Window) -> bool {
        let after = self.world.rules.repeat_interval;
        let is_old =
            incident.last_page.is_some_and(|page| window.end().duration_since(page.window_end) >= after);
        incident.state == IncidentState::Open && !after.is_zero() && is_old
    }

    /// The other open incidents of the customer and direction that a run must know: nobody else changed them meanwhile.
    fn others<'a>(
        &self,
        run: usize,
        now: &Incident,
        table: &'a Table,
    ) -> impl Iterator<Item = &'a IncidentItem> {
        let of = |item: &&IncidentItem| {
            let Incident { subject, .. } = &item.incident;
            let is_known =
                self.touched.get(&item.id()).is_some_and(|(scene, by)| *scene < self.scene || *by == run);
            item.incident.is_open()
                && subject.customer_id == now.subject.customer_id
                && subject.direction == now.subject.direction
                && subject.metric != now.subject.metric
                && is_known
        };
        table.incidents.values().filter(of).collect::<Vec<_>>().into_iter()
    }
}
