//! Alerts that SNS refused for good. A run parks them. A person takes them up again after the cause is removed.
//!
//! They stay in the index of alerts, in a part of their own. So they are found without a scan.

use aws_sdk_dynamodb::types::AttributeValue;

use super::alert_state::{PARKED, PENDING};
use super::{AlertItem, AlertState, AnomalyStore, Pending, StoreError, Writer};

impl AnomalyStore {
    /// Takes an alert that can never be published out of the outbox.
    pub async fn park(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<(), StoreError> {
        let update = self
            .update(alert)
            .update_expression(
                "SET alert_state = :parked, pending_alert = :part, alert_parked_at = :now \
                 REMOVE alert_claim_until, alert_claim_by",
            )
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":parked", state(AlertState::Parked))
            .expression_attribute_values(":part", AttributeValue::S(PARKED.to_owned()))
            .expression_attribute_values(":now", AttributeValue::N(writer.now.as_millisecond().to_string()));
        self.conditional("park", alert, update).await.map(drop)
    }

    /// The parked alerts, oldest first, at most `limit`.
    pub async fn parked(&self, limit: usize) -> Result<Pending, StoreError> {
        self.indexed(PARKED, limit).await
    }

    /// Puts a parked alert back into the outbox. The next run sends it. Returns `false` if the alert is not parked any
    /// more.
    pub async fn take_up(&self, alert: &AlertItem) -> Result<bool, StoreError> {
        let update = self
            .update(alert)
            .update_expression("SET alert_state = :pending, pending_alert = :part REMOVE alert_parked_at")
            .condition_expression("alert_state = :parked")
            .expression_attribute_values(":pending", state(AlertState::Pending))
            .expression_attribute_values(":parked", state(AlertState::Parked))
            .expression_attribute_values(":part", AttributeValue::S(PENDING.to_owned()));
        Ok(self.conditional("take up", alert, update).await?.is_none())
    }

    /// Removes a parked alert from the index for good. The item stays.
    pub async fn give_up(&self, alert: &AlertItem) -> Result<(), StoreError> {
        let update = self
            .update(alert)
            .update_expression("REMOVE pending_alert")
            .condition_expression("alert_state = :parked")
            .expression_attribute_values(":parked", state(AlertState::Parked));
        self.conditional("give up", alert, update).await.map(drop)
    }
}

fn state(state: AlertState) -> AttributeValue {
    AttributeValue::S(state.as_str().to_owned())
}
