//! All items of one customer, wherever they are: they are listed, and deleted.
//!
//! Most items are found by their keys. Items of channels are not, because their keys hold the ids of alerts and incidents.
//! So the listing reads those parts of the table to their end.
//!
//! The items of channels are deleted first and the customer's incidents last. The hash of a long id is known only as long
//! as its incident is there. So a deletion that was cut off finds the same items again.

use std::collections::{BTreeMap, HashSet};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::incident::IncidentId;
use detection::{AnomalyId, CustomerId};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::alert_state::PENDING;
use super::keys::{self, ItemKind, Key};
use super::{AnomalyStore, Attributes, StoreError};

/// The items of a customer.
#[derive(Debug, Default)]
pub struct CustomerItems {
    /// In the order of their deletion.
    items: Vec<(ItemKind, Key)>,
    /// The open incidents.
    pub open: Vec<IncidentId>,
    /// Alerts that wait for the next run to publish them.
    pub pending: u64,
    /// Alerts that wait for a channel.
    pub waiting: u64,
    /// Items of others that name the customer among other things. They are not deleted, and expire by themselves.
    pub naming: BTreeMap<ItemKind, Naming>,
}

/// Items that name a customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    pub items: u64,
    /// When the last of them expires, in Unix seconds.
    pub until: i64,
}

/// Deletions in flight at once.
const CONCURRENT_DELETIONS: usize = 16;

impl CustomerItems {
    /// The number of items by kind.
    pub fn counts(&self) -> BTreeMap<ItemKind, u64> {
        let mut counts = BTreeMap::new();
        self.items.iter().for_each(|(kind, _)| *counts.entry(*kind).or_default() += 1);
        counts
    }

    /// The number of items.
    pub fn count(&self) -> u64 {
        self.items.len() as u64
    }
}

impl AnomalyStore {
    /// The items of a customer, expired ones included.
    ///
    /// * `read`: is told how many items were looked at since the last call.
    pub async fn items_of(
        &self,
        customer: &CustomerId,
        now: Timestamp,
        mut read: impl FnMut(u64),
    ) -> Result<CustomerItems, StoreError> {
        let incidents = self.incidents_of(customer, now).await?;
        let mut found = CustomerItems::default();
        // Only an id that is too long for a key is not in the key itself.
        let threads: HashSet<String> =
            incidents.iter().map(|item| keys::short(item.incident.id().as_str())).collect();
        let open = incidents.iter().filter(|item| item.incident.is_open());
        found.open = open.map(|item| item.incident.id()).collect();
        let mut pages = self.shared_items().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|source| self.unread("the items of channels", source))?;
            read(u64::try_from(page.scanned_count).unwrap_or(0));
            page.items.unwrap_or_default().iter().for_each(|item| found.see_shared(item, customer, &threads));
        }
        let hash = keys::policy(Some(customer));
        let of_policy = [
            self.with_prefix(&hash.pk, &hash.sk),
            self.partition(&keys::policy_versions(Some(customer))),
            self.with_prefix(keys::FEEDBACK, &keys::feedback_of(customer)),
        ];
        for query in of_policy.into_iter().chain([self.partition(&keys::customer(customer))]) {
            let mut items =
                query.projection_expression("pk, sk, pending_alert").into_paginator().items().send();
            while let Some(item) = items.next().await {
                let item = item.map_err(|source| self.unread("the items of a customer", source))?;
                let Some(key) = Key::of_item(&item) else { continue };
                found.pending += u64::from(text(&item, "pending_alert") == Some(PENDING));
                found.items.extend(ItemKind::of(&key).map(|kind| (kind, key)));
                read(1);
            }
        }
        found.items.sort_by_key(|(kind, _)| *kind == ItemKind::Incident);
        Ok(found)
    }

    /// Deletes the items of a customer.
    ///
    /// * `deleted`: is told of each deletion.
    pub async fn delete_items(
        &self,
        found: &CustomerItems,
        mut deleted: impl FnMut(ItemKind),
    ) -> Result<(), StoreError> {
        let (others, incidents): (Vec<_>, Vec<_>) =
            found.items.iter().partition(|(kind, _)| *kind != ItemKind::Incident);
        for items in [others, incidents] {
            let deletions = items.into_iter().map(|(kind, key)| self.delete_item(*kind, key));
            let mut deletions = stream::iter(deletions).buffer_unordered(CONCURRENT_DELETIONS);
            while let Some(kind) = deletions.try_next().await? {
                deleted(kind);
            }
        }
        Ok(())
    }

    async fn delete_item(&self, kind: ItemKind, key: &Key) -> Result<ItemKind, StoreError> {
        let delete = self.client.delete_item().table_name(&self.table);
        let deleted = delete.set_key(Some(key.clone().attributes())).send().await;
        let what = || format!("one of the {} of a customer", kind.plural());
        deleted.map(|_| kind).map_err(|source| self.unchanged("delete", what(), source))
    }

    /// The items that are of several customers, or whose partition names none.
    fn shared_items(&self) -> aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder {
        let conditions: Vec<String> =
            (0..keys::SHARED.len()).map(|place| format!("begins_with(pk, :prefix_{place})")).collect();
        let scan = self.client.scan().table_name(&self.table).consistent_read(true);
        keys::SHARED.iter().enumerate().fold(
            scan.filter_expression(conditions.join(" OR ")),
            |scan, (place, prefix)| {
                scan.expression_attribute_values(
                    format!(":prefix_{place}"),
                    AttributeValue::S((*prefix).to_owned()),
                )
            },
        )
    }

    fn partition(&self, pk: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
    }

    fn with_prefix(&self, pk: &str, sk: &str) -> QueryFluentBuilder {
        self.partition(pk)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()))
    }
}

