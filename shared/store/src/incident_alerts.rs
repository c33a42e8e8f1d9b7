//! The alerts that people got about one incident, oldest first: its pages, and the notices of actions and of its end.

use aws_sdk_dynamodb::types::AttributeValue;
use detection::incident::{Event, Incident};
use jiff::Timestamp;

use super::conditions::Conditions;
use super::keys;
use super::{AlertItem, AlertState, AnomalyStore, StoreError};

/// Most alerts of one incident that are read. An incident that is open for a week and escalates each hour has fewer.
const MOST: usize = 200;

/// One alert about an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentAlert {
    /// The id that receivers see.
    pub id: String,
    /// Why people were told.
    pub event: Event,
    /// When the deviation or the event was complete, in Unix milliseconds.
    pub at: i64,
    /// Whether the alert left for the channels.
    pub state: AlertState,
}

impl AnomalyStore {
    /// The alerts about an incident.
    pub async fn alerts_of(
        &self,
        incident: &Incident,
        now: Timestamp,
    ) -> Result<Vec<IncidentAlert>, StoreError> {
        let (opened, seen) = (incident.opened_at.as_millisecond(), incident.last_seen.as_millisecond());
        let pages =
            self.alerts_between(incident, keys::anomalies_from(opened), keys::anomalies_from(seen + 1), now);
        // People act on an incident after its last window, too.
        let until = now.as_millisecond().saturating_add(1);
        let notices =
            self.alerts_between(incident, keys::notices_from(opened), keys::notices_from(until), now);
        let (pages, notices) = futures::try_join!(pages, notices)?;
        let mut alerts = [pages, notices].concat();
        alerts.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        Ok(alerts)
    }

    /// The alerts about an incident among the items of its customer with these sort keys.
    async fn alerts_between(
        &self,
        incident: &Incident,
        from: String,
        until: String,
        now: Timestamp,
    ) -> Result<Vec<IncidentAlert>, StoreError> {
        let id = incident.id();
        let states: Vec<_> = AlertState::WITH_ALERT.iter().map(|state| state.as_str()).collect();
        let mut conditions = Conditions::alive(now);
        conditions.one_of("alert_state", &states);
        let query = conditions
            .filter(self.client.query().table_name(&self.table))
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
            .expression_attribute_values(
                ":pk",
                AttributeValue::S(keys::customer(&incident.subject.customer_id)),
            )
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":until", AttributeValue::S(until));
        let mut items = query.into_paginator().items().send();
        let mut alerts = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|source| self.unread("the alerts of an incident", source))?;
            let item = AlertItem::from_item(item).map_err(|source| self.unreadable(source))?;
            if item.incident_id().as_ref() == Some(&id)
                && let Some(event) = item.event()
            {
                alerts.push(IncidentAlert {
                    id: item.id().to_owned(),
                    event,
                    at: item.detected_at(),
                    state: item.state(),
                });
            }
            if alerts.len() == MOST {
                break;
            }
        }
        Ok(alerts)
    }
}
