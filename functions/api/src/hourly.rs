//! Checks as the runs make them: the hours of some customers, judged by models of the week.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use catalog::{MetricSpec, Policies, Shard};
use detection::incident::{self, Course, Incident};
use detection::model::{PeerWeek, Profile};
use detection::{
    Assessment, Calendar, CustomerId, Direction, Hour, Hours, Settings, Verdict, Window, entity,
};
use futures::try_join;
use jiff::{SignedDuration, Timestamp};
use warehouse::usage::{HoursRequest, KnownHours, Patience, UsageError};

use crate::App;
use crate::answer::Serving;
use crate::checking::{incidents_of, place, tries};
use crate::error::Problem;

/// The hours of one customer: those of a model, and those of the window.
#[derive(Clone, Debug)]
pub(crate) struct Hourly {
    newest: Hour,
    /// The first of the hours.
    first: Hour,
    /// The first hour that the model serves.
    day: Hour,
    /// `None` without any usage in the hours.
    customer_since: Option<Hour>,
    /// The hours of each metric, in the order of the catalog. NaN is an hour without events.
    values: Vec<Vec<f64>>,
    /// The incidents of all metrics.
    incidents: Vec<Incident>,
    /// Whether a series is in its first days.
    is_young: bool,
    /// The shape of a day of all customers by metric. Empty for a customer without young series.
    peers: Vec<Profile>,
}

/// What a run would make of a series.
pub(crate) struct Assessed {
    pub(crate) assessment: Assessment,
    /// The verdict beside the incidents of the series.
    pub(crate) verdict: Verdict,
    /// The value of the last 24 hours. `None` if it is not known.
    pub(crate) current: Option<f64>,
    /// Hours whose values are broken.
    pub(crate) broken: usize,
}

impl Hourly {
    /// Judges the windows of a metric that end with the newest hour.
    pub(crate) fn assess(
        &self,
        app: &App,
        customer: &CustomerId,
        spec: &MetricSpec,
        settings: &Settings,
        policies: &Policies,
    ) -> Assessed {
        let Self { newest, first, day, .. } = self;
        let calendar = &Calendar::declared(policies.time_zone(customer), *day);
        let peers = place(app, spec).and_then(|place| self.peers.get(place)).unwrap_or(&Profile::FLAT);
        let since = self.customer_since.unwrap_or(*first);
        let hours = self.hours(app, spec);
        let count = usize::try_from(newest.since(calendar.begin()) + 1).unwrap_or(0);
        let hours = match policies.muted_hours(customer, &spec.name, calendar.begin(), count) {
            None => hours,
            Some(muted) => hours.muted_at(calendar.begin(), &muted),
        };
        let end = newest.plus(1).start();
        let out: Vec<_> =
            self.incidents_of(spec).filter_map(|incident| incident::hours(incident, end)).collect();
        let grown = self.incidents_of(spec).filter_map(|incident| policies.confirmed_hours(incident));
        let confirmed: Vec<_> =
            grown.chain(policies.left_out(customer, &spec.name).iter().cloned()).collect();
        let is_out = |hour: Hour| {
            confirmed.iter().any(|hours| hours.contains(&hour))
                || out.iter().any(|hours| incident::stays_out(hours, hour, calendar.day()))
        };
        let assessment = detection::assess_without(is_out, &hours, *newest, since, calendar, peers, settings);
        let assessment = if assessment.is_anomalous() {
            let all: Vec<_> = app.catalog.metrics().iter().map(|spec| self.hours(app, spec)).collect();
            let all: Vec<_> = all.iter().collect();
            let of_entity = entity::isolation(&all, *newest, customer.as_str(), calendar.day());
            of_entity.into_iter().fold(assessment, Assessment::with_opinion)
        } else {
            assessment
        };
        let course = |direction| self.latest(spec, direction, end).map(Course::of);
        let verdict = incident::verdict_beside(&assessment, settings, end, course);
        let current = hours.day_until(*newest);
        Assessed { assessment, verdict, current, broken: hours.broken().len() }
    }

    /// The hours of a metric of the catalog.
    fn hours(&self, app: &App, spec: &MetricSpec) -> Hours {
        let values = place(app, spec).and_then(|place| self.values.get(place));
        let since = self.customer_since.unwrap_or(self.first);
        spec.hours(self.first, values.map_or(&[], Vec::as_slice), since)
    }

    /// The window of a day that ends with the newest hour. That of the runs ends later if the customer's usage arrives late.
    pub(crate) fn window(&self, of_runs: &Window) -> Window {
        Window::closing_at(self.newest.plus(1).start()).unwrap_or(*of_runs)
    }

    /// The incident that an anomaly of this window belongs to, if it exists already.
    pub(crate) fn incident(&self, spec: &MetricSpec, direction: Direction) -> Option<&Incident> {
        let end = self.newest.plus(1).start();
        self.latest(spec, direction, end)
            .filter(|incident| incident.over_at.is_none() || end <= incident.last_seen)
    }

    /// Whether the customer used nothing, of any metric, in the time read.
    pub(crate) fn is_of_nobody(&self) -> bool {
        self.customer_since.is_none()
    }

