//! What customers used in the month so far, as far as budgets need it: the question that a run asks.

use std::collections::BTreeSet;
use std::time::Instant;

use detection::budget::WEEK;
use detection::{CustomerId, Hour, Month, TimeZone, Used};
use warehouse::usage::{MonthsRequest, OfAll};

use crate::known::Known;
use crate::pass::Pass;

pub use warehouse::usage::UsedSince;

/// What a query of the month so far must bring.
pub struct Asked<'a> {
    /// The first hour of each sum: of the month of all customers, of the last week, and of months in other zones.
    starts: Vec<Hour>,
    until: Hour,
    /// Those that anybody has a budget of.
    pub(crate) metrics: Vec<&'a str>,
    of_all: Vec<OfAll<'a>>,
    customers: Vec<&'a CustomerId>,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(pass: Pass<'a>, known: &'a Known) -> Self {
        let (policies, newest) = (pass.policies, newest(pass));
        let own = policies.with_own_budgets();
        let of_all = policies.zone_of_all().cloned().unwrap_or_default();
        let month = Month::holding(newest, &of_all);
        let first = month.as_ref().map_or(newest, |month| month.first);
        let mut others: BTreeSet<Hour> = own
            .iter()
            .filter_map(|customer| Month::holding(newest, &zone(pass, customer)))
            .map(|of| of.first)
            .collect();
        others.remove(&first);
        let metrics = pass.app.catalog.metrics().iter().enumerate();
        let is_budgeted = |metric: usize| {
            policies.budget_of_all(metric).is_some()
                || own.iter().any(|customer| policies.budget(customer, metric).is_some())
        };
        let budgeted = metrics.clone().filter(|(metric, _)| is_budgeted(*metric));
        let of_all = metrics.filter_map(|(metric, spec)| {
            let quota = policies.budget_of_all(metric)?;
            let hours = quota.hours_of_pace(month.as_ref()?, newest) as f64;
            Some(OfAll { metric: spec.name.as_str(), least: quota.least(), hours, quota: quota.amount })
        });
        // What was used of a budget with an open incident is told in any case, so that its end can say so.
        let open = known.budgets().values().filter(|item| item.incident.is_open());
        let open = open.map(|item| &item.incident.subject.customer_id);
        let customers: BTreeSet<&CustomerId> = own.iter().copied().chain(open).collect();
        Self {
            starts: [first, newest.plus(1 - WEEK)].into_iter().chain(others).collect(),
            until: newest.plus(1),
            metrics: budgeted.map(|(_, spec)| spec.name.as_str()).collect(),
            of_all: of_all.collect(),
            customers: customers.into_iter().collect(),
        }
    }

    /// What a row says of the month that begins with an hour.
    pub(crate) fn used(&self, row: &UsedSince, first: Hour) -> Option<Used> {
        let sum = |start: Hour| {
            let place = self.starts.iter().position(|of| *of == start)?;
            row.sums.get(place).copied()
        };
        Some(Used { in_month: sum(first)?, in_week: sum(self.until.plus(-WEEK))? })
    }

    /// The request for it.
    pub(crate) fn request<'r>(
        &'r self,
        catalog: &'r catalog::Catalog,
        name: &'r str,
        deadline: Instant,
    ) -> MonthsRequest<'r> {
        let Self { starts, until, metrics, of_all, customers } = self;
        MonthsRequest { catalog, starts, until: *until, metrics, of_all, customers, name, deadline }
    }
}

/// The zone of a customer's months.
pub(crate) fn zone(pass: Pass<'_>, customer: &CustomerId) -> TimeZone {
    pass.policies.time_zone(customer).cloned().unwrap_or_default()
}

/// The newest hour that counts.
pub(crate) fn newest(pass: Pass<'_>) -> Hour {
    Hour::holding(pass.window.end()).plus(-1)
}