impl CustomerItems {
    /// Takes an item that is the customer's, and counts one that names it.
    fn see_shared(&mut self, item: &Attributes, customer: &CustomerId, threads: &HashSet<String>) {
        let Some((key, kind)) = Key::of_item(item).and_then(|key| Some((key.clone(), ItemKind::of(&key)?)))
        else {
            return;
        };
        let of_id = |name: &str| text(item, name).and_then(customer_in);
        let is_own = match kind {
            ItemKind::Delivery | ItemKind::WaitingAlert => of_id("alert_id").as_ref() == Some(customer),
            ItemKind::Button => of_id("incident_id").as_ref() == Some(customer),
            ItemKind::Page => {
                keys::customer_of_page(&key.sk).or_else(|| of_id("page_key")).as_ref() == Some(customer)
            }
            ItemKind::Thread => keys::incident_of_thread(&key.sk)
                .is_some_and(|id| threads.contains(id) || customer_in(id).as_ref() == Some(customer)),
            _ => false,
        };
        if is_own {
            let is_parked = item.get("parked").and_then(|parked| parked.as_bool().ok()) == Some(&true);
            self.waiting += u64::from(kind == ItemKind::WaitingAlert && !is_parked);
            self.items.push((kind, key));
        } else if matches!(kind, ItemKind::Digest | ItemKind::Run)
            && item.values().any(|value| names(value, customer))
        {
            let naming = self.naming.entry(kind).or_default();
            let ttl = item.get("ttl").and_then(|ttl| ttl.as_n().ok()?.parse().ok()).unwrap_or(0);
            *naming = Naming { items: naming.items + 1, until: naming.until.max(ttl) };
        }
    }
}

/// The customer in the id of an anomaly, an incident or a notice.
fn customer_in(id: &str) -> Option<CustomerId> {
    if let Some((_, place)) = AnomalyId::parse(id) {
        return Some(place.customer_id);
    }
    // The id of a notice is that of its incident, the event and a time.
    let of_notice = id.rsplitn(3, '.').nth(2);
    let incident = IncidentId::parse(id).or_else(|| IncidentId::parse(of_notice?));
    incident.map(|(_, _, subject)| subject.customer_id)
}

/// Whether a value names the customer, or an anomaly or incident of it.
fn names(value: &AttributeValue, customer: &CustomerId) -> bool {
    match value {
        AttributeValue::S(text) => {
            is_of(text, customer)
                || serde_json::from_str(text).is_ok_and(|json| names_in_json(&json, customer))
        }
        AttributeValue::Ss(texts) => texts.iter().any(|text| is_of(text, customer)),
        AttributeValue::L(values) => values.iter().any(|value| names(value, customer)),
        AttributeValue::M(values) => values.values().any(|value| names(value, customer)),
        _ => false,
    }
}

/// Answers of runs and backtests are JSON texts.
fn names_in_json(json: &serde_json::Value, customer: &CustomerId) -> bool {
    match json {
        serde_json::Value::String(text) => is_of(text, customer),
        serde_json::Value::Array(values) => values.iter().any(|value| names_in_json(value, customer)),
        serde_json::Value::Object(values) => {
            values.iter().any(|(name, value)| is_of(name, customer) || names_in_json(value, customer))
        }
        _ => false,
    }
}

fn is_of(text: &str, customer: &CustomerId) -> bool {
    text == customer.as_str() || customer_in(text).as_ref() == Some(customer)
}

