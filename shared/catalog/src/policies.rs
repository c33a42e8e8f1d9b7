//! The policies of a run beside the catalog: the settings and the mutes of each customer.
//!
//! A policy was checked when it was written. The catalog or the deployment may have changed since. A policy that
//! contradicts them does not stop a run: the settings of the next wider scope hold, and the log says so.

use std::collections::{BTreeMap, HashMap};

use detection::{CustomerId, Hour, MetricName, Mute, Policy, PolicyError, Quota, Settings, TimeZone, Window};
use jiff::Timestamp;

use crate::catalog::ADDS_UP;
use crate::{Catalog, MetricRule, MetricSpec};

mod budgets;
mod feedback;
mod rules;

pub use feedback::Said;
pub use rules::validate_rules;

/// A policy as it is stored. Version 0 is the empty policy that nobody has written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredPolicy {
    pub version: u64,
    pub policy: Policy,
    pub updated_at: Option<Timestamp>,
    pub updated_by: Option<String>,
}

/// The settings that hold for each customer.
#[derive(Clone, Debug)]
pub struct Policies {
    global: Resolved,
    customers: HashMap<CustomerId, Resolved>,
    /// The customers that are judged later than others, by hours, each list sorted. None for a source with entities.
    delayed: BTreeMap<u8, Vec<CustomerId>>,
    /// Whether the catalog is of a source with entities. Then ids are keys of its rollup.
    has_entities: bool,
    /// What people said of findings.
    heard: feedback::Heard,
}

#[derive(Clone, Debug)]
struct Resolved {
    version: String,
    /// One for each metric of the catalog, in its order.
    settings: Vec<Settings>,
    /// The same of budgets, or nothing without any.
    budgets: Vec<Option<Quota>>,
    /// The rules of the metrics whose rules differ from those of the catalog.
    rules: rules::Changed,
    policy: Policy,
}

impl Policies {
    /// `settings` are the settings of the catalog and the deployment.
    pub fn resolve(
        catalog: &Catalog,
        settings: &[Settings],
        global: StoredPolicy,
        customers: Vec<(CustomerId, StoredPolicy)>,
    ) -> Self {
        let settings = kept_where_wrong(catalog, &global.policy, settings, "all customers");
        let global = Resolved {
            budgets: budgets::resolve(catalog, &settings, &global.policy, None, "all customers"),
            rules: rules::resolve(catalog, &global.policy, &rules::Changed::new(), "all customers"),
            settings,
            version: global.version.to_string(),
            policy: global.policy,
        };
        let resolve = |(customer, stored): (CustomerId, StoredPolicy)| {
            let (policy, of) = (&stored.policy, customer.as_str());
            let settings = kept_where_wrong(catalog, policy, &global.settings, of);
            let resolved = Resolved {
                budgets: budgets::resolve(catalog, &settings, policy, Some(&global.policy), of),
                rules: rules::resolve(catalog, policy, &global.rules, of),
                settings,
                version: format!("{}.{}", global.version, stored.version),
                policy: stored.policy,
            };
            (customer, resolved)
        };
        let customers: HashMap<_, _> = customers.into_iter().map(resolve).collect();
        let has_entities = catalog.entities().is_some();
        let mut delayed: BTreeMap<u8, Vec<CustomerId>> = BTreeMap::new();
        for (customer, own) in &customers {
            if let hours @ 1.. = own.delay_hours()
                && !has_entities
            {
                delayed.entry(hours).or_default().push(customer.clone());
            }
        }
        delayed.values_mut().for_each(|customers| customers.sort_unstable());
        Self { global, customers, delayed, has_entities, heard: feedback::Heard::default() }
    }

    /// The settings of customers without a policy of their own, in the order of the catalog.
    pub fn settings_of_all(&self) -> &[Settings] {
        &self.global.settings
    }

    /// The settings of a customer's metrics, in the order of the catalog, with thresholds that feedback has raised.
    pub fn settings(&self, customer: &CustomerId) -> &[Settings] {
        self.heard.settings(customer).unwrap_or(&self.of(customer).settings)
    }

    /// The rules of a metric for a customer or an entity.
    pub fn rules<'a>(&'a self, key: &CustomerId, spec: &'a MetricSpec) -> &'a [MetricRule] {
        self.of(key).rules.get(&spec.name).unwrap_or(&spec.rules)
    }

    /// The rules of a metric for customers without a policy of their own.
    pub fn rules_of_all<'a>(&'a self, spec: &'a MetricSpec) -> &'a [MetricRule] {
        self.global.rules.get(&spec.name).unwrap_or(&spec.rules)
    }

