//! Checks of a chosen period. They read the usage of some customers in one query, and their incidents.

use std::collections::HashMap;
use std::time::Duration;

use catalog::{Aggregate, MetricSpec};
use catalog::{Policies, Said, Shard};
use detection::incident::{self, Incident};
use detection::{Age, BaselineDays, CustomerId, Direction, Excluded, Mark, Series, Window};
use futures::future::try_join_all;
use futures::try_join;
use jiff::Timestamp;
use warehouse::usage::{Patience, StepsRequest, SweepRequest, Tries, UsageError, UsageStep};

use crate::App;
use crate::answer::Serving;
use crate::error::Problem;

/// The usage of one customer in a window and its baseline.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    window: Window,
    oldest: Age,
    /// `None` without any usage in the time read.
    first_event: Option<Timestamp>,
    /// The first event of each metric in the time read.
    first_uses: Vec<Option<Timestamp>>,
    /// The values of all metrics, one metric after the other, each newest first.
    values: Vec<Option<f64>>,
    /// The incidents of all metrics.
    incidents: Vec<Incident>,
}

/// Customers whose incidents are read at the same time.
const CONCURRENT_CUSTOMERS: usize = 16;

impl Usage {
    /// The series of a metric of the catalog, without the windows of incidents.
    pub(crate) fn series(&self, app: &App, spec: &MetricSpec) -> Series<'_> {
        self.series_of(app, spec, self.values(app, spec))
    }

    /// A series of these values of the metric, by age, that counts as the metric's own does.
    pub(crate) fn series_of<'a>(
        &self,
        app: &App,
        spec: &MetricSpec,
        values: &'a [Option<f64>],
    ) -> Series<'a> {
        let counted = self.first_event.map_or(0, |first_event| self.window.counted(first_event, self.oldest));
        let place = place(app, spec);
        let first_use = place.and_then(|place| self.first_uses.get(place).copied().flatten());
        Series::new(values, counted, spec.missing, spec.never_negative())
            .used_since(first_use, &self.window, self.oldest)
            .excluding(self.excluded(spec))
    }

    /// The earlier windows of a metric that held an incident.
    fn excluded(&self, spec: &MetricSpec) -> Excluded {
        incident::excluded(self.incidents_of(spec), &self.window, self.oldest)
    }

    /// The incident that an anomaly of this window belongs to, if it exists already.
    pub(crate) fn incident(&self, spec: &MetricSpec, direction: Direction) -> Option<&Incident> {
        let end = self.window.end();
        let holds = |incident: &&Incident| {
            let goes_on = incident.over_at.is_none() || end <= incident.last_seen;
            incident.subject.direction == direction && incident.opened_at <= end && goes_on
        };
        self.incidents_of(spec).filter(holds).max_by_key(|incident| incident.opened_at)
    }

    fn incidents_of(&self, spec: &MetricSpec) -> impl Iterator<Item = &Incident> {
        self.incidents.iter().filter(move |incident| incident.subject.metric == spec.name)
    }

    /// The values of a metric by age. The current value is first.
    pub(crate) fn values(&self, app: &App, spec: &MetricSpec) -> &[Option<f64>] {
        let length = self.oldest.get() + 1;
        let values =
            place(app, spec).and_then(|number| self.values.get(number * length..(number + 1) * length));
        values.unwrap_or_default()
    }

    /// Whether the customer used nothing, of any metric, in the time read.
    pub(crate) fn is_of_nobody(&self) -> bool {
        self.first_event.is_none()
    }
}

/// The place of a metric in the catalog.
pub(crate) fn place(app: &App, spec: &MetricSpec) -> Option<usize> {
    app.catalog.metrics().iter().position(|other| other.name == spec.name)
}

/// The usage of all of these customers from one query, with their incidents.
pub(crate) async fn usage_of(
    app: &App,
    customers: &[CustomerId],
    window: Window,
    baseline_days: BaselineDays,
    now: Timestamp,
    serving: &Serving,
) -> Result<HashMap<CustomerId, Usage>, Problem> {
    let (mut usage, incidents) = try_join!(
        read_usage(app, customers, window, baseline_days, serving),
        incidents_of(app, customers, now)
    )?;
    for (customer, incidents) in incidents {
        if let Some(usage) = usage.get_mut(&customer) {
            usage.incidents = incidents;
        }
    }
    Ok(usage)
}

