//! The feedback of people beside the policies. Only series with feedback cost anything: a place in one map.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use detection::feedback::{Effects, Raised};
use detection::{CustomerId, Feedback, Hour, Incident, MetricName, Mute, Policy, Settings, Window};
use jiff::Timestamp;

use super::Policies;
use crate::Catalog;

/// The feedback in force, and the end of the window that it is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub feedback: Vec<Feedback>,
    pub at: Timestamp,
}

/// The feedback of all keys of a catalog.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(HashMap<CustomerId, OfKey>);

/// The feedback of a customer or an entity.
#[derive(Clone, Debug)]
struct OfKey {
    /// One for each metric of the catalog, in its order.
    settings: Vec<Settings>,
    /// What is expected, of all metrics.
    planned: Policy,
    by_metric: BTreeMap<MetricName, Effects>,
}

impl Policies {
    /// The same with feedback. That of metrics that left the catalog has no effect.
    #[must_use]
    pub fn with_feedback(mut self, catalog: &Catalog, said: &Said) -> Self {
        let mut series: BTreeMap<CustomerId, BTreeMap<MetricName, Vec<Feedback>>> = BTreeMap::new();
        for feedback in &said.feedback {
            let metric = &feedback.subject.metric;
            let is_known = catalog.metrics().iter().any(|spec| spec.name == *metric);
            if let Some(key) = CustomerId::new(feedback.subject.key()).ok().filter(|_| is_known) {
                series.entry(key).or_default().entry(metric.clone()).or_default().push(feedback.clone());
            }
        }
        let resolve = |(key, by_metric): (CustomerId, BTreeMap<MetricName, Vec<Feedback>>)| {
            let effects = |(metric, all): (MetricName, Vec<Feedback>)| (metric, Effects::of(&all, said.at));
            let by_metric: BTreeMap<_, _> = by_metric.into_iter().map(effects).collect();
            let raised = |metric: &MetricName| by_metric.get(metric).and_then(|of| of.raised.as_ref());
            let settings = catalog.metrics().iter().zip(&self.of(&key).settings).map(|(spec, settings)| {
                raised(&spec.name).map_or(*settings, |raised| settings.with_raised(raised.factor))
            });
            let settings = settings.collect();
            let planned = Policy {
                mutes: by_metric.values().flat_map(|effects| effects.planned.clone()).collect(),
                time_zone: self.time_zone(&key).cloned(),
                ..Policy::default()
            };
            (key, OfKey { settings, planned, by_metric })
        };
        self.heard = Heard(series.into_iter().map(resolve).collect());
        self
    }

    /// The threshold of a series that feedback has raised.
    pub fn raised(&self, key: &CustomerId, metric: &MetricName) -> Option<&Raised> {
        self.heard.of(key)?.by_metric.get(metric)?.raised.as_ref()
    }

    /// The hours of a series that people confirmed as odd.
    pub fn left_out(&self, key: &CustomerId, metric: &MetricName) -> &[Range<Hour>] {
        let of = self.heard.of(key).and_then(|of| of.by_metric.get(metric));
        of.map(|effects| effects.left_out.as_slice()).unwrap_or_default()
    }

    /// The hours of an incident that people confirmed. `None` for any other incident.
    pub fn confirmed_hours(&self, incident: &Incident) -> Option<Range<Hour>> {
        self.of_incident(incident)?.confirmed_hours(incident)
    }

    /// Whether people took the level of an incident for normal.
    pub fn accepts(&self, incident: &Incident) -> bool {
        self.of_incident(incident).is_some_and(|effects| effects.accepts(incident))
    }

    /// Whether usual values of a customer or an entity differ from those without feedback. A fit may not know of it.
    pub fn needs_hours(&self, key: &CustomerId) -> bool {
        self.heard.of(key).is_some_and(|of| of.by_metric.values().any(Effects::has_hours))
    }

    fn of_incident(&self, incident: &Incident) -> Option<&Effects> {
        if self.heard.0.is_empty() {
            return None;
        }
        let key = CustomerId::new(incident.subject.key()).ok()?;
        self.heard.of(&key)?.by_metric.get(&incident.subject.metric)
    }
}

impl Heard {
    pub(super) fn settings(&self, key: &CustomerId) -> Option<&[Settings]> {
        self.of(key).map(|of| of.settings.as_slice())
    }

    pub(super) fn mute(&self, key: &CustomerId, metric: &MetricName, window: &Window) -> Option<&Mute> {
        self.of(key)?.planned.mute(metric, window)
    }

    /// What is expected of a customer or an entity, as a policy.
    pub(super) fn planned(&self, key: &CustomerId) -> Option<&Policy> {
        self.of(key).map(|of| &of.planned).filter(|planned| !planned.mutes.is_empty())
    }