    /// The declared time zone of a customer.
    pub fn time_zone(&self, customer: &CustomerId) -> Option<&TimeZone> {
        let own = self.own(customer).and_then(|own| own.policy.time_zone.as_ref());
        own.or(self.global.policy.time_zone.as_ref())
    }

    /// Hours by which a customer is judged later than others.
    pub fn delay_hours(&self, customer: &CustomerId) -> u8 {
        if self.has_entities { 0 } else { self.own(customer).map_or(0, Resolved::delay_hours) }
    }

    /// The customers that are judged later than others, by hours.
    pub fn delayed(&self) -> &BTreeMap<u8, Vec<CustomerId>> {
        &self.delayed
    }

    /// The versions that a customer is judged by: the version of the policy for all customers and, after a dot, the
    /// version of the customer's own policy.
    pub fn version(&self, customer: &CustomerId) -> &str {
        &self.of(customer).version
    }

    /// The mute that keeps an anomaly from alerting people.
    pub fn mute(&self, customer: &CustomerId, metric: &MetricName, window: &Window) -> Option<&Mute> {
        let own = self.own(customer).and_then(|own| own.policy.mute(metric, window));
        own.or_else(|| self.global.policy.mute(metric, window))
            .or_else(|| self.heard.mute(customer, metric, window))
    }

    /// Whether a customer's own policy or feedback has mutes beside those of all customers.
    pub fn has_own_mutes(&self, customer: &CustomerId) -> bool {
        self.own(customer).is_some_and(|own| !own.policy.mutes.is_empty())
            || self.heard.planned(customer).is_some()
    }

    /// Which of the hours from `first` on are muted, of a metric of customers without mutes of their own. `None` if none is,
    /// or all are: then no other hours say what is usual.
    pub fn muted_hours_of_all(&self, metric: &MetricName, first: Hour, count: usize) -> Option<Vec<bool>> {
        muted_hours(&[&self.global.policy], metric, first, count)
    }

    /// The same of a customer's metric.
    pub fn muted_hours(
        &self,
        customer: &CustomerId,
        metric: &MetricName,
        first: Hour,
        count: usize,
    ) -> Option<Vec<bool>> {
        let own = self.own(customer).map(|own| &own.policy);
        let policies = [Some(&self.global.policy), own, self.heard.planned(customer)].into_iter().flatten();
        muted_hours(&policies.collect::<Vec<_>>(), metric, first, count)
    }

    fn of(&self, customer: &CustomerId) -> &Resolved {
        self.own(customer).unwrap_or(&self.global)
    }

    /// The customer's own policy. It holds for all of the customer's entities.
    fn own(&self, customer: &CustomerId) -> Option<&Resolved> {
        if self.customers.is_empty() {
            return None;
        }
        if self.has_entities { self.customers.get(&customer.split().0) } else { self.customers.get(customer) }
    }
}

fn muted_hours(policies: &[&Policy], metric: &MetricName, first: Hour, count: usize) -> Option<Vec<bool>> {
    if policies.iter().all(|policy| policy.mutes.is_empty()) {
        return None;
    }
    let mut muted = vec![false; count];
    policies.iter().for_each(|policy| policy.mark_muted(metric, first, &mut muted));
    (muted.contains(&true) && muted.contains(&false)).then_some(muted)
}

impl Resolved {
    fn delay_hours(&self) -> u8 {
        self.policy.window_delay_hours.unwrap_or(0).min(Policy::MAX_DELAY_HOURS)
    }
}

