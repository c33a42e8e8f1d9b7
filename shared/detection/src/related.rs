//! Incidents that are probably of one cause: of the same hour and customer, of the same hour and metric, or one that moved
//! a few hours before the other.
//!
//! Two series are compared by what is unusual in them: the value of each hour less the median of the same hours of the
//! seven days. So a day's shape that both have in common counts for nothing. Their correlation is Pearson's, at each shift
//! by at most [`MOST_LEAD`] hours. The strongest one counts if it is at least [`LEAST_CORRELATION`] in either direction.

use jiff::Timestamp;

mod openings;

pub use openings::{First, OneCause, Openings};

use crate::hour::Hour;
use crate::incident::{IncidentId, Subject};
use crate::sorted;

/// Hours that are compared: seven days up to the later opening.
pub const COMPARED: usize = 7 * DAY;

/// One series may move so many hours before another.
pub const MOST_LEAD: usize = 6;

/// A weaker correlation says nothing.
pub const LEAST_CORRELATION: f64 = 0.6;

const DAY: usize = 24;

/// Two days of hours that both know. Fewer say nothing.
const FEWEST_PAIRS: usize = 2 * DAY;

/// An incident beside others.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub id: &'a IncidentId,
    pub subject: &'a Subject,
    pub opened_at: Timestamp,
    /// The values of its series in the compared hours, the oldest first. NaN is an unknown hour. Empty if nobody read them.
    pub hours: &'a [f64],
}

/// What two incidents have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The customer, and the hour in which they opened.
    Customer,
    /// The metric and direction, and the hour in which they opened.
    Metric,
    /// The customer, and a movement of one series that the other followed.
    Lead,
}

/// Another incident of the same cause.
#[derive(Clone, Debug)]
pub struct Related<'a> {
    pub incident: Candidate<'a>,
    /// At least one.
    pub links: Vec<Link>,
    /// None without a correlation that counts.
    pub movement: Option<Movement>,
}

/// How the series of two incidents move together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Movement {
    /// Hours by which the other series moves before the first one. Negative if it follows.
    pub lead_hours: i64,
    /// From -1 to 1.
    pub correlation: f64,
}

/// Those of the others that probably have the cause of the incident. The order of the others stays.
pub fn related<'a>(incident: &Candidate<'_>, others: &[Candidate<'a>]) -> Vec<Related<'a>> {
    let others = others.iter().filter(|other| other.id != incident.id);
    others.filter_map(|other| linked(incident, other)).collect()
}

/// The incident that moved first, of the incident and those related to it: by the movement of the series where they move
/// together, and otherwise by the openings. None if several were first in the same hour.
pub fn first_mover<'a>(incident: &Candidate<'a>, related: &[Related<'a>]) -> Option<&'a IncidentId> {
    let opened = Hour::holding(incident.opened_at);
    let moved = |of: &Related<'a>| {
        let by_movement = of.movement.map(|movement| opened.plus(-movement.lead_hours));
        (by_movement.unwrap_or_else(|| Hour::holding(of.incident.opened_at)), of.incident.id)
    };
    let mut all: Vec<_> = related.iter().map(moved).chain([(opened, incident.id)]).collect();
    all.sort_unstable();
    match &all[..] {
        [(first, id), (second, _), ..] if first < second => Some(id),
        _ => None,
    }
}

fn linked<'a>(incident: &Candidate<'_>, other: &Candidate<'a>) -> Option<Related<'a>> {
    let (mine, theirs) = (incident.subject, other.subject);
    let (hour, of_other) = (Hour::holding(incident.opened_at), Hour::holding(other.opened_at));
    let apart = hour.since(of_other).unsigned_abs();
    let is_same_customer = mine.customer_id == theirs.customer_id;
    let movement = (is_same_customer && apart <= MOST_LEAD as u64)
        .then(|| movement(incident.hours, other.hours))
        .flatten();
    let mut links = Vec::new();
    if apart == 0 && is_same_customer {
        links.push(Link::Customer);
    }
    if apart == 0 && (&mine.metric, mine.direction) == (&theirs.metric, theirs.direction) {
        links.push(Link::Metric);
    }
    if movement.is_some_and(|movement| movement.lead_hours != 0) {
        links.push(Link::Lead);
    }
    (!links.is_empty()).then_some(Related { incident: *other, links, movement })
}

/// The shift at which two series are most alike. None if they are not alike at any.
///
/// * `of`, `other`: the values of the same hours, the oldest first.
fn movement(of: &[f64], other: &[f64]) -> Option<Movement> {
    let (of, other) = (unusual(of), unusual(other));
    let most = MOST_LEAD as i64;
    let at = |lead_hours: i64| {
        let correlation = correlation(shifted(&of, &other, lead_hours))?;
        Some(Movement { lead_hours, correlation })
    };
    // Of equal ones the smallest shift counts.
    let shifts = (0..=most).flat_map(|lead| if lead == 0 { vec![0] } else { vec![lead, -lead] });
    let best = shifts
        .filter_map(at)
        .reduce(|best, next| if next.correlation.abs() > best.correlation.abs() { next } else { best })?;
    (best.correlation.abs() >= LEAST_CORRELATION).then_some(best)
}

/// The values less the median of the same hour of all days.
fn unusual(values: &[f64]) -> Vec<f64> {
    let usual: Vec<f64> = (0..DAY)
        .map(|hour| {
            let known = values.iter().skip(hour).step_by(DAY).copied().filter(|value| value.is_finite());
            let mut known: Vec<f64> = known.collect();
            known.sort_unstable_by(f64::total_cmp);
            sorted::median(&known).unwrap_or(f64::NAN)
        })
        .collect();
    values.iter().zip(usual.iter().cycle()).map(|(value, usual)| value - usual).collect()
}

/// The values of each hour beside those of the other series so many hours before, where both are known.
fn shifted<'a>(of: &'a [f64], other: &'a [f64], lead_hours: i64) -> impl Iterator<Item = (f64, f64)> + Clone {
    let skipped = usize::try_from(lead_hours.unsigned_abs()).unwrap_or(usize::MAX);
    let (of_skipped, other_skipped) = if lead_hours < 0 { (0, skipped) } else { (skipped, 0) };
    let pairs = of.iter().skip(of_skipped).zip(other.iter().skip(other_skipped));
    pairs.map(|(of, other)| (*of, *other)).filter(|(of, other)| of.is_finite() && other.is_finite())
}

/// Pearson's correlation. None for too few pairs, and where one side is constant.
fn correlation(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> Option<f64> {
    let count = pairs.clone().count();
    if count < FEWEST_PAIRS {
        return None;
    }
    let largest = |value: fn((f64, f64)) -> f64| {
        pairs.clone().map(value).fold(0.0, |most: f64, value| most.max(value.abs()))
    };
    // Squares of values above 1e154 would be infinite, so both sides are scaled to at most 1.
    let (of, other) = (largest(|(of, _)| of), largest(|(_, other)| other));
    let scaled = pairs.map(|(a, b)| (a / of, b / other));
    let mean = |value: fn((f64, f64)) -> f64| scaled.clone().map(value).sum::<f64>() / count as f64;
    let (mean_of, mean_other) = (mean(|(a, _)| a), mean(|(_, b)| b));
    let (mut both, mut squares_of, mut squares_other) = (0.0, 0.0, 0.0);
    for (a, b) in scaled {
        let (a, b) = (a - mean_of, b - mean_other);
        both += a * b;
        squares_of += a * a;
        squares_other += b * b;
    }
    let correlation = both / (squares_of.sqrt() * squares_other.sqrt());
    correlation.is_finite().then(|| correlation.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests;
