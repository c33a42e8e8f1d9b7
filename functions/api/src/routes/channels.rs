//! The channels and their state.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use futures::future::try_join_all;
use messaging::channels::{Channel, ChannelKind, Route};
use serde::Serialize;
use store::Extent;
use store::deliveries::ChannelHealth;
use utoipa::ToSchema;

use crate::App;
use crate::access::Operator;
use crate::answer::Serving;
use crate::error::Problem;
use crate::params::Query;
use crate::refusals::{Forbidden, Invalid, Missing, Unavailable};
use crate::views::Time;

#[derive(Serialize, ToSchema)]
pub(crate) struct ChannelList {
    /// By name.
    pub channels: Vec<ChannelView>,
    /// Which alerts go to which channels. Empty: a critical alert goes to all channels, and a warning to the chats of teams.
    pub routes: Vec<RouteView>,
}

/// A channel without its address and its secrets. Terraform changes channels.
#[derive(Serialize, ToSchema)]
#[schema(as = Channel)]
pub(crate) struct ChannelView {
    pub name: String,
    /// Such as `slack` or `pagerduty`. `broken` if its entry is refused.
    #[serde(rename = "type")]
    #[schema(example = "slack")]
    pub kind: String,
    /// Why its entry is refused. Null for a channel that can send.
    #[schema(required = true)]
    pub broken_reason: Option<String>,
    /// Least time between two messages about one metric and severity.
    pub throttle_seconds: u64,
    /// When its receiver said that it is gone. The channel sends nothing until its address changes or somebody enables it. Null
    /// if it never said so.
    #[schema(required = true)]
    pub disabled_at: Option<Time>,
    /// Alerts that wait.
    pub waiting: u64,
    /// Since when the oldest of them waits. Null without any.
    #[schema(required = true)]
    pub waiting_since: Option<Time>,
    /// Alerts that were given up and are in the queue of failures. Those of the last 30 days.
    pub failed: u64,
    /// Whether all of these alerts were counted. `false`: time ran out, and there may be more.
    pub complete: bool,
}

/// Alerts that match go to these channels. Null matches everything.
#[derive(Serialize, ToSchema)]
#[schema(as = Route)]
pub(crate) struct RouteView {
    #[schema(required = true)]
    pub severities: Option<Vec<String>>,
    #[schema(required = true)]
    pub metrics: Option<Vec<String>>,
    #[schema(required = true)]
    pub customers: Option<Vec<String>>,
    pub channels: Vec<String>,
}

/// List the channels and their state
///
/// What alerts go to, and how each channel is doing.
#[utoipa::path(
    get,
    path = "/v1/channels",
    tag = "settings",
    operation_id = "list_channels",
    responses(
        (status = 200, description = "The channels.", body = ChannelList),
        Invalid,
        Forbidden,
        Missing,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    serving: Serving,
    query: Query,
) -> Result<Json<ChannelList>, Problem> {
    query.only(&[])?;
    let config = app.channels.configured().await?;
    let (store, deadline) = (&app.channels.deliveries, serving.counting_deadline(&app));
    let health = config.channels.iter().map(|channel| store.health(&channel.name, deadline));
    let views = try_join_all(health)
        .await?
        .into_iter()
        .zip(config.channels)
        .map(|(health, channel)| ChannelView::of(channel, health));
    Ok(Json(ChannelList {
        channels: views.collect(),
        routes: config.routes.into_iter().map(RouteView::from).collect(),
    }))
}

impl ChannelView {
    fn of(channel: Channel, health: ChannelHealth) -> Self {
        let ChannelHealth { disabled_at, waiting, waiting_since, failed, extent } = health;
        Self {
            name: channel.name,
            kind: channel.kind.name().to_owned(),
            broken_reason: match channel.kind {
                ChannelKind::Broken { reason } => Some(reason),
                _ => None,
            },
            throttle_seconds: channel.throttle.as_secs(),
            disabled_at: disabled_at.map(Time::from),
            waiting,
            waiting_since: waiting_since.map(Time::from),
            failed,
            complete: extent == Extent::Whole,
        }
    }
}

impl From<Route> for RouteView {
    fn from(route: Route) -> Self {
        let Route { severities, metrics, customers, channels } = route;
        Self { severities, metrics, customers, channels }
    }
}
