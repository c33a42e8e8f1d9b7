//! The keys of all items and of the indexes. No other file makes or parses a `pk` or `sk`.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | anomaly | `CUSTOMER#{customer}` | `ANOMALY#{detected_at}#{metric}`, of an entity also `#{hash}` |
//! | open incident | `CUSTOMER#{customer}` | `INCIDENT#{metric}#{direction}`, of an entity also `@{hash}` |
//! | closed incident | `CUSTOMER#{customer}` | that of the open one and `#{opened_at}` |
//! | notice | `CUSTOMER#{customer}` | `NOTICE#{detected_at}#{metric}#{direction}#{event}`, of an entity also `#{hash}` |
//! | digest of a run | `DIGEST` | `DIGEST#{detected_at}#{counts}` |
//! | policy | `CONFIG` | `GLOBAL`, or `CUSTOMER#{hash}` |
//! | version of a policy | `CONFIG_HISTORY#{sk of the policy}` | `VERSION#{version}` |
//! | feedback | `FEEDBACK` | `CUSTOMER#{hash}#{incident or anomaly}` |
//! | run on demand | `RUN#{id}` | `RUN` |
//! | ended run | `RUNS#{source}` | `ENDED#{finished_at}#{id}` |
//! | last runs | `STATUS` | `LAST_RUN`, `LAST_COMPLETED`, `LAST_COMPLETED#{shard}` |
//! | delivery | `DELIVERY#{alert}` | `CHANNEL#{channel}` |
//! | alert that waits for a channel | `CHANNEL#{channel}` | `WAITING#{alert}` |
//! | lead of a channel, disabled channel | `CHANNEL#{channel}` | `LEAD`, `DISABLED` |
//! | page of a pager | `CHANNEL#{channel}` | `PAGE#{opened_at}#{customer}` |
//! | thread | `CHANNEL#{channel}` | `THREAD#{incident}` |
//! | incident on buttons | `BUTTON#{channel}` | `{short name of the incident}` |
//! | work of a caller | `WORK#{caller}` | `MINUTE#{minute}` |
//!
//! A sort key holds 1,024 bytes. An id can be longer. Then the key holds the id's hash.

use aws_sdk_dynamodb::types::AttributeValue;
use catalog::Shard;
use detection::incident::{Event, Subject};
use detection::{AnomalyPlace, CustomerId, EntityPath, MetricName};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Attributes;

/// Index of the anomalies of an entity by time. Anomalies of customers as a whole are not in it.
pub(crate) const ENTITY_INDEX: &str = "entity-index";

/// Sparse index of the anomalies of an execution or a trace by time.
pub(crate) const EXECUTION_INDEX: &str = "execution-index";

/// Sparse index of alerts that wait: its key is the attribute `pending_alert`.
pub(crate) const PENDING_INDEX: &str = "pending-alerts-index";

/// Index of incidents by the newest window that changed them. It has [`INCIDENT_PARTS`] parts.
pub(crate) const INCIDENTS_INDEX: &str = "incidents-index";

/// Parts of the index of incidents. With so many, each part can take its share of a storm.
pub(crate) const INCIDENT_PARTS: u8 = 16;

/// Partition of all policies.
pub(crate) const POLICIES: &str = "CONFIG";

/// Partition of all feedback.
pub(crate) const FEEDBACK: &str = "FEEDBACK";

/// Partition of the notes of the last runs.
pub(crate) const STATUS: &str = "STATUS";

/// First part of the sort keys of ended runs.
pub(crate) const ENDED_PREFIX: &str = "ENDED#";

/// First part of the sort keys of the versions of a policy.
pub(crate) const VERSION_PREFIX: &str = "VERSION#";

/// First part of the sort keys of a customer's notices.
pub(crate) const NOTICE_PREFIX: &str = "NOTICE#";

/// First part of the sort keys of incidents.
pub(crate) const INCIDENT_PREFIX: &str = "INCIDENT#";

