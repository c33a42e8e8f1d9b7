//! Actions of people on anomalies. Each step is a conditional update on the state that the step was decided from. So
//! two people at the same time cannot overwrite each other.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use detection::{AnomalyId, AnomalyPlace, State, Transition};
use jiff::Timestamp;

use super::conflicts::{BRIEFLY, Conflict, again_after_conflicts};
use super::history::{DECISIONS, says_more};
use super::{Acted, AnomalyItem, AnomalyStore, HistoryEntry, MAX_HISTORY, StoreError};

impl AnomalyStore {
    /// Carries out an action on an anomaly. Repeated requests have the effect of one.
    pub async fn act(
        &self,
        place: &AnomalyPlace,
        entry: &HistoryEntry,
        now: Timestamp,
    ) -> Result<Acted<AnomalyItem>, StoreError> {
        for _ in 0..DECISIONS {
            let Some(found) = self.anomaly(place, now).await? else {
                return Ok(Acted::Missing);
            };
            let transition = found.state.after_deed(entry.action);
            match transition {
                Transition::Already if !says_more(&found.history, entry) => {
                    return Ok(done(found));
                }
                Transition::Refused => return Ok(Acted::Refused(Box::new(found))),
                _ if found.history.len() >= MAX_HISTORY => return Ok(Acted::HistoryFull),
                Transition::Already | Transition::To(_) => {}
            }
            let state = match transition {
                Transition::To(state) => state,
                Transition::Already | Transition::Refused => found.state,
            };
            if let Some(changed) = self.change_state(&found, state, entry).await? {
                return Ok(done(changed));
            }
        }
        let id = AnomalyId::of(place).to_string();
        Err(StoreError::Contended { id, table: self.table.clone() })
    }

    /// `None` if somebody else changed the anomaly first.
    async fn change_state(
        &self,
        found: &AnomalyItem,
        state: State,
        entry: &HistoryEntry,
    ) -> Result<Option<AnomalyItem>, StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let item = serde_dynamo::to_attribute_value(entry).map_err(|source| self.unreadable(source))?;
        let condition = match found.history.is_empty() {
            true => "attribute_exists(pk) AND attribute_not_exists(history)",
            false => "attribute_exists(pk) AND size(history) = :steps",
        };
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(found.key().attributes()))
            .update_expression(
                "SET #state = :state, history = list_append(if_not_exists(history, :none), :entry)",
            )
            // Each change adds a step. So the number of steps tells whether anybody changed the anomaly since it was
            // read.
            .condition_expression(condition)
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state.as_str()))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":entry", AttributeValue::L(vec![item]))
            .return_values(ReturnValue::AllNew);
        if !found.history.is_empty() {
            update = update
                .expression_attribute_values(":steps", AttributeValue::N(found.history.len().to_string()));
        }
        // A run may be writing the anomaly and its incident at this moment.
        let write = || async { update.clone().send().await.map_err(SdkError::into_service_error) };
        match again_after_conflicts(BRIEFLY, UpdateItemError::passes, write).await {
            Ok(answer) => serde_dynamo::from_item(answer.attributes.unwrap_or_default())
                .map(Some)
                .map_err(|source| self.unreadable(source)),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(None),
            Err(error) if error.passes() => {
                Err(StoreError::Contended { id: found.anomaly_id.to_string(), table: self.table.clone() })
            }
            Err(error) => Err(self.unchanged(entry.action.as_str(), found.anomaly_id.as_str(), error)),
        }
    }
}

fn done(anomaly: AnomalyItem) -> Acted<AnomalyItem> {
    Acted::Done { item: Box::new(anomaly), notice: None }
}
