//! What the usage is judged by.

use std::ops::Range;

use catalog::{
    Catalog, CatalogError, DetectionConfig, IncidentConfig, MetricSpec, Policies, PolicyRefusal, Said,
    StoredPolicy, validate,
};
use detection::incident::Rules;
use detection::{
    CustomerId, Hour, Incident, MetricName, Mute, Policy, Sensitivity, Settings, SettingsError, TimeZone,
    Window,
};
use environment::{ConfigError, Env};

/// What a deployment sets for itself, and what its operators wrote.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub detection: DetectionConfig,
    pub rules: Rules,
    /// The policy for all customers.
    pub policy: StoredPolicy,
    /// The policies of single customers.
    pub customers: Vec<(CustomerId, StoredPolicy)>,
    /// The feedback of people.
    pub said: Said,
}

/// Everything that decides what pages. A value of this type is valid.
#[derive(Clone, Debug)]
pub struct Configuration {
    catalog: Catalog,
    /// Of customers without a policy of their own, one for each metric of the catalog.
    settings: Vec<Settings>,
    /// The settings again, and what each customer has beside them.
    policies: Policies,
    /// The policy for all customers without its metrics, which are in the settings.
    policy: Policy,
    customers: Vec<(CustomerId, StoredPolicy)>,
    said: Said,
    rules: Rules,
    /// The time zone of all customers, in place of those of their policies.
    zone: Option<TimeZone>,
}

/// Parts of a configuration that do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Policy(#[from] PolicyRefusal),
}

impl Deployment {
    /// A deployment with these variables and without policies.
    ///
    /// # Errors
    ///
    /// When a variable is wrong.
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            detection: DetectionConfig::from_env(env)?,
            rules: IncidentConfig::from_env(env)?.rules,
            policy: StoredPolicy::default(),
            customers: Vec::new(),
            said: Said::default(),
        })
    }
}

impl Configuration {
    /// The catalog in a deployment.
    ///
    /// * `policy`: the policy for all customers, in place of the deployment's.
    /// * `zone`: the time zone of all customers, in place of those of their policies.
    ///
    /// # Errors
    ///
    /// When this policy contradicts the catalog, or the deployment does. A stored policy that contradicts the catalog is
    /// not applied, as in a run.
    pub fn new(
        catalog: Catalog,
        policy: Option<Policy>,
        deployment: Deployment,
        zone: Option<TimeZone>,
    ) -> Result<Self, ConfigurationError> {
        let Deployment { detection, rules, policy: stored, customers, said } = deployment;
        let usual = catalog.settings(&detection)?;
        let global = match policy {
            Some(policy) => {
                validate(&catalog, &usual, &policy)?;
                StoredPolicy { policy, ..StoredPolicy::default() }
            }
            None => stored,
        };
        let policy = Policy { metrics: Default::default(), ..global.policy.clone() };
        let policies =
            Policies::resolve(&catalog, &usual, global, customers.clone()).with_feedback(&catalog, &said);
        let settings = policies.settings_of_all().to_vec();
        Ok(Self { catalog, settings, policies, policy, customers, said, rules, zone })
    }

    /// The same with another policy of one customer.
    ///
    /// # Errors
    ///
    /// When the policy contradicts the catalog or the settings of all.
    pub(crate) fn with_customer(
        mut self,
        customer: &CustomerId,
        policy: Policy,
    ) -> Result<Self, ConfigurationError> {
        validate(&self.catalog, &self.settings, &policy)?;
        self.customers.retain(|(other, _)| other != customer);
        self.customers.push((customer.clone(), StoredPolicy { policy, ..StoredPolicy::default() }));
        Ok(self.resolved())
    }

    /// The same with another sensitivity of all metrics. A customer's own policy still comes first.
    #[must_use]
    pub fn with_sensitivity(mut self, sensitivity: Sensitivity) -> Self {
        for settings in &mut self.settings {
            *settings = settings.with_sensitivity(sensitivity);
        }
        self.resolved()
    }

    /// The same with thresholds of one metric that are so many times as large. The factor stays within the range of
    /// [`Sensitivity`].
    #[must_use]
    pub(crate) fn scaled(mut self, metric: usize, factor: f64) -> Self {
        if let Some(settings) = self.settings.get_mut(metric) {
            let factor = (factor * settings.sensitivity().factor()).min(Self::LARGEST_FACTOR);
            if let Ok(sensitivity) = Sensitivity::new(factor) {
                *settings = settings.with_sensitivity(sensitivity);
            }
        }
        self.resolved()
    }

    /// The same with another least change of one metric, in its unit.
    ///
    /// # Errors
    ///
    /// When the change is negative or not finite.
    pub(crate) fn with_min_change(mut self, metric: usize, min_change: f64) -> Result<Self, SettingsError> {
        if let Some(settings) = self.settings.get_mut(metric) {
            *settings = settings.at_min_change(min_change)?;
        }
        Ok(self.resolved())
    }

    /// The same after a change of the settings.
    fn resolved(mut self) -> Self {
        let policy = StoredPolicy { policy: self.policy.clone(), ..StoredPolicy::default() };
        let policies = Policies::resolve(&self.catalog, &self.settings, policy, self.customers.clone());
        self.policies = policies.with_feedback(&self.catalog, &self.said);
        self
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn metrics(&self) -> &[MetricSpec] {
        self.catalog.metrics()
    }

    /// The settings of customers without a policy of their own, one for each metric in the order of the catalog.
    pub fn settings(&self) -> &[Settings] {
        &self.settings
    }

    /// The settings of a customer, in the order of the catalog.
    pub(crate) fn settings_of(&self, customer: &CustomerId) -> &[Settings] {
        self.policies.settings(customer)
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The zone that hours are told in: that of the policy for all customers. UTC if none was declared.
    pub fn zone(&self) -> TimeZone {
        self.zone.as_ref().or(self.policy.time_zone.as_ref()).cloned().unwrap_or_default()
    }

    /// The declared zone of a customer. Without one, hours are those of UTC, and the fit finds out whether clocks changed.
    pub(crate) fn zone_of(&self, customer: &CustomerId) -> Option<&TimeZone> {
        self.zone.as_ref().or_else(|| self.policies.time_zone(customer))
    }

    /// The zone of customers without a policy of their own, and those of all others. One may come several times.
    pub(crate) fn zones(&self) -> impl Iterator<Item = Option<&TimeZone>> {
        let of_all = self.zone.as_ref().or(self.policy.time_zone.as_ref());
        std::iter::once(of_all).chain(self.customers.iter().map(|(customer, _)| self.zone_of(customer)))
    }

    pub(crate) fn mute(&self, customer: &CustomerId, metric: &MetricName, window: &Window) -> Option<&Mute> {
        self.policies.mute(customer, metric, window)
    }

    /// The hours of a series that people confirmed as odd.
    pub(crate) fn left_out(&self, customer: &CustomerId, metric: &MetricName) -> &[Range<Hour>] {
        self.policies.left_out(customer, metric)
    }

    /// Whether people took the level of an incident for normal.
    pub(crate) fn accepts(&self, incident: &Incident) -> bool {
        self.policies.accepts(incident)
    }

    /// Which of the hours from `first` on are muted. `None` if none is, or all are.
    pub(crate) fn muted_hours(
        &self,
        customer: &CustomerId,
        metric: &MetricName,
        first: Hour,
        count: usize,
    ) -> Option<Vec<bool>> {
        self.policies.muted_hours(customer, metric, first, count)
    }

    /// The largest factor of a [`Sensitivity`].
    pub(crate) const LARGEST_FACTOR: f64 = 5.0;
}