    /// The latest incident of a series that was open by then.
    fn latest(&self, spec: &MetricSpec, direction: Direction, end: Timestamp) -> Option<&Incident> {
        let of_direction = self
            .incidents_of(spec)
            .filter(|incident| incident.subject.direction == direction && incident.opened_at <= end);
        of_direction.max_by_key(|incident| incident.opened_at)
    }

    fn incidents_of(&self, spec: &MetricSpec) -> impl Iterator<Item = &Incident> {
        self.incidents.iter().filter(move |incident| incident.subject.metric == spec.name)
    }
}

/// The hours of all of these customers from one query, with their incidents.
///
/// * `policies`: say whose usage arrives late.
pub(crate) async fn hours_of(
    app: &App,
    customers: &[CustomerId],
    policies: &Policies,
    window: &Window,
    now: Timestamp,
    serving: &Serving,
) -> Result<HashMap<CustomerId, Hourly>, Problem> {
    let hours = read_hours(app, customers, policies, window, serving);
    let (mut hours, incidents) = try_join!(hours, incidents_of(app, customers, now))?;
    add_peers(app, &mut hours, serving).await?;
    for (customer, incidents) in incidents {
        if let Some(hours) = hours.get_mut(&customer) {
            hours.incidents = incidents;
        }
    }
    Ok(hours)
}

/// Adds the shapes of days of all customers where they count. As runs do, but without what a run kept.
async fn add_peers(
    app: &App,
    hours: &mut HashMap<CustomerId, Hourly>,
    serving: &Serving,
) -> Result<(), Problem> {
    let mut weeks = BTreeMap::new();
    for hours in hours.values_mut().filter(|hours| hours.is_young) {
        let week = PeerWeek::of(hours.day);
        if let Entry::Vacant(missing) = weeks.entry(week) {
            let name = format!("{}-{}", serving.id, uuid::Uuid::new_v4().simple());
            let how = (&*name, Patience::OF_A_REQUEST);
            missing.insert(app.usage.made_profiles(&app.catalog, week, how, serving.deadline).await?);
        }
        hours.peers.clone_from(&weeks[&week]);
    }
    Ok(())
}

async fn read_hours(
    app: &App,
    customers: &[CustomerId],
    policies: &Policies,
    window: &Window,
    serving: &Serving,
) -> Result<HashMap<CustomerId, Hourly>, Problem> {
    let latest = customers.iter().map(|customer| policies.delay_hours(customer)).max().unwrap_or(0);
    let hours = Calendar::SPAN + Calendar::HOURS + usize::from(latest);
    let length = SignedDuration::from_hours(hours as i64);
    let start = window.end().checked_sub(length).unwrap_or(Timestamp::MIN);
    let period = Window::between(start, window.end())
        .map_err(|error| Problem::invalid("current_end", error.to_string()))?;
    let mut tries = tries(app, serving);
    loop {
        let query_id = tries.query_id();
        let request = HoursRequest {
            period,
            catalog: &app.catalog,
            customers,
            shard: Shard::WHOLE,
            in_order: false,
            query_id: &query_id,
            deadline: serving.deadline,
        };
        match try_hours(app, policies, &request).await {
            Ok(hours) => return Ok(hours),
            Err(error) => tries.again(error, false).await?,
        }
    }
}

async fn try_hours(
    app: &App,
    policies: &Policies,
    request: &HoursRequest<'_>,
) -> Result<HashMap<CustomerId, Hourly>, UsageError> {
    let (start, end) = (Hour::holding(request.period.start()), Hour::holding(request.period.end()));
    let unused = |customer: &CustomerId| {
        let newest = end.plus(-1 - i64::from(policies.delay_hours(customer)));
        let (values, incidents, peers) = (Vec::new(), Vec::new(), Vec::new());
        Hourly {
            newest,
            first: start,
            day: newest,
            customer_since: None,
            values,
            incidents,
            is_young: false,
            peers,
        }
    };
    let mut all: HashMap<_, _> =
        request.customers.iter().map(|customer| (customer.clone(), unused(customer))).collect();
    let mut stream = app.usage.hours(request).await?;
    while let Some(row) = stream.next().await? {
        // The answer holds only the requested customers, and their ids are text.
        let id = std::str::from_utf8(&row.customer_id).ok().and_then(|id| CustomerId::new(id).ok());
        let Some(found) = id.and_then(|id| all.get_mut(&id)) else { continue };
        found.day = found.newest.latest_at(row.bucket);
        found.is_young = row.has_young_series(start, found.day);
        let begin = found.day.plus(-(Calendar::SPAN as i64));
        let KnownHours { first, customer_since, skipped } = row.known(begin, start);
        (found.first, found.customer_since) = (first, Some(customer_since));
        let count = usize::try_from(found.newest.since(start) + 1).unwrap_or(0);
        let known = |values: &[f64]| values.get(skipped..count).unwrap_or_default().to_vec();
        found.values = row.series().map(known).collect();
    }
    if stream.may_be_cut() {
        match app.usage.count_customers_with_hours(request).await? {
            0 => {}
            declared => return Err(app.usage.truncated(request.query_id, declared)),
        }
    }
    Ok(all)
}
