//! Who was told about an incident, in which channel and when.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use detection::incident::Event;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use store::deliveries::{Told, ToldState};
use store::{AlertState, IncidentAlert};
use utoipa::ToSchema;

use crate::App;
use crate::access::Operator;
use crate::error::Problem;
use crate::params::{InPath, Query};
use crate::refusals::{Forbidden, Invalid, NotFound, Unavailable};
use crate::routes::incidents::visible;
use crate::views::Time;

/// Alerts whose deliveries are read at the same time.
const AT_ONCE: usize = 16;

#[derive(Serialize, ToSchema)]
pub(crate) struct Deliveries {
    pub incident_id: String,
    /// The alerts about the incident, oldest first. Empty if nobody was told by an alert of its own: a digest may have counted
    /// it, or the page of `story_incident_id` told of it, too.
    pub alerts: Vec<AlertView>,
    /// The incident whose page told of this one, too. Null if there was none.
    #[schema(required = true)]
    pub story_incident_id: Option<String>,
}

/// An alert about an incident, and the channels that got it.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveredAlert)]
pub(crate) struct AlertView {
    /// The id that receivers see.
    pub alert_id: String,
    pub event: Event,
    /// When the deviation or the event was complete.
    pub at: Time,
    /// Whether the alert left for the channels.
    pub state: AlertState,
    /// The channels, by name. Empty without channels, and 30 days after the delivery.
    pub deliveries: Vec<DeliveryView>,
}

/// The delivery of an alert to a channel.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryView {
    pub channel: String,
    pub state: ToldState,
    /// When the delivery ended. Null while the alert waits.
    #[schema(required = true)]
    pub ended_at: Option<Time>,
}

/// Show who was told about an incident
///
/// Its alerts with the channels that got them. For operators only: customers do not see the channels.
#[utoipa::path(
    get,
    path = "/v1/incidents/{incident_id}/deliveries",
    tag = "incidents",
    operation_id = "incident_deliveries",
    params(("incident_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.spike.Y3VzdF8wMDAx")),
    responses(
        (status = 200, description = "The alerts.", body = Deliveries),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    InPath(incident_id): InPath,
    query: Query,
) -> Result<Json<Deliveries>, Problem> {
    let now = query.only(&[])?.now();
    let (opened_at, subject) = visible(&caller, &incident_id)?;
    let item = app.store.incident(&subject, opened_at, now).await?.ok_or_else(Problem::not_found)?;
    let alerts = app.store.alerts_of(&item.incident, now).await?;
    let told = |alert: IncidentAlert| async {
        let told = app.channels.deliveries.told(&alert.id).await?;
        Ok::<_, Problem>(AlertView::of(alert, told))
    };
    let alerts = stream::iter(alerts).map(told).buffered(AT_ONCE).try_collect().await?;
    let story_incident_id = item.incident.story.map(|story| story.to_string());
    Ok(Json(Deliveries { incident_id, alerts, story_incident_id }))
}

impl AlertView {
    fn of(alert: IncidentAlert, told: Vec<Told>) -> Self {
        let delivery = |Told { channel, state, ended_at }| DeliveryView {
            channel,
            state,
            ended_at: ended_at.map(Time::from),
        };
        Self {
            alert_id: alert.id,
            event: alert.event,
            at: alert.at.into(),
            state: alert.state,
            deliveries: told.into_iter().map(delivery).collect(),
        }
    }
}
