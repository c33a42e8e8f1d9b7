//! The story of a customer: the incidents of one direction that are open together.
//!
//! - The first page of a story tells of all that open later. What opens in the same window is paged as well.
//! - A page that no reminder repeats tells of the others until a reminder would be due. After that they page, unless
//!   somebody acknowledged the incident.
//! - One whose level began in the first half of the time to acceptance is accepted with the one that told of it.
//! - One that is worse than people know escalates.
//! - The incidents that were paged end when the last incident of the story is over. Those that were not end by
//!   themselves, and nobody is told.
//!
//! What the others see of the same window counts, and not the order in which a run writes. So a run that is repeated
//! decides as before.

use jiff::Timestamp;

use super::around::{Around, Story, Told};
use super::id::Subject;
use super::machine::{Step, advance};
use super::model::{Event, Incident, IncidentState, Page};
use super::observation::{Observation, Seen};
use super::rules::{Rules, is_due};

/// One metric of a customer in a window, watched in one direction.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    pub subject: &'a Subject,
    /// Its latest incident, as it was before the window.
    pub latest: Option<&'a Incident>,
    /// What the incident sees of the window. None if nothing was judged.
    pub observation: Option<&'a Observation>,
    pub muted: bool,
    /// How many earlier incidents an opening repeats.
    pub recurring: Option<u32>,
}

impl Story {
    /// What the other incidents of a customer and direction mean for one, in the window that ends then.
    pub fn around<'a>(
        window_end: Timestamp,
        others: impl IntoIterator<Item = Watched<'a>>,
        rules: &Rules,
    ) -> Self {
        let mut story = Self::default();
        for other in others {
            let (after, page) = other.after(rules);
            story.goes_on |= after.as_ref().is_some_and(|after| goes_on(after, page, rules));
            let told = other.latest.zip(after.as_ref()).and_then(|(before, after)| {
                let is_known =
                    tells(before, after, window_end) && !is_outdated(before, page, window_end, rules);
                is_known.then(|| {
                    let seen = other.observation.map(|observation| observation.seen);
                    let escalated = match (page, seen) {
                        (Some(Event::Escalated), Some(Seen::Anomalous(severity))) => Some(severity),
                        _ => None,
                    };
                    let severity = before.notified.max(escalated)?;
                    Some(Told { by: before.id(), severity, level_since: after.level_since })
                })?
            });
            // The oldest page is the one that people know.
            if let Some(told) = told
                && story.told.as_ref().is_none_or(|known| told.severity > known.severity)
            {
                story.told = Some(told);
            }
        }
        story
    }
}

impl Watched<'_> {
    /// The effect of the window on the incident, and the page of another incident that would tell of it.
    ///
    /// * `others`: the other metrics of the customer in the same direction.
    pub fn decide<'a>(
        &self,
        others: impl IntoIterator<Item = Watched<'a>>,
        rules: &Rules,
    ) -> (Step, Option<Told>) {
        let Some(observation) = self.observation else { return (Step::Stay, None) };
        let story = Story::around(observation.window_end, others, rules);
        let told = story.told.clone();
        (self.step(observation, story, rules), told)
    }

    /// Whether the window opens another incident if the metric is alone. Only such a one may repeat earlier ones.
    pub fn opens(&self, rules: &Rules) -> bool {
        let alone = Self { muted: false, recurring: None, ..*self };
        let (after, _) = alone.after(rules);
        after.is_some_and(|after| self.latest.is_none_or(|before| before.opened_at != after.opened_at))
    }

    /// The incident after the window if it were alone, and its page.
    fn after(&self, rules: &Rules) -> (Option<Incident>, Option<Event>) {
        match self.observation.map(|seen| self.step(seen, Story::default(), rules)) {
            Some(Step::Become { incident, page }) => (Some(*incident), page),
            None | Some(Step::Stay | Step::Repeated(_)) => (self.latest.cloned(), None),
        }
    }

    fn step(&self, observation: &Observation, story: Story, rules: &Rules) -> Step {
        let around = Around { muted: self.muted, recurring: self.recurring, story };
        advance(self.latest, self.subject, observation, &around, rules)
    }
}

/// Whether people were paged about an incident before this window, and it is not closed by anything but its end.
fn tells(before: &Incident, after: &Incident, window_end: Timestamp) -> bool {
    // The first page of one that joined a story is an escalation.
    let begins = |event: Event| match event {
        Event::Opened | Event::Reopened => true,
        event => event == Event::Escalated && before.story.is_some(),
    };
    let begins_now = before.last_page.is_some_and(|page| page.window_end >= window_end && begins(page.event));
    let is_closed = matches!(after.state, IncidentState::Accepted | IncidentState::Stale);
    before.is_open() && before.alerting && before.opened_at < window_end && !begins_now && !is_closed
}

/// Whether the last page is so old that a reminder is due, and no page is sent. People who acknowledged an incident look
/// into it, so they need no reminder.
fn is_outdated(before: &Incident, page: Option<Event>, window_end: Timestamp, rules: &Rules) -> bool {
    let is_due = |page: Page| is_due(page.window_end, window_end, rules.repeat_interval);
    before.state == IncidentState::Open
        && page.is_none_or(Event::is_closing)
        && before.last_page.is_some_and(is_due)
}

/// Whether an incident is one of those that people were told of, or would be told of, and is not over.
fn goes_on(after: &Incident, page: Option<Event>, rules: &Rules) -> bool {
    let is_of_story = after.alerting || after.story.is_some() || page.is_some_and(|page| !page.is_closing());
    after.is_open() && is_of_story && after.recovery < rules.resolve_after
}

#[cfg(test)]
mod tests;
