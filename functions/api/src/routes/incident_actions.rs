//! Actions on an incident, directly or by one of its anomalies.

use axum::Json;
use detection::Action;
use detection::incident::Subject;
use jiff::Timestamp;
use store::{Acted, HistoryEntry, IncidentItem, Writer};

use crate::App;
use crate::access::Caller;
use crate::answer::Serving;
use crate::error::Problem;
use crate::paging;
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::actions::{ActionRequest, Actionable, Note, action_route};
use crate::routes::incidents::visible;
use crate::views::IncidentView;

action_route! {
    /// Acknowledge an incident
    ///
    /// Says that somebody looks into the incident. It sends no more reminders, and the people who were paged are
    /// notified. The note, the time and the token's name go into its history. A repetition changes nothing, except that
    /// a new note is kept. A closed incident must be reopened first.
    acknowledge = Acknowledge of IncidentItem, answers IncidentView
    "/v1/incidents/{incident_id}/acknowledge" "incidents" "acknowledge_incident"
    ("incident_id", "1795266000000.api_calls.spike.Y3VzdF8wMDAx")
}

action_route! {
    /// Resolve an incident
    ///
    /// Says that nothing is left to do. The people who were paged are notified. The incident stays resolved while the
    /// deviation goes on, because the next runs find the same deviation for the rest of the day. Only a deviation that
    /// doubles, or that ends and comes back, opens an incident again. The anomalies of the incident keep their own
    /// states. A repetition changes nothing, except that a new note is kept.
    resolve = Resolve of IncidentItem, answers IncidentView
    "/v1/incidents/{incident_id}/resolve" "incidents" "resolve_incident"
    ("incident_id", "1795266000000.api_calls.spike.Y3VzdF8wMDAx")
}

action_route! {
    /// Reopen an incident
    ///
    /// Takes back an acknowledgement or a closure. Nobody is paged for it. An incident cannot be reopened if a later
    /// one of the same customer, metric and direction exists. A repetition changes nothing, except that a new note is
    /// kept.
    reopen = Reopen of IncidentItem, answers IncidentView
    "/v1/incidents/{incident_id}/reopen" "incidents" "reopen_incident"
    ("incident_id", "1795266000000.api_calls.spike.Y3VzdF8wMDAx")
}

impl Actionable for IncidentItem {
    const NAME: &'static str = "incident";
    type View = IncidentView;

    async fn act(request: &ActionRequest, entry: &HistoryEntry) -> Result<Acted<Self>, Problem> {
        let (opened_at, subject) = visible(&request.caller, &request.id)?;
        act_on_incident(&request.app, &request.serving, request.now, (&subject, opened_at), entry).await
    }

    fn state(&self) -> &'static str {
        self.incident.state.as_str()
    }

    fn view(self, caller: &Caller) -> IncidentView {
        IncidentView::of(self, caller)
    }
}

/// Acts on an incident, and notifies the people who were paged.
pub(crate) async fn act_on_incident(
    app: &App,
    serving: &Serving,
    now: Timestamp,
    (subject, opened_at): (&Subject, Timestamp),
    entry: &HistoryEntry,
) -> Result<Acted<IncidentItem>, Problem> {
    let writer = Writer { run_id: &serving.id, now };
    let acted = app.store.act_on_incident(subject, opened_at, entry, writer).await?;
    if let Acted::Done { notice: Some(notice), .. } = &acted {
        paging::send_now(app, notice, serving).await;
    }
    Ok(acted)
}
