//! Counting anomalies: a few attributes of each, with many days read at the same time, and the hours of a full day.
//!
//! Anomalies of one metric and one hour can only be read one after the other: the index has no order between them that a
//! second query could begin in.

use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{CustomerId, Direction, MetricName, Severity};
use jiff::Timestamp;
use serde::Deserialize;

use super::counting::behind;
use super::{AnomalyFilter, AnomalyStore, Attributes, Extent, StoreError};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// The attributes that a count reads.
#[derive(Clone, Debug, Deserialize)]
pub struct CountedAnomaly {
    pub detected_at: i64,
    pub customer_id: CustomerId,
    pub metric: MetricName,
    pub severity: Severity,
    pub direction: Direction,
    #[serde(rename = "type")]
    pub kind: String,
    /// The detector or rule that decided. `None` in items of earlier versions.
    #[serde(default)]
    pub detector: Option<String>,
    /// How sure it is, from 0 to 1. `None` where nothing is known of chance.
    #[serde(default)]
    pub confidence: Option<f64>,
}

impl AnomalyStore {
    /// Hands the anomalies from `filter.from` to `filter.until` to `see` until the deadline, the newest days first.
    pub async fn count(
        &self,
        filter: &AnomalyFilter,
        metrics: &[MetricName],
        now: Timestamp,
        deadline: Instant,
        mut see: impl FnMut(CountedAnomaly),
    ) -> Result<Extent, StoreError> {
        let days = days_of(filter).into_iter().flat_map(|(from, until)| {
            let of_day = AnomalyFilter { from: Some(from), until: Some(until), ..filter.clone() };
            self.queries(&of_day, metrics, None, now).into_iter().map(|(_, query)| query)
        });
        let queries = days
            .map(|query| {
                query
                    .projection_expression(
                        "detected_at, customer_id, metric, severity, direction, detector, confidence, #type",
                    )
                    .expression_attribute_names("#type", "type")
            })
            .collect();
        let read = |item: Attributes| {
            see(serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?);
            Ok(())
        };
        self.see_all(queries, hour_by_hour, deadline, read).await
    }
}

/// The range of a filter in parts of a day, which can be read at the same time. The newest comes first.
fn days_of(filter: &AnomalyFilter) -> Vec<(Timestamp, Timestamp)> {
    let (from, until) = filter.bounds();
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
    let ends = std::iter::successors(Some(until), |end| Some(end - DAY_MS)).take_while(|end| *end > from);
    ends.map(|end| (at((end - DAY_MS).max(from)), at(end))).collect()
}

/// What a query of the index by metric has left behind a key, newest first: the rest of the key's hour, and each hour
/// before it. So the hours of a long storm are read at the same time.
fn hour_by_hour(query: QueryFluentBuilder, key: Attributes) -> Vec<QueryFluentBuilder> {
    let number = |of: Option<&AttributeValue>| of?.as_n().ok()?.parse::<i64>().ok();
    let from = number(query.get_expression_attribute_values().as_ref().and_then(|of| of.get(":from")));
    // The keys of a customer's own anomalies have no such attribute. They are few.
    let (Some(from), Some(at)) = (from, number(key.get("detected_at"))) else { return behind(query, key) };
    let between = |from: i64, last: i64| {
        let value = |ms: i64| AttributeValue::N(ms.to_string());
        let query = query.clone().expression_attribute_values(":from", value(from));
        query.expression_attribute_values(":last", value(last))
    };
    let hour = at - at.rem_euclid(HOUR_MS);
    let earlier = std::iter::successors(Some(hour), |end| Some(end - HOUR_MS)).take_while(|end| *end > from);
    let earlier = earlier.map(|end| between((end - HOUR_MS).max(from), end - 1));
    behind(between(hour.max(from), at), key.clone()).into_iter().chain(earlier).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_795_266_000_000;

    fn bounds(query: &QueryFluentBuilder) -> [i64; 2] {
        let values = query.get_expression_attribute_values().clone().unwrap_or_default();
        [":from", ":last"].map(|name| values[name].as_n().unwrap().parse().unwrap())
    }

    fn query(from: i64, last: i64) -> QueryFluentBuilder {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .build();
        let value = |ms: i64| AttributeValue::N(ms.to_string());
        aws_sdk_dynamodb::Client::from_conf(config)
            .query()
            .expression_attribute_values(":from", value(from))
            .expression_attribute_values(":last", value(last))
    }

    #[test]
    fn days_cover_the_period_once_and_the_newest_comes_first() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let of = |from, until| {
            let filter = AnomalyFilter { from: Some(at(from)), until: Some(at(until)), ..Default::default() };
            days_of(&filter)
        };
        let (day, half) = (DAY_MS, DAY_MS / 2);
        assert_eq!(
            of(AT, AT + 2 * day + half),
            [(half + day, half + 2 * day), (half, half + day), (0, half)]
                .map(|(from, until)| (at(AT + from), at(AT + until)))
        );
        assert_eq!(of(AT, AT), []);
    }

    #[test]
    fn the_hours_before_a_full_page_are_read_side_by_side() {
        let day = query(AT - 2 * HOUR_MS - 5, AT + HOUR_MS);
        let key = Attributes::from([("detected_at".to_owned(), AttributeValue::N((AT + 7).to_string()))]);
        let rest = hour_by_hour(day, key.clone());
        assert_eq!(
            rest.iter().map(bounds).collect::<Vec<_>>(),
            [
                [AT, AT + 7],
                [AT - HOUR_MS, AT - 1],
                [AT - 2 * HOUR_MS, AT - HOUR_MS - 1],
                [AT - 2 * HOUR_MS - 5, AT - 2 * HOUR_MS - 1],
            ]
        );
        let starts: Vec<_> = rest.iter().map(|query| query.get_exclusive_start_key().clone()).collect();
        assert_eq!(starts, [Some(key.clone()), None, None, None], "only the first one continues");
        let again = hour_by_hour(rest.into_iter().next().unwrap(), key);
        assert_eq!(again.iter().map(bounds).collect::<Vec<_>>(), [[AT, AT + 7]], "an hour stays one query");
    }

    #[test]
    fn a_customers_own_anomalies_are_read_in_one_go() {
        let own =
            query(AT, AT).expression_attribute_values(":from", AttributeValue::S("ANOMALY#1".to_owned()));
        let key = Attributes::from([("sk".to_owned(), AttributeValue::S("ANOMALY#2".to_owned()))]);
        let rest = hour_by_hour(own, key.clone());
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].get_exclusive_start_key(), &Some(key));
    }
}
