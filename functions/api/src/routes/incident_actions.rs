//! What people do with an incident, directly or by one of its anomalies.

use axum::Json;
use detection::Action;
use detection::incident::Subject;
use jiff::Timestamp;
use store::{Acted, HistoryEntry, IncidentItem, Writer};

use crate::access::Caller;
use crate::error::Problem;
use crate::paging;
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::actions::{ActionRequest, Actionable, Note, action_route};
use crate::routes::incidents::visible;
use crate::views::IncidentView;

action_route! {
    /// Acknowledge an incident
    ///
    /// Somebody looks into it: it sends no more reminders, and those who were paged are told. The note, the time and who sent
    /// the token go to its history. Doing it twice is as good as once; a new note is kept. What is closed must be reopened
    /// first.
    acknowledge = Acknowledge of IncidentItem, answers IncidentView
    "/v1/incidents/{incident_id}/acknowledge" "incidents" "acknowledge_incident"
    ("incident_id", "1795266000000.api_calls.spike.Y3VzdF8wMDAx")
}

action_route! {
    /// Resolve an incident
    ///
    /// Nothing is left to do, and those who were paged are told. It stays resolved while the deviation goes on, for the next
    /// runs find the same one for the rest of the day; only one that doubles, or that ends and comes back, opens an incident
    /// again. Doing it twice is as good as once; a new note is kept. Its anomalies keep their own states.
    resolve = Resolve of IncidentItem, answers IncidentView
    "/v1/incidents/{incident_id}/resolve" "incidents" "resolve_incident"
    ("incident_id", "1795266000000.api_calls.spike.Y3VzdF8wMDAx")
}

action_route! {
    /// Reopen an incident
    ///
    /// Takes back an acknowledgement, or that it was closed, by whomever. Nobody is paged for it. Doing it twice is as good as
    /// once; a new note is kept. Once there is a later incident of the same customer, metric and direction, an earlier one
    /// cannot be reopened.
    reopen = Reopen of IncidentItem, answers IncidentView
    "/v1/incidents/{incident_id}/reopen" "incidents" "reopen_incident"
    ("incident_id", "1795266000000.api_calls.spike.Y3VzdF8wMDAx")
}

impl Actionable for IncidentItem {
    const NAME: &'static str = "incident";
    type View = IncidentView;

    async fn act(request: &ActionRequest, entry: &HistoryEntry) -> Result<Acted<Self>, Problem> {
        let (opened_at, subject) = visible(&request.caller, &request.id)?;
        act_on_incident(request, &subject, opened_at, entry).await
    }

    fn state(&self) -> &'static str {
        self.incident.state.as_str()
    }

    fn view(self, caller: &Caller) -> IncidentView {
        IncidentView::of(self, caller)
    }
}

/// Acts on an incident, and tells those who were paged.
pub(crate) async fn act_on_incident(
    request: &ActionRequest,
    subject: &Subject,
    opened_at: Timestamp,
    entry: &HistoryEntry,
) -> Result<Acted<IncidentItem>, Problem> {
    let ActionRequest { app, serving, now, .. } = request;
    let writer = Writer { run_id: &serving.id, now: *now };
    let acted = app.store.act_on_incident(subject, opened_at, entry, writer).await?;
    if let Acted::Done { notice: Some(notice), .. } = &acted {
        paging::send_now(app, notice, serving).await;
    }
    Ok(acted)
}
