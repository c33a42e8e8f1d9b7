//! The incidents that a window opens, for the line of a page about what probably has one cause.

use std::collections::HashSet;

use detection::CustomerId;
use detection::incident::Step;
use detection::related::{MOST_LEAD, OneCause, Openings};
use jiff::SignedDuration;

use crate::candidate::Candidate;
use crate::decide::{Group, Recurring, by_customer, subject};
use crate::known::Known;
use crate::pass::Pass;
use crate::plan::PagePlan;
use crate::spool::Spool;

/// The openings of a pass. Looks at every candidate once, and only if a page goes out.
pub(crate) fn of(
    pass: Pass<'_>,
    known: &Known,
    recurring: &Recurring,
    candidates: &mut Spool<Candidate>,
    plan: &PagePlan,
) -> anyhow::Result<Openings> {
    let mut openings = Openings::default();
    let paged: HashSet<CustomerId> = plan.pages().map(|key| pass.app.catalog.who(key).0).collect();
    if paged.is_empty() {
        return Ok(openings);
    }
    for group in by_customer(candidates.read()?) {
        let group = Group::new(pass, known, recurring, group?);
        for candidate in group.candidates().iter().filter(|candidate| opens(pass, &group, candidate)) {
            let subject = subject(pass.app, candidate);
            openings.note(&subject, paged.contains(&subject.customer_id));
        }
    }
    Ok(openings)
}

/// What probably has the cause of the incident that a candidate opens.
pub(crate) fn beside(
    pass: Pass<'_>,
    openings: &Openings,
    group: &Group<'_>,
    candidate: &Candidate,
) -> Option<OneCause> {
    let one_cause = openings.beside(&subject(pass.app, candidate))?;
    let hours = SignedDuration::from_hours(MOST_LEAD as i64);
    let since = pass.window.end().saturating_sub(hours).unwrap_or(pass.window.end());
    Some(one_cause.after(group.opened_first(candidate, since)))
}

/// Whether a candidate opens an incident in this window, or opened it when the window was judged before. The data of all
/// customers together are beside nobody, and so is what a mute covers.
fn opens(pass: Pass<'_>, group: &Group<'_>, candidate: &Candidate) -> bool {
    let end = pass.window.end();
    match group.decide(candidate).step {
        _ if candidate.is_of_all_customers() || candidate.mute(pass).is_some() => false,
        Step::Become { incident, .. } => incident.is_open() && incident.opened_at == end,
        Step::Repeated(_) => {
            let latest = group.latest(candidate).and_then(|latest| latest.incident);
            latest.is_some_and(|incident| incident.opened_at == end)
        }
        Step::Stay => false,
    }
}