    fn of(&self, key: &CustomerId) -> Option<&OfKey> {
        if self.0.is_empty() { None } else { self.0.get(key) }
    }
}

#[cfg(test)]
mod tests {
    use detection::FeedbackKind;
    use detection::incident::Subject;
    use jiff::SignedDuration;

    use super::*;
    use crate::{DetectionConfig, StoredPolicy};

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn customer(id: &str) -> CustomerId {
        CustomerId::new(id).unwrap()
    }

    fn feedback(kind: FeedbackKind, metric: &str, day: i64) -> Feedback {
        Feedback {
            about: format!("{metric} {day}"),
            subject: Subject {
                customer_id: customer("c"),
                entity: None,
                metric: MetricName::new(metric).unwrap(),
                direction: detection::Direction::Spike,
            },
            kind,
            from: at("2026-11-21T12:00:00Z"),
            opened_at: at("2026-11-21T13:00:00Z"),
            to: at("2026-11-21T13:00:00Z"),
            excess: Some(1.2),
            detectors: Vec::new(),
            until: Some(at("2026-12-31T00:00:00Z")).filter(|_| kind == FeedbackKind::Expected),
            given_at: at("2026-11-21T14:00:00Z") + SignedDuration::from_hours(24 * day),
            given_by: "ada".to_owned(),
            note: None,
        }
    }

    #[test]
    fn only_the_series_with_feedback_is_judged_in_another_way() {
        let catalog = Catalog::built_in().unwrap();
        let base = catalog.settings(&DetectionConfig::default()).unwrap();
        let plain = Policies::resolve(&catalog, &base, StoredPolicy::default(), Vec::new());
        let said = Said {
            feedback: vec![
                feedback(FeedbackKind::FalseAlarm, "api_calls", 0),
                feedback(FeedbackKind::FalseAlarm, "api_calls", 1),
                feedback(FeedbackKind::Expected, "bandwidth", 0),
                feedback(FeedbackKind::Confirmed, "compute_time", 0),
                feedback(FeedbackKind::FalseAlarm, "gone", 0),
                feedback(FeedbackKind::FalseAlarm, "gone", 1),
            ],
            at: at("2026-11-23T13:00:00Z"),
        };
        let policies = plain.clone().with_feedback(&catalog, &said);
        let factors = |of: &CustomerId| -> Vec<f64> {
            policies.settings(of).iter().map(detection::Settings::factor).collect()
        };
        let place =
            |name: &str| catalog.metrics().iter().position(|spec| spec.name.as_str() == name).unwrap();
        let (c, other) = (customer("c"), customer("other"));
        let mut expected = vec![1.0; catalog.metrics().len()];
        assert_eq!(factors(&other), expected);
        expected[place("api_calls")] = 1.01 * 1.2;
        assert_eq!(factors(&c), expected);
        assert_eq!(policies.version(&c), plain.version(&c));
        let name = |name: &str| MetricName::new(name).unwrap();
        assert_eq!(policies.raised(&c, &name("api_calls")).map(|raised| raised.given_at.len()), Some(2));
        assert!(policies.raised(&other, &name("api_calls")).is_none());

        let week_later = Window::between(at("2026-11-28T12:00:00Z"), at("2026-11-28T13:00:00Z")).unwrap();
        let muted = |of: &CustomerId, metric: &str| policies.mute(of, &name(metric), &week_later).is_some();
        assert_eq!(
            [muted(&c, "bandwidth"), muted(&c, "api_calls"), muted(&other, "bandwidth")],
            [true, false, false]
        );
        let first = Hour::holding(at("2026-11-28T00:00:00Z"));
        let hours = policies.muted_hours(&c, &name("bandwidth"), first, 24).unwrap();
        assert_eq!(hours.iter().positions(), [12]);
        assert_eq!(policies.muted_hours(&other, &name("bandwidth"), first, 24), None);
        assert_eq!([&c, &other].map(|of| policies.has_own_mutes(of)), [true, false]);
        assert_eq!([&c, &other].map(|of| policies.needs_hours(of)), [true, false]);
        let noon = Hour::holding(at("2026-11-21T12:00:00Z"));
        assert_eq!(policies.left_out(&c, &name("compute_time")), [noon..noon.plus(1)]);
        assert!(policies.left_out(&c, &name("api_calls")).is_empty());
    }

    trait Positions {
        fn positions(self) -> Vec<usize>;
    }

    impl<'a, I: Iterator<Item = &'a bool>> Positions for I {
        fn positions(self) -> Vec<usize> {
            self.enumerate().filter(|(_, is_so)| **is_so).map(|(place, _)| place).collect()
        }
    }
}