fn text<'a>(item: &'a Attributes, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use detection::incident::Subject;
    use detection::{AnomalyPlace, Direction, EntityPath, MetricName};

    use super::*;

    /// Customers that are easily taken for each other.
    const CUSTOMERS: [&str; 7] =
        ["cust_1", "cust_10", "cust_1\u{1f}cust_1", "cust_1'", "cust_1#", "cust_1.spike.1", "1#cust_1"];

    fn ids_of(customer: &str, entity: Option<&EntityPath>) -> [String; 3] {
        let opened_at = Timestamp::from_millisecond(1_795_266_000_000).unwrap();
        let (customer_id, entity) = (CustomerId::new(customer).unwrap(), entity.cloned());
        let metric = MetricName::new("api_calls").unwrap();
        let place = AnomalyPlace {
            customer_id: customer_id.clone(),
            entity: entity.clone(),
            metric: metric.clone(),
            detected_at: opened_at,
        };
        let subject = Subject { customer_id, entity, metric, direction: Direction::Spike };
        let incident = IncidentId::of(opened_at, &subject);
        [
            AnomalyId::of(&place).to_string(),
            incident.to_string(),
            format!("{incident}.resolved.1795266000000"),
        ]
    }

    #[test]
    fn each_id_names_its_customer() {
        let entity = EntityPath::new(vec!["cust_1".to_owned(), "b.c".to_owned()]).unwrap();
        for customer in CUSTOMERS {
            for entity in [None, Some(&entity)] {
                for id in ids_of(customer, entity) {
                    assert_eq!(customer_in(&id).as_ref().map(CustomerId::as_str), Some(customer), "{id}");
                }
            }
        }
        for foreign in ["", "digest.1.2", "1.api_calls", "0f", "sha256:00"] {
            assert_eq!(customer_in(foreign), None, "{foreign}");
        }
    }

    fn item(key: Key, more: &[(&str, AttributeValue)]) -> Attributes {
        let mut item = key.attributes();
        item.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        item
    }

    fn string(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    /// One item of each kind that channels have of a customer.
    fn items_of(customer: &str) -> Vec<Attributes> {
        let [anomaly, incident, notice] = ids_of(customer, None);
        let page = format!("1795266000000#{customer}");
        vec![
            item(keys::delivery(&anomaly, "slack"), &[("alert_id", string(&anomaly))]),
            item(keys::waiting("slack", &notice), &[("alert_id", string(&notice))]),
            item(keys::thread("slack", &incident), &[]),
            item(keys::page("pagerduty", &page), &[("page_key", string(&incident))]),
            item(keys::button("telegram", "0f"), &[("incident_id", string(&incident))]),
        ]
    }

    #[test]
    fn the_items_of_channels_are_told_apart() {
        let long = "x".repeat(1_900);
        let customers = [CUSTOMERS.as_slice(), &[long.as_str()]].concat();
        for customer in &customers {
            let [_, incident, _] = ids_of(customer, None);
            let (id, threads) =
                (CustomerId::new(*customer).unwrap(), HashSet::from([keys::short(&incident)]));
            for other in &customers {
                let mut found = CustomerItems::default();
                items_of(other).iter().for_each(|item| found.see_shared(item, &id, &threads));
                let expected = if customer == other { (5, 1) } else { (0, 0) };
                assert_eq!((found.count(), found.waiting), expected, "{customer:.20} {other:.20}");
            }
        }
    }

    #[test]
    fn what_names_a_customer_among_others_is_counted() {
        let id = CustomerId::new("cust_1").unwrap();
        let [anomaly, _, _] = ids_of("cust_1", None);
        let entry = |name: &str, value: &str| {
            AttributeValue::L(vec![AttributeValue::M([(name.to_owned(), string(value))].into())])
        };
        let until = |seconds: &str| ("ttl", AttributeValue::N(seconds.to_owned()));
        let mut found = CustomerItems::default();
        for item in [
            item(keys::digest(1, "1-1"), &[("largest", entry("customer_id", "cust_1")), until("7")]),
            item(keys::digest(2, "1-1"), &[("largest", entry("anomaly_id", &anomaly)), until("9")]),
            item(keys::digest(3, "1-1"), &[("largest", entry("customer_id", "cust_10")), until("99")]),
            item(keys::run("1"), &[("customer_ids", AttributeValue::L(vec![string("cust_1")])), until("5")]),
            item(keys::backtest("1"), &[("answer", string(r#"{"customers": ["cust_1"]}"#)), until("6")]),
            item(keys::backtest("2"), &[("answer", string(r#"{"customers": ["cust_10"]}"#)), until("6")]),
        ] {
            found.see_shared(&item, &id, &HashSet::new());
        }
        assert_eq!(found.count(), 0);
        assert_eq!(found.naming[&ItemKind::Digest], Naming { items: 2, until: 9 });
        assert_eq!(found.naming[&ItemKind::Run], Naming { items: 2, until: 6 });
    }
}
