//! The usual values of each hour of a customer or an entity, for charts: by models of the week, or by the rules of the metric.
//!
//! Both are what a run of that hour decides by. A model is fitted from the 32 days before its day, and rules compare with the
//! days before the hour. So a later change of the past moves a band, and the anomalies that a run stored stay.

use std::collections::BTreeMap;

use catalog::{Catalog, MetricRule, MetricSpec, Policies, Shard};
use detection::ensemble::usual_range;
use detection::incident::{self, Incident};
use detection::model::Profile;
use detection::rules::{Limits, Past};
use detection::{Calendar, Counts, CustomerId, Histogram, Hour, Model, Window};
use warehouse::usage::{CustomerHours, EventFigures, EventsOfHour, HoursRequest, KnownHours, SeenRequest};
use warehouse::usage::{UsageError, UsageReader};

use crate::App;
use crate::answer::Serving;
use crate::checking::tries;
use crate::error::Problem;
use crate::usual;

/// The hours of a series, `[first, end)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) first: Hour,
    pub(crate) end: Hour,
}

/// A metric of a customer, or of an entity of a source.
#[derive(Clone, Copy)]
pub(crate) struct Series<'a> {
    pub(crate) source: &'a Catalog,
    pub(crate) spec: &'a MetricSpec,
    /// Of the customer or entity, in the rollup.
    pub(crate) key: &'a CustomerId,
}

impl Range {
    pub(crate) fn hours(self) -> impl Iterator<Item = Hour> {
        (0..self.end.since(self.first)).map(move |hour| self.first.plus(hour))
    }
}

/// The band of each hour by the models of its day. None in the first days of a series.
///
/// * `policies`: those of the source, with the settings and mutes of the customer.
/// * `incidents`: those of the customer. Models leave their hours out.
pub(crate) async fn of_models(
    app: &App,
    series: Series<'_>,
    range: Range,
    policies: &Policies,
    incidents: &[Incident],
    serving: &Serving,
) -> Result<Vec<Limits>, Problem> {
    // The models of the first hours begin up to a day before them.
    let back = (Calendar::SPAN + Calendar::HOURS) as i64;
    let period = Window::between(range.first.plus(-back).start(), range.end.start())
        .map_err(|error| Problem::invalid("from", error.to_string()))?;
    let mut tries = tries(app, serving);
    loop {
        let query_id = tries.query_id();
        let request = HoursRequest {
            period,
            catalog: series.source,
            customers: std::slice::from_ref(series.key),
            shard: Shard::WHOLE,
            in_order: false,
            query_id: &query_id,
            deadline: serving.deadline,
        };
        let bands = |hours: &CustomerHours| {
            Modelled { series, read_from: Hour::holding(period.start()), hours, policies, incidents }
                .bands(range)
        };
        match read_hours(&app.usage, &request, bands).await {
            Ok(bands) => {
                return Ok(bands.unwrap_or_else(|| range.hours().map(|_| Limits::default()).collect()));
            }
            Err(error) => tries.again(error, false).await?,
        }
    }
}

/// What is made of the hours of the one entity that is asked for. `None` if it has none.
async fn read_hours<T>(
    usage: &UsageReader,
    request: &HoursRequest<'_>,
    made: impl Fn(&CustomerHours) -> T,
) -> Result<Option<T>, UsageError> {
    let mut stream = usage.hours(request).await?;
    let mut found = None;
    while let Some(row) = stream.next().await? {
        found = Some(made(row));
    }
    if stream.may_be_cut() {
        match usage.count_customers_with_hours(request).await? {
            0 => {}
            declared => return Err(usage.truncated(request.query_id, declared)),
        }
    }
    Ok(found)
}

/// The hours of an entity, and all that its models know.
struct Modelled<'a> {
    series: Series<'a>,
    read_from: Hour,
    hours: &'a CustomerHours,
    policies: &'a Policies,
    incidents: &'a [Incident],
}

