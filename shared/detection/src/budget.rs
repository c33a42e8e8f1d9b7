//! Budgets: how much of a metric a customer may use in a calendar month, and when people are told.
//!
//! A budget is told at [`Mark`]s: at shares of the quota, and when the present pace would exhaust the quota days before the
//! month ends. All amounts are in the metric's unit. A quota in money is divided by the price.
//!
//! - used: the usage of the hours of the month so far
//! - share: `used / quota`
//! - pace: the usage of the last 168 hours, divided by 168. It is an amount an hour. The last week is a better guess than the
//!   month so far, which says little in the first days of a month and knows no weekend.
//! - exhausted: `(quota - used) / pace` hours after the newest hour
//!
//! The month is that of the newest hour, in the time zone of the customer. An hour of UTC belongs to the local day in which it
//! starts.
//!
//! Budgets fit into incidents as entities do. The subject of an incident is customer, metric and direction, and an entity: the
//! month and the mark, as in `budget / 2026-11 / 80 %`. The table holds one open incident of a subject, so two runs cannot open
//! two. An incident of a subject is never followed by another one, so a month has one of each mark. All that shows, sends or
//! acknowledges incidents works as it does for others. No model and no rule sees such an incident.
//!
//! [`decide`] opens the incident of a mark that is reached, and ends it when the month is over, the budget is gone, or the quota
//! was raised above what is used. It opens again if the raised quota is used up to its mark as well. An incident that a person
//! closed stays closed until then. A budget has no second window and no reminder.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::calendar::TimeZone;
use crate::hour::Hour;
use crate::incident::Subject;
use crate::money::{MOST, Price};
use crate::{CustomerId, Direction, EntityPath, MetricName, Severity};

mod anomaly;
mod incident;
#[cfg(test)]
mod tests;

pub use anomaly::{Found, anomaly};
pub use incident::{Level, decide};

/// A quota of a metric for each calendar month, as a policy writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// In the metric's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<f64>,
    /// In the currency of the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Takes back the budget of the policy for all customers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlimited: bool,
    /// The shares of the quota that are told; default 0.8 and 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shares: Option<Vec<f64>>,
    /// How many days before the end of the month the quota must be exhausted at the present pace, for people to be told;
    /// default 3. 0 tells nothing of the pace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_before_end: Option<u8>,
}

/// A field of a budget that cannot hold, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {allowed}")]
pub struct BudgetFault {
    pub field: &'static str,
    pub allowed: &'static str,
}

/// A budget that holds. All of it is valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// In the metric's unit; above 0.
    pub amount: f64,
    /// The price of one unit, if it is told in money, too.
    pub price: Option<Price>,
    marks: Vec<Mark>,
    days_before_end: u8,
}

/// When a budget is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// So many percent of the quota are used.
    Share(u16),
    /// The present pace would exhaust the quota days before the month ends.
    Pace,
}

/// A calendar month in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    /// Such as `2026-11`.
    pub name: String,
    pub first: Hour,
    /// The first hour after it.
    pub end: Hour,
}

/// What a customer used of a metric.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    /// In the month so far.
    pub in_month: f64,
    /// In the last [`WEEK`] hours.
    pub in_week: f64,
}

/// The hours that the pace is measured over.
pub const WEEK: i64 = 168;

/// The first name of the entity that stands for a budget.
const ENTITY: &str = "budget";

const PACE: &str = "pace";

impl Budget {
    const SHARES: [f64; 2] = [0.8, 1.0];
    const DAYS_BEFORE_END: u8 = 3;

    /// The most shares of a budget. Each can page once a month.
    pub const MOST_SHARES: usize = 5;

    /// What holds of it beside a price. `None` for a budget without a limit.
    ///
    /// # Errors
    ///
    /// When a field is out of its range, the budget names not exactly one limit, or a limit in money has no price.
    pub fn quota(&self, price: Option<Price>) -> Result<Option<Quota>, BudgetFault> {
        let fault = |field, allowed| Err(BudgetFault { field, allowed });
        let amount = match (self.quota, self.cost, self.unlimited) {
            (None, None, true) => return Ok(None),
            (Some(quota), None, false) if quota > 0.0 && quota <= MOST_USED => quota,
            (Some(_), None, false) => return fault("quota", "an amount above 0 and at most 1e24"),
            (None, Some(cost), false) if cost > 0.0 && cost <= MOST => match price {
                Some(price) => cost / price.get(),
                None => {
                    return fault(
                        "cost",
                        "only for a metric with a price above 0: set `price` in the catalog or in `metrics`, or give a `quota` \
                         in the metric's unit",
                    );
                }
            },
            (None, Some(_), false) => return fault("cost", "an amount above 0 and at most 1e15"),
            _ => return fault("quota", "exactly one of `quota`, `cost` and `unlimited` is needed"),
        };
        let days_before_end = self.days_before_end.unwrap_or(Self::DAYS_BEFORE_END);
        if days_before_end > 27 {
            return fault("days_before_end", "whole days from 0 to 27");
        }
        let shares = self.shares.as_deref().unwrap_or(&Self::SHARES);
        let mut marks: Vec<Mark> = shares.iter().filter_map(|share| Mark::of_share(*share)).collect();
        if marks.len() < shares.len() || marks.len() > Self::MOST_SHARES {
            return fault(
                "shares",
                "at most 5 shares of the quota from 0.01 to 10, in whole percent, such as [0.8, 1]",
            );
        }
        marks.sort_unstable();
        marks.dedup();
        if days_before_end > 0 {
            marks.push(Mark::Pace);
        }
        Ok(Some(Quota { amount, price: self.cost.and(price), marks, days_before_end }))
    }
}

