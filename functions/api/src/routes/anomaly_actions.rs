//! What people do with an anomaly, and by it with its incident.
//!
//! The anomaly first, since its state says whether the action makes any sense, and then the incident. Both are as good
//! twice as once: a caller who repeats a request that was cut off in between does what is still to be done.

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
    /// Somebody looks into it, and with it into its incident: those who were paged are told, once for all of the incident's
    /// anomalies. The note, the time and who sent the token go to the history of both. Doing it twice is as good as once; a new
    /// note is kept. What is resolved must be reopened first. An incident that is over stays as it is.
    acknowledge = Acknowledge of AnomalyItem, answers AnomalyView
    "/v1/anomalies/{anomaly_id}/acknowledge" "anomalies" "acknowledge_anomaly"
    ("anomaly_id", "1795266000000.api_calls.Y3VzdF8wMDAx")
}

action_route! {
    /// Resolve an anomaly
    ///
    /// Nothing is left to do, whether it was acknowledged before or not. Its incident is resolved with it, and those who were
    /// paged are told, once for all of the incident's anomalies; the others keep their states. Doing it twice is as good as
    /// once; a new note is kept.
    resolve = Resolve of AnomalyItem, answers AnomalyView
    "/v1/anomalies/{anomaly_id}/resolve" "anomalies" "resolve_anomaly"
    ("anomaly_id", "1795266000000.api_calls.Y3VzdF8wMDAx")
}

action_route! {
    /// Reopen an anomaly
    ///
    /// Takes back an acknowledgement or a resolution. Its incident is reopened with it, unless a later one of the same customer,
    /// metric and direction has taken its place. Doing it twice is as good as once; a new note is kept.
    reopen = Reopen of AnomalyItem, answers AnomalyView
    "/v1/anomalies/{anomaly_id}/reopen" "anomalies" "reopen_anomaly"
    ("anomaly_id", "1795266000000.api_calls.Y3VzdF8wMDAx")
}

impl Actionable for AnomalyItem {
    const NAME: &'static str = "anomaly";
    type View = AnomalyView;

    async fn act(request: &ActionRequest, entry: &HistoryEntry) -> Result<Acted<Self>, Problem> {
        let (customer, detected_at, metric) = visible(&request.caller, &request.id)?;
        let acted = request.app.store.act(&customer, detected_at, &metric, entry, request.now).await?;
        // The same with the incident, where that is possible: it may be over, superseded or forgotten.
        if let Acted::Done { item, .. } = &acted
            && let Some(id) = &item.incident_id
            && let Some((_, opened_at, subject)) = IncidentId::parse(id.as_str())
        {
            act_on_incident(request, &subject, opened_at, entry).await?;
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
