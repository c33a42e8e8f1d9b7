//! The channels of the notifier, as far as the API tells of them: it reads the same configuration and the same table, and
//! sends nothing.

use environment::{Env, TextSource};
use messaging::channels::ChannelsConfig;
use platform::aws::SdkConfig;
use platform::telemetry::error_chain;
use platform::text::{self, Loaded};
use store::StoreConfig;
use store::deliveries::DeliveryStore;

use crate::error::{Code, Problem};

/// Where the channels are configured, and what the table knows of their deliveries.
pub struct Channels {
    pub(crate) deliveries: DeliveryStore,
    /// None in a deployment that does not tell the API of its channels.
    source: Option<TextSource>,
    aws: SdkConfig,
    allow_loopback: bool,
}

impl Channels {
    /// * `allow_loopback`: channels may send to this machine. For tests and the local cloud.
    pub(crate) fn from_env(
        env: &Env<'_>,
        store: &StoreConfig,
        allow_loopback: bool,
        aws: &SdkConfig,
    ) -> anyhow::Result<Self> {
        let is_told =
            ["NOTIFIER_CONFIG", "NOTIFIER_CONFIG_SSM_PARAMETER"].iter().any(|name| env.get(name).is_some());
        Ok(Self {
            deliveries: DeliveryStore::new(&store.table, aws),
            source: if is_told { Some(ChannelsConfig::source(env)?) } else { None },
            aws: aws.clone(),
            allow_loopback,
        })
    }

    /// The channels as they are configured now. The notifier may have been configured anew since this function started.
    pub(crate) async fn configured(&self) -> Result<ChannelsConfig, Problem> {
        let Some(source) = &self.source else {
            let detail =
                "this deployment does not tell the API of its channels: set NOTIFIER_CONFIG_SSM_PARAMETER";
            return Err(Problem::of(Code::NoChannels, detail));
        };
        let unreadable = |error: &dyn std::error::Error| {
            tracing::error!(error = error_chain(error), "the configuration of channels cannot be read");
            Problem::of(
                Code::StoreUnavailable,
                "the configuration of channels cannot be read just now; try again",
            )
        };
        let Loaded { text, origin } =
            text::load(source.clone(), &self.aws).await.map_err(|error| unreadable(&error))?;
        ChannelsConfig::parse(&text, &origin, self.allow_loopback).map_err(|error| unreadable(&error))
    }
}
