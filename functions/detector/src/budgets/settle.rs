//! Writes the incident of a mark, with its anomaly or the notice of its end.

use std::time::Duration;

use anyhow::bail;
use detection::budget::{self, Found};
use detection::incident::{Event, Incident, Step};
use detection::{Anomaly, text};
use store::{AlertItem, AnomalyItem, Change, Changed, IncidentItem, JudgedBy, Notice, Previous};

use super::{Marked, Reading};
use crate::known::Latest;
use crate::ledger::Ledger;
use crate::months::newest;
use crate::pass::Pass;

/// Tries against people and other runs that change the same incident at the same time.
const ATTEMPTS: u32 = 6;

/// What became of a mark.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) pending: Option<AlertItem>,
    pub(super) is_anomaly: bool,
    pub(super) became: Option<&'static str>,
}

/// Stores what a mark does to its incident. The incident is read before, because the list of a run lags behind.
///
/// * `single`: whether its page goes out singly. Otherwise the digest of the run counts it.
pub(super) async fn settle(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    marked: &Marked<'_>,
    single: bool,
) -> anyhow::Result<Settled> {
    let now = ledger.now()?.min(pass.window.end());
    for attempt in 0..ATTEMPTS {
        let latest = ledger.latest_incident(&marked.subject, now).await?.map(Latest::from);
        let before = latest.as_ref().and_then(|latest| latest.incident.as_ref());
        let (incident, page) = match marked.decide(before, pass) {
            Step::Stay | Step::Repeated(_) => return Ok(Settled::default()),
            Step::Become { incident, page } => (*incident, page),
        };
        let is_ended = !incident.is_open();
        let (to, alert) = items(pass, marked, latest.as_ref(), incident, page, single);
        if is_ended {
            // The anomalies close before their incident, so that a run that dies in between does both again.
            ledger.close_anomalies(&to.incident).await?;
        }
        let from = latest.as_ref().map(|latest| &latest.former);
        let change = Change { from, to: &to, alert: alert.as_ref(), told_by: None };
        let became = match (is_ended, before) {
            (true, _) => "resolved",
            (false, None) => "opened",
            (false, Some(_)) => "reopened",
        };
        match ledger.change(change, pass.writer).await? {
            Changed::Done => {
                let pending = alert.filter(|alert| alert.state() == store::AlertState::Pending);
                return Ok(Settled { pending, is_anomaly: !is_ended, became: Some(became) });
            }
            Changed::Already(recorded) => {
                return Ok(Settled { pending: recorded.pending, ..Settled::default() });
            }
            Changed::Overtaken => ledger.pause(Duration::from_millis(20) * attempt).await,
        }
    }
    bail!(
        "the incident of a budget of {:?} was changed by others again and again",
        marked.subject.customer_id.as_str()
    )
}

/// The incident, and its anomaly or the notice of its end.
fn items(
    pass: Pass<'_>,
    marked: &Marked<'_>,
    latest: Option<&Latest>,
    mut incident: Incident,
    page: Option<Event>,
    single: bool,
) -> (IncidentItem, Option<AlertItem>) {
    let Pass { app, window, writer, policies, .. } = pass;
    let (unit, retention) = (&app.catalog.metrics()[marked.metric].unit, app.store.retention());
    let level = marked.reading.as_ref().map(|reading| reading.level);
    if let Some(event) = page {
        let noted = level.unwrap_or(budget::Level { amount: 0.0, used: 0.0, is_reached: false });
        let observation = noted.observation(marked.mark.severity(), window.end());
        incident.note_page(event, single || event.is_closing(), &observation);
    }
    let previous = latest.map(Previous::from);
    if !incident.is_open() {
        let text = text::budget::ended(&incident, level.as_ref(), marked.is_over, unit);
        let notice = page
            .map(|event| Notice::new(event, &incident, unit, text, window.end(), retention, writer.run_id));
        let to = IncidentItem::following(previous, incident, unit, None, retention);
        return (to, notice.map(|notice| AlertItem::Notice(Box::new(notice))));
    }
    let anomaly = anomaly(pass, marked);
    let item = anomaly.map(|anomaly| {
        let judged_by = JudgedBy {
            detector: "budget",
            excess: None,
            catalog_version: app.catalog.version(),
            config_version: policies.version(&marked.subject.customer_id),
            mute: None,
        };
        let item = AnomalyItem::new(&anomaly, Some(&incident), &judged_by, retention, writer.run_id);
        match page.filter(|_| single) {
            Some(event) => item.alerting(event, incident.clone(), None),
            None => item,
        }
    });
    let description = item.as_ref().map(|item| item.description.clone());
    let kind = item.as_ref().map(|item| item.kind);
    let to = IncidentItem::following(previous, incident, unit, description, retention).of_kind(kind);
    (to, item.map(|item| AlertItem::Anomaly(Box::new(item))))
}

/// The anomaly of a mark that is reached.
pub(super) fn anomaly(pass: Pass<'_>, marked: &Marked<'_>) -> Option<Anomaly> {
    let Reading { quota, used, level, month, zone } = marked.reading.as_ref()?;
    let found = Found {
        mark: marked.mark,
        quota,
        used,
        level,
        month,
        newest: newest(pass),
        zone,
        unit: &pass.app.catalog.metrics()[marked.metric].unit,
        currency: pass.app.catalog.currency(),
    };
    budget::anomaly(&found, &marked.subject)
}