/// The incidents of each of these customers.
pub(crate) async fn incidents_of(
    app: &App,
    customers: &[CustomerId],
    now: Timestamp,
) -> Result<Vec<(CustomerId, Vec<Incident>)>, Problem> {
    let mut all = Vec::with_capacity(customers.len());
    for some in customers.chunks(CONCURRENT_CUSTOMERS) {
        let read = try_join_all(some.iter().map(|customer| app.store.incidents_of(customer, now))).await?;
        // The incidents of budgets are of no series.
        let is_of_series = |incident: &Incident| Mark::of_subject(&incident.subject).is_none();
        let incidents = read
            .into_iter()
            .map(|items| items.into_iter().map(|item| item.incident).filter(is_of_series).collect());
        all.extend(some.iter().cloned().zip(incidents));
    }
    Ok(all)
}

async fn read_usage(
    app: &App,
    customers: &[CustomerId],
    window: Window,
    baseline_days: BaselineDays,
    serving: &Serving,
) -> Result<HashMap<CustomerId, Usage>, Problem> {
    let mut tries = tries(app, serving);
    loop {
        let query_id = tries.query_id();
        let request = SweepRequest {
            window,
            baseline_days,
            catalog: &app.catalog,
            customers,
            shard: Shard::WHOLE,
            query_id: &query_id,
            deadline: serving.deadline,
        };
        match try_usage(app, &request).await {
            Ok(usage) => return Ok(usage),
            Err(error) => tries.again(error, false).await?,
        }
    }
}

/// One customer's usage of one metric in steps.
pub(crate) async fn steps(
    app: &App,
    customer: &CustomerId,
    metric: &MetricSpec,
    (start, end): (Timestamp, Timestamp),
    step: Duration,
    serving: &Serving,
) -> Result<Vec<UsageStep>, Problem> {
    let mut tries = tries(app, serving);
    loop {
        let query_id = tries.query_id();
        let request = StepsRequest { customer, metric, start, end, step, query_id: &query_id };
        match app.usage.steps(&request).await {
            Ok(values) => return Ok(values),
            Err(error) => tries.again(error, false).await?,
        }
    }
}

/// The policies that hold for these customers, with their feedback.
pub(crate) async fn policies_of(app: &App, customers: &[CustomerId]) -> Result<Policies, Problem> {
    let own = customers.iter().map(|customer| app.store.policy(Some(customer)));
    let feedback = customers.iter().map(|customer| app.store.feedback_of(customer));
    let (global, own, feedback) =
        try_join!(app.store.policy(None), try_join_all(own), try_join_all(feedback))?;
    let own = customers.iter().cloned().zip(own).filter(|(_, policy)| policy.version > 0).collect();
    let said = Said { feedback: feedback.into_iter().flatten().collect(), at: app.now()? };
    Ok(Policies::resolve(&app.catalog, &app.settings, global, own).with_feedback(&app.catalog, &said))
}

async fn try_usage(app: &App, request: &SweepRequest<'_>) -> Result<HashMap<CustomerId, Usage>, UsageError> {
    let SweepRequest { window, baseline_days, customers, .. } = *request;
    let oldest = window.oldest(baseline_days);
    let nothing = vec![None; (oldest.get() + 1) * app.catalog.metrics().len()];
    let unused = Usage {
        window,
        oldest,
        first_event: None,
        first_uses: Vec::new(),
        values: nothing,
        incidents: Vec::new(),
    };
    let mut usage: HashMap<_, _> =
        customers.iter().map(|customer| (customer.clone(), unused.clone())).collect();
    let (mut sweep, mut rows) = (app.usage.sweep(request).await?, 0);
    while let Some(row) = sweep.next().await? {
        rows += 1;
        // The answer holds only the requested customers, and their ids are text.
        let id = std::str::from_utf8(&row.customer_id).ok().and_then(|id| CustomerId::new(id).ok());
        let Some(found) = id.and_then(|id| usage.get_mut(&id)) else { continue };
        found.first_event = Some(row.first_event);
        found.first_uses = row.first_uses().collect();
        found.values = row.series().flatten().copied().collect();
    }
    // An answer without rows has two possible causes: none of the customers used anything, or the answer was cut before
    // its first row.
    if rows == 0 {
        match app.usage.count_customers(request).await? {
            0 => {}
            declared => return Err(app.usage.truncated(request.query_id, declared)),
        }
    }
    Ok(usage)
}

/// The tries of one query. Two queries of one request may run at the same time, so each has its own name.
pub(crate) fn tries<'a>(app: &'a App, serving: &Serving) -> Tries<'a> {
    let name = format!("{}-{}", serving.id, uuid::Uuid::new_v4().simple());
    Tries::new(&app.usage, name, Patience::OF_A_REQUEST, serving.deadline)
}

/// The corrections that an answer shows. Only a sum has any.
pub(crate) fn corrections(metric: &MetricSpec, step: &UsageStep) -> f64 {
    match metric.aggregate {
        Aggregate::Sum => step.corrections,
        _ => 0.0,
    }
}