/// First part of the sort keys of the completed runs.
pub(crate) const COMPLETED_PREFIX: &str = "LAST_COMPLETED";
pub(crate) const JUDGED_PREFIX: &str = "JUDGED";

const CUSTOMER_PREFIX: &str = "CUSTOMER#";
const ANOMALY_PREFIX: &str = "ANOMALY#";
const CONFIG_HISTORY_PREFIX: &str = "CONFIG_HISTORY#";
const DELIVERY_PREFIX: &str = "DELIVERY#";
const CHANNEL_PREFIX: &str = "CHANNEL#";
const WAITING_PREFIX: &str = "WAITING#";
const THREAD_PREFIX: &str = "THREAD#";
const PAGE_PREFIX: &str = "PAGE#";
const BUTTON_PREFIX: &str = "BUTTON#";
const RUN_PREFIX: &str = "RUN#";
const DIGEST: &str = "DIGEST";

/// Where an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

/// The partition of everything about a customer.
pub(crate) fn customer(customer: &CustomerId) -> String {
    format!("{CUSTOMER_PREFIX}{customer}")
}

/// The customer of a partition.
pub(crate) fn customer_of(pk: &str) -> Option<CustomerId> {
    pk.strip_prefix(CUSTOMER_PREFIX).and_then(|id| CustomerId::new(id).ok())
}

pub(crate) fn anomaly(place: &AnomalyPlace) -> Key {
    let AnomalyPlace { customer_id, entity, metric, detected_at } = place;
    let entity = entity.as_ref().map(entity_hash);
    anomaly_key(customer_id, detected_at.as_millisecond(), metric, entity.as_deref())
}

/// * `entity`: the hash of the anomaly's entity.
pub(crate) fn anomaly_key(
    of: &CustomerId,
    detected_at: i64,
    metric: &MetricName,
    entity: Option<&str>,
) -> Key {
    let of_customer = format!("{}#{metric}", anomalies_from(detected_at));
    let sk = entity.map_or_else(|| of_customer.clone(), |entity| format!("{of_customer}#{entity}"));
    Key { pk: customer(of), sk }
}

/// An entity as part of a key: 64 bits of the hash of its names.
pub(crate) fn entity_hash(entity: &EntityPath) -> String {
    sha256(&entity.joined())[..16].to_owned()
}

/// An entity of a customer, as the key of the index by entity.
pub(crate) fn entity(of: &CustomerId, entity: &EntityPath) -> String {
    format!("{}#{}", customer(of), entity_hash(entity))
}

/// An execution or a trace of a customer, as the key of the index by execution. Ids may be long, so the key holds 64 bits of
/// their hash. The lists compare the ids themselves.
pub(crate) fn execution(of: &CustomerId, id: &str) -> String {
    format!("{}#{}", customer(of), &sha256(id)[..16])
}

/// A bound for sort keys. All anomalies of this millisecond come after the bound, and all earlier ones before it.
pub(crate) fn anomalies_from(detected_at: i64) -> String {
    format!("{ANOMALY_PREFIX}{detected_at}")
}

/// The time, the metric and the hash of the entity in the sort key of an anomaly.
pub(crate) fn anomaly_of(sk: &str) -> Option<(i64, MetricName, Option<String>)> {
    let mut parts = sk.strip_prefix(ANOMALY_PREFIX)?.splitn(3, '#');
    let (time, metric) = (parts.next()?.parse().ok()?, MetricName::new(parts.next()?).ok()?);
    Some((time, metric, parts.next().map(str::to_owned)))
}

/// The open incident of a subject has one key, so there cannot be two. Closing moves it to a key of its own, in the
/// same transaction.
pub(crate) fn incident(subject: &Subject, is_open: bool, opened_at: Timestamp) -> Key {
    let open = open_incident(subject);
    match is_open {
        true => open,
        false => Key { sk: closed_incident(subject, opened_at.as_millisecond()), ..open },
    }
}

