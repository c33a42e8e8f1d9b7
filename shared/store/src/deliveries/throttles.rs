//! Throttles: one page of a metric and severity passes, the others are counted until the throttle opens again.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};
use jiff::{SignedDuration, Timestamp};

use super::{
    Delivery, DeliveryError, DeliveryStore, RETENTION, count, expiry, key_of, millis, number, text, what,
};
use crate::conflicts::{BRIEFLY, Conflict, again_after_conflicts, is_refused};
use crate::keys::{self, Key, short};

/// What a throttle says of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttled {
    /// It may be sent, and tells how many before it were not.
    Pass {
        held_back: u64,
    },
    Hold,
}

impl DeliveryStore {
    /// Asks the throttle of a channel, metric and severity about a page. Asking again for the same page gives the same
    /// answer while the throttle is closed.
    pub async fn throttle(
        &self,
        delivery: Delivery<'_>,
        series: &str,
        window: Duration,
        now: Timestamp,
    ) -> Result<Throttled, DeliveryError> {
        let until = now.as_millisecond() + millis(window);
        let what = || format!("the throttle {series} of {}", delivery.channel);
        let update = self
            .update(keys::throttle(delivery.channel, series))
            .update_expression(
                "SET open_at = :until, passed = :alert, reported = if_not_exists(held_back, :none), \
                 held_back = :none, #type = :type, #ttl = :ttl",
            )
            .condition_expression("attribute_not_exists(open_at) OR open_at <= :now")
            .expression_attribute_names("#type", "type")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":until", number(until))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":alert", text(&short(delivery.alert_id)))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":type", text("throttle"))
            .expression_attribute_values(":ttl", number(expiry(now, RETENTION)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let write = || async { update.clone().send().await.map_err(SdkError::into_service_error) };
        match again_after_conflicts(BRIEFLY, UpdateItemError::passes, write).await {
            Ok(answer) => {
                let item = answer.attributes.unwrap_or_default();
                Ok(Throttled::Pass { held_back: count(&item, "reported") })
            }
            Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                let item = refusal.item.unwrap_or_default();
                let passed = item.get("passed").and_then(|passed| passed.as_s().ok());
                Ok(match passed.is_some_and(|passed| *passed == short(delivery.alert_id)) {
                    true => Throttled::Pass { held_back: count(&item, "reported") },
                    false => Throttled::Hold,
                })
            }
            Err(error) if error.passes() => {
                Err(DeliveryError::Contended { what: what(), table: self.table.clone() })
            }
            Err(error) => Err(self.unwritten("ask", what(), error)),
        }
    }

    /// Ends a delivery as held back, and counts it: for the next page that passes, and for the hour. All or nothing,
    /// so that no page is counted twice.
    pub async fn hold_back(
        &self,
        delivery: Delivery<'_>,
        series: &str,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let counting = |key: Key, counter: &str| {
            part(&self.table, key)
                .update_expression("SET #type = :type, #ttl = :ttl ADD #counter :one")
                .expression_attribute_names("#type", "type")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_names("#counter", counter)
                .expression_attribute_values(":type", text("throttle"))
                .expression_attribute_values(":ttl", number(expiry(now, RETENTION)))
                .expression_attribute_values(":one", number(1))
        };
        let (day, hour) = hour(now);
        let ending = part(&self.table, key_of(delivery))
            .update_expression("SET #state = :state, ended_at = :now REMOVE claim_until")
            .condition_expression("claim_by = :attempt AND #state = :claimed")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text("held_back"))
            .expression_attribute_values(":claimed", text("claimed"))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":attempt", text(delivery.attempt));
        let parts = [
            counting(keys::throttle(delivery.channel, series), "held_back"),
            counting(keys::held_back(delivery.channel, &day), &hour),
            ending,
        ];
        let mut items = Vec::new();
        for part in parts {
            let part = part.build().map_err(|source| self.unwritten("end", what(delivery), source))?;
            items.push(TransactWriteItem::builder().update(part).build());
        }
        let write = self.client.transact_write_items().set_transact_items(Some(items));
        let write = || async { write.clone().send().await.map_err(SdkError::into_service_error) };
        match again_after_conflicts(BRIEFLY, TransactWriteItemsError::passes, write).await {
            Ok(_) => Ok(()),
            Err(TransactWriteItemsError::TransactionCanceledException(refusal)) if is_refused(&refusal) => {
                Err(DeliveryError::Lost { what: what(delivery), table: self.table.clone() })
            }
            Err(error) if error.passes() => {
                Err(DeliveryError::Contended { what: what(delivery), table: self.table.clone() })
            }
            Err(error) => Err(self.unwritten("hold back", what(delivery), error)),
        }
    }

    /// How many pages a channel's throttles held back in the hours from `from` until before `to`, which is at most a
    /// day later.
    pub async fn held_back_between(
        &self,
        channel: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<u64, DeliveryError> {
        let mut hours = Vec::new();
        let mut at = from;
        while at < to && hours.len() < 25 {
            hours.push(hour(at));
            at = at.checked_add(SignedDuration::from_hours(1)).unwrap_or(to);
        }
        let mut days: Vec<&String> = hours.iter().map(|(day, _)| day).collect();
        days.dedup();
        let mut total = 0;
        for day in days {
            let item = self.get(keys::held_back(channel, day), "the throttles").await?.unwrap_or_default();
            let of_day = hours.iter().filter(|(other, _)| other == day);
            total += of_day.map(|(_, hour)| count(&item, hour)).sum::<u64>();
        }
        Ok(total)
    }
}

/// A part of a transaction.
fn part(table: &str, key: Key) -> UpdateBuilder {
    Update::builder().table_name(table).set_key(Some(key.attributes()))
}

/// The day of UTC whose item counts an hour, and the name of the hour in it.
fn hour(at: Timestamp) -> (String, String) {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    (at.date().to_string(), format!("hour_{:02}", at.hour()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_those_of_utc() {
        for (at, expected) in [
            ("2026-11-21T00:00:00Z", ("2026-11-21", "hour_00")),
            ("2026-11-21T13:59:59.999Z", ("2026-11-21", "hour_13")),
        ] {
            let (day, hour) = hour(at.parse().unwrap());
            assert_eq!((day.as_str(), hour.as_str()), expected);
        }
    }
}