impl Modelled<'_> {
    fn bands(&self, range: Range) -> Vec<Limits> {
        let Series { source, spec, key } = self.series;
        let places = source.modelled().iter().position(|other| other.name == spec.name);
        let settings = places.and_then(|place| self.policies.settings(key).get(place));
        let values = places.and_then(|place| self.hours.series().nth(place));
        let (Some(settings), Some(values)) = (settings, values) else {
            return range.hours().map(|_| Limits::default()).collect();
        };
        let mut of_day: Option<(detection::Hours, Model)> = None;
        let band = |hour: Hour| {
            let day = hour.latest_at(self.hours.bucket);
            let (hours, model) = match of_day.take().filter(|(_, model)| model.day == day) {
                Some(known) => of_day.insert(known),
                None => of_day.insert(self.model(day, values)),
            };
            let usual = usual_range(model, hours, hour, settings);
            usual.map_or(Limits::default(), |usual| Limits { low: Some(usual.low), high: Some(usual.high) })
        };
        range.hours().map(band).collect()
    }

    /// The model of a day, with the hours until its end.
    fn model(&self, day: Hour, values: &[f64]) -> (detection::Hours, Model) {
        let Series { spec, key, .. } = self.series;
        let calendar = Calendar::declared(self.policies.time_zone(key), day);
        let known = self.hours.known(day.plus(-(Calendar::SPAN as i64)), self.read_from);
        let KnownHours { first, customer_since, skipped } = known;
        let end = day.plus(Calendar::HOURS as i64);
        let count = usize::try_from(end.since(self.read_from)).unwrap_or(0).min(values.len());
        let hours = spec.hours(first, values.get(skipped..count).unwrap_or_default(), customer_since);
        let muted =
            self.policies.muted_hours(key, &spec.name, calendar.begin(), Calendar::SPAN + Calendar::HOURS);
        let hours = match muted {
            None => hours,
            Some(muted) => hours.muted_at(calendar.begin(), &muted),
        };
        let (_, entity) = key.split();
        let of_series = self
            .incidents
            .iter()
            .filter(|incident| incident.subject.metric == spec.name && incident.subject.entity == entity);
        let of_series: Vec<_> = of_series.collect();
        let out: Vec<_> =
            of_series.iter().filter_map(|incident| incident::hours(incident, end.start())).collect();
        let grown = of_series.iter().filter_map(|incident| self.policies.confirmed_hours(incident));
        let confirmed: Vec<_> =
            grown.chain(self.policies.left_out(key, &spec.name).iter().cloned()).collect();
        let is_out = |hour: Hour| {
            confirmed.iter().any(|hours| hours.contains(&hour))
                || out.iter().any(|hours| incident::stays_out(hours, hour, day))
        };
        let calm = hours.clone().without(is_out);
        let model = Model::fit(&calm, &calendar, &Profile::FLAT);
        (calm, model)
    }
}

/// The band of each hour by the rules of the metric.
pub(crate) async fn of_rules(
    app: &App,
    series: Series<'_>,
    range: Range,
    policies: &Policies,
    serving: &Serving,
) -> Result<Vec<Limits>, Problem> {
    let Series { source, spec, key } = series;
    let length = 24 * usual::baseline_days(app, source);
    let (from, until) = (range.first.plus(-length).start(), range.end.start());
    let mut tries = tries(app, serving);
    let hours = loop {
        let query_id = tries.query_id();
        let request = SeenRequest { catalog: source, from, until, query_id: &query_id };
        match app.usage.hours_of_events(&request, spec, key).await {
            Ok(hours) => break hours,
            Err(error) => tries.again(error, false).await?,
        }
    };
    Ok(limits((spec, policies.rules(key, spec)), &hours, range, length))
}

/// The limits of each hour by the events of the `length` hours before it.
fn limits(
    (spec, rules): (&MetricSpec, &[MetricRule]),
    hours: &[EventsOfHour],
    range: Range,
    length: i64,
) -> Vec<Limits> {
    let by_hour: BTreeMap<Hour, &EventFigures> =
        hours.iter().map(|EventsOfHour { hour, figures }| (*hour, figures)).collect();
    let counts_events = spec.aggregate == catalog::Aggregate::Count;
    let mut before = Before::default();
    let first = range.first.plus(-length);
    by_hour.range(first..range.first).for_each(|(_, figures)| before.add(figures));
    let limits = |hour: Hour| {
        // The sum is made anew, because what was added to a sum cannot be taken from it exactly.
        let total: f64 = by_hour.range(hour.plus(-length)..hour).map(|(_, figures)| figures.total).sum();
        let values: Histogram = before.shape.iter().map(|(key, events)| (*key, *events)).collect();
        let past = Past {
            mean: total / values.count() as f64,
            values: &values,
            counts: before.counts,
            events: by_hour.get(&hour).map_or(0, |figures| figures.events),
        };
        let of_all = rules.iter().map(|of| of.rule.limits(&past, counts_events));
        let limits = of_all.reduce(Limits::and).unwrap_or_default();
        if let Some(figures) = by_hour.get(&hour) {
            before.add(figures);
        }
        if let Some(figures) = by_hour.get(&hour.plus(-length)) {
            before.take(figures);
        }
        limits
    };
    range.hours().map(limits).collect()
}

