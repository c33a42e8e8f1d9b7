//! A request for a run: the event of the schedule, or the same made by hand.

use anyhow::Context;
use catalog::Shard;
use detection::CustomerId;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// One request for a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The scheduled time. The window closes at the full hour at or before it.
    pub time: Timestamp,
    /// Check only. Nothing is written or published.
    pub dry_run: bool,
    /// The customers of the run. An empty list means all.
    pub customers: Vec<CustomerId>,
    /// The shard of the run.
    pub shard: Shard,
    /// The source of the run. None means the usage of customers.
    pub source: Option<String>,
    /// The id of a run on demand, under which the requester waits for the result. None for a run of the schedule.
    pub detection_id: Option<String>,
}

const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The parts of an EventBridge event that a run needs. All other parts are ignored, so an event made by hand needs only
/// a `time`.
#[derive(Deserialize)]
struct ScheduledEvent {
    time: Option<Timestamp>,
    #[serde(default)]
    detail: Option<Detail>,
    /// A person may put the options at the top of the event.
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    customer_ids: Option<Vec<CustomerId>>,
    #[serde(default)]
    shard: Option<u8>,
    #[serde(default)]
    shards: Option<u8>,
}

/// Unknown options are refused. A misspelt option must not turn a dry run for one customer into a run for all.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    customer_ids: Option<Vec<CustomerId>>,
    #[serde(default)]
    shard: Option<u8>,
    #[serde(default)]
    shards: Option<u8>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    detection_id: Option<String>,
}

impl Request {
    /// # Errors
    ///
    /// When the event has no `time`, or a part of it cannot be understood.
    pub fn from_event(event: Value) -> anyhow::Result<Self> {
        // The parser's error does not quote the time, so the message here does.
        let event = ScheduledEvent::deserialize(&event)
            .with_context(|| format!("the event (its time is {}) cannot be understood", event["time"]))?;
        let time = event.time.context(
            "the event has no `time`: send {\"time\": \"2026-11-21T13:00:00Z\"}, the hour at which the window closes",
        )?;
        let detail = event.detail.unwrap_or_default();
        let customers = detail.customer_ids.or(event.customer_ids);
        if customers.as_ref().is_some_and(Vec::is_empty) {
            anyhow::bail!("`customer_ids` is empty: leave it out to check all customers");
        }
        if detail.source.is_some() && customers.is_some() {
            anyhow::bail!(
                "`customer_ids` and `source` exclude each other: a run of a source is for all of its entities"
            );
        }
        let shard = match (detail.shard.or(event.shard), detail.shards.or(event.shards)) {
            (None, None) => Shard::WHOLE,
            (Some(_), Some(_)) if customers.is_some() => anyhow::bail!(
                "`customer_ids` and `shard` exclude each other: leave out `shard` and `shards` to check chosen customers"
            ),
            (Some(number), Some(of)) => Shard::new(number, of).context("the event names no shard")?,
            (Some(_), None) => {
                anyhow::bail!("`shard` needs `shards`: send the number of shards")
            }
            (None, Some(_)) => anyhow::bail!("`shards` needs `shard`: send the number of the shard to check"),
        };
        Ok(Self {
            time,
            dry_run: event.dry_run || detail.dry_run,
            customers: customers.unwrap_or_default(),
            shard,
            source: detail.source,
            detection_id: detail.detection_id,
        })
    }

    /// The request that a check of one event of a source is a part of.
    pub(crate) fn of_source(source: &str, time: Timestamp) -> Self {
        Self {
            time,
            dry_run: false,
            customers: Vec::new(),
            shard: Shard::WHOLE,
            source: Some(source.to_owned()),
            detection_id: None,
        }
    }

    /// Whether the event is of the schedule, or looks the same.
    pub(crate) fn is_of_schedule(&self) -> bool {
        self.is_whole() && self.detection_id.is_none()
    }

    /// Whether this is a run of the schedule for the newest hour. The absence of such runs is an alarm. A run by hand
    /// for an old hour looks the same and does not count.
    pub fn is_of_newest_hour(&self, now: Timestamp) -> bool {
        self.is_of_schedule() && now.duration_since(self.time) < AN_HOUR
    }

