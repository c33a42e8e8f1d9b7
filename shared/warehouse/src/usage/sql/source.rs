//! The source of a sweep's usage, and its customers.

use catalog::{BUCKETS, Catalog, Shard};
use detection::Window;

use super::values::needs_whole_hours;
use crate::rollup::{self, Tables};

/// The source of usage, in the columns of the rollup.
pub(super) struct Source {
    pub(super) rows: String,
    /// Expression of a row's time, counted in units of `unit_ms` since 1970.
    pub(super) time: &'static str,
    pub(super) unit_ms: i128,
}

impl Source {
    /// The hourly rollup, or the events themselves for windows off the hour. Events have the shape of the rollup's
    /// rows, by the expressions of its views, so the rest of the query is the same. This costs more, and is only for
    /// chosen customers.
    pub(super) fn of(catalog: &Catalog, window: &Window, shard: Shard, some_customers: bool) -> Self {
        if window.is_on_the_hour() {
            let (names, places) = if some_customers { are_chosen(catalog) } else { Default::default() };
            let rows = format!(
                "{}{names} WHERE hour >= toDateTime(intDiv({{start:Int64}}, 1000), 'UTC') \
                 AND hour < toDateTime(intDiv({{end:Int64}}, 1000), 'UTC'){places}{}{}",
                if needs_whole_hours(catalog) {
                    Tables::whole_rows(catalog)
                } else {
                    Tables::of(catalog).rows
                },
                of_shard(shard, &bucket()),
                but_ruled(catalog)
            );
            return Self { rows, time: "toInt64(toUnixTimestamp(hour))", unit_ms: 1_000 };
        }
        let events: Vec<String> = catalog
            .modelled()
            .iter()
            .map(|metric| {
                let (time, customer) = (metric.time_sql(), metric.customer_sql());
                let only = match some_customers {
                    true => format!(" AND toString({customer}) IN {{customers:Array(String)}}"),
                    false => String::new(),
                };
                rollup::events_as_usage(
                    metric,
                    &format!(
                        " AND {time} >= fromUnixTimestamp64Milli({{start:Int64}}, 'UTC') \
                         AND {time} < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC'){only}"
                    ),
                )
            })
            .collect();
        Self { rows: format!("(\n{}\n)", events.join("\nUNION ALL\n")), time: "time_ms", unit_ms: 1 }
    }
}

/// The condition that leaves out metrics that no model judges.
fn but_ruled(catalog: &Catalog) -> String {
    let names: Vec<_> = catalog.ruled().iter().map(|metric| format!("'{}'", metric.name)).collect();
    if names.is_empty() { String::new() } else { format!(" AND metric NOT IN ({})", names.join(", ")) }
}

/// The conditions on chosen customers, before and after the `WHERE`. The table is sorted by bucket and customer, and a set of
/// both finds the rows of each customer. By the names alone ClickHouse would look for each of them in all buckets, and read
/// fourteen times as many rows. Of the rows that are read, the names alone sort out most, for less.
///
/// Where entities are put together, the rows are those of a subquery, which has no `PREWHERE`.
pub(super) fn are_chosen(catalog: &Catalog) -> (String, String) {
    let names = "customer_id IN {customers:Array(String)}";
    if catalog.entities().is_some_and(|entities| entities.overflow.is_some() || entities.counts_steps) {
        return (String::new(), format!(" AND {names}"));
    }
    let names = format!(" PREWHERE {names}");
    let places = format!(
        " AND ({}, customer_id) IN (SELECT cityHash64(chosen) % {BUCKETS}, chosen \
         FROM (SELECT arrayJoin({{customers:Array(String)}}) AS chosen))",
        bucket()
    );
    (names, places)
}

/// The bucket of a customer. Each shard has its own buckets.
pub(super) fn bucket() -> String {
    format!("cityHash64(customer_id) % {BUCKETS}")
}

/// The condition on a shard's customers. `bucket` is the expression of their bucket.
pub(super) fn of_shard(shard: Shard, bucket: &str) -> String {
    if shard.is_whole() {
        return String::new();
    }
    let buckets: Vec<_> = shard.buckets().map(|bucket| bucket.to_string()).collect();
    format!(" AND {bucket} IN ({})", buckets.join(", "))
}