pub(crate) fn open_incident(subject: &Subject) -> Key {
    let Subject { customer_id, entity, metric, direction } = subject;
    // Not `#`: the prefix of one subject's closed incidents must begin no key of another subject.
    let entity = entity.as_ref().map_or_else(String::new, |entity| format!("@{}", entity_hash(entity)));
    let sk = format!("{INCIDENT_PREFIX}{metric}#{}{entity}", direction.as_str());
    Key { pk: customer(customer_id), sk }
}

/// First part of the sort keys of a subject's closed incidents.
pub(crate) fn closed_incidents(subject: &Subject) -> String {
    format!("{}#", open_incident(subject).sk)
}

/// The sort key of a closed incident. Times have thirteen digits, so the keys of a subject sort like them.
pub(crate) fn closed_incident(subject: &Subject, opened_at: i64) -> String {
    format!("{}{opened_at}", closed_incidents(subject))
}

/// The part of the index that a customer's incidents are in.
pub(crate) fn incident_part(customer: &CustomerId) -> u8 {
    part_of(customer, INCIDENT_PARTS)
}

/// The part of an index with so many parts that a customer's items are in.
pub(crate) fn part_of(customer: &CustomerId, parts: u8) -> u8 {
    Sha256::digest(customer.as_str().as_bytes())[0] % parts
}

pub(crate) fn notice(subject: &Subject, event: Event, detected_at: i64) -> Key {
    let (metric, direction, event) = (&subject.metric, subject.direction.as_str(), event.as_str());
    let of_customer = format!("{}#{metric}#{direction}#{event}", notices_from(detected_at));
    let sk = match &subject.entity {
        None => of_customer,
        Some(entity) => format!("{of_customer}#{}", entity_hash(entity)),
    };
    Key { pk: customer(&subject.customer_id), sk }
}

/// A bound for sort keys. All notices of this millisecond come after the bound, and all earlier ones before it.
pub(crate) fn notices_from(detected_at: i64) -> String {
    format!("{NOTICE_PREFIX}{detected_at}")
}

pub(crate) fn digest(detected_at: i64, counts: &str) -> Key {
    key(DIGEST, format!("DIGEST#{detected_at}#{counts}"))
}

/// The policy for all customers, or the policy of one customer.
pub(crate) fn policy(of: Option<&CustomerId>) -> Key {
    let sk = of.map_or_else(|| "GLOBAL".to_owned(), |of| format!("{CUSTOMER_PREFIX}{}", sha256(of.as_str())));
    key(POLICIES, sk)
}

pub(crate) fn policy_version(of: Option<&CustomerId>, version: u64) -> Key {
    key(policy_versions(of), format!("{VERSION_PREFIX}{version:020}"))
}

/// The partition of the versions of a policy.
pub(crate) fn policy_versions(of: Option<&CustomerId>) -> String {
    format!("{CONFIG_HISTORY_PREFIX}{}", policy(of).sk)
}

/// First part of the sort keys of a customer's feedback.
pub(crate) fn feedback_of(of: &CustomerId) -> String {
    format!("{CUSTOMER_PREFIX}{}#", sha256(of.as_str()))
}

/// The feedback of a customer about an incident, or about an anomaly.
pub(crate) fn feedback(of: &CustomerId, about: &str) -> Key {
    key(FEEDBACK, format!("{}{}", feedback_of(of), short(about)))
}

pub(crate) fn run(detection_id: &str) -> Key {
    key(format!("{RUN_PREFIX}{detection_id}"), "RUN")
}

/// A backtest. It is a run on demand like others, with a sort key of its own.
pub(crate) fn backtest(id: &str) -> Key {
    key(format!("{RUN_PREFIX}{id}"), "BACKTEST")
}

pub(crate) fn last_run() -> Key {
    key(STATUS, "LAST_RUN")
}

/// A run of a source that has ended. Times have thirteen digits, so the keys sort like them.
pub(crate) fn ended_run(source: &str, finished_at: i64, run_id: &str) -> Key {
    key(format!("RUNS#{source}"), format!("{ENDED_PREFIX}{finished_at}#{}", short(run_id)))
}