/// A contradiction between a policy and this catalog.
#[derive(Debug, thiserror::Error)]
pub enum PolicyRefusal {
    #[error("metrics.{metric}: the catalog has no such metric; it has {known}")]
    UnknownMetric { metric: MetricName, known: String },
    #[error("mutes[{index}].metric: the catalog has no metric `{metric}`; it has {known}")]
    UnknownMutedMetric { index: usize, metric: MetricName, known: String },
    #[error("metrics.{metric}: `price` {}", ADDS_UP)]
    Price { metric: MetricName },
    #[error("rules.{metric}: {reason}")]
    Rules { metric: MetricName, reason: String },
    #[error("budgets.{metric}: the catalog has no such metric; it has {known}")]
    UnknownBudget { metric: MetricName, known: String },
    #[error("budgets.{metric}: a budget {needs}")]
    Budget { metric: MetricName, needs: &'static str },
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Checks a policy as a whole before it is kept, and returns the settings under it.
pub fn validate(
    catalog: &Catalog,
    settings: &[Settings],
    policy: &Policy,
) -> Result<Vec<Settings>, PolicyRefusal> {
    let known = || catalog.metrics().iter().map(|spec| spec.name.as_str()).collect::<Vec<_>>().join(", ");
    for metric in policy.metrics.keys() {
        if catalog.get(metric.as_str()).is_none() {
            return Err(PolicyRefusal::UnknownMetric { metric: metric.clone(), known: known() });
        }
    }
    for (index, mute) in policy.mutes.iter().enumerate() {
        if let Some(metric) = &mute.metric
            && catalog.find(metric.as_str()).is_none()
        {
            return Err(PolicyRefusal::UnknownMutedMetric { index, metric: metric.clone(), known: known() });
        }
    }
    policy.validate_mutes()?;
    policy.validate_delay()?;
    let changed = catalog.metrics().iter().zip(settings).map(|(spec, base)| under(policy, spec, base));
    let changed: Vec<Settings> = changed.collect::<Result<_, _>>()?;
    rules::validate(catalog, policy)?;
    budgets::validate(catalog, &changed, policy, known)?;
    Ok(changed)
}

/// The settings of a metric under a policy.
fn under(policy: &Policy, spec: &MetricSpec, base: &Settings) -> Result<Settings, PolicyRefusal> {
    let has_price = policy.metrics.get(&spec.name).is_some_and(|change| change.price.is_some());
    if has_price && !spec.adds_up() {
        return Err(PolicyRefusal::Price { metric: spec.name.clone() });
    }
    Ok(policy.settings(&spec.name, base)?)
}

/// A policy without entries for metrics that left the catalog, and the places of these entries.
pub fn without_unknown_metrics(catalog: &Catalog, policy: &Policy) -> (Policy, Vec<String>) {
    let is_known = |metric: &MetricName| catalog.get(metric.as_str()).is_some();
    let (mut known, mut unknown) = (policy.clone(), Vec::new());
    known.metrics.retain(|metric, _| {
        let keep = is_known(metric);
        if !keep {
            unknown.push(format!("metrics.{metric}"));
        }
        keep
    });
    known.budgets.retain(|metric, _| {
        let keep = is_known(metric);
        if !keep {
            unknown.push(format!("budgets.{metric}"));
        }
        keep
    });
    known.rules.retain(|metric, _| {
        let keep = catalog.find(metric.as_str()).is_some();
        if !keep {
            unknown.push(format!("rules.{metric}"));
        }
        keep
    });
    known.mutes.retain(|mute| {
        let missing = mute.metric.as_ref().filter(|metric| !is_known(metric));
        unknown.extend(missing.map(|metric| format!("the mute of {metric}")));
        missing.is_none()
    });
    (known, unknown)
}

fn kept_where_wrong(catalog: &Catalog, policy: &Policy, settings: &[Settings], of: &str) -> Vec<Settings> {
    let changed = |(spec, base): (&MetricSpec, &Settings)| {
        under(policy, spec, base).unwrap_or_else(|error| {
            tracing::error!(
                policy.of = of,
                %error,
                "a policy contradicts the catalog or the deployment: it is not applied"
            );
            *base
        })
    };
    catalog.metrics().iter().zip(settings).map(changed).collect()
}

#[cfg(test)]
mod tests {
    use detection::Override;

    use super::*;
    use crate::DetectionConfig;

    fn stored(version: u64, threshold: Option<f64>, reason: Option<&str>) -> StoredPolicy {
        let change = Override { threshold, ..Override::default() };
        let mute = |reason: &str| serde_json::from_value(serde_json::json!({ "reason": reason })).unwrap();
        let metrics = [(MetricName::new("api_calls").unwrap(), change)];
        let mutes = reason.map(mute).into_iter().collect();
        let policy = Policy { metrics: metrics.into(), mutes, ..Policy::default() };
        StoredPolicy { version, policy, ..StoredPolicy::default() }
    }

    fn customer(id: &str) -> CustomerId {
        CustomerId::new(id).unwrap()
    }

    #[test]
    fn the_narrowest_policy_holds_and_the_wider_one_where_it_cannot() {
        let catalog = Catalog::built_in().unwrap();
        let base = catalog.settings(&DetectionConfig::default()).unwrap();
        let customers = vec![
            (customer("own"), stored(3, Some(4.5), Some("migration"))),
            // Above the critical threshold of 5. A write refuses this value, but the catalog may change later.
            (customer("wrong"), stored(4, Some(6.0), None)),
        ];
        let policies = Policies::resolve(&catalog, &base, stored(7, Some(4.0), None), customers);
        let threshold = |id: &str| policies.settings(&customer(id))[0].thresholds().threshold;
        assert_eq!((threshold("own"), threshold("wrong"), threshold("other")), (4.5, 4.0, 4.0));
        assert_eq!(policies.settings(&customer("own"))[1], base[1], "other metrics stay");
        let version = |id: &str| policies.version(&customer(id)).to_owned();
        assert_eq!((version("own"), version("other")), ("7.3".to_owned(), "7".to_owned()));

        let mut zoned = stored(7, None, None);
        zoned.policy.time_zone = TimeZone::named("Europe/Berlin").ok();
        let mut abroad = stored(1, None, None);
        abroad.policy.time_zone = TimeZone::named("Asia/Tokyo").ok();
        let customers = vec![(customer("abroad"), abroad), (customer("own"), stored(1, None, None))];
        let zones = Policies::resolve(&catalog, &base, zoned, customers);
        let zone = |id: &str| zones.time_zone(&customer(id)).map(TimeZone::name);
        let berlin = Some("Europe/Berlin");
        assert_eq!([zone("abroad"), zone("own"), zone("other")], [Some("Asia/Tokyo"), berlin, berlin]);
        assert_eq!(policies.time_zone(&customer("own")), None);

        let late = |hours: u8| {
            let mut late = stored(1, None, None);
            late.policy.window_delay_hours = Some(hours);
            late
        };
        let customers = vec![(customer("b"), late(6)), (customer("a"), late(6)), (customer("now"), late(0))];
        let delays = Policies::resolve(&catalog, &base, stored(7, None, None), customers);
        let of = |id: &str| delays.delay_hours(&customer(id));
        assert_eq!([of("a"), of("b"), of("now"), of("other")], [6, 6, 0, 0]);
        assert_eq!(delays.delayed(), &BTreeMap::from([(6, vec![customer("a"), customer("b")])]));

        let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
        let muted = |id: &str| policies.mute(&customer(id), &MetricName::new("bandwidth").unwrap(), &window);
        assert_eq!(muted("own").map(|mute| mute.reason.as_str()), Some("migration"));
        assert_eq!(muted("other"), None);
    }

    #[test]
    fn entries_of_metrics_that_left_the_catalog_are_named_and_left_out() {
        let text = r#"{"metrics":{"gone":{"threshold":9},"api_calls":{"threshold":4}},
                       "mutes":[{"metric":"gone","reason":"a"},{"metric":"api_calls","reason":"b"},{"reason":"c"}]}"#;
        let catalog = Catalog::built_in().unwrap();
        let policy = serde_json::from_str(text).unwrap();
        let (known, unknown) = without_unknown_metrics(&catalog, &policy);
        assert_eq!(unknown, ["metrics.gone", "the mute of gone"]);
        let reasons: Vec<_> = known.mutes.iter().map(|mute| mute.reason.as_str()).collect();
        assert_eq!((known.metrics.len(), reasons), (1, vec!["b", "c"]));
        assert!(validate(&catalog, &catalog.settings(&DetectionConfig::default()).unwrap(), &known).is_ok());
    }

    #[test]
    fn a_policy_is_checked_as_a_whole() {
        let catalog = Catalog::built_in().unwrap();
        let base = catalog.settings(&DetectionConfig::default()).unwrap();
        let refusal = |text: &str| {
            validate(&catalog, &base, &serde_json::from_str(text).unwrap())
                .map(drop)
                .map_err(|e| e.to_string())
        };
        assert_eq!(refusal("{}"), Ok(()));
        assert_eq!(refusal(r#"{"metrics":{"api_calls":{"threshold":4.0}}}"#), Ok(()));
        for (text, expected) in [
            (
                r#"{"metrics":{"api_cals":{}}}"#,
                "metrics.api_cals: the catalog has no such metric; it has api_calls,",
            ),
            (r#"{"metrics":{"api_calls":{"threshold":6}}}"#, "metrics.api_calls: critical_threshold = 5"),
            (r#"{"metrics":{"api_calls":{"price":-1}}}"#, "metrics.api_calls: price = -1 is out of range"),
            (
                r#"{"metrics":{"api_calls":{"min_cost":5}}}"#,
                "metrics.api_calls: min_cost = 5 is out of range",
            ),
            (r#"{"metrics":{"storage_peak":{"price":1}}}"#, "metrics.storage_peak: `price` needs a metric"),
            (
                r#"{"mutes":[{"reason":"a"},{"metric":"x","reason":"b"}]}"#,
                "mutes[1].metric: the catalog has no",
            ),
            (r#"{"mutes":[{"reason":""}]}"#, "mutes[0].reason"),
        ] {
            let refusal = refusal(text).unwrap_err();
            assert!(refusal.starts_with(expected), "{refusal}");
        }
    }
}