/// The numbers of events before an hour.
#[derive(Default)]
struct Before {
    counts: Counts,
    shape: BTreeMap<i16, u64>,
}

impl Before {
    fn add(&mut self, figures: &EventFigures) {
        self.counts.events += figures.events;
        self.counts.bad += figures.bad;
        for (key, events) in &figures.shape {
            *self.shape.entry(*key).or_default() += events;
        }
    }

    fn take(&mut self, figures: &EventFigures) {
        self.counts.events -= figures.events;
        self.counts.bad -= figures.bad;
        for (key, events) in &figures.shape {
            if let Some(left) = self.shape.get_mut(key) {
                *left -= events;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: i64 = 24 * 30;

    fn first() -> Hour {
        Hour::holding("2026-11-20T00:00:00Z".parse().unwrap())
    }

    /// The metric of a source with this aggregate and rule.
    fn catalog(aggregate: &str, rule: &str) -> Catalog {
        let value = if aggregate == "rate" { "" } else { "value = \"ms\"" };
        let text = format!(
            "[[source]]\nname = \"jobs\"\ntable = \"runs\"\ntenant = \"team\"\nentity = \"job\"\ntime = \"at\"\nbad = \"failed\"\n\
             [[metric]]\nname = \"m\"\nsource = \"jobs\"\nunit = \"ms\"\naggregate = \"{aggregate}\"\n{value}\nmissing = \"gap\"\n\
             min_change = 1\n[[metric.rule]]\ntype = \"{rule}\"\n"
        );
        Catalog::parse(&text, "test").unwrap()
    }

    fn of_hour(hour: i64, value: f64, events: u64) -> EventsOfHour {
        let shape = vec![(Histogram::key(value), events)];
        let total = value * events as f64;
        let (least, most) = (value, value);
        let figures = EventFigures { events, total, least, most, shape, ..EventFigures::default() };
        EventsOfHour { hour: first().plus(hour), figures }
    }

    #[test]
    fn each_hour_has_the_limit_of_the_days_before_it() {
        let catalog = catalog("p95", "percentile");
        let spec = catalog.find("m").unwrap();
        // Five events an hour: 100 ms for thirty days, and 400 ms from then on.
        let hours: Vec<_> = (-LENGTH..LENGTH + 4)
            .map(|hour| of_hour(hour, if hour < 0 { 100.0 } else { 400.0 }, 5))
            .collect();
        let range = Range { first: first(), end: first().plus(LENGTH + 4) };
        let found = limits((spec, &spec.rules), &hours, range, LENGTH);
        assert_eq!(found.len() as i64, LENGTH + 4);
        // 1.5 times the mean of what was before, and no hour is a part of its own past.
        let near = |place: usize, expected: f64| {
            let high = found[place].high.unwrap();
            assert!((high / expected - 1.0).abs() < 1e-9, "{place}: {high}");
        };
        near(0, 150.0);
        near(10, 1.5 * (100.0 * 710.0 + 400.0 * 10.0) / 720.0);
        // The old events have left.
        near(LENGTH as usize, 600.0);
        near(LENGTH as usize + 3, 600.0);
        assert!(found.iter().all(|limits| limits.low.is_none()));
    }

    #[test]
    fn a_series_without_a_past_has_no_limits() {
        let catalog = catalog("rate", "rate");
        let spec = catalog.find("m").unwrap();
        let range = Range { first: first(), end: first().plus(2) };
        let found = limits((spec, &spec.rules), &[of_hour(0, 1.0, 30)], range, LENGTH);
        // The first hour has no past, and the second one no event.
        assert_eq!(found, [Limits::default(); 2]);
        let found = limits((spec, &spec.rules), &[of_hour(0, 1.0, 30), of_hour(1, 1.0, 30)], range, LENGTH);
        assert!(found[0].high.is_none() && found[1].high.is_some(), "{found:?}");
    }
}