/// The largest amount of a metric.
const MOST_USED: f64 = 1e24;

impl Quota {
    /// When it is told, the lowest share first.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The amount that a mark stands for: a share of the quota, or all of it.
    pub fn amount_of(&self, mark: Mark) -> f64 {
        match mark {
            Mark::Share(percent) => self.amount * f64::from(percent) / 100.0,
            Mark::Pace => self.amount,
        }
    }

    /// The smallest amount that is told, without regard to the pace.
    pub fn least(&self) -> f64 {
        let shares = self.marks.iter().filter(|mark| **mark != Mark::Pace);
        shares.map(|mark| self.amount_of(*mark)).reduce(f64::min).unwrap_or(f64::INFINITY)
    }

    /// The hours from the newest one on in which the pace must not exhaust the quota. 0 if the pace is not told.
    pub fn hours_of_pace(&self, month: &Month, newest: Hour) -> i64 {
        let days = i64::from(self.days_before_end);
        if days == 0 { 0 } else { (month.end.since(newest.plus(1)) - 24 * days).max(0) }
    }

    /// The first hour in which nothing is left at the present pace. `None` if the quota lasts for years or is used up.
    pub fn exhausted(&self, used: &Used, newest: Hour) -> Option<Hour> {
        let hours = (self.amount - used.in_month) / used.pace();
        (hours > 0.0 && hours < 100_000.0).then(|| newest.plus(1 + hours.floor() as i64))
    }

    /// What a mark comes to.
    pub fn level(&self, mark: Mark, used: &Used, month: &Month, newest: Hour) -> Level {
        let amount = self.amount_of(mark);
        let is_reached = match mark {
            Mark::Share(_) => used.in_month >= amount,
            Mark::Pace => {
                let hours = self.hours_of_pace(month, newest);
                hours > 0
                    && used.in_month < amount
                    && self.exhausted(used, newest).is_some_and(|at| at.since(newest.plus(1)) < hours)
            }
        };
        Level { amount, used: used.in_month, is_reached }
    }
}

impl Used {
    /// The mean usage of an hour of the last week.
    pub fn pace(&self) -> f64 {
        self.in_week / WEEK as f64
    }

    /// Whether both are numbers.
    pub fn is_known(&self) -> bool {
        self.in_month.is_finite() && self.in_week.is_finite()
    }
}

impl Mark {
    fn of_share(share: f64) -> Option<Self> {
        let percent = (100.0 * share).round();
        let is_whole = (100.0 * share - percent).abs() < 1e-6 && (1.0..=1_000.0).contains(&percent);
        is_whole.then_some(Self::Share(percent as u16))
    }

    /// All of the quota is more than a warning.
    pub fn severity(self) -> Severity {
        match self {
            Self::Share(100..) => Severity::Critical,
            Self::Share(_) | Self::Pace => Severity::Warning,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name.strip_suffix(" %") {
            Some(percent) => percent.parse().ok().map(Self::Share),
            None => (name == PACE).then_some(Self::Pace),
        }
    }

    /// The subject of its incident in a month.
    pub fn subject(self, customer_id: CustomerId, metric: MetricName, month: &Month) -> Option<Subject> {
        let entity = EntityPath::new(vec![ENTITY.to_owned(), month.name.clone(), self.to_string()]).ok();
        entity.map(|entity| Subject {
            customer_id,
            entity: Some(entity),
            metric,
            direction: Direction::Spike,
        })
    }

    /// The month and the mark of an incident's subject. `None` for any other subject.
    pub fn of_subject(subject: &Subject) -> Option<(&str, Self)> {
        Self::of_entity(subject.entity.as_ref()?)
    }

    /// The same of an entity.
    pub fn of_entity(entity: &EntityPath) -> Option<(&str, Self)> {
        match entity.names() {
            [first, month, mark] if first == ENTITY => Some((month, Self::parse(mark)?)),
            _ => None,
        }
    }
}

/// The last name of the entity, for people, too.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(percent) => write!(f, "{percent} %"),
            Self::Pace => f.write_str(PACE),
        }
    }
}

impl Month {
    /// The month that holds an hour. `None` beyond the range of times.
    pub fn holding(hour: Hour, zone: &TimeZone) -> Option<Self> {
        let first = zone.datetime(hour.start()).date().first_of_month();
        let next = first.last_of_month().tomorrow().ok()?;
        let beginning = |date: jiff::civil::Date| {
            let at = zone.timestamp(date.to_datetime(jiff::civil::Time::midnight()))?;
            let hour = Hour::holding(at);
            // In zones with half hours, an hour belongs to the day in which it starts.
            Some(if hour.start() < at { hour.plus(1) } else { hour })
        };
        let name = format!("{:04}-{:02}", first.year(), first.month());
        Some(Self { name, first: beginning(first)?, end: beginning(next)? })
    }
}
