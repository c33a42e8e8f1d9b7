//! Calls and their answers in words, for the story of a seed.

use store::{Changed, IncidentItem};

use crate::desk::{Answer, Call};

pub(crate) fn summary(call: &Call) -> String {
    match call {
        Call::Change(wanted) => {
            let now = &wanted.to.incident;
            let alert = wanted.alert.as_ref().map(|alert| format!("{:?} {}", alert.state(), alert.id()));
            let from = wanted.from.as_ref().map(|from| (from.id().to_string(), from.version));
            format!(
                "change {from:?} -> {} v{} {:?} anomalies={} quiet={} told={} alerting={} last_window={} page={:?} with {alert:?}",
                wanted.to.id(),
                wanted.to.version,
                now.state,
                now.anomalies,
                now.recovery,
                now.notified.is_some(),
                now.alerting,
                now.last_window,
                now.last_page
            )
        }
        Call::Record(alert) => format!("record {}", alert.id()),
        Call::Claim(alert) => format!("claim {}", alert.id()),
        Call::Publish(alert) => format!("publish {}", alert.id()),
        Call::MarkSent(alert) => format!("mark {}", alert.id()),
        Call::Release(alert) => format!("release {}", alert.id()),
        other => format!("{other:?}"),
    }
}

pub(crate) fn outcome(answer: &Answer) -> String {
    match answer {
        Answer::Incidents(incidents) => {
            let incident =
                |item: &IncidentItem| format!("{} v{} {:?}", item.id(), item.version, item.incident.state);
            format!("{:?}", incidents.iter().map(incident).collect::<Vec<_>>())
        }
        Answer::Incident(incident) => {
            format!("{:?}", incident.as_ref().map(|item| (item.id(), item.version)))
        }
        Answer::Changed(Changed::Already(recorded)) => format!("already, {:?}", recorded.alert_state),
        Answer::Recorded(recorded) => format!("new={} {:?}", recorded.new, recorded.alert_state),
        Answer::Pending(pending) => {
            format!("{:?}", pending.alerts.iter().map(|a| a.id()).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}