/// The newest completed run of a shard. A run for all customers keeps the key that is older than shards.
pub(crate) fn last_completed(shard: Shard) -> Key {
    match shard.is_whole() {
        true => key(STATUS, COMPLETED_PREFIX),
        false => key(STATUS, format!("{COMPLETED_PREFIX}#{shard}")),
    }
}

/// The window up to which all hours of a source are judged, for all of it or for a shard. Usage keeps the key that is older
/// than sources.
///
/// * `source`: its name. None for usage.
pub(crate) fn judged(source: Option<&str>, shard: Shard) -> Key {
    let of_source = source.map_or_else(|| JUDGED_PREFIX.to_owned(), |name| format!("{JUDGED_PREFIX}#{name}"));
    match shard.is_whole() {
        true => key(STATUS, of_source),
        false => key(STATUS, format!("{of_source}#{shard}")),
    }
}

pub(crate) fn delivery(alert_id: &str, channel: &str) -> Key {
    key(format!("{DELIVERY_PREFIX}{}", short(alert_id)), format!("{CHANNEL_PREFIX}{channel}"))
}

pub(crate) fn waiting(channel: &str, alert_id: &str) -> Key {
    key(format!("{CHANNEL_PREFIX}{channel}"), format!("{WAITING_PREFIX}{}", short(alert_id)))
}

pub(crate) fn lead(channel: &str) -> Key {
    key(format!("{CHANNEL_PREFIX}{channel}"), "LEAD")
}

/// `page` is the window in which the incidents opened, and their customer.
pub(crate) fn page(channel: &str, page: &str) -> Key {
    key(format!("{CHANNEL_PREFIX}{channel}"), format!("{PAGE_PREFIX}{}", short(page)))
}

/// The customer of a page, unless the key holds the hash of a long one.
pub(crate) fn customer_of_page(sk: &str) -> Option<CustomerId> {
    let (opened_at, customer) = sk.strip_prefix(PAGE_PREFIX)?.split_once('#')?;
    opened_at.parse::<i64>().ok().and_then(|_| CustomerId::new(customer).ok())
}

pub(crate) fn disabled_channel(channel: &str) -> Key {
    key(format!("{CHANNEL_PREFIX}{channel}"), "DISABLED")
}

pub(crate) fn thread(channel: &str, incident_id: &str) -> Key {
    key(format!("{CHANNEL_PREFIX}{channel}"), format!("{THREAD_PREFIX}{}", short(incident_id)))
}

/// The incident of a thread, or the hash of its id.
pub(crate) fn incident_of_thread(sk: &str) -> Option<&str> {
    sk.strip_prefix(THREAD_PREFIX)
}

pub(crate) fn button(channel: &str, short_name: &str) -> Key {
    key(format!("{BUTTON_PREFIX}{channel}"), short_name)
}

/// The work of a caller of the API in the minute of `at`.
pub(crate) fn work(caller: &str, at: Timestamp) -> Key {
    key(format!("WORK#{}", short(caller)), format!("MINUTE#{}", at.as_second().div_euclid(60)))
}

/// An id as part of a key.
pub(crate) fn short(id: &str) -> String {
    if id.len() <= 512 { id.to_owned() } else { format!("sha256:{}", sha256(id)) }
}

/// A hash in hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

impl Key {
    /// The key of an item.
    pub(crate) fn of_item(item: &Attributes) -> Option<Self> {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        Some(Self { pk: text("pk")?, sk: text("sk")? })
    }

    /// As the attributes that name an item.
    pub(crate) fn attributes(self) -> Attributes {
        Attributes::from([
            ("pk".to_owned(), AttributeValue::S(self.pk)),
            ("sk".to_owned(), AttributeValue::S(self.sk)),
        ])
    }
}

fn key(pk: impl Into<String>, sk: impl Into<String>) -> Key {
    Key { pk: pk.into(), sk: sk.into() }
}

mod kind;
pub use kind::ItemKind;
pub(crate) use kind::SHARED;

#[cfg(test)]
mod tests;
