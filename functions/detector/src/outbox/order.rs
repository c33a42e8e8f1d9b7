//! The order of alerts. Alerts of one incident follow each other. All others go alone.

use std::collections::HashMap;

use detection::incident::Event;
use store::AlertItem;

/// The alerts of each incident, in their order. All others one by one.
pub(super) fn by_incident(alerts: &[AlertItem]) -> Vec<Vec<&AlertItem>> {
    let mut groups: Vec<Vec<&AlertItem>> = Vec::new();
    let mut places = HashMap::new();
    for alert in alerts {
        match alert.incident_id() {
            Some(incident) => {
                let place = *places.entry(incident).or_insert(groups.len());
                if place == groups.len() {
                    groups.push(Vec::new());
                }
                groups[place].push(alert);
            }
            None => groups.push(vec![alert]),
        }
    }
    for group in &mut groups {
        group.sort_by_key(|alert| place(alert));
    }
    groups
}

/// The place among the alerts of an incident: by the newest window that the incident had seen, then by its number of
/// anomalies, then by the time of the event. A late window adds an anomaly and leaves the newest window unchanged.
/// Actions of people have clock times, which are later than all windows, so the time comes last.
fn place(alert: &AlertItem) -> (i64, u64, i64) {
    let incident = match alert {
        AlertItem::Anomaly(item) => item.alert.as_ref().map(|alert| &alert.incident),
        AlertItem::Notice(notice) => Some(&notice.incident),
        AlertItem::Digest(_) => None,
    };
    let newest_window = incident.map(|incident| incident.last_window.as_millisecond());
    let anomalies = incident.map_or(0, |incident| incident.anomalies);
    (newest_window.unwrap_or(alert.detected_at()), anomalies, alert.detected_at())
}

/// Whether no other alert of the incident can have been before it.
pub(super) fn is_first(alert: &AlertItem) -> bool {
    match alert {
        AlertItem::Anomaly(item) => item.alert.as_ref().is_none_or(|alert| alert.event == Event::Opened),
        AlertItem::Notice(_) => false,
        AlertItem::Digest(_) => true,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use detection::incident::{Figures, Incident, IncidentState, Subject};
    use detection::{CustomerId, Direction, MetricName, Severity};
    use store::Notice;

    use jiff::Timestamp;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_266_000 + second).unwrap()
    }

    /// An alert of the time `told` about the incident of a customer. The incident had then seen the window that ends at
    /// `window`.
    pub(in super::super) fn alert(customer: &str, event: Event, window: i64, told: i64) -> AlertItem {
        let subject = Subject {
            customer_id: CustomerId::new(customer).unwrap(),
            entity: None,
            metric: MetricName::new("api_calls").unwrap(),
            direction: Direction::Spike,
        };
        let figures = Figures { current_value: 9.0, baseline_mean: 1.0, baseline_stddev: 1.0, z_score: 8.0 };
        let incident = Incident {
            subject,
            state: IncidentState::Open,
            severity: Severity::Critical,
            opened_at: at(0),
            level_since: at(0),
            level_at_start: None,
            unjudged_since: None,
            last_seen: at(window),
            last_window: at(window),
            closed_at: None,
            over_at: None,
            anomalies: 1,
            recovery: 0,
            peak_z_score: 8.0,
            latest: figures,
            level: 8.0,
            latest_severity: detection::Severity::Critical,
            notified: Some(detection::Severity::Critical),
            alerting: true,
            last_page: None,
            seen_by: 24,
            change: None,
            recurring: None,
            story: None,
            costs: None,
        };
        let text = String::from("text");
        let notice = Notice::new(event, &incident, "calls", text, at(told), Duration::from_secs(1), "run");
        AlertItem::Notice(Box::new(notice))
    }

    #[test]
    fn the_alerts_of_an_incident_go_in_the_order_in_which_they_came_about() {
        let hour = 3_600;
        // A person resolves the incident a minute after a window ends that a late run then finds anomalous.
        let alerts = [
            alert("a", Event::Reopened, 2 * hour, 2 * hour),
            alert("b", Event::Opened, 0, 0),
            alert("a", Event::Resolved, hour, 2 * hour + 60),
            alert("a", Event::Acknowledged, hour, 2 * hour + 30),
            alert("a", Event::Escalated, hour, hour),
        ];
        let events = |group: &Vec<&AlertItem>| -> Vec<Event> {
            let event = |alert: &&AlertItem| match alert {
                AlertItem::Notice(notice) => notice.event,
                other => panic!("{other:?}"),
            };
            group.iter().map(event).collect()
        };
        let groups: Vec<_> = by_incident(&alerts).iter().map(events).collect();
        use Event::*;
        assert_eq!(groups, [vec![Escalated, Acknowledged, Resolved, Reopened], vec![Opened]]);
    }
}
