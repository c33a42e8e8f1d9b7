//! What the usage is judged by.

use catalog::{Catalog, CatalogError, DetectionConfig, MetricSpec, PolicyRefusal, validate};
use detection::incident::Rules;
use detection::{
    Calendar, Hour, MetricName, Mute, Policy, Sensitivity, Settings, SettingsError, TimeZone, Window,
};

/// Everything that decides what pages. A value of this type is valid.
#[derive(Clone, Debug)]
pub struct Configuration {
    catalog: Catalog,
    /// One for each metric of the catalog, in its order.
    settings: Vec<Settings>,
    policy: Policy,
    rules: Rules,
    /// Declared by people. Without one, hours are those of UTC, and the fit finds out whether clocks changed.
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

impl Configuration {
    /// The catalog under a policy for all customers. The deployment's own settings are the defaults.
    ///
    /// # Errors
    ///
    /// When the policy contradicts the catalog.
    pub fn new(
        catalog: Catalog,
        policy: Policy,
        rules: Rules,
        zone: Option<TimeZone>,
    ) -> Result<Self, ConfigurationError> {
        let usual = catalog.settings(&DetectionConfig::default())?;
        let settings = validate(&catalog, &usual, &policy)?;
        Ok(Self { catalog, settings, policy, rules, zone })
    }

    /// The same with another sensitivity of all metrics.
    #[must_use]
    pub fn with_sensitivity(mut self, sensitivity: Sensitivity) -> Self {
        for settings in &mut self.settings {
            *settings = settings.with_sensitivity(sensitivity);
        }
        self
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
        self
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
        Ok(self)
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn metrics(&self) -> &[MetricSpec] {
        self.catalog.metrics()
    }

    /// The settings of each metric, in the order of the catalog.
    pub fn settings(&self) -> &[Settings] {
        &self.settings
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The zone that hours are told in: UTC if none was declared.
    pub fn zone(&self) -> TimeZone {
        self.zone.clone().unwrap_or_default()
    }

    pub(crate) fn calendar(&self, day: Hour) -> Calendar {
        self.zone.as_ref().map_or_else(|| Calendar::undeclared(day), |zone| Calendar::new(zone, day))
    }

    pub(crate) fn mute(&self, metric: &MetricName, window: &Window) -> Option<&Mute> {
        self.policy.mute(metric, window)
    }

    /// The largest factor of a [`Sensitivity`].
    pub(crate) const LARGEST_FACTOR: f64 = 5.0;
}