    /// Whether the run is real, and for all customers or all of its shard.
    pub fn is_whole(&self) -> bool {
        !self.dry_run && self.customers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TIME: &str = "2026-11-21T13:00:00Z";

    #[test]
    fn options_may_stand_in_the_detail() {
        for (event, dry_run, customers) in [
            (json!({ "time": TIME }), false, 0),
            (json!({ "time": TIME, "detail": {} }), false, 0),
            (json!({ "time": TIME, "detail": null, "source": "aws.events" }), false, 0),
            (json!({ "time": TIME, "dry_run": true }), true, 0),
            (json!({ "time": TIME, "detail": { "dry_run": true } }), true, 0),
            (json!({ "time": TIME, "detail": { "customer_ids": ["a", "b"] } }), false, 2),
            (json!({ "time": TIME, "customer_ids": ["a"] }), false, 1),
        ] {
            let request = Request::from_event(event.clone()).unwrap();
            assert_eq!((request.dry_run, request.customers.len()), (dry_run, customers), "{event}");
            assert_eq!(request.is_whole(), !dry_run && customers == 0);
        }
    }

    #[test]
    fn a_run_is_of_one_source() {
        let of = |event| Request::from_event(event).unwrap().source;
        assert_eq!(
            of(json!({ "time": TIME, "detail": { "source": "executions" } })).as_deref(),
            Some("executions")
        );
        assert_eq!(of(json!({ "time": TIME, "source": "aws.events", "detail": {} })), None);
    }

    #[test]
    fn only_runs_of_the_schedule_for_the_newest_hour_tell_that_it_is_alive() {
        let now: Timestamp = "2026-11-21T13:59:59Z".parse().unwrap();
        for (event, expected) in [
            (json!({ "time": TIME }), true),
            (json!({ "time": TIME, "shard": 1, "shards": 2 }), true),
            (json!({ "time": "2026-11-21T13:40:00Z" }), true),
            (json!({ "time": "2026-11-21T12:59:59Z" }), false),
            (json!({ "time": "2026-11-16T13:00:00Z" }), false),
            (json!({ "time": TIME, "dry_run": true }), false),
            (json!({ "time": TIME, "customer_ids": ["a"] }), false),
            (json!({ "time": TIME, "detail": { "detection_id": "asked" } }), false),
        ] {
            let request = Request::from_event(event.clone()).unwrap();
            assert_eq!(request.is_of_newest_hour(now), expected, "{event}");
        }
    }

    #[test]
    fn a_run_is_for_all_customers_or_for_a_shard_of_them() {
        for (event, number, of) in [
            (json!({ "time": TIME, "detail": { "dry_run": true } }), 0, 1),
            (json!({ "time": TIME, "detail": { "shard": 0, "shards": 1 } }), 0, 1),
            (json!({ "time": TIME, "detail": { "shard": 1, "shards": 2 } }), 1, 2),
            (json!({ "time": TIME, "detail": { "shard": 7, "shards": 8 } }), 7, 8),
            (json!({ "time": TIME, "detail": { "shard": 3, "shards": 4, "dry_run": true } }), 3, 4),
            (json!({ "time": TIME, "shard": 3, "shards": 4 }), 3, 4),
        ] {
            let request = Request::from_event(event.clone()).unwrap();
            assert_eq!(request.shard, Shard::new(number, of).unwrap(), "{event}");
            assert_eq!(request.is_whole(), !request.dry_run, "{event}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_its_place() {
        for (event, expected) in [
            (json!({}), "no `time`"),
            (json!({ "time": "yesterday" }), "yesterday"),
            (json!({ "time": TIME, "detail": { "customer_id": "a" } }), "unknown field `customer_id`"),
            (json!({ "time": TIME, "detail": { "customer_ids": [] } }), "is empty"),
            (json!({ "time": TIME, "detail": { "customer_ids": [""] } }), "must not be empty"),
            (json!({ "time": TIME, "detail": { "dry_run": "yes" } }), "invalid type: string"),
            (json!({ "time": TIME, "detail": { "shard": 1 } }), "`shard` needs `shards`"),
            (json!({ "time": TIME, "detail": { "shards": 8 } }), "`shards` needs `shard`"),
            (json!({ "time": TIME, "detail": { "shard": null, "shards": 8 } }), "`shards` needs `shard`"),
            (json!({ "time": TIME, "shard": 1 }), "`shard` needs `shards`"),
            (json!({ "time": TIME, "detail": { "shard": 0, "shards": 3 } }), "must be 1, 2, 4 or 8"),
            (json!({ "time": TIME, "detail": { "shard": 0, "shards": 0 } }), "must be 1, 2, 4 or 8"),
            (json!({ "time": TIME, "detail": { "shard": 8, "shards": 8 } }), "from 0 to 7"),
            (json!({ "time": TIME, "detail": { "shard": -1, "shards": 8 } }), "invalid value: integer `-1`"),
            (json!({ "time": TIME, "detail": { "shard": "0", "shards": 8 } }), "invalid type: string"),
            (json!({ "time": TIME, "detail": { "shard": 0.5, "shards": 8 } }), "invalid type: floating"),
            (
                json!({ "time": TIME, "detail": { "shard": 0, "shards": 8, "customer_ids": ["a"] } }),
                "`customer_ids` and `shard` exclude each other",
            ),
            (
                json!({ "time": TIME, "detail": { "source": "executions", "customer_ids": ["a"] } }),
                "`customer_ids` and `source` exclude each other",
            ),
            (json!([]), "its time is null"),
        ] {
            let error = format!("{:#}", Request::from_event(event.clone()).unwrap_err());
            assert!(error.contains(expected), "{event}: {error}");
        }
    }
}
