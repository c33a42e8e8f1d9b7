//! Settings, catalog and clients. They are made once, at cold start.

use std::time::SystemTime;

use anyhow::Context;
use catalog::{Catalog, DetectionConfig, IncidentConfig};
use detection::Settings;
use environment::Env;
use jiff::Timestamp;
use messaging::alerts::{AlertConfig, AlertPublisher};
use platform::emf::MetricsConfig;
use store::{AnomalyStore, StoreConfig};
use warehouse::ClickHouseConfig;
use warehouse::usage::UsageReader;

/// Everything that a run needs, made once at cold start.
pub struct App {
    pub catalog: Catalog,
    pub settings: Vec<Settings>,
    pub detection: DetectionConfig,
    pub alerting: AlertConfig,
    pub incidents: IncidentConfig,
    pub metrics: MetricsConfig,
    pub usage: UsageReader,
    pub store: AnomalyStore,
    pub alerts: AlertPublisher,
    /// The time of day, for expiry and claims only.
    pub clock: fn() -> SystemTime,
}

impl App {
    /// Reads settings and catalog and makes the clients. Any wrong setting is refused here, before the first run.
    pub async fn from_env(
        env: &Env<'_>,
        aws: &platform::aws::SdkConfig,
        clock: fn() -> SystemTime,
    ) -> anyhow::Result<Self> {
        let detection = DetectionConfig::from_env(env)?;
        let alerting = AlertConfig::from_env(env)?;
        let loaded = platform::text::load(Catalog::source(env)?, aws).await?;
        let catalog = Catalog::parse(&loaded.text, &loaded.origin)?;
        Ok(Self {
            settings: catalog.settings(&detection)?,
            usage: UsageReader::new(&ClickHouseConfig::from_env(env)?, aws),
            store: AnomalyStore::new(&StoreConfig::from_env(env)?, aws),
            alerts: AlertPublisher::new(&alerting, aws),
            metrics: MetricsConfig::from_env(env),
            incidents: IncidentConfig::from_env(env)?,
            catalog,
            detection,
            alerting,
            clock,
        })
    }

    pub(crate) fn now(&self) -> anyhow::Result<Timestamp> {
        Timestamp::try_from((self.clock)()).context("the clock of this machine is out of range")
    }
}
