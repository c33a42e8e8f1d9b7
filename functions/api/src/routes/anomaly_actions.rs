//! Actions on an anomaly. They act on its incident too.
//!
//! The anomaly is first, because its state decides whether the action is allowed. The incident is second. A repetition
//! of either changes nothing. So a caller who repeats a request that was cut off completes the rest.

use axum::Json;
use detection::{Action, IncidentId};
use store::{Acted, AnomalyItem, HistoryEntry};

use crate::access::Caller;
use crate::error::Problem;
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::actions::{ActionRequest, Actionable, Note, action_route};
use crate::routes::anomalies::visible;
use crate::routes::incident_actions::act_on_incident;
use crate::views::AnomalyView;

action_route! {
    /// Acknowledge an anomaly
    ///
    /// Says that somebody looks into the anomaly and its incident. The people who were paged are notified, once for all
    /// anomalies of the incident. The note, the time and the token's name go into both histories. A repetition changes
    /// nothing, except that a new note is kept. A resolved anomaly must be reopened first. A closed incident stays
    /// unchanged.
    acknowledge = Acknowledge of AnomalyItem, answers AnomalyView
    "/v1/anomalies/{anomaly_id}/acknowledge" "anomalies" "acknowledge_anomaly"
    ("anomaly_id", "1795266000000.api_calls.Y3VzdF8wMDAx")
}

action_route! {
    /// Resolve an anomaly
    ///
    /// Says that nothing is left to do. The anomaly need not be acknowledged before. Its incident is resolved too, and
    /// the people who were paged are notified once. The incident's other anomalies keep their states. A repetition
    /// changes nothing, except that a new note is kept.
    resolve = Resolve of AnomalyItem, answers AnomalyView
    "/v1/anomalies/{anomaly_id}/resolve" "anomalies" "resolve_anomaly"
    ("anomaly_id", "1795266000000.api_calls.Y3VzdF8wMDAx")
}

action_route! {
    /// Reopen an anomaly
    ///
    /// Takes back an acknowledgement or a resolution. The incident is reopened too, unless a later incident of the same
    /// customer, metric and direction exists. A repetition changes nothing, except that a new note is kept.
    reopen = Reopen of AnomalyItem, answers AnomalyView
    "/v1/anomalies/{anomaly_id}/reopen" "anomalies" "reopen_anomaly"
    ("anomaly_id", "1795266000000.api_calls.Y3VzdF8wMDAx")
}

impl Actionable for AnomalyItem {
    const NAME: &'static str = "anomaly";
    type View = AnomalyView;

    async fn act(request: &ActionRequest, entry: &HistoryEntry) -> Result<Acted<Self>, Problem> {
        let place = visible(&request.caller, &request.id)?;
        let acted = request.app.store.act(&place, entry, request.now).await?;
        // The action also goes to the incident, if that is possible. The incident may be closed, superseded or expired.
        if let Acted::Done { item, .. } = &acted
            && let Some(id) = &item.incident_id
            && let Some((_, opened_at, subject)) = IncidentId::parse(id.as_str())
        {
            let ActionRequest { app, serving, now, .. } = request;
            act_on_incident(app, serving, *now, (&subject, opened_at), entry).await?;
        }
        Ok(acted)
    }

    fn state(&self) -> &'static str {
        self.state.as_str()
    }

    fn view(self, caller: &Caller) -> AnomalyView {
        AnomalyView::of(self, caller)
    }
}
