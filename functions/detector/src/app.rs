//! Settings, catalog and clients. They are made once, at cold start.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use catalog::{Catalog, DetectionConfig, IncidentConfig, Pace};
use detection::{BaselineDays, Settings, Window};
use environment::Env;
use jiff::{SignedDuration, Timestamp};
use messaging::alerts::{AlertConfig, AlertPublisher};
use platform::emf::MetricsConfig;
use store::{AnomalyStore, StoreConfig};
use warehouse::ClickHouseConfig;
use warehouse::usage::UsageReader;

use crate::networks::Networks;
use crate::servers::Servers;
use crate::storm::Storm;

/// A server that answers nothing for so long will not answer the queries of the run either.
const LONGEST_QUESTION: Duration = Duration::from_secs(5);

/// Everything that a run needs, made once at cold start.
#[derive(Clone)]
pub struct App {
    /// The metrics of one source. At cold start those of customers.
    pub catalog: Catalog,
    pub settings: Vec<Settings>,
    pub detection: DetectionConfig,
    pub alerting: AlertConfig,
    pub incidents: IncidentConfig,
    pub metrics: MetricsConfig,
    /// Shows all rows.
    pub usage: Arc<UsageReader>,
    /// How long a run waits for the first answer of a server.
    pub longest_question: Duration,
    /// The servers of a run that has a part for each shard of a cluster.
    pub servers: Servers,
    pub store: Arc<AnomalyStore>,
    pub alerts: Arc<AlertPublisher>,
    /// The trained networks that vote on the entities of sources.
    pub networks: Arc<Networks>,
    pub storm: Storm,
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
        let catalog = Catalog::parse_all(&platform::text::load_all(Catalog::source(env)?, aws).await?)?;
        Ok(Self {
            settings: catalog.settings(&detection)?,
            usage: UsageReader::new(&ClickHouseConfig::from_env(env)?, aws).into(),
            longest_question: LONGEST_QUESTION,
            servers: Servers::default(),
            store: AnomalyStore::new(&StoreConfig::from_env(env)?, aws).into(),
            alerts: AlertPublisher::new(&alerting, aws).into(),
            networks: Networks::from_env(env, aws)?.into(),
            metrics: MetricsConfig::from_env(env),
            storm: Storm::default(),
            incidents: IncidentConfig::from_env(env)?,
            catalog,
            detection,
            alerting,
            clock,
        })
    }

    /// The same for the metrics of a source, with the same clients.
    ///
    /// # Errors
    ///
    /// When the catalog has no such source.
    pub fn of_source(&self, source: &str) -> anyhow::Result<Self> {
        let Some(catalog) = self.catalog.of(source) else {
            let known: Vec<&str> = self.catalog.all().map(Catalog::name).collect();
            anyhow::bail!("the catalog has no source `{source}`; it has {}", known.join(", "));
        };
        let mut incidents = self.incidents;
        if let Some(least) = catalog.entities().and_then(|entities| entities.alert_min_severity) {
            incidents.rules.min_severity = least;
        }
        Ok(Self {
            incidents,
            settings: catalog.settings(&self.detection)?,
            // The alarms watch the runs of usage.
            metrics: match catalog.entities() {
                None => self.metrics.clone(),
                Some(_) => self.metrics.of_source(source),
            },
            catalog: catalog.clone(),
            ..self.clone()
        })
    }

    /// What reads the usage of a run: the server of each shard, or the one that shows all rows.
    pub(crate) fn each_server(&self) -> Vec<Self> {
        let of = |usage: &Arc<UsageReader>| Self {
            usage: Arc::clone(usage),
            catalog: self.catalog.clone().on_one_server(),
            servers: Servers::default(),
            ..self.clone()
        };
        match self.servers.readers() {
            [] => vec![self.clone()],
            readers => readers.iter().map(of).collect(),
        }
    }

    /// The name of the source. None for the usage of customers.
    pub(crate) fn source(&self) -> Option<&str> {
        self.catalog.entities().map(|entities| entities.name().as_str())
    }

    /// The time that the rows of the source take to arrive.
    pub(crate) fn delay(&self) -> SignedDuration {
        let own = self.pace().and_then(|pace| pace.delay);
        own.unwrap_or_else(|| SignedDuration::try_from(self.detection.window_delay).unwrap_or_default())
    }

    /// The days that rules compare with.
    pub(crate) fn baseline(&self) -> BaselineDays {
        self.pace().and_then(|pace| pace.baseline).unwrap_or(self.detection.baseline_days)
    }

    /// The time from one window to the next one that closes.
    pub(crate) fn step(&self) -> SignedDuration {
        self.pace().map_or(SignedDuration::from_hours(1), Pace::step)
    }

    /// The time from one check to the next within a window, if a run checks more than once.
    pub(crate) fn every(&self) -> Option<SignedDuration> {
        Some(self.pace()?.every?.length())
    }

    /// The length of the window that rules judge.
    pub(crate) fn length(&self) -> SignedDuration {
        self.pace().map_or(SignedDuration::from_hours(1), |pace| pace.window.length())
    }

    /// The newest part of a window that the rules of the source judge. A window that is shorter stays whole.
    pub(crate) fn newest(&self, window: &Window) -> Window {
        window.newest(self.length()).unwrap_or(*window)
    }

    /// Whether a window closes between two that follow each other without a gap.
    pub(crate) fn is_between(&self, window: &Window) -> bool {
        window.end().as_millisecond().rem_euclid(self.length().as_secs() * 1_000) != 0
    }

    fn pace(&self) -> Option<&Pace> {
        self.catalog.entities().map(|entities| &entities.pace)
    }

    pub(crate) fn now(&self) -> anyhow::Result<Timestamp> {
        Timestamp::try_from((self.clock)()).context("the clock of this machine is out of range")
    }
}
